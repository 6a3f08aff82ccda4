"""Topics of results that are deleted, recreated or get partitions: said, or coped with."""

import json
import threading
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewPartitions
from pytest_mock import MockerFixture

from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine import engine
from clickstream.tables.engine.state.store import State
from tests.integration.librdkafka import admin_of
from tests.integration.support import (
    is_an_error_for_people,
    make_topic,
    produce,
    records,
    running,
    value,
    written,
)
from tests.integration.tablesupport import (
    MINUTES,
    AtWork,
    appended,
    click,
    command,
    engine_of,
    per_minute,
    script,
    tables,
    to_end,
)
from tests.support import wait_until

EVERY = appended("each_row", "ip STRING") + "INSERT INTO each_row SELECT ip FROM clicks;\n"


@pytest.fixture
def clicks(kafka: str, topic_name: str) -> str:
    """A topic with one partition and two clicks."""
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(70)])
    return topic_name


def remove(kafka: str, topic: str) -> None:
    delete(Cluster(kafka), [topic])
    wait_until(lambda: topic not in existing(Cluster(kafka)), 60, "it is gone")


@pytest.mark.parametrize("recreated", [False, True])
def test_a_result_that_was_deleted_between_runs(kafka: str, clicks: str, tmp_path: Path, recreated: bool) -> None:
    """The rows that it had are gone: to write on would leave the table without them."""
    path, result = script(tmp_path, clicks, MINUTES), f"{clicks}-per_min"
    to_end(kafka, path)
    remove(kafka, result)
    if recreated:
        make_topic(kafka, result, 1, cleanup_policy="compact")
    produce(kafka, clicks, [click(130)])
    done = tables(kafka, path)
    assert done.code == 1
    assert is_an_error_for_people(done, f"Topic {result}", "recreated" if recreated else "deleted", "--reset")
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 0, done.said
    assert per_minute(kafka, result) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize("statement", [EVERY, MINUTES], ids=["stream", "table"])
def test_a_result_that_is_deleted_while_it_is_written(kafka: str, clicks: str, tmp_path: Path, statement: str) -> None:
    path = script(tmp_path, clicks, statement)
    result = f"{clicks}-{'each_row' if statement is EVERY else 'per_min'}"
    with running(*command(kafka, path, "--idle-timeout", "0")) as part:
        wait_until(lambda: result in existing(Cluster(kafka)) and written(kafka, result), 60, part.said())
        remove(kafka, result)
        produce(kafka, clicks, [click(130 + 60 * number) for number in range(3)])
        assert part.wait(120) == 1
        last = part.said().strip().splitlines()[-1]
        assert f"Topic {result}, which these tables write, was deleted while they ran." in last
        assert "--reset" in last
        assert "Traceback" not in part.said()
    done = tables(kafka, path)
    assert is_an_error_for_people(done, f"Topic {result}", "deleted", "--reset")


@pytest.mark.parametrize("recreated", [False, True])
def test_a_result_that_is_gone_is_noticed_though_there_are_no_rows_for_it(
    kafka: str, clicks: str, tmp_path: Path, recreated: bool
) -> None:
    """A producer would write to a topic of the same name without a word."""
    path, result = script(tmp_path, clicks, EVERY), f"{clicks}-each_row"
    with running(*command(kafka, path, "--idle-timeout", "0")) as part:
        wait_until(lambda: result in existing(Cluster(kafka)) and written(kafka, result) == 2, 60, part.said())
        remove(kafka, result)
        if recreated:
            make_topic(kafka, result, 1)
        assert part.wait(90) == 1
        what = "recreated" if recreated else "deleted"
        assert is_an_error_for_people(
            part.done(), f"Topic {result}, which these tables write, was {what} while they ran", "--reset"
        )
        assert not recreated or written(kafka, result) == 0


def test_a_row_larger_than_its_topic_takes_says_what_to_change(kafka: str, clicks: str, tmp_path: Path) -> None:
    path, result = script(tmp_path, clicks, EVERY), f"{clicks}-each_row"
    make_topic(kafka, result, 1, max_message_bytes="3000", compression_type="uncompressed")
    produce(kafka, clicks, [click(2, ip="very long " * 1_000), click(3)])
    for _ in range(2):  # it is the same at the next start
        done = tables(kafka, path)
        assert done.code == 1, done.said
        assert "Traceback" not in done.said, done.said
        last = done.said.strip().splitlines()[-1]
        assert f"larger than topic {result} takes (max.message.bytes is 3,000): raise max.message.bytes" in last
    larger = ConfigEntry("max.message.bytes", "100000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, result, incremental_configs=[larger])
    admin = admin_of(Cluster(kafka))
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()
    done = tables(kafka, path)
    assert done.code == 0, done.said
    assert [len(row) for row in rows_of(kafka, result)] == [1, 1, 10_000, 1]


def grow(kafka: str, topic: str, partitions: int) -> None:
    admin = admin_of(Cluster(kafka))
    for future in admin.create_partitions([NewPartitions(topic, partitions)]).values():
        future.result()
    wait_until(lambda: existing(Cluster(kafka))[topic] == partitions, 60, "its partitions")


def rows_of(kafka: str, topic: str) -> list[str]:
    """The addresses of all rows, partition by partition."""
    return [json.loads(value(record))["ip"] for record in records(kafka, topic)]


class Died(Exception):
    """Instead of a SIGKILL."""


def test_partitions_that_a_result_gets_while_it_is_written_are_read_back(
    kafka: str, clicks: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    """The process learns of them, commits rows in them, writes more, and dies before it commits these."""
    path, result, expected = script(tmp_path, clicks, EVERY), f"{clicks}-each_row", Counter({"a": 2})
    # How soon its producer learns of them: after 5 minutes, unless told.
    mocker.patch.dict(engine.PRODUCER, {"topic.metadata.refresh.interval.ms": 500})
    commit, last, committed = State.commit, threading.Event(), 0

    def commits(state: State) -> None:
        if last.is_set() and written(kafka, result) > committed:
            raise Died
        commit(state)

    def come(count: int) -> None:
        new = [f"visitor {len(expected) + number}" for number in range(count)]
        produce(kafka, clicks, [click(2, ip=name) for name in new])
        expected.update(new)

    mocker.patch.object(State, "commit", commits)
    work = AtWork(engine_of(kafka, path))

    def spread() -> bool:
        come(1)
        work.until(lambda: work.engine.totals()["written"] == expected.total(), "the row")
        return any(record.partition() for record in records(kafka, result))

    try:
        work.until_read(2)
        grow(kafka, result, 4)
        wait_until(spread, 120, "rows in new partitions", 0.2)
        saved = work.engine.positions
        work.until(lambda: sum(one.next_offset for one in saved()) == expected.total(), "their commit")
        committed = written(kafka, result)
        last.set()
        come(3_000)
        wait_until(lambda: work.raised, 60, "its death")
    finally:
        work.end()
    assert isinstance(work.raised, Died)
    mocker.stopall()
    assert written(kafka, result) > committed
    to_end(kafka, path)
    assert Counter(rows_of(kafka, result)) == expected


def test_rows_in_partitions_that_came_after_the_last_commit_are_not_written_again(
    kafka: str, clicks: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    """A result topic gets partitions, rows go there, and the process dies before it commits where they end."""
    path, result = script(tmp_path, clicks, EVERY), f"{clicks}-each_row"
    # Unless told, rows that are written within 10 ms go to one partition: these may all be.
    mocker.patch.dict(engine.PRODUCER, {"sticky.partitioning.linger.ms": 0})
    to_end(kafka, path)
    grow(kafka, result, 6)
    produce(kafka, clicks, [click(2, ip=f"visitor {number}") for number in range(3_000)])
    commit = State.commit

    def dies(state: State) -> None:
        if written(kafka, result) > 2:
            raise Died
        commit(state)

    mocker.patch.object(State, "commit", dies)
    with pytest.raises(Died):
        to_end(kafka, path)
    mocker.stopall()
    assert len({record.partition() for record in records(kafka, result)}) > 1
    to_end(kafka, path)
    assert Counter(rows_of(kafka, result)) == Counter(["a", "a", *(f"visitor {number}" for number in range(3_000))])
