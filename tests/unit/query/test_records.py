"""Records as tables: which columns, of which type, with all digits."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from clickstream.query.records import table_of


def records(values: Sequence[bytes | None], **more: object) -> list[Message]:
    return [
        Message(topic="t", partition=1, offset=place, value=value, **more)  # type: ignore[arg-type]
        for place, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        (["1", "9223372036854775807", "-9223372036854775808"], pa.int64(), [1, 2**63 - 1, -(2**63)]),
        (["1", "9223372036854775808"], pa.string(), ["1", "9223372036854775808"]),
        (["1", "1" * 50], pa.string(), ["1", "1" * 50]),
        (["1", "1.5", "-2e3"], pa.float64(), [1.0, 1.5, -2000.0]),
        (["9007199254740993", "1.5"], pa.string(), ["9007199254740993", "1.5"]),
        (["1e400", "1.5"], pa.string(), ["1e400", "1.5"]),
        (["1e-400", "1.5"], pa.string(), ["1e-400", "1.5"]),
        (["1e-9999999999999999999999", "1.5"], pa.string(), ["1e-9999999999999999999999", "1.5"]),
        (["1.5", "123456789012345678901"], pa.string(), ["1.5", "123456789012345678901"]),
        (["12345678901234567890.5"], pa.string(), ["12345678901234567890.5"]),
        (["9007199254740993.0"], pa.string(), ["9007199254740993.0"]),
        (["0.1", "1.10", "1e22", "-0.0", "5e-324"], pa.float64(), [0.1, 1.1, 1e22, -0.0, 5e-324]),
        (["true", "false", "null"], pa.bool_(), [True, False, None]),
        (['"a"', '""', '"1"'], pa.string(), ["a", "", "1"]),
        (['"a"', "1", "true", "[1, 2]"], pa.string(), ["a", "1", "true", "[1,2]"]),
        (['{"b": [1.10, 12345678901234567890]}'], pa.string(), ['{"b":[1.10,12345678901234567890]}']),
        (["null"], pa.string(), [None]),
        (['"\\ud800"', '"\\u0000"'], pa.string(), None),
    ],
)
def test_the_type_of_a_field_keeps_all_digits(values: list[str], kind: pa.DataType, cells: list[object] | None) -> None:
    found = table_of(records([b'{"a":%s}' % value.encode() for value in values]))
    assert found.schema.field("a").type == kind
    if cells is not None:
        assert found["a"].to_pylist() == cells


def test_what_each_record_has() -> None:
    headers = [("h", b"1"), ("h", b"\xff")]
    one = records([b'{"a":1}', b"\xff", None], key=b"k", headers=headers, timestamp=(TIMESTAMP_CREATE_TIME, 1_000))
    found = table_of(one)
    assert found.column_names == ["a", "_partition", "_offset", "_timestamp", "_key", "_headers", "_value"]
    assert found["_value"].to_pylist() == ['{"a":1}', '{"$base64":"/w=="}', None]
    assert found["_headers"].to_pylist()[0] == '{"h":["1",{"$base64":"/w=="}]}'
    assert found["_timestamp"].cast(pa.int64()).to_pylist() == [1_000] * 3
    assert found["a"].to_pylist() == [1, None, None]


def test_a_time_that_no_column_holds_is_none() -> None:
    assert table_of(records([b"1"], timestamp=(TIMESTAMP_CREATE_TIME, 2**62)))["_timestamp"].to_pylist() == [None]


def test_names_that_sql_does_not_tell_apart_get_a_number() -> None:
    found = table_of(records([b'{"a":1,"A":2,"_key":3}']))
    assert found.column_names[:3] == ["a", "A:1", "_key:1"]
    assert [found[name].to_pylist() for name in ("a", "A:1", "_key:1")] == [[1], [2], [3]]


def test_more_fields_than_anybody_has_are_data() -> None:
    text = ",".join(f'"{number}":1' for number in range(1_001)).encode()
    assert table_of(records([b"{%s}" % text])).column_names[0] == "_partition"
