"""The programs that are measured: how each is started over a number of events, and how its work is checked."""

import itertools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.broker import BenchKafka
from bench.measure import Ended, Usage, run
from bench.peers import LARGE_BATCHES, LARGE_POLLS, Peers
from clickstream.errors import ClickstreamError

OURS = (sys.executable, "-P", "-m", "clickstream")
NAIVE = (sys.executable, "-P", "-m", "bench.naive")

# Threads, then settings. As many records per poll as our own batches: a third faster than by default, 1,000.
STREAMS_SETTINGS = ("1", LARGE_POLLS)

_serial = itertools.count(1)


class Wrong(ClickstreamError):
    """A program did not do what it was measured for."""


@dataclass(frozen=True)
class Inputs:
    """What the counting programs read: topics of few and of many events, and what they must find there."""

    topics: dict[int, str]  # by the number of events
    names: dict[int, dict[str, int]]

    def size_for(self, count: int) -> int:
        """The smallest topic that holds `count` events, by its size."""
        return min(size for size in self.topics if size >= count)


@dataclass(frozen=True)
class Spent:
    """What one run has cost: the program, and CPU seconds of the broker."""

    usage: Usage
    broker_cpu: float


@dataclass(frozen=True)
class Program(ABC):
    """One row. `limit`: no more events than that, because it is slow."""

    SIDE: ClassVar[str]

    name: str
    title: str
    limit: int | None = None

    @abstractmethod
    def once(self, kafka: BenchKafka, inputs: Inputs, count: int) -> Spent:
        """Run it over `count` events and check what it did. Raises Wrong, ClickstreamError or peers.Missing."""


@dataclass(frozen=True, kw_only=True)
class Producing(Program):
    SIDE = "producer"

    command: Callable[[str, str, int], Sequence[str]]  # of address, topic, count

    def once(self, kafka: BenchKafka, inputs: Inputs, count: int) -> Spent:
        topic = kafka.topic(f"{self.name}-{next(_serial)}")
        _, spent = metered(kafka, self.command(kafka.address, topic, count))
        found = kafka.records(topic)
        kafka.drop(topic)
        if found != count:
            raise Wrong(f"{self.title}: {found:,} records on its topic instead of {count:,}.")
        return spent


@dataclass(frozen=True, kw_only=True)
class Counting(Program):
    SIDE = "counter"

    command: Callable[[str, str, int, str], Sequence[str]]  # of address, topic, count, output topic
    tallies: bool = True  # false: it only says how many records it read

    def once(self, kafka: BenchKafka, inputs: Inputs, count: int) -> Spent:
        size = inputs.size_for(count)
        output = kafka.topic(f"{self.name}-{next(_serial)}", partitions=1)
        ended, spent = metered(kafka, self.command(kafka.address, inputs.topics[size], count, output))
        if not self.tallies:
            right, found = records_read(ended.stdout) == count, ended.stdout
        else:
            tally = kafka.tally(output)
            found = str(tally)
            right = tally == inputs.names[size] if count == size else sum(tally.values()) == count
        if not right:
            raise Wrong(f"{self.title}: after {count:,} events it says: {found}")
        kafka.drop(output)
        return spent


def metered(kafka: BenchKafka, command: Sequence[str], **how: Any) -> tuple[Ended, Spent]:
    """Run a command; what it cost includes the broker's CPU seconds meanwhile. `how`: as for run."""
    before = kafka.cpu()
    ended = run(command, **how)
    return ended, Spent(ended.usage, kafka.cpu() - before)


def records_read(output: str) -> int:
    """The number of records in what ConsumerPerformance prints: a line of headings, a line of figures."""
    lines = [line.split(", ") for line in output.splitlines()]
    for headings, figures in itertools.pairwise(lines):
        if "data.consumed.in.nMsg" in headings:
            return int(figures[headings.index("data.consumed.in.nMsg")])
    raise Wrong(f"ConsumerPerformance says: {output}")


def run_producer(address: str, topic: str, count: int, *more: str) -> list[str]:
    """Ours, as fast as it can."""
    options = ["-b", address, "--topic", topic, "--count", str(count), "--rate", "max", "--quiet", *more]
    return [*OURS, "run-producer", *options]


def run_counter(address: str, topic: str, output: str, *more: str) -> list[str]:
    """Ours, in a group of its own."""
    options = [
        "-b",
        address,
        "--from-topic",
        topic,
        "--to-topic",
        output,
        "--group",
        output,
        "--quiet",
        *more,
    ]
    return [*OURS, "run-counter", *options]


def programs(peers: Peers) -> list[Program]:
    """Every row, ours first on each side."""

    def naive(how: str) -> Callable[[str, str, int], list[str]]:
        return lambda address, topic, count: [*NAIVE, how, address, topic, str(count)]

    def performance(*properties: str) -> Callable[[str, str, int], list[str]]:
        return lambda address, topic, count: peers.producer_performance(address, topic, count, properties)

    def consumer_performance(*properties: str) -> Callable[[str, str, int, str], list[str]]:
        return lambda address, topic, count, _output: peers.consumer_performance(address, topic, count, properties)

    def streams(guarantee: str) -> Callable[[str, str, int, str], list[str]]:
        return lambda address, topic, _count, output: peers.streams(address, topic, output, guarantee, STREAMS_SETTINGS)

    return [
        Producing("producer", "**run-producer**", command=run_producer),
        Producing("perf-producer", "ProducerPerformance, lz4", command=performance()),
        Producing(
            "perf-producer-large",
            f"ProducerPerformance, lz4, {', '.join(LARGE_BATCHES)}",
            command=performance(*LARGE_BATCHES),
        ),
        Producing("naive-flush", "the original's loop: Faker, flush() each", 3_000, command=naive("flush")),
        Producing("naive-poll", "the original's loop with poll(0) each", 30_000, command=naive("poll")),
        Counting(
            "counter",
            "**run-counter**, exactly-once state",
            command=lambda address, topic, _count, output: run_counter(address, topic, output, "--exit-at-end"),
        ),
        Counting(
            "perf-consumer", "ConsumerPerformance (decodes nothing)", command=consumer_performance(), tallies=False
        ),
        Counting(
            "perf-consumer-large",
            f"ConsumerPerformance, {LARGE_POLLS}",
            command=consumer_performance(LARGE_POLLS),
            tallies=False,
        ),
        Counting("streams", "Kafka Streams, at_least_once", command=streams("at_least_once")),
        Counting("streams-eos", "Kafka Streams, exactly_once_v2", command=streams("exactly_once_v2")),
        Counting(
            "naive-counter",
            "the original's loop: a tally after each, flushed",
            3_000,
            command=lambda address, topic, count, output: [
                *NAIVE,
                "count",
                address,
                topic,
                str(count),
                output,
            ],
        ),
    ]
