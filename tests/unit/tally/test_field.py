"""What is counted as what: against an oracle that is plain Python's json."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream.fieldpath import values_at
from clickstream.tally.field import MAX_NAME_BYTES, FieldReader, reader_of

FIELD = "eventName"


def oracle(value: bytes | None, path: str = FIELD) -> str | None:
    """The name in `value` by the rules in words; None when it has none."""
    if value is None:
        return None
    try:
        record = json.loads(value.decode("utf-8"), parse_constant=_refuse)
        json.dumps(record, ensure_ascii=False).encode("utf-8")  # a lone surrogate, anywhere
    except (ValueError, RecursionError):
        return None
    found = next(iter(values_at(record, path)), None)
    if isinstance(found, bool):
        found = "true" if found else "false"
    if not isinstance(found, str | int):
        return None
    name = str(found)
    return None if name == "receiveAt" or len(name.encode()) > 256 else name


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are Python's own


def record(value: Any, **others: Any) -> bytes:
    return json.dumps({**others, FIELD: value}).encode()


def read(value: bytes | None, field: str = FIELD) -> str | None:
    name, reason = FieldReader(field).read(value)
    assert (name is None) != (reason is None)
    return name


def refusal(value: bytes | None) -> str:
    name, reason = FieldReader(FIELD).read(value)
    assert name is None
    assert FieldReader(FIELD).count([value]) is None, "the fast way must not count it either"
    assert reason is not None
    return reason


# --- one by one, in words


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (record("purchase"), "purchase"),
        (record(""), ""),
        (record("Größe \N{GRINNING FACE}"), "Größe \N{GRINNING FACE}"),
        (rb'{"eventName":"\ud83d\ude00"}', "\N{GRINNING FACE}"),
        (record("true"), "true"),
        (record(True), "true"),
        (record(False), "false"),
        (record(1), "1"),
        (record(-7), "-7"),
        (b'{"eventName":-0}', "0"),
        (record(10**29 + 7), "100000000000000000000000000007"),
        (record(-(2**64)), "-18446744073709551616"),
        (record("x", other=[{"eventName": "inner"}]), "x"),
        (b'{"event\\u004eame":"x"}', "x"),
        (b'{"eventName":"first","eventName":"last"}', "last"),
        (b'{"eventName":"first","eventName":2}', "2"),
        (b'\r\n\t {"eventName" : "x"}\n', "x"),
        (b'{"other":1e999,"eventName":"x"}', "x"),
        (record("receiveat"), "receiveat"),
    ],
)
def test_a_name(value: bytes, name: str) -> None:
    assert oracle(value) == name
    assert read(value) == name
    assert FieldReader(FIELD).count([value]) in ({name: 1}, None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value (a tombstone)"),
        (b"", "not JSON: Input data was truncated"),
        (b"\xff", "invalid UTF-8 at byte 0"),
        (b'{"eventName":"a\xffb"}', "invalid UTF-8 at byte 15"),
        (b'{"other":"a\xffb","eventName":"x"}', "invalid UTF-8 at byte 11"),
        (b'{"a\xff":1,"eventName":"x"}', "invalid UTF-8 at byte 3"),
        (b'{"other":"\xed\xa0\x80","eventName":"x"}', "invalid UTF-8 at byte 10"),
        (b'{"other":"\xc0\xaf","eventName":"x"}', "invalid UTF-8 at byte 10"),
        (record("receiveAt"), "field eventName: a tally has its own receiveAt"),
        (record(None), "field eventName is null, not a string, an integer or a boolean"),
        (record(1.5), "field eventName is a number with a fraction, not a string, an integer or a boolean"),
        (record(1.0), "field eventName is a number with a fraction, not a string, an integer or a boolean"),
        (record([]), "field eventName is an array, not a string, an integer or a boolean"),
        (record({"eventName": "x"}), "field eventName is an object, not a string, an integer or a boolean"),
        (record("x" * 257), "field eventName: the name is longer than 256 bytes"),
        (record("ü" * 129), "field eventName: the name is longer than 256 bytes"),
        (record(10**256), "field eventName: the name is longer than 256 bytes"),
        (b'{"EventName":"x"}', "field eventName: Object missing required field `eventName`"),
        (b"{}", "field eventName: Object missing required field `eventName`"),
        (b'["eventName"]', "field eventName: Expected `object`, got `array`"),
        (b'"eventName"', "field eventName: Expected `object`, got `str`"),
        (b"null", "field eventName: Expected `object`, got `null`"),
    ],
)
def test_no_name_and_why(value: bytes | None, reason: str) -> None:
    assert oracle(value) is None
    assert refusal(value) == reason


@pytest.mark.parametrize(
    "value",
    [
        b'{"eventName":"x"',
        b'{"eventName":"x"}}',
        b'{"eventName":"x"} {"eventName":"y"}',
        b'{"eventName":"x",}',
        b"{'eventName':'x'}",
        b'{"eventName":x}',
        b'{"eventName":01}',
        b'{"other":NaN,"eventName":"x"}',
        b'{"eventName":"a\nb"}',
        b'{"other":"\x00","eventName":"x"}',
        b'{"eventName":"x"}\x00',
        b'\xef\xbb\xbf{"eventName":"x"}',
        rb'{"eventName":"\ud800"}',
        rb'{"other":"\udc00","eventName":"x"}',
        rb'{"other":"\ud800A","eventName":"x"}',
        b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b',"eventName":"x"}',
        b'{"eventName":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"other":' * 100_000,
    ],
)
def test_what_is_no_json_has_no_name(value: bytes) -> None:
    assert oracle(value) is None
    assert refusal(value).startswith("not JSON: ")


@pytest.mark.parametrize("digits", [4_300, 4_301, 100_000])
def test_a_number_longer_than_python_converts_is_no_trouble(digits: int) -> None:
    assert refusal(b'{"eventName":' + b"9" * digits + b"}")


@pytest.mark.parametrize("name", ["x" * MAX_NAME_BYTES, "ü" * (MAX_NAME_BYTES // 2), "\N{GRINNING FACE}" * 64])
def test_a_name_of_exactly_the_largest_size(name: str) -> None:
    assert read(record(name)) == name
    assert FieldReader(FIELD).count([record(name)]) == {name: 1}


@pytest.mark.parametrize("field", ["status", "user id", "Größe", "a.b", "__class__", "name"])
def test_any_field_can_be_read(field: str) -> None:
    assert read(json.dumps({"eventName": "no", field: "yes"}).encode(), field) == "yes"


# --- paths


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("user.name", b'{"user":{"name":"x","age":4},"name":"no"}', "x"),
        ("user.age", b'{"user":{"name":"x","age":4}}', "4"),
        ("user.vip", b'{"user":{"vip":true}}', "true"),
        ("a.b.c", b'{"a":{"b":{"c":"deep"}}}', "deep"),
        ("a.b", b'{"a.b":"literal","a":{"b":"nested"}}', "literal"),
        ("a.b", b'{"a":{"b":"nested"},"a.b":"literal"}', "literal"),
        ("a.b.c", b'{"a":{"b.c":"inner"},"a.b":{"c":"outer"}}', "inner"),
        ("a.b.c", b'{"a.b":{"c":"outer"}}', "outer"),
        ("a.b.c", b'{"a":{"b.c":"longer","b":{"c":"shorter"}}}', "longer"),
        ("a.1", b'{"a":["no","yes"]}', "yes"),
        ("a.1.b", b'{"a":[0,{"b":7}]}', "7"),
        ("1", b'["no","yes"]', "yes"),
        ("a.b", b'\r\n { "a" : {"b" : "x" } } ', "x"),
        ("a.b", b'{"a":{"b":"first"},"a":{"b":"last"}}', "last"),
        ("a.b", b'{"a":{"b":"x","c":1e999}}', "x"),
        (".a", b'{"":{"a":"x"}}', "x"),
    ],
)
def test_a_path_leads_to_a_name(path: str, value: bytes, name: str) -> None:
    assert read(value, path) == name
    assert FieldReader(path).count([value]) in ({name: 1}, None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"a":1}', "field a.b: Object missing required field `a.b`"),
        (b'{"a":{"c":1}}', "field a.b: Object missing required field `a.b`"),
        (b'["a"]', "field a.b: Object missing required field `a.b`"),
        (b'{"a":{"b":1.5}}', "field a.b is a number with a fraction, not a string, an integer or a boolean"),
        (b'{"a.b":null,"a":{"b":"x"}}', "field a.b is null, not a string, an integer or a boolean"),
        (b'{"a":{"b":"x"}', "not JSON: Input data was truncated"),
        (b"nonsense", "not JSON: JSON is malformed: invalid character (byte 1)"),
    ],
)
def test_a_path_that_leads_to_no_name_and_why(value: bytes, reason: str) -> None:
    assert FieldReader("a.b").read(value) == (None, reason)
    assert FieldReader("a.b").count([value]) is None


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([{"a": {"b": "x"}}, {"a": {"b": "x"}, "b": 1}], {"x": 2}),
        ([{"a": {"b": 4}}, {"a": {"b": 5}}], {"4": 1, "5": 1}),
        ([{"a.b": "x"}, {"a.b": "y", "a": {"b": "no"}}], {"x": 1, "y": 1}),
    ],
)
def test_paths_are_counted_the_fast_way(values: list[Any], counts: dict[str, int]) -> None:
    reader = FieldReader("a.b")
    for _ in range(3):
        assert reader.count([json.dumps(value).encode() for value in values]) == counts


# --- batches, in words


def test_texts_are_counted() -> None:
    assert FieldReader(FIELD).count([record("a"), record("b"), record("a")]) == {"a": 2, "b": 1}


def test_integers_are_counted_by_their_text() -> None:
    assert FieldReader(FIELD).count([record(200), record(404), record(200)]) == {"200": 2, "404": 1}


def test_nothing_is_nothing() -> None:
    assert FieldReader(FIELD).count([]) == {}


@pytest.mark.parametrize(
    "values",
    [
        [True, 1],
        [False, 0],
        [1, True, 1],
        [True, False],
        ["1", 1],
        ["a", None],
        [1, 1.0],
        ["a", "receiveAt"],
        ["a", "x" * 257],
        ["a", []],
    ],
)
@pytest.mark.parametrize("before", [[], ["text"], [5]])
def test_a_batch_that_is_not_of_one_type_is_left_to_be_read_one_by_one(values: list[Any], before: list[Any]) -> None:
    reader = FieldReader(FIELD)
    reader.count([record(value) for value in before])
    assert reader.count([record(value) for value in values]) is None


@pytest.mark.parametrize("bad", [None, b"", b'{"eventName":"x","other":"\xff"}', b"{}"])
def test_one_bad_record_leaves_the_batch_to_be_read_one_by_one(bad: bytes | None) -> None:
    assert FieldReader(FIELD).count([record("a"), bad, record("b")]) is None


def test_bytes_of_two_records_never_make_up_one_character() -> None:
    halves = [b'{"eventName":"a"}\xc3', b'\xbc{"eventName":"b"}']
    assert FieldReader(FIELD).count(halves) is None


def test_the_fast_way_comes_back_after_a_batch_of_another_type() -> None:
    reader = FieldReader(FIELD)
    texts, numbers = [record("a")] * 3, [record(7)] * 3
    assert reader.count(texts) == {"a": 3}
    assert reader.count(numbers) == {"7": 3}
    assert reader.count(numbers) == {"7": 3}
    reader.count(texts)  # found out to be texts
    assert reader.count(texts) == {"a": 3}


# --- against the oracle

scalars = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["purchase", "receiveAt", "x" * 300, "\ud800", "\udc00x"]),
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.booleans(),
    st.none(),
    st.floats(),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
records = st.dictionaries(st.sampled_from([FIELD, "other", "eventname", "n\xfc"]), values, max_size=4)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON of a record, or of anything; sometimes with a few bytes replaced."""
    content = draw(st.one_of(records, records, records, values))
    plain = draw(st.booleans())
    text = json.dumps(content, ensure_ascii=plain, separators=draw(st.sampled_from([(",", ":"), (", ", " : ")])))
    found = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(found)))
        put = draw(st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\\", b"\\u", b"}", b",", b"0", b"\xc3"])))
        found = found[:at] + put + found[at + draw(st.integers(0, 3)) :]
    return found


@given(documents())
@example(b"")
def test_every_record_has_the_name_that_the_oracle_gives_it(value: bytes) -> None:
    assert read(value) == oracle(value)


@given(st.lists(st.one_of(st.none(), documents()), max_size=4))
def test_a_batch_is_counted_as_its_records_are_or_not_at_all(batch: list[bytes | None]) -> None:
    names = [oracle(value) for value in batch]
    counts = FieldReader(FIELD).count(batch)
    assert counts is None or dict(counts) == Counter(names)
    if None in names:
        assert counts is None


one_type = st.one_of(
    st.lists(st.text(alphabet="abcü", max_size=3), max_size=4),
    st.lists(st.integers(-3, 3), max_size=4),
    st.lists(st.integers(-(10**30), 10**30), max_size=4),
)
mixed = st.lists(st.one_of(st.text(alphabet="01", max_size=1), st.integers(0, 1), st.booleans(), st.none()), max_size=4)


@given(st.lists(st.one_of(one_type, mixed), max_size=8))
def test_what_a_reader_has_seen_before_does_not_change_a_count(batches: list[list[Any]]) -> None:
    """State is a pure function of the log: it must not depend on where a process started."""
    reader = FieldReader(FIELD)
    for batch in batches:
        encoded = [record(value) for value in batch]
        counts = reader.count(encoded)
        assert counts is None or dict(counts) == Counter(oracle(value) for value in encoded)


@given(one_type)
def test_a_good_batch_of_one_type_goes_the_fast_way(batch: list[Any]) -> None:
    assert FieldReader(FIELD).count([record(value) for value in batch]) == Counter(map(str, batch))


names = st.one_of(st.sampled_from(["x", "y", "receiveAt"]), st.integers(0, 2), st.booleans(), st.none(), st.floats())
nested = st.recursive(
    names,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "a.b", "b.c", "0"]), inner, max_size=3)
    ),
)
records_of_paths = st.dictionaries(st.sampled_from(["a", "a.b", "a.b.c", "b", "c"]), nested, max_size=3)


@given(st.lists(records_of_paths, max_size=4), st.sampled_from(["a.b", "a.b.c", "a.0", "a.b.0", "c"]))
def test_a_path_reads_as_the_oracle_does(batch: list[Any], path: str) -> None:
    encoded = [json.dumps(one).encode() for one in batch]
    found = [oracle(value, path) for value in encoded]
    assert [read(value, path) for value in encoded] == found
    counts = FieldReader(path).count(encoded)
    assert counts is None or dict(counts) == Counter(found)


# --- values of another format


def as_json(value: bytes) -> bytes:
    if not value.startswith(b"!"):
        raise ValueError("it has no mark")
    return value[1:]


def test_values_of_another_format_are_read_as_their_json() -> None:
    reader = reader_of("a.b", as_json)
    assert reader.count([b'!{"a":{"b":"x"}}'] * 2) == {"x": 2}
    assert reader.count([b'!{"a":{"b":"x"}}', b'{"a":{"b":"x"}}']) is None
    assert reader.read(b'!{"a":{"b":"x"}}') == ("x", None)
    assert reader.read(b'{"a":{"b":"x"}}') == (None, "it has no mark")
    assert reader.read(None) == (None, "no value (a tombstone)")
    assert [reader.in_json(one) for one in (b"!{}", b"{}", None)] == [b"{}", None, None]
