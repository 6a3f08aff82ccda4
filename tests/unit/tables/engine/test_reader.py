"""Reading JSON messages: the fast way and the careful one give what Flink gives."""

import time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.decoding.reader import CHUNK, RawReader, Read, Reader
from clickstream.tables.sql.types import Type
from tests.support import PATIENCE
from tests.unit.tables.engine import jsonrules

COLUMNS = [
    ("whole", Type.INT),
    ("big", Type.BIGINT),
    ("real", Type.DOUBLE),
    ("text", Type.STRING),
    ("yes", Type.BOOLEAN),
    ("local", Type.TIMESTAMP),
    ("instant", Type.TIMESTAMP_LTZ),
    ("day", Type.DATE),
]


def values(column: pa.Array) -> list[Any]:
    """Times as milliseconds, dates as days."""
    if pa.types.is_timestamp(column.type):
        return [None if one is None else one // 1000 for one in column.cast(pa.int64()).to_pylist()]
    found: list[Any] = (column.cast(pa.int32()) if pa.types.is_date(column.type) else column).to_pylist()
    return found


def rows(read: Read) -> list[tuple[Any, ...]]:
    return list(zip(*map(values, read.columns), strict=True))


def one(kind: Type, token: str, standard: str = "SQL", behind: str = "") -> tuple[Any, int]:
    """What a JSON token becomes in a column, and whether it was counted as of no use."""
    found = Reader([("f", kind)], standard).read([f'{{"f":{token}}}{behind}'.encode()])
    assert not found.bad
    ((made,),) = rows(found)
    return made, found.nulled.total()


# --- fields, as Flink 2.3 was seen to read them

FIELDS = [
    (Type.INT, "404", 404),
    (Type.INT, '"404"', 404),
    (Type.INT, r'" \t+404\n"', 404),
    (Type.INT, r'"\u00a0404"', None),
    (Type.INT, r'"\uff14\u0660"', 40),
    (Type.INT, "1.5", 1),
    (Type.INT, "-1.5", -1),
    (Type.INT, "4e2", 400),
    (Type.INT, '"1.5"', None),
    (Type.INT, '"4e2"', None),
    (Type.INT, '"1_000"', None),
    (Type.INT, '""', None),
    (Type.INT, "true", None),
    (Type.INT, "2147483647", 2147483647),
    (Type.INT, "2147483648", None),
    (Type.INT, "2147483647.5", None),
    (Type.INT, "-2147483648.9", None),
    (Type.INT, "1e-400", 0),
    (Type.INT, "1e400", None),
    (Type.BIGINT, "9223372036854775807", 2**63 - 1),
    (Type.BIGINT, "9223372036854775808", None),
    (Type.BIGINT, "9223372036854775808.0", 2**63 - 1),
    (Type.BIGINT, "1e19", None),
    (Type.BIGINT, "9007199254740993.0", 9007199254740992),
    (Type.BIGINT, '"99999999999"', 99999999999),
    (Type.DOUBLE, "1", 1.0),
    (Type.DOUBLE, "9007199254740993", 9007199254740992.0),
    (Type.DOUBLE, "123456789012345678901234567890", 1.2345678901234568e29),
    (Type.DOUBLE, "1e400", float("inf")),
    (Type.DOUBLE, '" -1.5e3 "', -1500.0),
    (Type.DOUBLE, '"1.5d"', 1.5),
    (Type.DOUBLE, '"-Infinity"', float("-inf")),
    (Type.DOUBLE, '"inf"', None),
    (Type.DOUBLE, "true", None),
    (Type.STRING, '"x"', "x"),
    (Type.STRING, "404", "404"),
    (Type.STRING, "1.50", "1.50"),
    (Type.STRING, "1E5", "1E5"),
    (Type.STRING, "123456789012345678901234567890", "123456789012345678901234567890"),
    (Type.STRING, "true", "true"),
    (Type.STRING, r'"\u0000\u00e9\ud83d\ude00"', "\0é\U0001f600"),
    (Type.STRING, r'"\ud800x"', "?x"),
    (Type.STRING, '[ 1.50, 1e7, {"a" : null} ]', '[1.5,1.0E7,{"a":null}]'),
    (Type.STRING, r'{"a":1,"b":2,"a":"\u001f\/"}', r'{"a":"\u001F/","b":2}'),
    (Type.BOOLEAN, "true", True),
    (Type.BOOLEAN, '" TRUE "', True),
    (Type.BOOLEAN, '"yes"', False),
    (Type.BOOLEAN, "1", False),
    (Type.DATE, '"2023-11-14"', 19675),
    (Type.DATE, '"2023-11-14 "', None),
    (Type.DATE, "20231114", None),
    (Type.TIMESTAMP, '"2023-11-14 22:12:25.123456789"', 1699999945123),
    (Type.TIMESTAMP, '"2023-11-14T22:12:25"', None),
    (Type.TIMESTAMP, "1699999945000", None),
    (Type.TIMESTAMP_LTZ, '"2023-11-14 22:12:25Z"', 1699999945000),
    (Type.TIMESTAMP_LTZ, '"2023-11-14 22:12:25"', None),
    (Type.TIMESTAMP_LTZ, '"1969-12-31 23:59:59.9996Z"', -1),
]


@pytest.mark.parametrize("behind", ["", " }"], ids=["fast", "careful"])
@pytest.mark.parametrize(("kind", "token", "wanted"), FIELDS)
def test_fields_become_what_flink_makes_of_them(kind: Type, token: str, wanted: Any, behind: str) -> None:
    assert one(kind, token, behind=behind) == (wanted, int(wanted is None))


@pytest.mark.parametrize("kind", [kind for _, kind in COLUMNS])
def test_null_is_null_and_not_counted(kind: Type) -> None:
    assert one(kind, "null") == (None, 0)


@pytest.mark.parametrize("kind", [kind for _, kind in COLUMNS if kind != Type.STRING])
@pytest.mark.parametrize("token", ["[]", '{"g":1}'])
def test_an_object_or_array_for_a_scalar_costs_only_its_own_column(kind: Type, token: str) -> None:
    found = Reader([("f", kind), ("g", Type.INT)], "SQL").read([f'{{"f":{token},"g":7}}'.encode()])
    assert (rows(found), found.nulled) == ([(None, 7)], {"f": 1})


def test_of_equal_names_the_last_holds() -> None:
    found = Reader([("a", Type.INT), ("b", Type.INT)], "SQL").read([b'{"a":1,"a":2,"b":3}', b'{"a":1,"a":true,"a":4}'])
    assert rows(found) == [(2, 3), (4, None)]


def test_missing_fields_are_null_and_not_counted() -> None:
    found = Reader(COLUMNS, "SQL").read([b"{}"])
    assert (rows(found), found.nulled) == ([(None,) * len(COLUMNS)], {})


def test_names_may_be_written_with_escapes_and_be_any_text() -> None:
    found = Reader([('é"', Type.INT)], "SQL").read([rb'{"\u00e9\"":7}'])
    assert rows(found) == [(7,)]


# --- messages

BAD = [
    (None, "no value"),
    (b"", "empty"),
    (b" \n", "empty"),
    (b"3", "a number instead of an object"),
    (b'"x"', "a string instead of an object"),
    (b"null", "null instead of an object"),
    (b"true", "a boolean instead of an object"),
    (b"[]", "an empty array"),
    (b"[[]]", "an array instead of an object"),
    (b'{"a":1', "not JSON: Expecting ',' delimiter at character 6"),
    (b'{"a":1,}', "not JSON: "),
    (b'{"x":[1,]}', "not JSON: "),
    (b'{"x":NaN}', "not JSON: NaN is no value"),
    (b'{"x":-Infinity}', "not JSON: -Infinity is no value"),
    (b'{"x":01}', "not JSON: Expecting ',' delimiter at character 6"),
    (b'{"x":"\\q"}', "not JSON: Invalid \\escape at character 6"),
    (b"{'a':1}", "not JSON: Expecting property name enclosed in double quotes at character 1"),
    (b'{"a":1 /*x*/}', "not JSON: Expecting ',' delimiter at character 7"),
    (b'{"a":"\xff"}', "invalid UTF-8 at byte 6"),
    (b'{"x":"\xff","a":1}', "invalid UTF-8 at byte 6"),
    (b'{"\xed\xa0\x80":1}', "invalid UTF-8 at byte 2"),
    (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
    (b'{"a":' + b"[" * 100_000, "nested too deeply"),
    (b'{"a":' + b"1" * 5000 + b"}", "a number of 5000 characters"),
    (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "invalid UTF-8 at byte 1"),
]


@pytest.mark.parametrize(("message", "reason"), BAD, ids=range(len(BAD)))
def test_bad_messages_have_a_reason_and_no_row(message: bytes | None, reason: str) -> None:
    found = Reader([("a", Type.INT)], "SQL").read([b'{"a":1}', message, b'{"a":2}'])
    assert rows(found) == [(1,), (2,)]
    assert found.at.tolist() == [0, 2]
    [(index, said)] = found.bad
    assert index == 1
    # Python's words for trailing commas differ between its versions.
    assert said.startswith(reason) if reason.endswith(" ") else said == reason


ODD = [
    b'{"a":7} trailing',
    b'{"a":7}}}',
    b'{"a":7}{"a":8}',
    b'\t\r\n {"a":7}',
    b'{"a":7,"x":"\x01\n"}',
    b'{"a":7,"x":"\\ud800"}',
    b'{"a":7,"x":1e99999}',
    b'\xef\xbb\xbf{"a":7}',
    '{"a":7}'.encode("utf-16-le"),
    '{"a":7}'.encode("utf-32-be"),
    b'{"a":7,"x":"' + b"x" * 10_000_000 + b'"}',
    b'{"a":7,"x":' + b"[" * 300 + b"]" * 300 + b"}",
]


@pytest.mark.parametrize("message", ODD, ids=range(len(ODD)))
def test_odd_messages_are_read_as_flink_reads_them(message: bytes) -> None:
    found = Reader([("a", Type.INT)], "SQL").read([message])
    assert (rows(found), found.bad) == ([(7,)], [])


def test_an_array_of_objects_has_a_row_for_each() -> None:
    found = Reader([("a", Type.INT)], "SQL").read([b'{"a":0}', b'[{"a":1},{"a":2}]', b"{", b'{"a":3}'])
    assert rows(found) == [(0,), (1,), (2,), (3,)]
    assert found.at.tolist() == [0, 1, 1, 3]
    assert [index for index, _ in found.bad] == [2]


def test_long_and_nested_texts_arrive_whole() -> None:
    long = "x" * 10_000_000
    nested = '{"a":' * 200 + "1" + "}" * 200
    found = Reader([("t", Type.STRING)], "SQL").read([f'{{"t":"{long}"}}'.encode(), f'{{"t":{nested}}}'.encode()])
    assert rows(found) == [(long,), (nested,)]


@pytest.mark.parametrize("kind", [kind for _, kind in COLUMNS if kind not in (Type.STRING, Type.BOOLEAN)])
@pytest.mark.parametrize("end", ["", "x"])
def test_long_texts_that_look_like_numbers_take_no_time(kind: Type, end: str) -> None:
    started = time.process_time()
    one(kind, f'"{"1" * 3_000_000}{end}"')
    assert time.process_time() - started < 5 * PATIENCE


def test_rows_keep_their_message_over_many_chunks() -> None:
    count = 2 * CHUNK + 10
    messages = [b"{" if number % 700 == 3 else b'{"a":%d}' % number for number in range(count)]
    found = Reader([("a", Type.INT)], "SQL").read(messages)
    good = [number for number in range(count) if number % 700 != 3]
    assert found.at.tolist() == good
    assert values(found.columns[0]) == good
    assert [index for index, _ in found.bad] == [number for number in range(count) if number % 700 == 3]


def test_without_columns_there_still_are_rows() -> None:
    found = Reader([], "SQL").read([b'{"a":1}', b"x", b"{}"])
    assert found.at.tolist() == [0, 2]


def test_without_messages_there_are_no_rows() -> None:
    found = Reader(COLUMNS, "SQL").read([])
    assert (rows(found), found.at.tolist(), found.bad) == ([], [], [])


def test_absent_messages_may_be_rows_of_nulls() -> None:
    found = Reader([("a", Type.INT)], "SQL", absent=True).read([None, b'{"a":1}', None])
    assert rows(found) == [(None,), (1,), (None,)]
    assert found.at.tolist() == [0, 1, 2]


def test_raw_messages_are_texts() -> None:
    found = RawReader().read([b"a", None, b"\xff", b"", "é".encode()])
    assert rows(found) == [("a",), (None,), ("",), ("é",)]
    assert found.at.tolist() == [0, 1, 3, 4]
    assert found.bad == [(2, "invalid UTF-8")]


# --- random records

spaces = st.sampled_from(["", "", " ", "\n\t"])
letters = st.sampled_from(["a", "1", " ", ".", "é", "\U0001f600", "\\n", r"\u00e9", r"\ud83d\ude00", r"\"", r"\\", "/"])
strings = st.lists(letters, max_size=6).map(lambda parts: f'"{"".join(parts)}"')
digits = st.integers(0, 10**25).map(str)
numbers = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 2**65).map(str) | st.sampled_from(["0", "2147483647", "2147483648", "9223372036854775808"]),
    st.just("") | digits.map(".{}".format),
    st.sampled_from(["", "", "e0", "E3", "e-5", "e+20", "e400"]),
).filter(lambda number: number != "-0")
times = st.builds(
    '"{}-{}-{}{}{}:{}{}{}{}"'.format,
    st.sampled_from(["2023", "1969", "0001", "9999", "23"]),
    st.sampled_from(["00", "01", "02", "12", "13"]),
    st.sampled_from(["00", "01", "28", "32"]),
    st.sampled_from([" ", "T", "t", ""]),
    st.sampled_from(["00", "12", "23", "25"]),
    st.sampled_from(["00", "59", "60"]),
    st.sampled_from(["", ":00", ":59", ":60"]),
    st.sampled_from(["", ".", ".5", ".1234567", ".1234567890"]),
    st.sampled_from(["", "Z", "z"]),
)
dates = st.builds('"2023-{}-{}"'.format, st.sampled_from(["01", "12", "13"]), st.sampled_from(["01", "28", "32", "1"]))
quoted_numbers = st.builds(
    '"{}{}{}"'.format, spaces.map(lambda text: text.strip("\n\t")), numbers, spaces.map(str.strip)
)
words = st.sampled_from(["true", "false", "null", '"true"', '"NaN"', '"Infinity"', '"1f"', '"x"', r'"\ud800"'])
scalars = strings | numbers | quoted_numbers | times | dates | words
containers = st.recursive(
    strings.filter(lambda text: "\\n" not in text) | st.integers().map(str) | st.sampled_from(["true", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3).map(
            lambda parts: "{" + ",".join(f'"{name}" : {part}' for name, part in parts.items()) + "}"
        )
    ),
    max_leaves=6,
)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(st.sampled_from([*(name for name, _ in COLUMNS), "other"]), unique=True))
    members = [
        f"{draw(spaces)}{chr(34)}{name}{chr(34)}{draw(spaces)}:{draw(spaces)}{draw(scalars | containers)}"
        for name in names
    ]
    return f"{{{','.join(members)}}}{draw(spaces)}".encode()


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A record with a piece cut out, or with a byte too much; most are no JSON any more."""
    whole = draw(records())
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(len(whole), start + 3)))
    extra = draw(st.sampled_from([b"", b",", b"0", b'"', b"\x01", b"[", b"}", b"null", b"NaN", b"\xff"]))
    return whole[:start] + extra + whole[end:]


@pytest.mark.parametrize("standard", ["SQL", "ISO-8601"])
@settings(max_examples=100)
@given(messages=st.lists(records() | spoiled(), max_size=4))
def test_random_records_are_read_by_flinks_rules(standard: str, messages: list[bytes]) -> None:
    found = Reader(COLUMNS, standard).read(messages)
    wanted = [jsonrules.record(message, COLUMNS, standard) for message in messages]
    assert found.at.tolist() == [index for index, row in enumerate(wanted) if row is not None]
    assert [index for index, _ in found.bad] == [index for index, row in enumerate(wanted) if row is None]
    assert repr(rows(found)) == repr([tuple(row) for row in wanted if row is not None])
