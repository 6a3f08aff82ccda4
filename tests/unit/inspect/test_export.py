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
from clickstream.inspect.export import Source, Stopped, to_csv, to_jsonl
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
