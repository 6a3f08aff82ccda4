import base64
import csv
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Message
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect import render
from clickstream.inspect.export import Cap, Source, Stopped, to_csv, to_jsonl
from clickstream.inspect.offsets import Limits
from clickstream.kafka.clients import Cluster
from tests.unit.inspect.records import Log, record

Make = Callable[[list[Message]], Source]


@pytest.fixture
def source(mocker: MockerFixture) -> Make:
    """An export of these records."""

    def make(records: list[Message]) -> Source:
        high = {
            ("t", number): max([m.offset() or 0 for m in records if m.partition() == number], default=-1) + 1
            for number in (0, 1)
        }
        mocker.patch("clickstream.inspect.export.reader", return_value=Log(records, high))
        limits = {partition: Limits(0, top) for partition, top in high.items()}
        return Source(Cluster("k"), limits, threading.Event(), mocker.Mock())

    return make


def table(source: Source) -> list[dict[str, str]]:
    out = io.BytesIO()
    assert to_csv(source, out) == source_count(out)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode())))


def source_count(out: io.BytesIO) -> int:
    return len(out.getvalue().splitlines()) - 1


def test_jsonl_is_in_order_of_partition_and_offset(source: Make) -> None:
    out = io.BytesIO()
    assert to_jsonl(source([record(0, partition=1), record(0), record(1)]), out) == 3
    places = [(line["partition"], line["offset"]) for line in map(json.loads, out.getvalue().splitlines())]
    assert places == [(0, 0), (0, 1), (1, 0)]


def test_csv_has_a_column_for_every_field_that_any_record_has(source: Make) -> None:
    rows = table(source([record(0, b'{"a":1}'), record(1, b"odd"), record(0, b'{"b":"x"}', partition=1)]))
    assert list(rows[0]) == ["partition", "offset", "timestamp", "key", "headers", "value.a", "value.b", "value"]
    assert [(row["value.a"], row["value.b"], row["value"]) for row in rows] == [
        ("1", "", ""),
        ("", "", "odd"),
        ("", "x", ""),
    ]


def test_csv_keeps_values_in_one_piece_when_their_fields_are_data(source: Make, mocker: MockerFixture) -> None:
    mocker.patch("clickstream.inspect.export.MAX_FIELDS", 2)
    rows = table(source([record(0, b'{"a":1,"b":2}'), record(1, b'{"c":3}')]))
    assert [row["value"] for row in rows] == ['{"a":1,"b":2}', '{"c":3}']
    assert "value.a" not in rows[0]


def test_an_empty_topic_makes_a_header_only(source: Make) -> None:
    out = io.BytesIO()
    assert to_csv(source([]), out) == 0
    assert out.getvalue() == b"partition,offset,timestamp,key,headers,value\n"


def test_progress_reaches_the_number_of_offsets_whatever_the_gaps(source: Make, mocker: MockerFixture) -> None:
    made = source([record(2), record(7)])
    advance = mocker.Mock()
    made.advance = advance
    to_jsonl(made, io.BytesIO())
    assert sum(call.args[0] for call in advance.call_args_list) == 8


@pytest.mark.parametrize("to", [to_jsonl, to_csv])
def test_a_stopped_export_says_so(source: Make, to: Callable[[Source, io.BytesIO], int]) -> None:
    made = source([record(0)])
    made.stop.set()
    with pytest.raises(Stopped):
        to(made, io.BytesIO())


def test_a_temporary_file_that_cannot_be_written_is_named(source: Make, tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("clickstream.inspect.export._spool", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(ClickstreamError, match=f"Cannot write a temporary file in {tmp_path}: No space left on device"):
        to_csv(source([record(0)]), io.BytesIO(), tmp_path)


def test_only_what_is_wanted_is_exported(source: Make) -> None:
    asked = source([record(0, b"a"), record(1, b"b"), record(2, b"a")])
    asked.keep = lambda message: message.value() == b"a"
    out = io.BytesIO()
    assert to_jsonl(asked, out) == 2


@pytest.mark.parametrize(
    ("cap", "written", "capped"),
    [(Cap(2, 1_000), 2, True), (Cap(3, 1_000), 3, False), (Cap(10, 8), 2, True)],
)
def test_a_cap_is_kept_and_told(cap: Cap, written: int, capped: bool, source: Make) -> None:
    asked = source([record(number, b"four") for number in range(3)])
    asked.cap = cap
    assert to_jsonl(asked, io.BytesIO()) == written
    assert asked.capped is capped


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('"=1+1"', "'=1+1"),
        ('"+1"', "'+1"),
        ('"@x"', "'@x"),
        ('"-x"', "'-x"),
        ('"\uff1dx"', "'\uff1dx"),
        ("-2", "-2"),
        ("-2.5e3", "-2.5e3"),
        ('"-2"', '"-2"'),
        ('"a=1"', "a=1"),
    ],
)
def test_no_cell_is_a_formula(value: str, cell: str, source: Make) -> None:
    out = io.BytesIO()
    to_csv(source([record(0, f'{{"f":{value}}}'.encode())]), out, safe=True)
    [row] = csv.DictReader(io.StringIO(out.getvalue().decode()))
    assert row["value.f"] == cell


def test_an_exact_line_has_every_byte(source: Make) -> None:
    value, key = b'{ "a" : 1.0 }\xff', b"\x00"
    out = io.BytesIO()
    to_jsonl(source([record(0, value, key=key, headers=[("h", b"1"), ("h", None)])]), out, render.exact_line)
    line = json.loads(out.getvalue())
    assert base64.b64decode(line["value_base64"]) == value
    assert base64.b64decode(line["key_base64"]) == key
    assert line["headers_base64"] == [["h", "MQ=="], ["h", None]]
