"""Keys and values as SQL; the expected texts are those that Flink 2.3 was seen to write."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.decoding.jackson import double_text
from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.sql.model import Column, Field, Kind, Table
from clickstream.tables.sql.types import Type
from tests.unit.tables.engine.test_jackson import DOUBLES

Row = tuple[Any, ...]


def table(columns: dict[str, Type] | Sequence[Column], **given: Any) -> Table:
    if isinstance(columns, dict):
        columns = [Column(name, kind) for name, kind in columns.items()]
    plain = {"name": "t", "columns": tuple(columns), "connector": "kafka", "topic": "t", "key_format": None}
    return Table(**{**plain, **given}, value_format="json")


def upsert(columns: dict[str, Type], *key: str, **given: Any) -> Table:
    return table(
        columns, **{"connector": "upsert-kafka", "key_format": "json", "key_fields": key, "primary_key": key, **given}
    )


def encoder(target: Table) -> Encoder:
    """For rows that have all columns, as fields with other names."""
    written = target.written
    return Encoder(target, [Field(f"f {one.name}", one.type) for one in written], [one.name for one in written])


def encoded(target: Table, *rows: Row) -> list[Row]:
    """k, v and so on of rows with a value for each column that is written."""
    typed = [f"{name(f'f {one.name}')} {duckdb_type(one.type)}" for one in target.written]
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE rows ({', '.join(typed)})")
        db.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(typed))})", rows)
        return db.execute(encoder(target).select("rows")).fetchall()


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


ALL = {
    "a": Type.INT,
    "b": Type.BIGINT,
    "c": Type.DOUBLE,
    "d": Type.STRING,
    "e": Type.BOOLEAN,
    "f": Type.TIMESTAMP,
    "g": Type.TIMESTAMP_LTZ,
    "h": Type.DATE,
}
NOON = datetime(2023, 11, 14, 12, 0, 0, 500_000)
FULL = (-1, 2**63 - 1, 1.5, "x", True, NOON, NOON, date(2023, 11, 14))


def test_values_are_compact_with_all_columns_in_the_tables_order() -> None:
    assert encoded(table(ALL), FULL, (None,) * 8) == [
        (
            None,
            '{"a":-1,"b":9223372036854775807,"c":1.5,"d":"x","e":true,"f":"2023-11-14 12:00:00.5",'
            '"g":"2023-11-14 12:00:00.5Z","h":"2023-11-14"}',
        ),
        (None, '{"a":null,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null,"h":null}'),
    ]


def test_null_fields_may_be_left_out() -> None:
    target = table(ALL, options={"json.encode.ignore-null-fields": "true"})
    some = (None, 2, None, None, False, None, None, None)
    assert [value for _, value in encoded(target, some, (None,) * 8)] == ['{"b":2,"e":false}', "{}"]


def test_iso_times_have_a_t() -> None:
    target = table(
        {"f": Type.TIMESTAMP, "g": Type.TIMESTAMP_LTZ}, options={"json.timestamp-format.standard": "ISO-8601"}
    )
    assert encoded(target, (NOON, NOON)) == [(None, '{"f":"2023-11-14T12:00:00.5","g":"2023-11-14T12:00:00.5Z"}')]


TIMES = [
    (0, "1970-01-01 00:00:00"),
    (-1, "1969-12-31 23:59:59.999"),
    (1010, "1970-01-01 00:00:01.01"),
    (-62135596800000, "0001-01-01 00:00:00"),
    (-62135596800001, "0000-12-31 23:59:59.999"),
    (-62167219200001, "-0001-12-31 23:59:59.999"),
    (-441068943373698, "-12007-01-30 09:03:46.302"),
    (253402300799999, "9999-12-31 23:59:59.999"),
    (253402300800000, "+10000-01-01 00:00:00"),
]


@pytest.mark.parametrize(("ms", "text"), TIMES)
def test_times(ms: int, text: str) -> None:
    target = encoder(table({"x": Type.TIMESTAMP}))
    with duckdb.connect() as db:
        row = f'(SELECT make_timestamp_ms({ms}) AS "f x")'
        assert db.execute(target.select(row)).fetchall() == [(None, f'{{"x":"{text}"}}')]


@pytest.mark.parametrize(("value", "text"), DOUBLES)
def test_doubles(value: float, text: str) -> None:
    # Fields called like the names inside of the SQL.
    made = Encoder(table({"p": Type.DOUBLE}), [Field("p", Type.DOUBLE)], ["p"])
    with duckdb.connect() as db:
        db.register("rows", pa.table({"p": pa.array([value])}))
        assert db.execute(made.select("rows")).fetchall() == [(None, f'{{"p":{text}}}')]


@settings(max_examples=50)
@given(values=st.lists(st.floats(), min_size=1, max_size=50))
def test_doubles_are_written_alike_in_sql_and_in_python(values: list[float]) -> None:
    made = Encoder(table({"p": Type.DOUBLE}), [Field("p", Type.DOUBLE)], ["p"])
    with duckdb.connect() as db:
        db.register("rows", pa.table({"p": pa.array(values, pa.float64())}))
        assert db.execute(made.select("rows")).fetchall() == [(None, f'{{"p":{double_text(one)}}}') for one in values]


STRINGS = [
    ("", '""'),
    ('"\\/', '"\\"\\\\/"'),
    ("\b\t\n\f\r", r'"\b\t\n\f\r"'),
    ("\0\x0b\x1f\x7f", '"\\u0000\\u000B\\u001F\x7f"'),
    ("\xe9\u2028\uffff", '"\xe9\u2028\uffff"'),
    ("a\U0001f600\n\U0010ffff", r'"a\uD83D\uDE00\n\uDBFF\uDFFF"'),
]


@pytest.mark.parametrize(("value", "text"), STRINGS)
def test_strings_are_escaped_as_jackson_does(value: str, text: str) -> None:
    made = Encoder(upsert({"c": Type.STRING}, "c"), [Field("c", Type.STRING)], ["c"])
    with duckdb.connect() as db:
        db.register("rows", pa.table({"c": [value]}))
        assert db.execute(made.select("rows")).fetchall() == [(f'{{"c":{text}}}', f'{{"c":{text}}}')]


@settings(max_examples=50)
@given(values=st.lists(st.text(), min_size=1))
def test_any_string_can_be_read_again(values: list[str]) -> None:
    made = encoder(table({"c": Type.STRING}))
    with duckdb.connect() as db:
        db.register("rows", pa.table({"f c": values}))
        found = db.execute(made.select("rows")).fetchall()
    assert [json.loads(value)["c"] for _, value in found] == values


def test_names_are_escaped() -> None:
    assert encoded(table({'it\'s "é"\\': Type.INT}), (1,)) == [(None, '{"it\'s \\"é\\"\\\\":1}')]


def test_numbers_become_wider() -> None:
    target = table({"big": Type.BIGINT, "real": Type.DOUBLE, "whole": Type.DOUBLE, "exact": Type.DOUBLE})
    fields = [Field("i", Type.INT), Field("i", Type.INT), Field("j", Type.BIGINT), Field("k", Type.DECIMAL)]
    made = Encoder(target, fields, ["big", "real", "whole", "exact"])
    with duckdb.connect() as db:
        found = db.execute(made.select("(SELECT 7 AS i, 9007199254740993 AS j, 1.50 AS k)")).fetchall()
    assert found == [(None, '{"big":7,"real":7.0,"whole":9.007199254740992E15,"exact":1.5}')]


def test_columns_that_are_not_inserted_are_null() -> None:
    target = table({"a": Type.INT, "b": Type.STRING, "c": Type.STRING})
    made = Encoder(target, [Field("x", Type.STRING), Field("y", Type.NULL)], ["b", "c"])
    with duckdb.connect() as db:
        found = db.execute(made.select("(SELECT 'q' AS x, NULL AS y)")).fetchall()
    assert found == [(None, '{"a":null,"b":"q","c":null}')]


def test_an_upsert_key_has_the_primary_keys_order() -> None:
    target = upsert({"a": Type.INT, "b": Type.STRING, "c": Type.TIMESTAMP}, "c", "a")
    assert encoded(target, (1, "x", NOON)) == [
        ('{"c":"2023-11-14 12:00:00.5","a":1}', '{"a":1,"b":"x","c":"2023-11-14 12:00:00.5"}')
    ]


def test_tombstones_have_the_keys_of_rows() -> None:
    target = upsert({"a": Type.INT, "b": Type.STRING}, "b", "a")
    made = encoder(target)
    with duckdb.connect() as db:
        db.execute("""CREATE TABLE rows AS SELECT 1 AS "f a", 'é' AS "f b" """)
        keys = db.execute(made.select_keys("rows")).fetchall()
        assert keys == [(key,) for key, _ in db.execute(made.select("rows")).fetchall()] == [('{"b":"é","a":1}',)]


def test_key_options_are_the_keys_own() -> None:
    options = {
        "key.fields-prefix": "k_",
        "value.fields-include": "EXCEPT_KEY",
        "key.json.timestamp-format.standard": "ISO-8601",
        "value.json.encode.ignore-null-fields": "true",
    }
    target = table(
        {"k_b": Type.TIMESTAMP, "v": Type.INT, "k_a": Type.INT},
        key_format="json",
        key_fields=("k_a", "k_b"),
        options=options,
    )
    assert encoded(target, (NOON, None, None)) == [('{"a":null,"b":"2023-11-14T12:00:00.5"}', "{}")]


def test_a_raw_key_is_the_text_or_none() -> None:
    target = table({"a": Type.STRING, "b": Type.INT}, key_format="raw", key_fields=("a",))
    assert encoded(target, ('é"\n', 1), (None, 2)) == [
        ('é"\n', '{"a":"é\\"\\n","b":1}'),
        (None, '{"a":null,"b":2}'),
    ]


def test_a_raw_key_that_is_not_inserted_is_none() -> None:
    target = table({"a": Type.STRING, "b": Type.INT}, key_format="raw", key_fields=("a",))
    with duckdb.connect() as db:
        found = db.execute(Encoder(target, [Field("n", Type.INT)], ["b"]).select("(SELECT 1 AS n)")).fetchall()
    assert found == [(None, '{"a":null,"b":1}')]


def test_timestamp_and_headers_are_the_records() -> None:
    columns = (
        Column("a", Type.INT),
        Column("at", Type.TIMESTAMP_LTZ, Kind.METADATA, metadata="timestamp"),
        Column("hs", Type.HEADERS, Kind.METADATA, metadata="headers"),
        Column("o", Type.BIGINT, Kind.METADATA, metadata="offset", virtual=True),
    )
    found = encoded(table(columns), (1, NOON, {"h": b"\xff"}), (2, None, None))
    assert found == [(None, '{"a":1}', 1699963200500, {"h": b"\xff"}), (None, '{"a":2}', None, None)]


@pytest.mark.parametrize(
    ("not_null", "inserted", "found"),
    [
        ("", "ab", []),
        ("a", "ab", [(None, 1), (None, None)]),
        ("ab", "ab", [(None, 1), (1, None), (None, None)]),
        ("a", "b", [(1, 1), (None, 1), (1, None), (None, None)]),
    ],
)
def test_rows_with_a_null_where_none_may_be_are_found(not_null: str, inserted: str, found: list[Row]) -> None:
    target = table([Column(one, Type.INT, not_null=one in not_null) for one in "ab"])
    condition = Encoder(target, [Field(f"f{one}", Type.INT) for one in inserted], list(inserted)).not_null("t")
    assert (condition is None) == (not found)
    rows = "(VALUES (1, 1), (NULL, 1), (1, NULL), (NULL, NULL)) t (fa, fb)"
    with duckdb.connect() as db:
        assert db.execute(f"SELECT fa, fb FROM {rows} WHERE {condition or 'FALSE'}").fetchall() == found


def test_a_primary_key_may_not_be_null() -> None:
    assert encoder(upsert({"a": Type.INT, "b": Type.INT}, "b")).not_null("rows") == '"f b" IS NULL'
