"""What every sink does, whatever its target: on a real Kafka, with a target in memory."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.cimpl import NewPartitions

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters, found_letter
from clickstream.kafka.log import Recreated
from clickstream.kafka.produce import Sender
from clickstream.sinks.inputs import described, plain
from clickstream.sinks.model import Input
from clickstream.sinks.originals import OTHER_TYPE
from clickstream.sinks.sink import Options, Sink
from clickstream.sinks.target import Fenced
from clickstream.sinks.unknown import NO_COLUMN
from clickstream.stop import Stop
from clickstream.tables.engine.decoding.coerce import HALF
from clickstream.topics import Declared, ensure
from tests.integration.librdkafka import admin_of
from tests.integration.sinksupport import running
from tests.integration.support import records
from tests.support import wait_until
from tests.unit.sinks.memory import MemoryTarget

Made = Callable[..., Sink]


@pytest.fixture
def topic(cluster: Cluster) -> str:
    name = f"sink-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(name, partitions=3), Declared(f"{name}-dead")])
    return name


def fill(cluster: Cluster, topic: str, values: list[bytes | None], first: int = 0) -> None:
    sender = Sender(cluster.producer())
    for number, value in enumerate(values, first):
        sender.send(topic, value, f"k{number}".encode(), partition=number % 3)
    sender.must_have_delivered("The records")


def sink_of(cluster: Cluster, target: MemoryTarget, source: Input, **options: Any) -> Sink:
    sender = Sender(cluster.producer({"message.timeout.ms": 0}))
    letters = DeadLetters(sender, f"{source.topic}-dead", "sink-memory")
    return Sink(cluster, target, [source], letters, sender, Options(**options))


def fill_target(cluster: Cluster, target: MemoryTarget, source: Input, **options: Any) -> Sink:
    """Run a sink to the end of its topic."""
    sink = sink_of(cluster, target, source, exit_at_end=True, **options)
    sink.run(Stop())
    return sink


def numbers(count: int) -> list[bytes | None]:
    return [str(number).encode() for number in range(count)]


def test_everything_is_written_once_and_the_next_start_goes_on(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(3_000))
    fill_target(cluster, target, plain(topic), batch_rows=500)
    assert sorted(target.rows.values(), key=str) == sorted(numbers(3_000), key=str)
    assert max(target.batches) <= 500

    fill(cluster, topic, [b"one more", None], 3_000)
    sink = fill_target(cluster, target, plain(topic))

    assert len(target.rows) == 3_002
    assert sink.totals()["written"] == 2
    assert {one.partition: one.next_offset for one in sink.positions()} == {0: 1_001, 1: 1_001, 2: 1_000}


def test_large_records_make_small_batches(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, [b"x" * 50_000] * 200)

    fill_target(cluster, target, plain(topic), batch_bytes=100_000)

    assert len(target.rows) == 200
    assert target.batches[0] <= 100
    assert max(target.batches[1:]) <= 3


def test_records_of_several_topics_are_not_mixed_up(cluster: Cluster, topic: str) -> None:
    names = [f"{topic}-{number}" for number in range(3)]
    ensure(cluster, [Declared(name, partitions=1) for name in names])
    sender = Sender(cluster.producer())
    for number in range(999):
        sender.send(names[number % 3], names[number % 3].encode(), b"k")
    sender.must_have_delivered("The records")
    target = MemoryTarget()
    sender = Sender(cluster.producer({"message.timeout.ms": 0}))
    letters = DeadLetters(sender, f"{topic}-dead", "sink-memory")
    sink = Sink(cluster, target, [plain(name) for name in names], letters, sender, Options(exit_at_end=True))

    sink.run(Stop())

    assert len(target.rows) == 999
    assert {(name, value) for (name, _number, _offset), value in target.rows.items()} == {
        (name, name.encode()) for name in names
    }
    assert {(one.topic, one.next_offset) for one in sink.positions()} == {(name, 333) for name in names}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_target_that_is_away_loses_and_doubles_nothing(cluster: Cluster, topic: str, when: str) -> None:
    target = MemoryTarget()
    target.away = [when, when, ""]
    fill(cluster, topic, numbers(100))

    fill_target(cluster, target, plain(topic))

    assert len(target.rows) == 100
    assert target.connections >= 2  # a new one after every failure


def test_last_success_is_of_the_last_commit_and_not_of_a_process_that_lives(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(3))
    sink = sink_of(cluster, target, plain(topic))
    with running(sink) as threads:
        wait_until(lambda: sum(one.next_offset for one in sink.positions()) == 3, 60, "three rows")
        before = sink.last_success()
        target.away = ["before"] * 1_000
        fill(cluster, topic, numbers(1), 3)
        wait_until(lambda: sink.gauges()["target_away"] == 1.0, 60, "it is away")
        wait_until(lambda: len(target.away) < 998, 60, "it is tried again")
        assert (sink.last_success(), sink.gauges()["target_away"]) == (before, 1.0)
        target.away.clear()
        wait_until(lambda: sink.gauges()["target_away"] == 0.0, 60, "it is back")
        assert before is not None
        assert (sink.last_success() or 0.0) > before
    assert threads.problem is None
    assert len(target.rows) == 4


def test_every_record_is_written_as_it_is_or_changed_and_kept_or_a_dead_letter(cluster: Cluster, topic: str) -> None:
    source = described(topic, "s STRING, n INT", None)
    plain_ = [b'{"s":"x","n":%d}' % number for number in range(50)] + [b'{"s":"x","more":1}'] * 15
    changed = [rb'{"s":"\ud800","n":%d}' % number for number in range(20)] + [b'{"s":"x","n":"y"}'] * 10
    dead = [b"no json"] * 5
    fill(cluster, topic, [*plain_, *changed, *dead])
    target = MemoryTarget()

    sink = fill_target(cluster, target, source, keep_originals=True)

    assert sorted(target.rows.values(), key=str) == sorted([*plain_, *changed], key=str)
    assert (sink.kept, sink.totals()["dead_lettered"]) == (len(changed), len(dead))
    letters = [found_letter(one) for one in records(cluster.address, f"{topic}-dead")]
    assert sorted(one.value or b"" for one in letters if one and one.kind == "changed") == sorted(changed)
    assert sorted(one.value or b"" for one in letters if one and one.kind is None) == dead
    assert sink.changed_values() == {
        (f"{topic}.s", HALF): 20,
        (f"{topic}.n", OTHER_TYPE): 10,
        (f"{topic}.more", NO_COLUMN): 15,
    }


def test_of_ten_thousand_rows_the_one_that_is_refused_is_set_aside(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    target.poison = {b"6789"}
    fill(cluster, topic, numbers(10_000))

    sink = fill_target(cluster, target, plain(topic), batch_rows=10_000)

    assert len(target.rows) == 9_999
    assert (sink.totals()["written"], sink.totals()["dead_lettered"]) == (9_999, 1)
    [letter] = map(found_letter, records(cluster.address, f"{topic}-dead"))
    assert letter is not None
    assert (letter.value, letter.kind, letter.part) == (b"6789", "22P02", "sink-memory")
    assert "column value: poison" in letter.reason
    assert len(target.batches) <= 2 * 16
    assert {one.partition: one.next_offset for one in sink.positions()} == {0: 3_334, 1: 3_333, 2: 3_333}


def test_rows_that_a_target_names_are_set_aside_at_once(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    target.names_poison = True
    target.poison = {b"12", b"77"}
    fill(cluster, topic, numbers(100))

    sink = fill_target(cluster, target, plain(topic), batch_rows=1_000)

    assert len(target.rows) == 98
    assert (sink.totals()["written"], sink.totals()["dead_lettered"]) == (98, 2)
    letters = [found_letter(one) for one in records(cluster.address, f"{topic}-dead")]
    assert {one.value for one in letters if one} == target.poison


def test_when_it_refuses_everything_it_stops_with_words(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    target.poison = {one for one in numbers(100) if one}
    fill(cluster, topic, numbers(100))

    with pytest.raises(ClickstreamError, match="refused more than 10 rows within a minute"):
        fill_target(cluster, target, plain(topic), refused_per_minute=10)


def test_what_is_no_row_is_set_aside_and_counted(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    source = described(topic, "k STRING NOT NULL, n INT", "k")
    sender = Sender(cluster.producer())
    for key, value in (("a", b'{"k": "a", "n": 1}'), ("b", b"no json"), ("a", None), ("c", b'{"k": "c", "n": "x"}')):
        sender.send(topic, value, f'{{"k":"{key}"}}'.encode(), partition=0)
    sender.must_have_delivered("The records")

    sink = fill_target(cluster, target, source)

    assert sorted(target.rows) == [(topic, 0, 0), (topic, 0, 2), (topic, 0, 3)]
    assert (sink.totals()["deleted"], sink.totals()["dead_lettered"]) == (1, 1)
    assert dict(sink.nulled) == {(topic, "n"): 1}


def test_early_rows_are_ignored_unless_they_are_wanted(cluster: Cluster, topic: str) -> None:
    sender = Sender(cluster.producer())
    sender.send(topic, b"early", b"k", partition=0, headers=[("final", b"0")])
    sender.send(topic, b"final", b"k", partition=0)
    sender.must_have_delivered("The records")
    without, wanted = MemoryTarget(), MemoryTarget()

    sink = fill_target(cluster, without, plain(topic))
    fill_target(cluster, wanted, plain(topic), early=True)

    assert list(without.rows.values()) == [b"final"]
    assert sink.totals()["early_ignored"] == 1
    assert list(wanted.rows.values()) == [b"early", b"final"]


def test_the_newest_sink_takes_over_and_the_older_one_names_it(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(10))
    older = sink_of(cluster, target, plain(topic))
    with running(older) as threads:
        wait_until(lambda: len(target.rows) == 10, what="ten rows")
        fill_target(cluster, target, plain(topic))
        target._own = 1  # the older one's connection
        fill(cluster, topic, numbers(5), 10)
        wait_until(lambda: threads.problem is not None, timeout=30, what="the older one ends")
    assert isinstance(threads.problem, Fenced)
    assert len(target.rows) == 10


def test_a_recreated_topic_is_refused_with_words(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(10))
    fill_target(cluster, target, plain(topic))
    target.places = {place: type(found)("another", found.offset) for place, found in target.places.items()}

    with pytest.raises(Recreated, match=r"was recreated: memory has rows .* --reset"):
        fill_target(cluster, target, plain(topic))


def test_what_the_target_loses_of_its_commits_is_written_again(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(30))
    sink = sink_of(cluster, target, plain(topic))
    with running(sink) as threads:
        wait_until(lambda: len(target.rows) == 30, what="thirty rows")
        target.places = {place: type(found)(found.topic_id, found.offset - 2) for place, found in target.places.items()}
        target.rows = {(name, number, at): value for (name, number, at), value in target.rows.items() if at < 8}
        target.away = ["before"]
        fill(cluster, topic, numbers(3), 30)
        wait_until(lambda: len(target.rows) == 33 or threads.problem, timeout=60, what="all rows again")
    assert threads.problem is None
    assert {one.partition: one.next_offset for one in sink.positions()} == {0: 11, 1: 11, 2: 11}


def test_a_stop_while_the_target_is_away_ends_at_once(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    target.away = ["before"] * 1_000
    fill(cluster, topic, numbers(10))
    sink = sink_of(cluster, target, plain(topic))
    with running(sink) as threads:
        wait_until(lambda: target.connections >= 2 and sink.gauges()["target_away"], what="it tries again")
    assert threads.problem is None
    assert target.rows == {}


def test_its_lag_is_what_the_target_lacks(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(30))
    sink = sink_of(cluster, target, plain(topic))
    with running(sink) as threads:
        wait_until(lambda: len(target.rows) == 30 and sink.gauges()["lag"] == 0, 60, "the target lacks nothing")
        target.away = ["before"] * 1_000
        fill(cluster, topic, numbers(10), 30)
        wait_until(lambda: sink.gauges()["target_away"] and 0 < sink.gauges()["lag"] <= 10, 60, "it lacks some")
        target.away.clear()
        wait_until(lambda: len(target.rows) == 40 and sink.gauges()["lag"] == 0, 60, "it lacks nothing again")
    assert threads.problem is None


def test_new_partitions_are_found(cluster: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.sinks.sink.LOOK_FOR_PARTITIONS_EVERY_S", 0.1)
    target = MemoryTarget()
    fill(cluster, topic, numbers(3))
    with running(sink_of(cluster, target, plain(topic))):
        wait_until(lambda: len(target.rows) == 3, what="three rows")
        admin = admin_of(cluster)
        admin.create_partitions([NewPartitions(topic, 4)])[topic].result()
        sender = Sender(cluster.producer())
        sender.send(topic, b"new", None, partition=3)
        sender.must_have_delivered("The record")
        wait_until(lambda: (topic, 3, 0) in target.rows, timeout=60, what="the new partition's row")


def test_it_can_begin_at_the_end(cluster: Cluster, topic: str) -> None:
    target = MemoryTarget()
    fill(cluster, topic, numbers(10))
    sink = sink_of(cluster, target, plain(topic), begin="end")
    ready = threading.Event()
    with running(sink):
        wait_until(lambda: sink.gauges()["target_away"] == 0 and sink._consumer is not None, what="it runs")
        ready.set()
        wait_until(lambda: len(sink._ended) == 3, what="the ends")
        fill(cluster, topic, [b"new"], 10)
        wait_until(lambda: target.rows, what="the new row")
    assert list(target.rows.values()) == [b"new"]
