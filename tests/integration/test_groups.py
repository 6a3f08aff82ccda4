"""`clickstream groups` as a person runs it, on a real Kafka."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition

from clickstream.cli import clickstream
from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.topics import Declared, ensure
from tests.support import wait_until


def run(kafka: str, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(clickstream, ["groups", command, "-b", kafka, *arguments])


def described(kafka: str, group: str) -> dict[str, Any]:
    result = run(kafka, "describe", group, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)  # type: ignore[no-any-return]


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    """Ten records in each of two partitions."""
    ensure(Cluster(kafka), [Declared(topic_name, 2, 1)])
    sender = Sender(Cluster(kafka).producer())
    for number in range(20):
        sender.send(topic_name, b"x", partition=number % 2)
    sender.must_have_delivered("the test's records")
    return topic_name


@pytest.fixture
def member(kafka: str, topic: str) -> Iterator[Consumer]:
    """The one member of the group named like the topic; it has committed offset 4 of partition 0."""
    consumer = Cluster(kafka).consumer(topic, {"client.id": "the-member", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    wait_until(lambda: consumer.poll(0.1) and len(consumer.assignment()) == 2, timeout=30)
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    yield consumer
    consumer.close()


@pytest.mark.usefixtures("member")
def test_lag_and_members_of_a_group_that_reads(kafka: str, topic: str) -> None:
    found = described(kafka, topic)
    [one] = found["members"]
    assert (found["state"], found["lag"], one["client"]) == ("stable", 6, "the-member")
    assert found["partitions"] == [
        {"topic": topic, "partition": 0, "committed": 4, "end": 10, "lag": 6, "member": one["id"]},
        {"topic": topic, "partition": 1, "committed": None, "end": 10, "lag": None, "member": one["id"]},
    ]


def test_lag_of_a_group_that_nobody_is_in(kafka: str, topic: str, member: Consumer) -> None:
    member.close()
    found = described(kafka, topic)
    assert (found["state"], found["members"], found["lag"]) == ("empty", [], 6)
    assert [(one["partition"], one["member"]) for one in found["partitions"]] == [(0, None)]


@pytest.mark.usefixtures("member")
def test_groups_are_listed_with_their_lag(kafka: str, topic: str) -> None:
    listed = [json.loads(line) for line in run(kafka, "list", "--json").stdout.splitlines()]
    [found] = [one for one in listed if one["group"] == topic]
    assert (found["state"], found["members"], found["lag"], found["topics"]) == ("stable", 1, 6, [topic])
    [row] = [line.split() for line in run(kafka, "list").stdout.splitlines() if line.startswith(f"{topic} ")]
    assert row == [topic, "stable", "1", "6", topic]


@pytest.mark.usefixtures("member")
def test_a_description_for_people(kafka: str, topic: str) -> None:
    first, header, *rows = run(kafka, "describe", topic).stdout.splitlines()
    assert first == f"{topic}: stable, 1 member, lag 6"
    assert header.split() == ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"]
    assert [row.split()[1:5] for row in rows[:2]] == [["0", "4", "10", "6"], ["1", "-", "10", "-"]]


def test_a_commit_beyond_the_end_is_told(kafka: str, topic: str, member: Consumer) -> None:
    member.commit(offsets=[TopicPartition(topic, 0, 99)], asynchronous=False)
    result = run(kafka, "describe", topic)
    assert result.stderr.startswith(f"Warning: {topic} partition 0 ends at 10, before the offset")
    assert [one["lag"] for one in described(kafka, topic)["partitions"]] == [-89, None]


def test_commits_of_a_topic_that_is_gone_are_no_obstacle(kafka: str, topic: str, member: Consumer) -> None:
    member.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    delete(Cluster(kafka), [topic])
    wait_until(lambda: topic not in existing(Cluster(kafka)))
    assert described(kafka, topic)["lag"] is None
    assert run(kafka, "list").exit_code == 0


@pytest.mark.usefixtures("member")
def test_an_unknown_group_is_named_with_one_that_looks_like_it(kafka: str, topic: str) -> None:
    error = run(kafka, "describe", f"{topic}x").exception
    assert isinstance(error, ClickstreamError)
    assert str(error).startswith(f"Group {topic}x does not exist at {kafka}. Did you mean {topic}")


@contextmanager
def member_with_assignment(kafka: str, group: str, assignment: bytes) -> Iterator[None]:
    """A group whose one member has that assignment: what no librdkafka client would send, spoken directly.

    https://kafka.apache.org/protocol: JoinGroup 3 and SyncGroup 2.
    """

    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    def octets(value: bytes) -> bytes:
        return struct.pack(">i", len(value)) + value

    def ask(api: int, version: int, body: bytes) -> bytes:
        connection.sendall(octets(struct.pack(">hhi", api, version, 0) + text("raw") + body))
        length = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
        return connection.recv(length, socket.MSG_WAITALL)[4:]

    def join() -> bytes | None:
        nothing = struct.pack(">hih", 0, 0, -1)  # of the consumer protocol: version, no topics, no data
        joining = text(group) + struct.pack(">ii", 60_000, 60_000) + text("") + text("consumer")
        answer = ask(11, 3, joining + struct.pack(">i", 1) + text("range") + octets(nothing))
        return answer if struct.unpack_from(">h", answer, 4)[0] == 0 else None

    host, port = kafka.split(":")
    with socket.create_connection((host, int(port)), 60) as connection:
        answer = wait_until(join, 60, "the group's coordinator")
        assert answer is not None
        generation = answer[6:10]
        member = answer.split(b"raw-")[1][:36].decode()  # raw- and a UUID
        me = text(f"raw-{member}")
        answer = ask(14, 2, text(group) + generation + me + struct.pack(">i", 1) + me + octets(assignment))
        assert struct.unpack_from(">h", answer, 4)[0] == 0
        yield


@pytest.mark.usefixtures("member")
def test_a_group_with_an_assignment_that_cannot_be_read_is_named_beside_the_others(kafka: str, topic: str) -> None:
    odd = f"{topic}-odd"
    with member_with_assignment(kafka, odd, b"\0\1\xff\xff"):
        table, listed = run(kafka, "list"), run(kafka, "list", "--json")
        alone = run(kafka, "describe", odd)
    assert (table.exit_code, listed.exit_code, alone.exit_code) == (0, 0, 0)
    assert f"Warning: {odd}: its state and members cannot be read: the client library does not" in table.stderr
    rows = {line.split()[0]: line.split()[1:] for line in table.stdout.splitlines()}
    assert rows[topic] == ["stable", "1", "6", topic]
    assert rows[odd] == ["-", "-", "-"]
    found = {one["group"]: one for one in map(json.loads, listed.stdout.splitlines())}
    assert (found[topic]["lag"], found[odd]["state"], found[odd]["members"]) == (6, None, None)
    assert "does not understand" in found[odd]["problem"]
    assert "problem" not in found[topic]
    assert alone.stdout.startswith(f"{odd}: state unknown, - members, lag -")
    assert f"Warning: {odd}: " in alone.stderr
