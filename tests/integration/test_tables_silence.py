"""What is no silence: a broker that is away, a process that is stopped. And a topic that is another one now."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from clickstream.broker import EmbeddedBroker
from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from tests.integration.support import make_topic, produce, run, running
from tests.integration.tablesupport import (
    MINUTES,
    AtWork,
    at_work,
    click,
    command,
    engine_of,
    minute,
    per_minute,
    script,
    table,
)
from tests.support import PATIENCE, missing, wait_until

IDLE_S = 8.0 * PATIENCE
# Long enough for what would count it as silence to close the minute.
AWAY_S = IDLE_S + 6.0
# After SIGTERM; a loaded machine gets a few more.
ENDS_WITHIN_S = 15.0
LOADED_S = 10.0 * PATIENCE


@pytest.fixture
def minutes(kafka: str, topic_name: str, tmp_path: Path) -> Path:
    """A file that counts the clicks of each minute of a topic with two partitions."""
    make_topic(kafka, topic_name, 2)
    return script(tmp_path, topic_name, MINUTES)


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """The processes stand still in the block."""
    for one in processes:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in processes:
            os.kill(one, signal.SIGCONT)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def broker_of_its_own(tmp_path: Path, java: str) -> Iterator[tuple[str, int]]:
    """Its address, and its process, which may be stopped."""
    broker = EmbeddedBroker(tmp_path / "frozen", java=java, port=0, linger=5.0)
    try:
        lease = broker.acquire()
    except ClickstreamError as error:
        missing(f"no embedded Kafka: {error}")
    with lease:
        pid = broker.status().pid
        assert pid is not None
        yield lease.address, pid
    broker.stop(force=True)


def test_an_outage_of_the_broker_is_no_silence(tmp_path: Path, broker_java: str, topic_name: str) -> None:
    with broker_of_its_own(tmp_path, broker_java) as (kafka, pid):
        make_topic(kafka, topic_name, 2)
        path = script(tmp_path, topic_name, MINUTES)
        producer = Sender(Cluster(kafka).producer())
        with at_work(engine_of(kafka, path, idle_timeout=IDLE_S)) as work:
            for partition in (0, 1):
                produce(kafka, topic_name, [click(58)], partition=partition)
            work.until_read(2)
            with stopped(pid):
                for partition in (0, 1):
                    producer.send(topic_name, click(59), partition=partition)
                threading.Event().wait(AWAY_S)
            producer.must_have_delivered("what was kept during the outage")
            work.until_read(4)
            assert work.engine.totals()["late"] == 0
            work.until(lambda: work.engine.totals()["written"], "the minute, after a silence", 120)
            assert work.engine.totals()["late"] == 0
        assert per_minute(kafka, f"{topic_name}-per_min") == {0: 4}


def test_a_stop_in_an_outage_ends_in_time_and_loses_nothing(tmp_path: Path, broker_java: str, topic_name: str) -> None:
    with broker_of_its_own(tmp_path, broker_java) as (kafka, pid):
        make_topic(kafka, topic_name, 2)
        path = script(tmp_path, topic_name, MINUTES)
        with running(*command(kafka, path, "--emit", "changes", "--early-interval", "0.1")) as part:
            group = Cluster(kafka).consumer(f"clickstream-tables-{path.stem}")
            produce(kafka, topic_name, [click(number) for number in range(200)])
            wait_until(lambda: committed(group, topic_name) == 200 or not part.running, 60, part.said(), 0.2)
            # What they read now is on its way when the broker stops to answer.
            produce(kafka, topic_name, [click(number) for number in range(200, 400)])
            with stopped(pid):
                begun = time.monotonic()
                code = part.stop(90)
                assert time.monotonic() - begun < ENDS_WITHIN_S + LOADED_S, part.said()
            group.close()
            # They may have been quick enough to write what they had read.
            assert code == 0 or (code == 1 and "Nothing is lost" in part.said()), (code, part.said())
            assert "Traceback" not in part.said()
        done = run(*command(kafka, path), "--exit-at-end", timeout=180)
        assert done.code == 0, done.said
        assert per_minute(kafka, f"{topic_name}-per_min") == {0: 60, 1: 60, 2: 60, 3: 60, 4: 60, 5: 60, 6: 40}


@pytest.mark.parametrize("both", [False, True], ids=["the reading process", "both processes"])
def test_a_process_that_stands_still_is_no_silence(kafka: str, topic_name: str, minutes: Path, both: bool) -> None:
    for partition in (0, 1):
        produce(kafka, topic_name, [click(58)], partition=partition)
    with running(*command(kafka, minutes, "--idle-timeout", str(IDLE_S))) as part:
        reader = wait_until(lambda: children(part.process.pid), 60, "the reading process")[0]
        group = Cluster(kafka).consumer(f"clickstream-tables-{minutes.stem}")
        wait_until(lambda: committed(group, topic_name) == 2 or not part.running, 60, part.said(), 0.2)
        with stopped(reader, *([part.process.pid] if both else [])):
            for partition in (0, 1):
                produce(kafka, topic_name, [click(59)], partition=partition)
            threading.Event().wait(AWAY_S)
        wait_until(lambda: committed(group, topic_name) == 4 or not part.running, 60, part.said(), 0.2)
        group.close()
        assert part.stop() == 0, part.said()
        assert "Read 4 rows, wrote 0; 0 late" in part.said()


OTHERS = """
CREATE TABLE others (`_time` BIGINT, ts AS TO_TIMESTAMP_LTZ(`_time`, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = '{topic}-others', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true');
CREATE TEMPORARY VIEW both_of_them AS SELECT ts FROM clicks UNION ALL SELECT ts FROM others;
"""


@pytest.mark.parametrize("old", [False, True], ids=["empty", "old"])
def test_a_silent_table_holds_no_window_of_a_union(kafka: str, topic_name: str, tmp_path: Path, old: bool) -> None:
    for topic in (topic_name, f"{topic_name}-others"):
        make_topic(kafka, topic, 1)
    union = MINUTES.replace("TABLE clicks", "TABLE both_of_them")
    path = script(tmp_path, topic_name, OTHERS, union)
    if old:
        produce(kafka, f"{topic_name}-others", [click(-1_000_000)])
    with at_work(engine_of(kafka, path, idle_timeout=6.0)) as work:
        second = iter(range(10_000))

        def closed() -> bool:
            """The clicks go on while the others are silent."""
            produce(kafka, topic_name, [click(66 + next(second) / 1000)])
            rows = table(kafka, f"{topic_name}-per_min").values()
            return any((row["window_start"], row["hits"]) == (minute(0), 2) for row in rows)

        produce(kafka, topic_name, [click(1), click(59)])
        work.until(closed, "the first minute closes without the others", 120)
        produce(kafka, f"{topic_name}-others", [click(2)])
        work.until(lambda: work.engine.totals()["late"] == 1, "what the others have for it now is late", 60)


def committed(group: Any, topic: str) -> int:
    places = group.committed([TopicPartition(topic, partition) for partition in (0, 1)], timeout=10)
    return sum(max(0, place.offset) for place in places)


@pytest.mark.parametrize("stand_still", [False, True], ids=["reading", "stopped"])
def test_a_topic_that_is_recreated_while_it_is_read(
    kafka: str, topic_name: str, minutes: Path, stand_still: bool
) -> None:
    produce(kafka, topic_name, [click(1), click(2)], partition=0)
    work = AtWork(engine_of(kafka, minutes))
    try:
        work.until_read(2)
        with stopped(*([work.reader] if stand_still else [])):
            delete(Cluster(kafka), [topic_name])
            wait_until(lambda: topic_name not in existing(Cluster(kafka)), 60, "it is gone")
            make_topic(kafka, topic_name, 2)
            produce(kafka, topic_name, [click(second) for second in range(5)], partition=0)
        with pytest.raises(ClickstreamError, match=f"Topic {topic_name} was recreated.*--reset"):
            work.until(lambda: False, "it is noticed", 60)
        assert work.engine.totals()["rows"] == 2, "nothing of the new topic is taken"
    finally:
        work.end()


def test_what_is_wrong_with_the_records_is_said(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    path = script(tmp_path, topic_name, MINUTES)
    path.write_text(path.read_text().replace("`_time`", "`_Time`"))
    produce(kafka, topic_name, [click(second) for second in range(20)])
    with running(*command(kafka, path, "--exit-at-end")) as part:
        assert part.wait(120) == 0, part.said()
        assert "Table clicks: column _Time is in none of 20 records" in part.said()
        assert "there is _time" in part.said()
        assert "20 of 20 rows" in part.said()
        assert "have no event time (ts is NULL): they are in no window" in part.said()
        assert "20 without an event time" in part.said()
