"""Running tables that do not end: silence, topics and partitions that come later, signals, and a broker that dies."""

import json
import logging
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.cimpl import NewPartitions
from pytest_mock import MockerFixture

from clickstream.broker import EmbeddedBroker
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.sources import source as sources
from clickstream.topics import ensure
from tests.integration.librdkafka import admin_of
from tests.integration.support import (
    is_an_error_for_people,
    make_topic,
    produce,
    records,
    run,
    running,
    value,
    written,
)
from tests.integration.tablesupport import (
    MINUTES,
    at_work,
    click,
    command,
    engine_of,
    generate,
    per_minute,
    script,
    shipped,
    stream,
    table,
    targets,
    to_end,
)
from tests.integration.terminal import running_on_terminal
from tests.support import missing, wait_until


@pytest.fixture
def minutes(kafka: str, topic_name: str, tmp_path: Path) -> Path:
    """A file that counts the clicks of each minute of a topic with two partitions."""
    make_topic(kafka, topic_name, 2)
    return script(tmp_path, topic_name, MINUTES)


# --- silence


def test_an_idle_partition_holds_no_window_back(kafka: str, topic_name: str, minutes: Path) -> None:
    with at_work(engine_of(kafka, minutes, idle_timeout=0.5)) as work:
        produce(kafka, topic_name, [click(1)], partition=1)
        work.until_read(1)
        second = iter(range(10_000))

        def closed() -> bool:
            """Partition 0 goes on while 1 is silent."""
            produce(kafka, topic_name, [click(60 + next(second) / 1000)], partition=0)
            return written(kafka, f"{topic_name}-per_min") >= 1

        produce(kafka, topic_name, [click(59), click(66)], partition=0)
        work.until(closed, "the first minute closes without partition 1")
        assert per_minute(kafka, f"{topic_name}-per_min") == {0: 2}
        # What comes for it now is late, in either partition.
        produce(kafka, topic_name, [click(2)], partition=1)
        work.until(lambda: work.engine.totals()["late"] == 1, "the late click")


def test_a_partition_without_a_time_out_holds_windows_back(kafka: str, topic_name: str, minutes: Path) -> None:
    with at_work(engine_of(kafka, minutes, idle_timeout=0.0)) as work:
        produce(kafka, topic_name, [click(1)], partition=1)
        produce(kafka, topic_name, [click(59), click(66), click(600)], partition=0)
        work.until_read(4)
        # The other partition's word, and only that, closes what both have passed.
        produce(kafka, topic_name, [click(70)], partition=1)
        work.until(lambda: work.engine.totals()["written"], "the first minute")
        assert per_minute(kafka, f"{topic_name}-per_min") == {0: 2}


def test_windows_close_by_the_wall_clock_when_all_is_silent(kafka: str, topic_name: str, minutes: Path) -> None:
    produce(kafka, topic_name, [click(50)], partition=0)
    produce(kafka, topic_name, [click(63)], partition=1)
    with at_work(engine_of(kafka, minutes, idle_timeout=0.5)) as work:
        # 63 less the delay of 5 is 58: two more seconds of silence.
        work.until(lambda: work.engine.totals()["written"] == 1, "the first minute")
        produce(kafka, topic_name, [click(59)], partition=0)
        produce(kafka, topic_name, [click(58)], partition=1)
        work.until(lambda: work.engine.totals()["late"] == 2, "clicks that are late")
        assert work.engine.totals()["rows"] == 4
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 1}
    # It holds for good: what closed by the wall clock stays closed for whoever reads on.
    produce(kafka, topic_name, [click(57), click(64)], partition=0)
    totals = to_end(kafka, minutes).totals()
    assert (totals["late"], totals["written"]) == (1, 1)
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 1, 1: 2}


def test_a_topic_without_a_click_closes_nothing(kafka: str, topic_name: str, minutes: Path) -> None:
    with at_work(engine_of(kafka, minutes, idle_timeout=0.1)) as work:
        work.until(lambda: work.engine._sources.streams["clicks"].read_to_end, "both ends")
        produce(kafka, topic_name, [click(1)], partition=0)
        work.until_read(1)
    assert work.engine.totals()["late"] == 0


# --- topics and partitions that come later


def test_a_topic_that_is_not_there_yet_is_waited_for(
    kafka: str, topic_name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = script(tmp_path, topic_name, MINUTES)
    with caplog.at_level(logging.WARNING), at_work(engine_of(kafka, path)) as work:
        work.until(lambda: "waiting for it" in caplog.text, "it says so")
        make_topic(kafka, topic_name, 1)
        produce(kafka, topic_name, [click(1), click(66)])
        work.until(lambda: work.engine.totals()["written"] == 1, "the first minute")
    assert f"Topic {topic_name} (table clicks) does not exist yet" in caplog.text


def test_a_topic_that_is_waited_for_can_be_waited_for_in_vain(kafka: str, topic_name: str, tmp_path: Path) -> None:
    path = script(tmp_path, topic_name, MINUTES)
    with running(*command(kafka, path)) as part:
        wait_until(lambda: "waiting for it" in part.said(), 30, "it says so")
        assert part.stop() == 0, part.said()


def test_a_topic_that_is_not_there_is_an_error_for_a_run_to_the_end(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    done = run(*command(kafka, script(tmp_path, topic_name, MINUTES)), "--exit-at-end")
    assert done.code == 1
    assert is_an_error_for_people(done, f"Topic {topic_name}", "table clicks", "clickstream topics create")


def test_new_partitions_are_found(kafka: str, topic_name: str, minutes: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(sources, "LOOK_FOR_PARTITIONS_EVERY_S", 0.2)
    with at_work(engine_of(kafka, minutes, idle_timeout=1.0)) as work:
        produce(kafka, topic_name, [click(1), click(66)], partition=0)
        work.until_read(2)
        admin = admin_of(Cluster(kafka))  # kept: without it the answer never comes
        admin.create_partitions([NewPartitions(topic_name, 4)])[topic_name].result()
        produce(kafka, topic_name, [click(67), click(2)], partition=3)
        work.until_read(4)
        produce(kafka, topic_name, [click(200)], partition=0)
        produce(kafka, topic_name, [click(200)], partition=3)
        work.until(lambda: work.engine.totals()["written"] >= 2, "minutes that all partitions have passed")
        totals = work.engine.totals()
    found = per_minute(kafka, f"{topic_name}-per_min")
    assert sum(found.values()) + totals["late"] == 4
    assert found[1] == 2


# --- ends


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well_and_the_state_goes_on(
    kafka: str, topic_name: str, minutes: Path, how: signal.Signals
) -> None:
    produce(kafka, topic_name, [click(1), click(61)], partition=0)
    produce(kafka, topic_name, [click(2), click(62)], partition=1)
    with running(*command(kafka, minutes, "--idle-timeout", "0")) as part:
        group = f"clickstream-tables-{minutes.stem}"
        wait_until(lambda: _committed(kafka, group, topic_name) == 4 or not part.running, 30, part.said(), 0.1)
        part.process.send_signal(how)
        assert part.wait() == 0, part.said()
        assert "Read 4 rows, wrote 0; 0 late" in part.said()
        assert "Traceback" not in part.said()
    produce(kafka, topic_name, [click(3)], partition=0)  # not late: it was 56 when the run ended
    assert to_end(kafka, minutes).totals()["rows"] == 1
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 3, 1: 2}


def _committed(kafka: str, group: str, topic: str) -> int:
    done = run("groups", "describe", "-b", kafka, group, "--json")
    if done.code:
        return 0
    return sum(one["committed"] or 0 for one in json.loads(done.printed)["partitions"] if one["topic"] == topic)


def test_a_running_part_says_how_it_does(kafka: str, topic_name: str, minutes: Path) -> None:
    status = f"{topic_name}-status"
    ensure(Cluster(kafka), [status])
    produce(kafka, topic_name, [click(1), click(61)])
    with running(*command(kafka, minutes), CLICKSTREAM_STATUS_TOPIC=status) as part:

        def said() -> dict[str, Any]:
            words = [json.loads(value(record)) for record in records(kafka, status) if record.value()]
            found = [one for one in words if "rates" in one]
            return next((one for one in found if one["rates"].get("rows")), {})

        found = wait_until(said, 30, "it reports", 0.2)
        assert (found["kind"], found["state"], found["host"]) == ("tables", "running", socket.gethostname())
        assert found["topics"] == [topic_name, f"{topic_name}-per_min"]
        assert part.stop() == 0
    assert records(kafka, status)[-1].value() is None


# --- the broker dies


@pytest.fixture
def mortal(tmp_path: Path, broker_java: str) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "mortal", java=broker_java, port=0, linger=5.0)
    try:
        lease = broker.acquire()
    except ClickstreamError as error:
        missing(f"no embedded Kafka: {error}")
    with lease:
        yield broker
    broker.stop(force=True)


def test_a_broker_that_dies_costs_and_doubles_nothing(mortal: EmbeddedBroker, tmp_path: Path) -> None:
    kafka = mortal.status().address
    assert kafka is not None
    lived = shipped("clickstream", tmp_path / "lived", "web", "lived")
    calm = shipped("clickstream", tmp_path / "calm", "web", "calm")
    generate(kafka, "web", "--count", "1", "--seed", "1")
    topics = ["--topic", "web-clickstream", "--codes-topic", "web-clickstream_codes"]
    flow = ["--users-topic", "web-clickstream_users", "--rate", "500", "--event-rate", "100", "--seed", "3"]
    with (
        running("generate", "web", "-b", kafka, *topics, *flow, "--quiet") as feed,
        running(*command(kafka, lived, "--emit", "changes", "--idle-timeout", "0")) as part,
    ):

        def go_on() -> None:
            before = written(kafka, "lived-user_clickstream")
            wait_until(
                lambda: not part.running or written(kafka, "lived-user_clickstream") > before + 500, 60, "it goes on"
            )
            assert part.running, part.said()

        wait_until(lambda: "lived-user_clickstream" in Cluster(kafka).admin().list_topics(timeout=10).topics, 30)
        go_on()
        before = mortal.status()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: mortal.status().restarts > before.restarts, 30, "the supervisor sees it")
        wait_until(lambda: mortal.status().state == "running", 60, "it is back")
        go_on()
        assert feed.stop() == 0, feed.said()
        assert part.stop() == 0, part.said()
        assert "Traceback" not in part.said()
    for path in (lived, calm):
        to_end(kafka, path)
    for (topic, keyed), expected in zip(targets(lived).items(), targets(calm), strict=True):
        if keyed:
            assert table(kafka, topic) == table(kafka, expected), topic
        else:
            assert stream(kafka, topic) == stream(kafka, expected), topic


# --- on a terminal


def test_warnings_stand_above_the_view(kafka: str, topic_name: str, tmp_path: Path) -> None:
    """Of a topic that is not there yet, on a terminal of 60 columns, and while rows come."""
    path = script(tmp_path, topic_name, MINUTES)
    arguments = [one for one in command(kafka, path) if one != "--quiet"]
    with running_on_terminal(*arguments, columns=60) as screen:
        lines = screen.wait_for(
            lambda lines: "does not exist yet" in " ".join(lines) and any(line.startswith("TABLE") for line in lines)
        )
        make_topic(kafka, topic_name, 1)
        produce(kafka, topic_name, [click(0), b"\xff", click(10)])
        lines = screen.wait_for(lambda lines: any(re.match(r"clicks +2 .* 1 ", line) for line in lines))
        [above] = [number for number, line in enumerate(lines) if "does not exist" in line]
        [below] = [number for number, line in enumerate(lines) if line.startswith("SOURCE")]
        assert above < below
        assert "DEAD" in lines[below]
        screen.press("\x03")
        assert screen.end() == 0
        after = screen.all_lines()
    assert sum(line.startswith("SOURCE") for line in after) == 1
    assert after[-1].startswith("Read 2 rows, wrote ") or after[-2].startswith("Read 2 rows, wrote ")
