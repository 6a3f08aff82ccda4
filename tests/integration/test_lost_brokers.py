"""Clients that were told that there are no brokers, and look for none again: parts go on through new ones.

What librdkafka does then cannot be brought about at will: here it is what its statistics say that is forced.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clickstream.counter import Counter
from clickstream.kafka import clients, statistics
from clickstream.kafka.clients import Cluster
from clickstream.kafka.group import Member
from clickstream.kafka.statistics import Report
from clickstream.parts.part import Part
from clickstream.parts.renewed import Renewed
from clickstream.parts.threads import Threads
from clickstream.sinks.inputs import plain
from clickstream.tables.engine.engine import Engine
from clickstream.tally.each import EachCounter
from clickstream.topics import Declared, ensure
from clickstream.transform.transform import Transform
from tests.integration.support import make_topic, named, options_for, produce, tallies
from tests.integration.tablesupport import MINUTES, click, engine_of, per_minute, script
from tests.integration.test_sink import sink_of
from tests.integration.test_transform import options as transform_options
from tests.integration.test_transform import processes, results
from tests.support import wait_until
from tests.unit.sinks.memory import MemoryTarget

EVERY_MS = 100
FORGOTTEN_MS = "6000"  # the shortest session that the broker takes


class Told:
    """By whom it is heard that there are no brokers: the clients of one kind, until a part is recreated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._kind = ""
        has_brokers = Report.has_brokers
        monkeypatch.setattr(Report, "has_brokers", lambda report: report.type != self._kind and has_brokers(report))
        monkeypatch.setattr(clients, "EVERY_MS", EVERY_MS)
        monkeypatch.setattr(statistics, "LOST_AFTER_S", 0.0)

    def tell(self, kind: str, renewed: Renewed[Any]) -> None:
        before = renewed.now
        self._kind = kind
        wait_until(lambda: renewed.now is not before, 60, f"a {kind} hears it, and the part is recreated")
        self._kind = ""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


@contextmanager
def at_work(part: Part) -> Iterator[Callable[[], None]]:
    """It works in a thread until the block ends; raises what it raised, as does what is yielded."""
    stop = threading.Event()
    threads = Threads()
    threads.start(part.run, stop)
    try:
        yield threads.raise_problem
    finally:
        stop.set()
        threads.wait()
    threads.raise_problem()


@pytest.mark.parametrize("kind", ["consumer", "producer"])
@pytest.mark.parametrize("each", [False, True])
def test_a_counter_goes_on(kafka: str, topic_name: str, told: Told, each: bool, kind: str) -> None:
    out = f"{topic_name}-tally"
    make_topic(kafka, topic_name, 3)
    ensure(Cluster(kafka), [out])
    options = options_for(topic_name, exit_at_end=False)

    def make(former: Part | None) -> Part:
        if each:
            return EachCounter(Cluster(kafka), options, again=former is not None)
        return Counter(Cluster(kafka), options)

    counter = Renewed(Cluster(kafka), make)
    with at_work(counter) as fine:

        def published(count: int) -> bool:
            fine()
            found = tallies(kafka, out)
            return bool(found) and found[-1] == {"purchase": count}

        for events in (30, 60, 90):
            produce(kafka, topic_name, named(*["purchase"] * 30))
            wait_until(lambda count=events: published(count), 60, "they are counted", 0.1)  # type: ignore[misc]
            if events < 90:
                told.tell(kind, counter)
    sums = [sum(tally.values()) for tally in tallies(kafka, out)]
    assert sums == (list(range(1, 91)) if each else sorted(sums))
    assert counter.totals()["counted"] == 90


def test_one_whose_group_has_not_forgotten_it_waits(
    kafka: str, topic_name: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = f"{topic_name}-tally"
    make_topic(kafka, topic_name, 3)
    ensure(Cluster(kafka), [out])
    leave = Member.leave
    silent: list[Member[Any]] = []  # they cannot say goodbye, and poll no more

    def say_nothing(member: Member[Any], within: float = 0.0) -> None:
        silent.append(member)
        monkeypatch.setattr(Member, "leave", leave)

    monkeypatch.setattr(Member, "leave", say_nothing)
    times = {"session.timeout.ms": FORGOTTEN_MS, "max.poll.interval.ms": FORGOTTEN_MS}
    cluster = Cluster(kafka, for_consumers=times)
    options = options_for(topic_name, exit_at_end=False)
    counter = Renewed(cluster, lambda former: EachCounter(cluster, options, again=former is not None))
    with at_work(counter) as fine:
        for events in (30, 60):
            produce(kafka, topic_name, named(*["purchase"] * 30))

            def counted(count: int = events) -> bool:
                fine()
                return len(tallies(kafka, out)) == count

            wait_until(counted, 60, "they are counted", 0.1)
            if not silent:
                told.tell("consumer", counter)
    assert len(silent) == 1
    assert [sum(tally.values()) for tally in tallies(kafka, out)] == list(range(1, 61))


def test_tables_go_on(kafka: str, topic_name: str, told: Told, tmp_path: Path) -> None:
    result = f"{topic_name}-per_min"
    make_topic(kafka, topic_name, 1)
    make_topic(kafka, result, 1, cleanup_policy="compact")
    path = script(tmp_path, topic_name, MINUTES)
    engine: Renewed[Engine] = Renewed(Cluster(kafka), lambda _former: engine_of(kafka, path))
    with at_work(engine) as fine:

        def written(rows: dict[int, int]) -> bool:
            fine()
            return per_minute(kafka, result) == rows

        produce(kafka, topic_name, [click(10), click(20), click(70)])
        wait_until(lambda: written({0: 2}), 60, "the first minute", 0.1)
        produce(kafka, topic_name, [click(80), click(130)])
        told.tell("producer", engine)  # it is asked while there is something to write; consumers are in another process
        wait_until(lambda: written({0: 2, 1: 2}), 60, "the next one, with what came before", 0.1)


def test_a_sink_goes_on(kafka: str, topic_name: str, told: Told) -> None:
    cluster, target = Cluster(kafka), MemoryTarget()
    ensure(cluster, [Declared(topic_name, partitions=3), Declared(f"{topic_name}-dead")])
    sink = Renewed(cluster, lambda _former: sink_of(cluster, target, plain(topic_name), name="memory"))
    with at_work(sink) as fine:

        def stored(rows: int) -> bool:
            fine()
            return len(target.rows) == rows

        for number in (1, 2):
            produce(kafka, topic_name, [b"%d" % number] * 30)
            wait_until(lambda count=30 * number: stored(count), 60, "they are stored", 0.1)  # type: ignore[misc]
            if number == 1:
                told.tell("consumer", sink)
    assert sum(target.batches) == sink.totals()["written"] == 60
    assert target.epoch == 2


def test_a_transform_goes_on_and_starts_over_once(kafka: str, topic_name: str, told: Told) -> None:
    cluster = Cluster(kafka)
    ensure(cluster, [Declared(topic_name, 3), Declared(f"{topic_name}-out", 1), Declared(f"{topic_name}-dead", 1)])

    def make(former: Transform | None) -> Transform:
        over = former is None or former.starts_over
        return Transform(cluster, processes("echo"), transform_options(topic_name, start_over=over))

    transform = Renewed(cluster, make)
    with at_work(transform) as fine:

        def written(count: int) -> bool:
            fine()
            return len(results(cluster, topic_name)) == count

        for number in (1, 2):
            produce(kafka, topic_name, [b"%d" % number] * 30)
            wait_until(lambda count=30 * number: written(count), 60, "they are written", 0.1)  # type: ignore[misc]
            if number == 1:
                told.tell("consumer", transform)
    assert sorted(one["value"] for one in results(cluster, topic_name)) == ["1"] * 30 + ["2"] * 30
