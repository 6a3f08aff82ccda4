"""States of two Kafka clusters under one --state-dir, and those of the layout before that."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from clickstream.broker import EmbeddedBroker
from tests.integration.support import is_an_error_for_people, make_topic, produce
from tests.integration.tablesupport import MINUTES, click, per_minute, script, state_of, tables


@pytest.fixture(scope="module")
def other_kafka(tmp_path_factory: pytest.TempPathFactory, broker_java: str) -> Iterator[str]:
    """Another cluster than `kafka`, whatever that is."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("other"), java=broker_java, port=0, linger=5.0)
    with broker.acquire() as lease:
        yield lease.address
    broker.stop(force=True)


@pytest.fixture
def path(kafka: str, other_kafka: str, topic_name: str, tmp_path: Path) -> Path:
    """A file whose topic has one click on one cluster, and two on the other."""
    for address, clicks in ((kafka, [click(1)]), (other_kafka, [click(1), click(2)])):
        make_topic(address, topic_name, 1)
        produce(address, topic_name, clicks)
    return script(tmp_path, topic_name, MINUTES)


def test_each_cluster_has_a_state_of_its_own(kafka: str, other_kafka: str, topic_name: str, path: Path) -> None:
    done = tables(kafka, path)
    assert done.code == 0
    assert "another Kafka cluster" not in done.said
    ours, theirs = state_of(kafka, path), state_of(other_kafka, path)
    assert ours != theirs
    done = tables(other_kafka, path)
    assert done.code == 0, done.said
    said = [line for line in done.said.splitlines() if "another Kafka cluster" in line]
    assert len(said) == 1
    for words in ("There is a state of file", ours.parent.parent.name, theirs.parent.parent.name, "from the start"):
        assert words in said[0]
    # Both go on where they were.
    for address, before in ((kafka, 1), (other_kafka, 2)):
        produce(address, topic_name, [click(61)])
        done = tables(address, path)
        assert "Read 1 rows" in done.said
        assert "another Kafka cluster" not in done.said
        assert per_minute(address, f"{topic_name}-per_min") == {0: before, 1: 1}


def test_a_state_of_the_layout_before_moves_once(kafka: str, other_kafka: str, path: Path) -> None:
    """It was made by another version of the engine, and which cluster it is of nobody knows."""
    old = path.parent / "state" / "tables" / path.stem / "state.duckdb"
    old.parent.mkdir(parents=True)
    with duckdb.connect(str(old)) as db:
        db.execute("CREATE TABLE about (version INTEGER)")
        db.execute("INSERT INTO about VALUES (1)")
    for _ in range(2):
        done = tables(kafka, path)
        assert done.code == 1
        assert is_an_error_for_people(done, "another version of the engine", "--reset")
        assert not old.parent.exists()
        assert state_of(kafka, path).exists()
    done = tables(other_kafka, path)
    assert done.code == 0, done.said
    assert "There is a state of file for another Kafka cluster" in done.said
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 0, done.said
    assert "Read 1 rows" in done.said
