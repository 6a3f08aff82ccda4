"""`topics create` and `topics delete`, on a real Kafka."""

from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ConfigError
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster, Unreachable
from tests.integration.topics.support import complaint, lines, run, send
from tests.support import wait_until

# create


def test_declared_topics_are_created_with_their_settings(kafka: str, topic_name: str, tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(
        f'[{topic_name}-a]\npartitions = 2\nreplication-factor = 1\nconfig = {{ "retention.ms" = 60000 }}\n'
        f"[{topic_name}-b]\n"
    )
    result = run(kafka, "topics create", "--file", str(file))
    assert result.stdout.splitlines()[0] == f"Created {topic_name}-a (2 partitions)."
    assert f"Created {topic_name}-b" in result.stdout
    [found] = lines(run(kafka, "topics describe", f"{topic_name}-a", "--json"))
    assert len(found["partitions"]) == 2
    assert found["config"]["retention.ms"] == {"value": "60000", "source": "topic"}


def test_only_the_named_topics_are_created(kafka: str, topic_name: str, tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(f"[{topic_name}-a]\n[{topic_name}-b]\n")
    assert run(kafka, "topics create", "--file", str(file), f"{topic_name}-b").exit_code == 0
    there = existing(Cluster(kafka))
    assert (f"{topic_name}-a" in there, f"{topic_name}-b" in there) == (False, True)


def test_an_undeclared_topic_is_created_as_the_options_say(kafka: str, topic_name: str) -> None:
    options = ["--partitions", "4", "--replication-factor", "1", "-c", "cleanup.policy=compact", "-c", "retention.ms=7"]
    assert run(kafka, "topics create", topic_name, *options).stdout == f"Created {topic_name} (4 partitions).\n"
    [found] = lines(run(kafka, "topics describe", topic_name, "--json"))
    assert {key: found["config"][key]["value"] for key in ("cleanup.policy", "retention.ms")} == {
        "cleanup.policy": "compact",
        "retention.ms": "7",
    }


def test_an_existing_topic_that_differs_is_reported_and_left_as_it_is(kafka: str, topic: str) -> None:
    result = run(kafka, "topics create", topic, "--partitions", "5", "-c", "retention.ms=7")
    assert result.exit_code == 0
    assert result.stderr == (
        f"Warning: {topic} is there and was not changed: partitions 3, declared 5; retention.ms -1, declared 7.\n"
    )
    [found] = lines(run(kafka, "topics describe", topic, "--json"))
    assert len(found["partitions"]) == 3


def test_an_existing_topic_that_does_not_differ_is_no_warning(kafka: str, topic: str) -> None:
    result = run(kafka, "topics create", topic, "--partitions", "3", "--replication-factor", "1")
    assert (result.stdout, result.stderr) == (f"{topic} is there already.\n", "")


def test_what_the_broker_refuses_is_explained(kafka: str, topic_name: str) -> None:
    message = complaint(run(kafka, "topics create", topic_name, "-c", "retention.ms=often"))
    assert message.startswith(f"Creating topic {topic_name} at {kafka} failed: Invalid value often for configuration")
    message = complaint(run(kafka, "topics create", topic_name, "--replication-factor", "9"))
    assert message.endswith("The cluster has fewer brokers than replicas were asked for.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["two words"],
        ["--partitions", "2"],
        ["t", "--partitions", "0"],
        ["t", "-c", "retention.ms"],
        ["t", "-c", "=1"],
    ],
)
def test_bad_usage_of_create_is_found_before_anything_starts(arguments: list[str]) -> None:
    assert run("127.0.0.1:1", "topics create", *arguments).exit_code == 2


# delete


def test_topics_are_deleted(kafka: str, topic: str) -> None:
    assert run(kafka, "topics delete", topic, "--yes").stdout == f"Deleted {topic}.\n"
    wait_until(lambda: topic not in existing(Cluster(kafka)))


def test_without_a_terminal_deleting_wants_yes(kafka: str, topic: str) -> None:
    assert "--yes" in complaint(run(kafka, "topics delete", topic, stdin="y\n"), ConfigError)
    assert topic in existing(Cluster(kafka))


@pytest.mark.parametrize(("answer", "deleted"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_deleting_asks(kafka: str, topic: str, answer: str, deleted: bool, mocker: MockerFixture) -> None:
    mocker.patch("clickstream.cli.topics.on_terminal", return_value=True)
    send(kafka, topic, b"x", b"y")
    result = run(kafka, "topics delete", topic, stdin=answer)
    assert f"Delete {topic} with 2 records at {kafka}? [y/N]" in result.stderr
    assert (result.exit_code == 0) is deleted
    if deleted:
        wait_until(lambda: topic not in existing(Cluster(kafka)))
    else:
        assert topic in existing(Cluster(kafka))


def test_one_unknown_name_saves_the_others(kafka: str, topic: str) -> None:
    assert complaint(run(kafka, "topics delete", topic, "no-such-topic", "--yes")).startswith("Topic no-such-topic")
    assert topic in existing(Cluster(kafka))


def test_kafkas_own_topics_are_not_deleted(kafka: str) -> None:
    assert "__consumer_offsets" in complaint(run(kafka, "topics delete", "__consumer_offsets", "--yes"), ConfigError)


def test_no_broker_is_an_error_in_seconds_that_names_the_address(mocker: MockerFixture) -> None:
    mocker.patch("clickstream.kafka.clients.REACHABLE_WITHIN_S", 0.5)
    assert "127.0.0.1:1" in complaint(run("127.0.0.1:1", "topics list"), Unreachable)
