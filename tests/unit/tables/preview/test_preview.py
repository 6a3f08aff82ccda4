"""Previews over a cluster in memory: the time limit, cancelling, and records at their own offsets."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Message

from clickstream.deadline import Cancelled, TooLong
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.rig.topics import Topics
from clickstream.tables.preview import preview as module
from clickstream.tables.preview.limits import Limits
from clickstream.tables.preview.preview import Preview, preview
from clickstream.tables.preview.records import Found, merged
from clickstream.tables.sql.check import Checked, check

CLUSTER = Cluster("localhost:1")
SQL = """
CREATE TABLE clicks (who BIGINT, at_ BIGINT, place BIGINT METADATA FROM 'offset' VIRTUAL,
  ts AS TO_TIMESTAMP_LTZ(at_, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'in', 'properties.bootstrap.servers' = 'b', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
CREATE TABLE hits (window_start TIMESTAMP(3), hits BIGINT, PRIMARY KEY (window_start) NOT ENFORCED)
  WITH ('connector' = 'upsert-kafka', 'topic' = 'out', 'properties.bootstrap.servers' = 'b',
  'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE copies (who BIGINT, place BIGINT)
  WITH ('connector' = 'kafka', 'topic' = 'copies', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
SET 'table.exec.sink.require-on-conflict' = 'false';
INSERT INTO hits SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
INSERT INTO copies SELECT who, place FROM clicks WHERE who > 0;
"""


def checked(sql: str = SQL) -> Checked:
    found = check(sql)
    assert not found.problems, found.render()
    return found


def clicks(*seconds: int, first: int = 100) -> Found:
    """One partition, whose offsets begin at 100."""
    messages = [
        Message(topic="in", partition=0, offset=first + place, value=b'{"who":%d,"at_":%d}' % (place, second * 1000))
        for place, second in enumerate(seconds)
    ]
    return Found({0: first}, messages, True)


def over(monkeypatch: pytest.MonkeyPatch, found: Found, *, sql: str = SQL, **more: Any) -> Preview:
    def read(*_: object) -> Mapping[str, Found]:
        return {"in": found}

    monkeypatch.setattr(module, "_read", read)
    return preview(CLUSTER, checked(sql), **more)


def test_each_result_has_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = over(monkeypatch, clicks(0, 10, 70, 20, 130))
    hits, copies = found.results
    assert [row.values[1] for row in hits.rows] == [2, 1, 1]
    assert hits.report.late == 1
    assert [row.values for row in copies.rows] == [(1, 101), (2, 102), (3, 103), (4, 104)]
    assert (found.records, found.whole) == ({"clicks": 5}, True)


def test_results_in_avro_need_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "'value.avro-confluent.url' = 'http://127.0.0.1:1'"
    sql = SQL.replace("'value.format' = 'json'", f"'value.format' = 'avro-confluent', {url}").replace(
        "'copies', 'properties.bootstrap.servers' = 'b', 'format' = 'json'",
        f"'copies', 'properties.bootstrap.servers' = 'b', 'value.format' = 'avro-confluent', {url}",
    )
    assert sql.count("avro-confluent.url") == 2
    plain, found = over(monkeypatch, clicks(0, 10, 70)), over(monkeypatch, clicks(0, 10, 70), sql=sql)
    assert [[row.values for row in one.rows] for one in found.results] == [
        [row.values for row in one.rows] for one in plain.results
    ]


def test_only_the_newest_rows_are_shown_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = over(monkeypatch, clicks(*range(0, 600, 60)), limits=Limits(rows=3), only="hits")
    (hits,) = found.results
    assert (len(hits.rows), hits.known) == (3, 10)
    assert hits.rows[-1].values[0] == 540_000


def test_no_records_give_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = over(monkeypatch, clicks())
    assert [result.rows for result in found.results] == [[], []]


def test_an_unknown_result_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no result clicks\. Results: hits, copies"):
        over(monkeypatch, clicks(0), only="clicks")


def test_the_time_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLong):
        over(monkeypatch, clicks(*range(1_000)), limits=Limits(seconds=0.0))


def test_somebody_may_cancel_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        over(monkeypatch, clicks(*range(1_000)), cancel=cancel)


def test_more_rows_than_a_result_may_have_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClickstreamError, match="more than 10 rows"):
        over(monkeypatch, clicks(*range(1_000)), limits=Limits(result_rows=10))


def test_it_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[module.Progress] = []
    over(monkeypatch, clicks(*range(100)), tell=told.append)
    assert told[-1] == module.Progress("computing", 100, 100)


def test_records_of_partitions_come_by_their_time_and_each_partition_in_its_order() -> None:
    def record(partition: int, offset: int, time: int) -> Message:
        return Message(topic="in", partition=partition, offset=offset, timestamp=(1, time))

    lanes = [[record(0, 0, 10), record(0, 1, 5), record(0, 2, 40)], [record(1, 0, 20), record(1, 1, 30)]]
    found = [(one.partition(), one.offset()) for one in merged(lanes)]
    assert [place for place in found if place[0] == 0] == [(0, 0), (0, 1), (0, 2)]
    assert [place for place in found if place[0] == 1] == [(1, 0), (1, 1)]


def test_loaded_records_keep_their_offsets_and_more_come_behind_them() -> None:
    topics = Topics()
    topics.load("in", {0: 100, 1: 7}, clicks(0, 1).messages)
    assert topics.ends("in") == {0: 102, 1: 7}
    topics.append("in", 0, b"x")
    topics.append("in", 1, b"y")
    assert [(record.partition, record.offset) for record in topics.records("in")][-2:] == [(0, 102), (1, 7)]
