"""Functions between two topics, on a real Kafka: what they return, how they fail, that each result is there once."""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import IsolationLevel, Message, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.admin import delete
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import FoundLetter, found_letter
from clickstream.kafka.log import Recreated
from clickstream.kafka.offsets import LATEST, ends
from clickstream.kafka.produce import Sender
from clickstream.kafka.transactions import Transactions
from clickstream.parts.threads import Threads
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from clickstream.transform.model import Caller, Options
from clickstream.transform.processes import Processes
from clickstream.transform.transform import TakenOver, Transform
from tests.integration.brokers import MortalBroker
from tests.integration.librdkafka import admin_of
from tests.integration.support import records, run, running
from tests.support import PATIENCE, wait_until

FUNCTIONS = "tests.integration.functions"
PATIENCE_S = 120.0
PARTITIONS = 3


@pytest.fixture
def topic(cluster: Cluster) -> str:
    return make_topics(cluster)


def make_topics(cluster: Cluster) -> str:
    """A topic to read, and beside it those to write."""
    name = f"transform-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(name, partitions=PARTITIONS), Declared(f"{name}-out", 1), Declared(f"{name}-dead", 1)])
    return name


def fill(cluster: Cluster, topic: str, values: Iterable[Any], first: int = 0) -> None:
    """Records as JSON, in turn over the partitions; the key is the partition."""
    sender = Sender(cluster.producer())
    for number, value in enumerate(values, first):
        place = number % PARTITIONS
        sender.send(topic, json.dumps(value).encode(), b"p%d" % place, partition=place, timestamp=10_000 + number)
    sender.must_have_delivered("The records")


def options(topic: str, **more: Any) -> Options:
    return Options(topic, f"{topic}-out", f"{topic}-dead", topic, **more)


def processes(function: str = "told", count: int = 1, deadline_s: float = 60.0) -> Processes:
    return Processes(f"{FUNCTIONS}:{function}", count, deadline_s)


def to_the_end(cluster: Cluster, topic: str, caller: Caller | None = None, **more: Any) -> Transform:
    transform = Transform(cluster, caller or processes(), options(topic, exit_at_end=True, **more))
    transform.run(Stop())
    return transform


@contextmanager
def background(transform: Transform) -> Iterator[Threads]:
    stop, threads = Stop(), Threads()
    threads.start(transform.run, stop)
    try:
        yield threads
    finally:
        stop.set()
        threads.wait()


def settled(cluster: Cluster, topic: str) -> list[Message]:
    """The committed records of a topic, once no transaction is open there.

    A commit is over for its writer when the coordinator has decided it; readers see it a moment later.
    """
    admin = cluster.admin()

    def is_settled() -> bool:
        asked = {TopicPartition(topic, number): LATEST for number in ends(cluster, topic)}
        levels = (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        stable, last = (
            [one.result().offset for one in admin.list_offsets(asked, isolation_level=level).values()]
            for level in levels
        )
        return stable == last

    wait_until(is_settled, PATIENCE_S)
    return records(cluster.address, topic)


def results(cluster: Cluster, topic: str) -> list[Any]:
    """The values of what was written, read as JSON, in the order of the log."""
    return [json.loads(record.value() or b"null") for record in settled(cluster, f"{topic}-out")]


def letters(cluster: Cluster, topic: str) -> list[FoundLetter]:
    found = [found_letter(record) for record in settled(cluster, f"{topic}-dead")]
    assert None not in found
    return [letter for letter in found if letter is not None]


def written(cluster: Cluster, topic: str) -> int:
    return sum(ends(cluster, f"{topic}-out").values())


def by_partition(found: Iterable[Any]) -> dict[int, list[int]]:
    """Numbers of results, by the partition that their records stood in."""
    sorted_: dict[int, list[int]] = {}
    for one in found:
        sorted_.setdefault(one["n"] % PARTITIONS, []).append(one["n"])
    return sorted_


# --- what a function returns


def test_a_function_returns_none_one_or_many(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, [{"do": "none", "n": 0}, {"do": "one", "n": 1}, {"do": "many", "n": 2}])
    transform = to_the_end(cluster, topic)
    found = sorted(
        (record.key(), record.value(), record.headers(), record.timestamp()[1])
        for record in settled(cluster, f"{topic}-out")
    )
    assert found == [
        (b"p1", b'{"n":1}', None, 10_001),
        *[(b"p2", b"2.%d" % part, [("part", b"%d" % part), ("none", None)], 1_000 + part) for part in range(3)],
    ]
    assert transform.totals() == {"processed": 3, "results": 4, "dead_lettered": 0, "retried": 0}
    assert {(one.partition, one.next_offset) for one in transform.positions()} == {(0, 1), (1, 1), (2, 1)}
    assert transform.last_success() is not None


def test_the_next_start_goes_on(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, [{"do": "one", "n": number} for number in range(30)])
    to_the_end(cluster, topic)
    fill(cluster, topic, [{"do": "one", "n": number} for number in range(30, 40)], 30)
    assert to_the_end(cluster, topic).processed == 10
    assert to_the_end(cluster, topic).processed == 0
    assert by_partition(results(cluster, topic)) == {place: list(range(place, 40, 3)) for place in range(PARTITIONS)}


def test_what_a_function_prints_is_no_answer(cluster: Cluster, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    fill(cluster, topic, [{"do": "print", "n": 0}])
    assert to_the_end(cluster, topic).results == 1
    assert "printed by the function True" in capfd.readouterr().err


def test_a_partition_that_comes_later_is_read(cluster: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.transform.reading.LOOK_FOR_PARTITIONS_EVERY_S", 0.1)
    transform = Transform(cluster, processes(), options(topic))
    with background(transform):
        admin = admin_of(cluster)  # kept: what was asked of a client that is gone is never answered
        admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result()
        wait_until(lambda: len(ends(cluster, topic)) > PARTITIONS, PATIENCE_S)
        sender = Sender(cluster.producer())
        sender.send(topic, b'{"do": "one", "n": 99}', partition=PARTITIONS)
        sender.must_have_delivered("The record")
        wait_until(lambda: transform.processed == 1, PATIENCE_S)
    assert results(cluster, topic) == [{"n": 99}]


# --- order


def test_calls_that_are_done_wait_for_an_earlier_one(cluster: Cluster, topic: str, tmp_path: Path) -> None:
    """The first record of partition 0 takes until all others of its window are done; other partitions go on."""
    gate = tmp_path / "gate"
    fill(cluster, topic, [{"do": "wait" if n == 0 else "one", "n": n, "until": str(gate)} for n in range(60)])
    transform = Transform(cluster, processes(count=2), options(topic, in_flight=8))
    with background(transform):
        wait_until(lambda: transform.processed == 40, PATIENCE_S)
        assert set(by_partition(results(cluster, topic))) == {1, 2}
        wait_until(lambda: transform.gauges()["in_flight"] == 1, PATIENCE_S)
        gate.touch()
        wait_until(lambda: transform.processed == 60, PATIENCE_S)
    assert by_partition(results(cluster, topic)) == {place: list(range(place, 60, 3)) for place in range(PARTITIONS)}


def test_a_partition_that_is_held_up_does_not_fill_the_room_of_others(
    cluster: Cluster, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream.transform.reading.MOST_WAITING", 40)
    monkeypatch.setattr("clickstream.transform.reading.ENOUGH", 10)
    gate = tmp_path / "gate"
    fill(cluster, topic, [{"do": "wait" if n == 0 else "one", "n": n, "until": str(gate)} for n in range(450)])
    transform = Transform(cluster, processes(count=2), options(topic, in_flight=4))
    with background(transform):
        wait_until(lambda: transform.processed == 300, PATIENCE_S)
        gate.touch()
        wait_until(lambda: transform.processed == 450, PATIENCE_S)
    assert by_partition(results(cluster, topic)) == {place: list(range(place, 450, 3)) for place in range(PARTITIONS)}


# --- functions that fail


def test_what_a_function_cannot_do_is_set_aside_and_the_others_go_on(cluster: Cluster, topic: str) -> None:
    bad = {1: "raise", 4: "nonsense", 7: "exit"}
    fill(cluster, topic, [{"do": bad.get(number, "one"), "n": number} for number in range(12)])
    transform = to_the_end(cluster, topic, processes(count=2), retries=1)
    assert by_partition(results(cluster, topic)) == {0: [0, 3, 6, 9], 1: [10], 2: [2, 5, 8, 11]}
    found = {letter.kind: letter for letter in letters(cluster, topic)}
    assert "ValueError: no 1 (functions.py line" in found["exception"].reason
    assert found["result"].reason == "the result is int: None, a Record, a dict or a list of these is expected"
    assert found["died"].reason == "the function's process ended with code 3 (2 attempts)"
    letter = found["exception"]
    assert (letter.part, letter.value, letter.key) == ("transform", b'{"do": "raise", "n": 1}', b"p1")
    assert (letter.origin.topic, letter.origin.partition, letter.origin.offset) == (topic, 1, 0)
    assert transform.totals() == {"processed": 12, "results": 9, "dead_lettered": 3, "retried": 1}


def test_a_function_that_hangs_is_killed_and_the_others_go_on(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, [{"do": "hang" if number == 4 else "one", "n": number} for number in range(9)])
    # The others have more attempts than the machine can be slow.
    transform = to_the_end(cluster, topic, processes(deadline_s=2.0 * PATIENCE), retries=1)
    assert by_partition(results(cluster, topic)) == {0: [0, 3, 6], 1: [1, 7], 2: [2, 5, 8]}
    (letter,) = letters(cluster, topic)
    assert letter.kind == "deadline"
    assert letter.reason == f"no answer within {2 * PATIENCE:g} s: its process was killed (2 attempts)"
    assert transform.retried >= 1


def test_a_record_waits_for_what_the_function_needs(cluster: Cluster, topic: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    fill(cluster, topic, [{"do": "away" if n == 0 else "one", "n": n, "until": str(there)} for n in range(6)])
    transform = Transform(cluster, processes(), options(topic, retries=0))
    with background(transform):
        wait_until(lambda: transform.processed == 4, PATIENCE_S)
        there.touch()
        wait_until(lambda: transform.processed == 6, PATIENCE_S)
    assert transform.dead_lettered == 0
    assert by_partition(results(cluster, topic)) == {0: [0, 3], 1: [1, 4], 2: [2, 5]}


def test_results_that_the_topic_does_not_take_are_set_aside(cluster: Cluster) -> None:
    topic = f"transform-{uuid.uuid4().hex[:8]}"
    small = Declared(f"{topic}-out", 1, config={"max.message.bytes": "1000"})
    ensure(cluster, [Declared(topic, partitions=PARTITIONS), small, Declared(f"{topic}-dead", 1)])
    fill(cluster, topic, [{"do": "large" if number == 4 else "one", "n": number} for number in range(12)])
    to_the_end(cluster, topic)
    assert by_partition(results(cluster, topic)) == {0: [0, 3, 6, 9], 1: [1, 7, 10], 2: [2, 5, 8, 11]}
    (letter,) = letters(cluster, topic)
    assert (letter.kind, letter.origin.partition, letter.origin.offset) == ("too-large", 1, 1)


def test_results_that_the_topic_refuses_for_their_time_or_key_are_set_aside(cluster: Cluster) -> None:
    topic = f"transform-{uuid.uuid4().hex[:8]}"
    compacted = Declared(f"{topic}-out", 1, config={"cleanup.policy": "compact"})
    ensure(cluster, [Declared(topic, partitions=PARTITIONS), compacted, Declared(f"{topic}-dead", 1)])
    bad = {4: "microseconds", 8: "keyless"}
    fill(cluster, topic, [{"do": bad.get(number, "one"), "n": number} for number in range(12)])
    to_the_end(cluster, topic)
    assert by_partition(results(cluster, topic)) == {0: [0, 3, 6, 9], 1: [1, 7, 10], 2: [2, 5, 11]}
    found = {letter.kind: letter for letter in letters(cluster, topic)}
    assert {kind: (one.origin.partition, one.origin.offset) for kind, one in found.items()} == {
        "invalid-timestamp": (1, 1),
        "invalid-record": (2, 2),
    }
    assert f"topic {topic}-out refuses a record: " in found["invalid-timestamp"].reason
    assert "without a key" in found["invalid-record"].reason


@pytest.mark.parametrize(
    ("function", "words"),
    [("nowhere:f", "No module named 'nowhere'"), (f"{FUNCTIONS}:nothing", "has no function nothing")],
)
def test_a_function_that_is_not_there_is_told_before_anything_is_read(
    cluster: Cluster, topic: str, function: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        to_the_end(cluster, topic, Processes(function, 1, 10.0))


# --- the log that it reads


def test_a_topic_that_was_recreated_is_refused_until_a_reset(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, [{"do": "one", "n": number} for number in range(6)])
    to_the_end(cluster, topic)
    delete(cluster, [topic])
    wait_until(lambda: ensure(cluster, [Declared(topic, partitions=PARTITIONS)]), PATIENCE_S)
    fill(cluster, topic, [{"do": "one", "n": number} for number in range(6, 9)])
    with pytest.raises(Recreated, match="--reset starts over"):
        to_the_end(cluster, topic)
    assert to_the_end(cluster, topic, start_over=True).processed == 3
    assert sorted(one["n"] for one in results(cluster, topic)) == list(range(9))


def test_a_name_that_belongs_to_other_topics_is_refused(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, [{"do": "one", "n": 0}])
    to_the_end(cluster, topic)
    other = Options(topic, f"{topic}-other", f"{topic}-dead", topic, exit_at_end=True)
    ensure(cluster, [other.to_topic])
    with pytest.raises(ClickstreamError, match=f"has read {topic} and written {topic}-out"):
        Transform(cluster, processes(), other).run(Stop())


def test_a_start_with_the_name_of_another_one_does_not_end_it(cluster: Cluster, topic: str) -> None:
    other = Options(topic, f"{topic}-other", f"{topic}-dead", topic, exit_at_end=True)
    ensure(cluster, [other.to_topic])
    fill(cluster, topic, [{"do": "one", "n": 0}])
    transform = Transform(cluster, processes(), options(topic))
    with background(transform) as threads:
        wait_until(lambda: transform.processed == 1, PATIENCE_S)
        with pytest.raises(ClickstreamError, match="Choose another --name"):
            Transform(cluster, processes(), other).run(Stop())
        fill(cluster, topic, [{"do": "one", "n": 1}], 1)
        wait_until(lambda: transform.processed == 2, PATIENCE_S)
        threads.raise_problem()


# --- a second one, crashes


def test_the_newest_of_a_name_goes_on_and_the_older_one_ends(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, [{"do": "one", "n": number} for number in range(30)])
    older = Transform(cluster, processes(), options(topic))
    newer = Transform(cluster, processes(), options(topic))
    with background(older) as first:
        wait_until(lambda: older.processed == 30, PATIENCE_S)
        with background(newer) as second:
            # It learns that also when it has nothing to do.
            wait_until(lambda: first.problem, PATIENCE_S)
            fill(cluster, topic, [{"do": "one", "n": number} for number in range(30, 60)], 30)
            wait_until(lambda: newer.processed == 30, PATIENCE_S)
        second.raise_problem()
    assert isinstance(first.problem, TakenOver)
    assert "runs transform" in str(first.problem)
    assert by_partition(results(cluster, topic)) == {place: list(range(place, 60, 3)) for place in range(PARTITIONS)}


def test_transactions_that_the_broker_has_ended_begin_anew(
    cluster: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream.transform.transform.NEWER_SAYS_SO_WITHIN_S", 0.5)
    transform = Transform(cluster, processes("echo"), options(topic))
    with background(transform) as threads:
        fill(cluster, topic, range(900))
        wait_until(lambda: transform.processed, PATIENCE_S)
        Transactions(cluster, f"clickstream-transform-{topic}").close()  # of nobody who runs it
        fill(cluster, topic, range(900, 1_200), 900)
        wait_until(lambda: transform.processed == 1_200, PATIENCE_S)
        threads.raise_problem()
    assert each_once(cluster, topic, 1_200)


def command(kafka: str, topic: str, *more: str, function: str = "echo") -> tuple[str, ...]:
    return (
        *("transform", "-b", kafka, "--from", topic, "--to", f"{topic}-out", "--name", topic, "--quiet"),
        *("--dead-letter-topic", f"{topic}-dead", "--function", f"{FUNCTIONS}:{function}", *more),
    )


def each_once(cluster: Cluster, topic: str, count: int) -> bool:
    """Whether there is a result of each of `count` numbered records, once, and in order in each partition."""
    found = results(cluster, topic)
    numbers = [{"n": int(one["value"])} for one in found]
    assert by_partition(numbers) == {place: list(range(place, count, PARTITIONS)) for place in range(PARTITIONS)}
    assert [one["id"] for one in found] == [
        f"{topic}/{one['n'] % PARTITIONS}/{one['n'] // PARTITIONS}" for one in numbers
    ]
    return letters(cluster, topic) == []


def killed(kafka: str, topic: str, times: int, count: int, *more: str) -> None:
    """Run the command and kill it under load, again and again; then to its end."""
    cluster = Cluster(kafka)
    for _ in range(times):
        before = written(cluster, topic)
        with running(*command(kafka, topic, *more)) as part:
            wait_until(lambda: written(cluster, topic) > before + 50, PATIENCE_S, part.said)  # noqa: B023 - used at once
            part.kill()
        # Not `settled`: what it has left open ends only when the next one begins.
        assert len(records(cluster.address, f"{topic}-out")) < count, "it was done before it was killed"
    done = run(*command(kafka, topic, *more, "--exit-at-end"), timeout=PATIENCE_S)
    assert done.code == 0, done.said
    assert "0 records dead-lettered" in done.said


def test_kills_under_load_leave_each_result_once_and_in_order(kafka: str, cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, range(12_000))
    killed(kafka, topic, 2, 12_000)
    assert each_once(cluster, topic, 12_000)


@pytest.mark.slow
def test_twenty_kills_under_load_leave_each_result_once_and_in_order(kafka: str, cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, range(60_000))
    killed(kafka, topic, 20, 60_000, "--processes", "2")
    assert each_once(cluster, topic, 60_000)


def test_a_frozen_one_that_wakes_up_ends_and_writes_nothing_twice(kafka: str, cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, range(3_000))
    with running(*command(kafka, topic)) as frozen:
        wait_until(lambda: written(cluster, topic) > 50, PATIENCE_S, frozen.said)
        frozen.freeze()
        with running(*command(kafka, topic)) as newer:
            wait_until(lambda: written(cluster, topic) >= 3_000, PATIENCE_S, newer.said)
            frozen.thaw()
            assert frozen.wait(PATIENCE_S) == 1
            fill(cluster, topic, range(3_000, 3_300), 3_000)
            wait_until(lambda: len(results(cluster, topic)) >= 3_300, PATIENCE_S, newer.said)
            assert newer.stop() == 0
        assert f"pid {newer.process.pid}" in frozen.said()
    assert each_once(cluster, topic, 3_300)


@pytest.mark.slow
def test_a_broker_that_is_killed_leaves_each_result_once(mortal: MortalBroker) -> None:
    cluster = Cluster(mortal.address)
    topic = make_topics(cluster)
    fill(cluster, topic, range(30_000))
    with running(*command(mortal.address, topic)) as part:
        for _ in range(3):
            before = written(cluster, topic)
            wait_until(lambda: written(cluster, topic) > before + 500, PATIENCE_S, part.said)  # noqa: B023 - as above
            mortal.kill()
        wait_until(lambda: written(cluster, topic) >= 30_000, PATIENCE_S, part.said)
        wait_until(lambda: len(results(cluster, topic)) >= 30_000, PATIENCE_S, part.said)
        assert part.stop() == 0
    assert each_once(cluster, topic, 30_000)
