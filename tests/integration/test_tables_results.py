"""Topics of results that are deleted, recreated or get partitions: said, or coped with."""

import json
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewPartitions
from pytest_mock import MockerFixture

from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.state.store import State
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
    appended,
    click,
    command,
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


class Died(Exception):
    """Instead of a SIGKILL."""


def test_rows_in_partitions_that_came_after_the_last_commit_are_not_written_again(
    kafka: str, clicks: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    """A result topic gets partitions, rows go there, and the process dies before it commits where they end."""
    path, result = script(tmp_path, clicks, EVERY), f"{clicks}-each_row"
    to_end(kafka, path)
    admin = Cluster(kafka).admin()
    for future in admin.create_partitions([NewPartitions(result, 6)]).values():
        future.result()
    wait_until(lambda: existing(Cluster(kafka))[result] == 6, 60, "its partitions")
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
    found = Counter(json.loads(value(record))["ip"] for record in records(kafka, result))
    assert found == Counter(["a", "a", *(f"visitor {number}" for number in range(3_000))])
