"""`topics tail`, on a real Kafka."""

import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.topics import Declared, ensure
from tests.integration.topics.support import complaint, ended_by, lines, next_line, run, running, send, values
from tests.support import PATIENCE


def test_the_last_records_over_all_partitions(kafka: str, topic: str) -> None:
    for number in range(12):
        send(kafka, topic, str(number).encode(), partition=number % 2)
    assert sorted(values(run(kafka, "topics tail", topic))) == list(range(2, 12))
    assert len(values(run(kafka, "topics tail", topic, "-n", "3"))) == 3
    assert values(run(kafka, "topics tail", topic, "-n", "2", "--partition", "0")) == [8, 10]


def test_a_record_is_shown_with_all_it_has(kafka: str, topic: str) -> None:
    send(kafka, topic, b'{"a": 1}', key=b"k", headers=[("reason", b"none")])
    [found] = lines(run(kafka, "topics tail", topic))
    written = datetime.fromisoformat(found.pop("timestamp"))
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert found == {
        "topic": topic,
        "partition": 0,
        "offset": 0,
        "key": "k",
        "headers": {"reason": "none"},
        "value": {"a": 1},
    }


def test_tombstones_text_and_bytes(kafka: str, topic: str) -> None:
    send(kafka, topic, None, b"te\x1bxt", b"\xff")
    assert values(run(kafka, "topics tail", topic)) == [None, "te\x1bxt", {"$base64": "/w=="}]


def test_empty_topics_end_at_once(kafka: str, topic: str) -> None:
    started = time.monotonic()
    assert lines(run(kafka, "topics tail", topic)) == []
    assert lines(run(kafka, "topics tail", topic, "--from", "beginning")) == []
    assert time.monotonic() - started < 5 * PATIENCE


def test_from_an_offset_a_time_the_beginning_and_the_end(kafka: str, topic: str) -> None:
    send(kafka, topic, b"0", b"1")
    moment = datetime.now(UTC)
    send(kafka, topic, b"2", b"3")
    assert values(run(kafka, "topics tail", topic, "--from", "beginning")) == [0, 1, 2, 3]
    assert values(run(kafka, "topics tail", topic, "--from", "beginning", "-n", "2")) == [0, 1]
    assert values(run(kafka, "topics tail", topic, "--from", "3")) == [3]
    for before_1970 in ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.998Z", "1900-01-01"):
        assert values(run(kafka, "topics tail", topic, "--from", before_1970)) == [0, 1, 2, 3]
    assert values(run(kafka, "topics tail", topic, "--from", "99")) == []
    assert values(run(kafka, "topics tail", topic, "--from", "end")) == []
    assert values(run(kafka, "topics tail", topic, "--from", moment.isoformat())) == [2, 3]
    assert values(run(kafka, "topics tail", topic, "--from", (moment + timedelta(hours=1)).isoformat())) == []


def test_filters_reach_back_until_enough_is_found(kafka: str, topic: str) -> None:
    sender = Sender(Cluster(kafka).producer())
    for number in range(10_000):
        sender.send(topic, b'{"n":%d,"user":{"vip":%s}}' % (number, b"true" if number < 3 else b"false"), partition=1)
    sender.must_have_delivered("the test's records")
    result = run(kafka, "topics tail", topic, "--filter", "user.vip=true", "-n", "2")
    assert [value["n"] for value in values(result)] == [1, 2]
    assert values(run(kafka, "topics tail", topic, "--filter", "user.vip=true", "--filter", "n=7")) == []
    asked = run(kafka, "topics tail", topic, "--filter", "n >= 2 and user.vip != false", "--filter", "VIP")
    assert [value["n"] for value in values(asked)] == [2]


def test_transactions_leave_gaps_that_are_stepped_over(kafka: str, topic: str) -> None:
    producer = Cluster(kafka).producer({"transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(30)
    for number in range(6):
        producer.begin_transaction()
        producer.produce(topic, str(number).encode(), partition=0)
        producer.flush(30 * PATIENCE)
        if number % 2:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
    assert values(run(kafka, "topics tail", topic, "-n", "3")) == [0, 2, 4]
    assert values(run(kafka, "topics tail", topic, "-n", "1")) == [4]
    assert values(run(kafka, "topics tail", topic, "--from", "beginning")) == [0, 2, 4]
    assert values(run(kafka, "topics export", topic, "-o", "-")) == [0, 2, 4]


def test_an_open_transaction_is_not_waited_for(kafka: str, topic: str) -> None:
    send(kafka, topic, b"1")
    producer = Cluster(kafka).producer({"transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"2", partition=0)
    producer.flush(30 * PATIENCE)
    assert values(run(kafka, "topics tail", topic)) == [1]
    assert values(run(kafka, "topics export", topic, "-o", "-")) == [1]
    assert values(run(kafka, "topics tail", topic, "-X", "isolation.level=read_uncommitted")) == [1, 2]
    producer.abort_transaction(30)


def test_several_topics(kafka: str, topic: str) -> None:
    ensure(Cluster(kafka), [Declared(f"{topic}-2", 1, 1)])
    send(kafka, topic, b"1", b"2")
    send(kafka, f"{topic}-2", b"3", b"4")
    assert values(run(kafka, "topics tail", topic, f"{topic}-2", "-n", "1")) == [2, 4]
    found = lines(run(kafka, "topics tail", topic, f"{topic}-2", "--from", "beginning"))
    assert sorted((one["topic"], one["value"]) for one in found) == [
        (topic, 1),
        (topic, 2),
        (f"{topic}-2", 3),
        (f"{topic}-2", 4),
    ]


def test_a_partition_that_does_not_exist(kafka: str, topic: str) -> None:
    assert complaint(run(kafka, "topics tail", topic, "--partition", "3")).startswith(
        f"Topic {topic} has no partition 3"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "-1"],
        ["-n", "many"],
        ["--from", "start"],
        ["--from", "-1"],
        ["--filter", ""],
        ["--filter", "$nothing=1"],
        ["--partition", "-1"],
    ],
)
def test_bad_usage_of_tail_is_found_before_anything_starts(arguments: list[str]) -> None:
    result = run("127.0.0.1:1", "topics tail", "t", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_shows_the_last_and_then_what_comes(kafka: str, topic: str, number: signal.Signals) -> None:
    send(kafka, topic, b"1", b"2")
    with running(kafka, "topics tail", topic, "-n", "1", "--follow") as process:
        assert next_line(process)["value"] == 2
        send(kafka, topic, b"3", partition=1)
        assert next_line(process)["value"] == 3
        send(kafka, topic, b"4", partition=2)
        assert next_line(process)["value"] == 4
        assert ended_by(process, number) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("options", [["-n", "1", "--follow"], ["--from", "beginning"]])
def test_a_reader_that_leaves_ends_it_quietly_even_on_a_quiet_topic(kafka: str, topic: str, options: list[str]) -> None:
    send(kafka, topic, *[b"x" * 1_000] * 10)
    with running(kafka, "topics tail", topic, *options) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(20 * PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
