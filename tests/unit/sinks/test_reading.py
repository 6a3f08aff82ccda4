"""Records as rows for targets: what is another value in its column, or in none, is counted."""

import pytest

from clickstream.sinks import unknown
from clickstream.sinks.inputs import described, for_messages, plain
from clickstream.sinks.rabbitmq.message import outgoing
from clickstream.sinks.reading import NO_TEXT, Found, RecordReader
from clickstream.sinks.unknown import NO_COLUMN, OTHERS, UnknownFields
from clickstream.tables.engine.decoding.coerce import A_BOOLEAN, COARSER, HALF, INFINITE, NO_FRACTION
from clickstream.tables.engine.decoding.rows import NO_TIME, REPEATED
from tests.unit.sinks.archives import record


def read(columns: str, *values: bytes | None, key: str | None = None) -> Found:
    reader = RecordReader(described("events", columns, key), early=False)
    return reader.read([record(offset, value, key=b'{"k":"a"}') for offset, value in enumerate(values)])


@pytest.mark.parametrize(
    ("kind", "token", "rule"),
    [
        ("STRING", r'"a\ud800b"', HALF),
        ("STRING", r'{"x":["\udc00"]}', HALF),
        ("STRING", r'{"\ud83d":1}', HALF),
        ("STRING", r'"\ud83d\ude00 ü ?"', None),
        ("STRING", '"😀"', None),
        ("STRING", "1.50", None),
        ("INT", "1.5", NO_FRACTION),
        ("INT", "2.0", None),
        ("INT", "4e2", None),
        ("BIGINT", "9007199254740993.0", NO_FRACTION),
        ("BIGINT", '" 7 "', None),
        ("BOOLEAN", '"yes"', A_BOOLEAN),
        ("BOOLEAN", "1", A_BOOLEAN),
        ("BOOLEAN", '" TRUE "', None),
        ("BOOLEAN", "false", None),
        ("DOUBLE", "1e999", INFINITE),
        ("DOUBLE", '"Infinity"', None),
        ("DOUBLE", "1e308", None),
        ("TIMESTAMP(3)", '"2026-03-25 19:05:49.1234"', COARSER),
        ("TIMESTAMP(3)", '"2026-03-25 19:05:49.123400789"', COARSER),
        ("TIMESTAMP(3)", '"2026-03-25 19:05:49.123"', None),
        ("TIMESTAMP(3)", '"2026-03-25 19:05:49.123000000"', None),
    ],
)
def test_a_value_that_is_another_one_in_its_column_is_counted(kind: str, token: str, rule: str | None) -> None:
    found = read(f"f {kind}, g INT", b'{"f":1,"g":1}' if kind == "INT" else b"{}", f'{{"f":{token},"g":2}}'.encode())
    assert (found.bad, found.nulled) == ([], {})
    assert dict(found.changed) == ({} if rule is None else {("f", rule): 1})


def test_of_a_key_that_the_value_has_as_well_it_is_counted_once() -> None:
    reader = RecordReader(described("events", "k STRING NOT NULL, n INT", "k"), early=False)
    half = rb'{"k":"\ud800"}'
    found = reader.read([record(0, rb'{"k":"\ud800","n":1}', key=half), record(1, None, key=half)])
    assert len(found.rows) == 2
    assert dict(found.changed) == {("k", HALF): 1}


def test_fields_that_no_column_takes_are_counted_by_name() -> None:
    found = read("a INT", b'{"a":1}', b'{"a":2,"b":{"c":1},"d":null}', None, b"no json", b'[{"a":3},{"a":4,"b":1}]')
    assert dict(found.changed) == {("b", NO_COLUMN): 2, ("d", NO_COLUMN): 1}
    assert len(found.rows) == 4


def test_of_a_file_of_sql_the_fields_of_its_columns_are_known() -> None:
    found = read("k STRING NOT NULL, n INT", b'{"k":"a","n":1}', None, b'{"k":"a","N":1}', key="k")
    assert dict(found.changed) == {("N", NO_COLUMN): 1}


def test_names_of_fields_are_bounded_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "MOST_NAMES", 3)
    fields = UnknownFields(["a"])
    assert dict(fields.count([b'{"b":1,"a":1}', None, rb'{"\u001b[1m":1,"\ud800":1}'])) == {
        ("b", NO_COLUMN): 1,
        ("\\u001b[1m", NO_COLUMN): 1,
        ("?", NO_COLUMN): 1,
    }
    assert dict(fields.count([b'{"x":1,"y":1}', b'{"b":1}'])) == {(OTHERS, NO_COLUMN): 2, ("b", NO_COLUMN): 1}
    [(name, _)] = UnknownFields(["a"]).count([b'{"' + b"n" * 5_000 + b'":1}'])
    assert len(name) == unknown.LONGEST_NAME


def test_names_that_json_escapes_are_known_as_well() -> None:
    assert dict(UnknownFields(['a"b']).count([rb'{"a\"b":1}', b'{"c":1}'])) == {("c", NO_COLUMN): 1}


def test_headers_that_are_repeated_and_times_that_no_calendar_has_are_counted() -> None:
    columns = "a INT, h MAP<STRING, BYTES> METADATA FROM 'headers', t TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'"
    reader = RecordReader(described("events", columns, None), early=False)
    twice: list[tuple[str, bytes | None]] = [("x", b"1"), ("y", b"2"), ("x", b"3")]
    found = reader.read([record(0, headers=twice), record(1, headers=twice[:2]), record(2, timestamp=2**62)])
    assert dict(found.changed) == {("h", REPEATED): 1, ("t", NO_TIME): 1}
    assert dict(RecordReader(plain("events"), early=False).read([record(0, timestamp=2**62), record(1)]).changed) == {
        ("timestamp", NO_TIME): 1
    }


def test_a_key_that_is_no_text_is_base64_and_counted_and_such_a_value_is_a_dead_letter() -> None:
    given = [record(0, b"a", key=b"\x00\xc8"), record(1, b"\xff", key=b"k"), record(2, None, key=None)]
    found = RecordReader(plain("events"), early=False).read(given)
    assert found.rows.column("key").to_pylist() == ["AMg=", None]
    assert dict(found.changed) == {("key", NO_TEXT): 1}
    assert [(message.offset(), reason) for message, reason in found.bad] == [(1, "the value is no UTF-8")]


def test_for_messages_any_bytes_are_rows() -> None:
    given = [record(0, b"\xff", key=b"\xc8"), record(1, b"text"), record(2, b'{"a":1}'), record(3, None)]
    found = RecordReader(for_messages(plain("events")), early=False).read(given)
    assert (found.bad, dict(found.changed)) == ([], {})
    messages, _ = outgoing(found.rows, "id")
    assert [(one.body, one.content_type) for one in messages[:3]] == [
        (b"\xff", "application/octet-stream"),
        (b"text", "text/plain"),
        (b'{"a":1}', "application/json"),
    ]
    assert (messages[0].key, messages[0].headers["clickstream-key"]) == (b"\xc8", b"\xc8")
    assert (messages[3].body, messages[3].deleted) == (b"", True)
