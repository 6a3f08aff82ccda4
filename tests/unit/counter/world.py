"""Everything around a counter, played by the test."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from confluent_kafka import Message

from clickstream import counter as module
from clickstream.counter import Counter
from clickstream.records import CounterState
from clickstream.tally import counting
from tests.unit.fakes import Clock, Kept, message
from tests.unit.tally.doubles import OPTIONS, TOPIC, FakeCluster, FakeConsumer, FakeStates, FakeTopic

Batch = list[Message] | Callable[[], list[Message]]


class Source(FakeTopic):
    def __init__(self) -> None:
        super().__init__()
        self.partition_count = 1
        self.running = 1
        self.same_again: list[bool] = []
        self.problem: Exception | None = None

    def same(self) -> bool:
        if self.problem is not None:
            raise self.problem
        return self.same_again.pop(0) if self.same_again else self.is_same

    def partitions(self) -> int:
        return self.partition_count

    def members(self, _group: str) -> int:
        return self.running

    def close(self) -> None:
        pass


class States(FakeStates):
    topic = "g-state"

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world
        self.ended: set[int] = set()
        self.closed = False

    def open(self, _stop: object) -> None:
        self.catch_up()

    def follow(self) -> None:
        self.catch_up()

    def save(self, states: Iterable[CounterState]) -> None:
        saved = list(states)
        if self.problem is not None:
            raise self.problem
        self._world.events.append(("save", {one.partition: (one.next_offset, one.counts) for one in saved}))
        self.written += saved
        self.catch_up()

    def catch_up(self) -> None:
        super().catch_up()
        self.ended |= {one.partition for one in self.written if one.at_end}

    def close(self) -> None:
        self.closed = True


class Publisher:
    def __init__(self, world: "World", epoch: int) -> None:
        self._world = world
        self.epoch = epoch
        self.last: Mapping[str, int] = dict(world.last_tally)
        self.closed = False
        self.polls = 0

    def poll(self) -> None:
        self.polls += 1

    def publish(self, counts: Mapping[str, int]) -> bool:
        if self._world.publishing_problems:
            raise self._world.publishing_problems.pop(0)
        lower = any(counts.get(name, 0) < count for name, count in self.last.items())
        if counts == self.last or lower:
            return False
        self._world.events.append(("publish", dict(counts)))
        self.last = dict(counts)
        return True

    def close(self) -> None:
        self._world.tallies_when_closing += [one.totals()["tallies"] for one in self._world.counters]
        self.closed = True


class World:
    """What surrounds a counter, and what the counter did to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.kafka = FakeCluster()
        self.source = Source()
        self.states = States(self)
        self.sender = Kept()
        self.publishers: list[Publisher] = []
        self.publishing_problems: list[Exception] = []
        self.take_over_problems: list[Exception] = []
        self.last_tally: dict[str, int] = {}
        self.events: list[tuple[str, Any]] = []
        self.stop = threading.Event()
        self.options = OPTIONS
        self.counters: list[Counter] = []
        self.tallies_when_closing: list[int] = []
        self.kafka.producer = lambda _settings: self.sender.producer.client  # type: ignore[attr-defined]
        patch.setattr(module, "time", self.clock)
        patch.setattr(
            counting, "ensure", lambda _cluster, topics, _stop=None: self.events.append(("ensure", list(topics)))
        )
        patch.setattr(counting, "GroupTopic", lambda _cluster, _topic, _stop, remedy: self.source)
        patch.setattr(counting, "Sender", lambda _producer: self.sender)
        patch.setattr(counting, "StateLog", lambda _cluster, _sender, _group: self.states)
        patch.setattr(module, "TallyPublisher", lambda _cluster, _topic, _group, epoch, _stop: self._publisher(epoch))

    def _publisher(self, epoch: int) -> Publisher:
        if self.take_over_problems:
            raise self.take_over_problems.pop(0)
        self.publishers.append(Publisher(self, epoch))
        return self.publishers[-1]

    @property
    def consumer(self) -> FakeConsumer:
        return self.kafka.consumer_client

    def run(self, *batches: Batch) -> Counter:
        """Run a counter through `batches`, then stop it."""

        def last() -> list[Message]:
            self.stop.set()
            return []

        self.consumer.batches = [*batches, last]
        counter = Counter(self.kafka.cluster, self.options)
        self.counters.append(counter)
        counter.run(self.stop)
        return counter

    # Batches.

    def given(self, *partitions: int) -> Batch:
        return self._then(lambda: self.consumer.give(*partitions))

    def taken(self, *partitions: int) -> Batch:
        return self._then(lambda: self.consumer.take(*partitions))

    def lost(self, *partitions: int) -> Batch:
        return self._then(lambda: self.consumer.lose(*partitions))

    def later(self, seconds: float, *messages: Message) -> Batch:
        def batch() -> list[Message]:
            self.clock.now += seconds
            return list(messages)

        return batch

    @staticmethod
    def _then(step: Callable[[], None]) -> Batch:
        def batch() -> list[Message]:
            step()
            return []

        return batch

    # What happened.

    def saved(self) -> list[Any]:
        return [what for name, what in self.events if name == "save"]

    def published(self) -> list[dict[str, int]]:
        return [what for name, what in self.events if name == "publish"]


def click(offset: int, name: str = "a", partition: int = 0) -> Message:
    return message(offset, b'{"name":"%s"}' % name.encode(), partition=partition, topic=TOPIC)


def bad(offset: int, partition: int = 0) -> Message:
    return message(offset, b"no json", partition=partition, topic=TOPIC)
