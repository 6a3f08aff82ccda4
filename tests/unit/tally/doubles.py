"""A topic, its admin and its consumer, that answer as a test says."""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.group import GroupTopic
from clickstream.kafka.offsets import EARLIEST
from clickstream.records import CounterState
from clickstream.tally.options import CounterOptions, ReadingStopped
from clickstream.tally.state import Fold, StateLog

TOPIC = "clicks"
OPTIONS = CounterOptions(from_topic=TOPIC, to_topic="tallies", field="name", group="g", dead_letter_topic="dead")


def state(partition: int = 0, next_offset: int = 5, /, **changes: Any) -> CounterState:
    """A state as a member with OPTIONS has saved it."""
    given: dict[str, Any] = {
        "epoch": 0,
        "topic": OPTIONS.from_topic,
        "topic_id": "id-1",
        "field": OPTIONS.field,
        "output": OPTIONS.to_topic,
        "partition": partition,
        "next_offset": next_offset,
        "counts": {"a": next_offset},
    }
    return CounterState(**{**given, **changes})


def waits_for(value: bytes, stop: threading.Event) -> Callable[[bytes], bytes]:
    """An `as_json` that waits for one value without end; the counter is told to stop meanwhile."""

    def as_json(given: bytes) -> bytes:
        if given == value:
            stop.set()
            raise ReadingStopped("Stopped.")
        return given

    return as_json


class FakeAdmin:
    """Knows the topic's id, where its partitions begin and end, and who is in the group."""

    def __init__(self) -> None:
        self.limits: dict[int, tuple[int, int]] = {}
        self.topic_id = "id-1"
        self.problem: KafkaError | None = None
        self.group_state = ConsumerGroupState.STABLE
        self.members: list[str] = []

    def describe_topics(self, topics: TopicCollection, *, request_timeout: float) -> dict[str, Future[Any]]:
        partitions = [SimpleNamespace(id=number, leader=None) for number in self.limits]
        found = SimpleNamespace(topic_id=self.topic_id, partitions=partitions)
        return {name: self._answer(found) for name in topics.topic_names}

    def list_topics(self, *, timeout: float) -> None:
        pass

    def list_offsets(self, question: dict[TopicPartition, Any], *, request_timeout: float) -> dict[Any, "Future[Any]"]:
        return {
            place: self._answer(SimpleNamespace(offset=self.limits[place.partition][spec is not EARLIEST]))
            for place, spec in question.items()
        }

    def describe_consumer_groups(self, groups: list[str], *, request_timeout: float) -> dict[str, Future[Any]]:
        found = SimpleNamespace(state=self.group_state, members=self.members)
        return {name: self._answer(found) for name in groups}

    def _answer(self, answer: object) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.problem is not None:
            future.set_exception(KafkaException(self.problem))
        else:
            future.set_result(answer)
        return future


class FakeConsumer:
    """Returns the batches that are put into it; a batch may be a function, for a rebalance in the middle of it."""

    def __init__(self) -> None:
        self.batches: list[list[Message] | Callable[[], list[Message]]] = []
        self.watermarks: dict[int, tuple[int, int]] = {}
        self.assigned: list[dict[int, int]] = []
        self.committed: list[dict[int, int]] = []
        self.commit_problem: KafkaError | None = None
        self.closed = False
        self.on_assign: Callable[..., None]
        self.on_revoke: Callable[..., None]
        self.on_lost: Callable[..., None]

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        assert topics == [TOPIC]
        self.__dict__.update(callbacks)

    def assign(self, places: list[TopicPartition]) -> None:
        assert all(place.topic == TOPIC for place in places)
        self.assigned.append(_offsets(places))

    def consume(self, _size: int, _timeout: float) -> list[Message]:
        batch = self.batches.pop(0) if self.batches else []
        return batch() if callable(batch) else batch

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if self.commit_problem is not None:
            raise KafkaException(self.commit_problem)
        self.committed.append(_offsets(offsets))

    def get_watermark_offsets(
        self, place: TopicPartition, timeout: float | None = None, cached: bool = False
    ) -> tuple[int, int]:
        unknown = (-1001, -1001) if cached else (0, 0)
        return self.watermarks.get(place.partition, unknown)

    def close(self) -> None:
        self.closed = True

    # What the group does to its member.

    def give(self, *partitions: int) -> None:
        self.on_assign(self, [TopicPartition(TOPIC, partition) for partition in partitions])

    def take(self, *partitions: int) -> None:
        self.on_revoke(self, [TopicPartition(TOPIC, partition) for partition in partitions])

    def lose(self, *partitions: int) -> None:
        self.on_lost(self, [TopicPartition(TOPIC, partition) for partition in partitions])


def _offsets(places: Iterable[TopicPartition]) -> dict[int, int]:
    return {place.partition: place.offset for place in places}


class FakeCluster:
    """Hands out one consumer and one admin."""

    address = "host:9092"

    def __init__(self) -> None:
        self.admin_client = FakeAdmin()
        self.consumer_client = FakeConsumer()
        self.groups: list[str] = []

    @property
    def cluster(self) -> Cluster:
        return cast(Cluster, self)

    def admin(self) -> Admin:
        return cast(Admin, self.admin_client)

    def consumer(self, group: str, _overrides: Mapping[str, Any] | None = None) -> Consumer:
        self.groups.append(group)
        return cast(Consumer, self.consumer_client)


class FakeTopic:
    """A topic whose log begins at `first` and has the id that states speak of."""

    name = TOPIC
    id = "id-1"

    def __init__(self) -> None:
        self.first = 0
        self.is_same = True
        self.contradiction: Exception | None = None
        self.checked: list[CounterState] = []
        self.places: list[dict[int, int]] = []
        self.first_ends: dict[int, int] = {}

    @property
    def topic(self) -> GroupTopic:
        return cast(GroupTopic, self)

    def same(self) -> bool:
        return self.is_same

    def check(self, states: Iterable[CounterState]) -> None:
        self.checked += states
        if self.contradiction is not None:
            raise self.contradiction

    def check_places(self, places: dict[int, int]) -> None:
        self.places.append(places)
        if self.contradiction is not None:
            raise self.contradiction

    def ends(self) -> dict[int, int]:
        return self.first_ends

    def begin(self, partitions: Iterable[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, self.first)


class FakeStates:
    """A state topic: what is written to it becomes known by catching up."""

    def __init__(self, *written: CounterState) -> None:
        self.fold = Fold()
        self.written = list(written)
        self.problem: Exception | None = None

    @property
    def states(self) -> StateLog:
        return cast(StateLog, self)

    def catch_up(self) -> None:
        if self.problem is not None:
            raise self.problem
        for state in self.written:
            self.fold.add(state)
