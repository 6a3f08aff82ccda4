"""`topics list` and `topics describe`, on a real Kafka."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_mock import MockerFixture

from clickstream.cli import clickstream
from clickstream.inspect import offsets, sizes
from clickstream.inspect.text import in_zone
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.topics import ensure
from tests.integration.topics.support import complaint, ended_by, lines, next_line, run, running, send
from tests.support import PATIENCE, wait_until

# list


def listed(result: Result, name: str) -> dict[str, Any]:
    [found] = [one for one in lines(result) if one["name"] == name]
    return found  # type: ignore[no-any-return]


def test_records_and_last_write_are_right_at_once_after_a_write(kafka: str, topic: str) -> None:
    before = listed(run(kafka, "topics list", "--json"), topic)
    assert (before["partitions"], before["records"], before["last_write"]) == (3, 0, None)
    for written in range(1, 4):
        started = datetime.now(UTC)
        send(kafka, topic, b"x", partition=written % 3)
        found = listed(run(kafka, "topics list", "--json"), topic)
        assert found["records"] == written
        last_write = datetime.fromisoformat(found["last_write"])
        assert started - timedelta(milliseconds=1) <= last_write <= datetime.now(UTC)


def test_the_fallback_for_old_brokers_finds_the_same_last_write(kafka: str, topic: str, mocker: MockerFixture) -> None:
    cluster = Cluster(kafka)
    admin = cluster.admin()
    send(kafka, topic, b"x", b"y", partition=1)
    limits = offsets.limits(cluster, admin, [(topic, number) for number in range(3)])
    asked = sizes.last_writes(cluster, admin, limits)
    mocker.patch("clickstream.inspect.offsets.ask", side_effect=offsets.UnsupportedByBroker)
    assert sizes.last_writes(cluster, admin, limits) == asked
    assert list(asked) == [(topic, 1)]


def test_kafkas_own_topics_are_hidden(kafka: str, topic: str) -> None:
    consumer = Cluster(kafka).consumer("test-hidden")
    consumer.subscribe([topic])
    admin = Cluster(kafka).admin()
    wait_until(lambda: consumer.poll(0.1) or "__consumer_offsets" in admin.list_topics(timeout=5).topics)
    consumer.close()
    names = {one["name"] for one in lines(run(kafka, "topics list", "--json"))}
    all_names = {one["name"] for one in lines(run(kafka, "topics list", "--json", "--all"))}
    assert topic in names
    assert all_names - names >= {"__consumer_offsets"}


def test_the_embedded_kafka_knows_the_size_on_disk(kafka: str, kafka_data_dir: Path, topic: str) -> None:
    if os.environ.get("CLICKSTREAM_TEST_BOOTSTRAP"):
        pytest.skip("another broker than the embedded one was given")
    send(kafka, topic, os.urandom(100_000))
    embedded = CliRunner().invoke(clickstream, ["topics", "list", "--json", "--state-dir", str(kafka_data_dir)])
    assert 100_000 < listed(embedded, topic)["size"] < 101_000
    assert listed(run(kafka, "topics list", "--json"), topic)["size"] is None


def test_a_list_for_people_has_aligned_columns(kafka: str, topic: str) -> None:
    send(kafka, topic, *[b"x"] * 3)
    header, *rows = run(kafka, "topics list").stdout.splitlines()
    [row] = [row for row in rows if row.startswith(f"{topic} ")]
    assert header.split() == ["TOPIC", "PARTITIONS", "RECORDS", "SIZE", *in_zone("LAST WRITE").split()]
    assert row.split()[1:4] == ["3", "3", "-"]


# watching


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_tells_the_rate_of_what_comes_in(kafka: str, topic: str, number: signal.Signals) -> None:
    with running(kafka, "topics list", "--watch", "--json", "--interval", "0.2") as process:
        while (first := next_line(process))["name"] != topic:
            pass
        assert (first["records"], first["in_per_s"]) == (0, None)
        send(kafka, topic, *[b"x"] * 5)
        seen, written = 0.0, 0
        while written < 5:
            line = next_line(process)
            if line["name"] == topic:
                assert line["in_per_s"] > 0
                seen, written = seen + 1, line["records"]
        assert seen >= 1
        assert ended_by(process, number) == 0


def test_watching_ends_when_its_reader_leaves(kafka: str, topic: str) -> None:
    with running(kafka, "topics list", "--watch", "--interval", "0.1") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(20 * PATIENCE) == 0


# describe


def test_partitions_are_described(kafka: str, topic: str) -> None:
    send(kafka, topic, b"x", b"y", partition=2)
    [found] = lines(run(kafka, "topics describe", topic, "--json"))
    assert [(one["partition"], one["low"], one["high"]) for one in found["partitions"]] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 2),
    ]
    leader = found["partitions"][0]["leader"]
    assert found["partitions"][0]["replicas"] == found["partitions"][0]["isr"] == [leader]
    assert found["id"] in run(kafka, "topics describe", topic).stdout


def test_a_topic_made_anew_has_another_id(kafka: str, topic: str) -> None:
    [before] = lines(run(kafka, "topics describe", topic, "--json"))
    assert run(kafka, "topics delete", topic, "--yes").exit_code == 0
    wait_until(lambda: topic not in existing(Cluster(kafka)))
    ensure(Cluster(kafka), [topic])
    [after] = lines(run(kafka, "topics describe", topic, "--json"))
    assert after["id"] != before["id"]


@pytest.mark.parametrize("command", ["describe", "tail", "export", "delete"])
def test_an_unknown_topic_is_named_with_one_that_looks_like_it(kafka: str, topic: str, command: str) -> None:
    options = ["-o", "-"] if command == "export" else []
    message = complaint(run(kafka, f"topics {command}", f"{topic}x", *options))
    assert message.startswith(f"Topic {topic}x does not exist at {kafka}. Did you mean {topic}")
