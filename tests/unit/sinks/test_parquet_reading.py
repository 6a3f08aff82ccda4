"""An archive is read as the topic was: each partition in its order, every byte."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.produce import Sender
from clickstream.query.model import Newest, Refused
from clickstream.query.query import query
from clickstream.query.records import table_of
from clickstream.sinks.inputs import whole
from clickstream.sinks.parquet.folder import FolderStore
from clickstream.sinks.parquet.history import ArchiveTables
from clickstream.sinks.parquet.layout import Layout
from clickstream.sinks.parquet.putback import PutBack
from clickstream.sinks.parquet.reading import Archived, ArchivedTable, only_table, tables
from clickstream.stop import Stop
from tests.unit.fakes import FakeProducer
from tests.unit.sinks.archives import HOUR, START, TOPIC, batch, data_files, fill, interleaved, record, target


def archived(root: Path) -> list[Archived]:
    return list(ArchivedTable(FolderStore(root), TOPIC).records())


def as_archived(message: Any) -> Archived:
    return Archived(
        message.key(), message.value(), message.headers(), message.timestamp()[1], message.partition(), message.offset()
    )


@pytest.mark.parametrize("size", [4, 100])
@pytest.mark.parametrize("small_files", [1, 100])
def test_each_partition_is_in_its_order(tmp_path: Path, size: int, small_files: int) -> None:
    log = interleaved(100, partitions=3)
    fill(target(tmp_path, Layout(small_files=small_files)), log, size)
    found = archived(tmp_path)
    for number in range(3):
        assert [one for one in found if one.partition == number] == [
            as_archived(message) for message in log if message.partition() == number
        ]
    assert len(found) == 100


def test_partitions_go_on_together_as_their_times_do(tmp_path: Path) -> None:
    log = [record(n, partition=p, timestamp=START + n * 60_000) for p in range(3) for n in range(100)]
    fill(target(tmp_path), log, 300)
    found = archived(tmp_path)
    assert [one.timestamp for one in found] == sorted(one.timestamp for one in found)


def test_every_byte_is_there(tmp_path: Path) -> None:
    log = [
        record(0, b"\0\xff", key=b"\0", headers=[("a", b"\xff"), ("a", None), ("", b"")], timestamp=-5_000),
        record(1, None, key=b"k", timestamp=2**60),
        record(2, b"", key=None, timestamp=-1),
        record(9, b"after a gap"),
    ]
    fill(target(tmp_path), log, 10)
    assert archived(tmp_path) == [as_archived(message) for message in log]


def test_only_files_that_share_offsets_are_open_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(target(tmp_path), [record(number, timestamp=START + number * HOUR) for number in range(50)], 10)
    opened: list[Any] = []
    real = FolderStore.open

    def counting(store: FolderStore, name: str) -> Any:
        opened.append(real(store, name))
        return opened[-1]

    monkeypatch.setattr(FolderStore, "open", counting)
    for _ in ArchivedTable(FolderStore(tmp_path), TOPIC).records():
        assert sum(not file.closed for file in opened) <= 2
    assert len(opened) == 50


def test_files_that_are_put_together_meanwhile_are_found_again(tmp_path: Path) -> None:
    log = interleaved(200, hours=2)
    one = target(tmp_path, Layout(small_files=3, keep_s=-1.0))
    fill(one, log[:60], 20)
    reading = ArchivedTable(FolderStore(tmp_path), TOPIC).records()
    found = [next(reading) for _ in range(5)]
    for start in range(60, 200, 20):  # the files that it began with are deleted
        one.write(batch(log[start : start + 20]))
    found += reading
    for number in (0, 1):
        assert [one.offset for one in found if one.partition == number] == list(range(30))


def test_a_file_that_is_damaged_or_gone_is_named(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0)], 1)
    [name] = data_files(tmp_path)
    (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(ClickstreamError, match=rf"{name} is damaged"):
        archived(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ClickstreamError, match=rf"{name} is gone"):
        archived(tmp_path)


def test_a_table_is_found_by_its_name_its_topic_or_as_the_only_one(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(ConfigError, match="is no archive"):
        only_table(store, TOPIC)
    fill(target(tmp_path), [record(0)], 1)
    assert only_table(store, "copy") == TOPIC
    fill(target(tmp_path), [record(0, topic="web-hits")], 1, whole("web-hits"))
    assert tables(store) == [TOPIC, "web_hits"]
    assert only_table(store, "web-hits") == "web_hits"
    with pytest.raises(ConfigError, match="has the tables events, web_hits: name one with --table"):
        only_table(store, "copy")
    with pytest.raises(ClickstreamError, match=r"has no table nothing\. Its tables: events, web_hits"):
        ArchivedTable(store, "nothing")


# --- back onto a topic


def put_back(root: Path, partitions: int, stop: Stop | None = None) -> tuple[PutBack, FakeProducer]:
    producer = FakeProducer()
    part = PutBack(ArchivedTable(FolderStore(root), TOPIC), Sender(producer.client), "copy", partitions)
    part.run(stop or Stop())
    return part, producer


def test_a_record_goes_where_it_was(tmp_path: Path) -> None:
    log = [
        record(0, b"v", partition=2, headers=[("a", b"1"), ("a", None)], timestamp=-5_000),
        record(1, None, partition=2, key=None),
    ]
    fill(target(tmp_path), log, 10)
    part, producer = put_back(tmp_path, 3)
    assert part.totals() == {"sent": 2, "acknowledged": 2, "failed": 0}
    assert [
        (one.topic, one.partition, one.key, one.value, one.headers, one.timestamp) for one in producer.delivered
    ] == [
        ("copy", 2, b"k", b"v", [("a", b"1"), ("a", None)], -5_000),
        ("copy", 2, None, None, None, START),
    ]


def test_where_there_are_fewer_partitions_keys_decide(tmp_path: Path) -> None:
    fill(target(tmp_path), interleaved(10, partitions=3), 10)
    part, producer = put_back(tmp_path, 2)
    assert not part.keeps_partitions
    assert {one.partition for one in producer.delivered} == {-1}


@pytest.mark.parametrize("timestamp", [0, -1])
def test_a_record_that_has_the_time_of_now_is_counted(tmp_path: Path, timestamp: int) -> None:
    fill(target(tmp_path), [record(0, timestamp=timestamp), record(1)], 10)
    part, producer = put_back(tmp_path, 1)
    assert part.without_time == 1
    assert sorted(one.timestamp for one in producer.delivered) == [0, START]


def test_a_stop_ends_it(tmp_path: Path) -> None:
    fill(target(tmp_path), interleaved(10), 10)
    stop = Stop()
    stop.set()
    _part, producer = put_back(tmp_path, 2, stop)
    assert producer.delivered == []


# --- questions about it


def test_the_last_records_are_asked_as_those_of_a_topic_are(tmp_path: Path) -> None:
    log = [record(n, b'{"n": %d}' % n, timestamp=START + (n % 3) * HOUR + n, headers=[("h", b"1")]) for n in range(30)]
    fill(target(tmp_path), [*log, record(30, b'{"n": 30}', timestamp=-1)], 7)
    places = [ArchiveTables(FolderStore(tmp_path), 15, table_of)]
    found = query("SELECT count(*), min(_timestamp), max(n), min(_headers), min(_key) FROM events", places)
    latest = sorted(one.timestamp()[1] for one in log)[-15]
    assert found.newest == {"events": Newest(15, latest)}
    assert found.rows == [[15, str(datetime.fromtimestamp(latest / 1000, UTC))[:23], 29, '{"h":"1"}', "k"]]


def test_of_a_small_table_all_records_are_the_last(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0, b'{"a": 1}', timestamp=-1), record(1, None)], 7)
    places = [ArchiveTables(FolderStore(tmp_path), 15, table_of)]
    assert query("SELECT a, _value FROM events ORDER BY _offset", places).rows == [[1, '{"a": 1}'], [None, None]]
    with pytest.raises(Refused, match=r"There is no table event\. Did you mean events"):
        query("SELECT 1 FROM event", places)
