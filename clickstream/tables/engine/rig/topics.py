"""Topics in memory, and the clients of a cluster that has them: as much of confluent_kafka as an engine uses.

Records that were produced are in flight until a flush: a crash may deliver any of them, in each partition the first
ones.
"""

import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)

from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import EARLIEST, LATEST
from clickstream.kafka.produce import Headers

CLUSTER_ID = "in-memory"
LEADER = 1


class Crash(BaseException):
    """Instead of a SIGKILL: no code may handle it."""


@dataclass(frozen=True)
class Record:
    """One of a topic. `timestamp` is in ms, 0: none was given. `arrival` numbers the records of all topics."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    arrival: int

    def message(self) -> Message:
        """As a consumer gets it."""
        kind = TIMESTAMP_CREATE_TIME if self.timestamp else TIMESTAMP_NOT_AVAILABLE
        return Message(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            key=self.key,
            value=self.value,
            headers=self.headers or None,
            timestamp=(kind, self.timestamp),
        )


@dataclass
class Topics:
    """The topics of a cluster by name, each a list of partitions. Threads may use it at once."""

    partitions: int = 1  # of a topic that does not say how many it wants
    logs: dict[str, list[list[Record]]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    firsts: dict[tuple[str, int], int] = field(default_factory=dict)
    """The first offset of partitions that do not begin at 0."""
    on_flush: Callable[[], None] = lambda: None
    _flying: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _arrivals: int = 0
    _created: int = 0
    _dead: bool = False

    def create(self, topic: str, partitions: int = -1) -> None:
        """Make a topic that is not there yet, or add partitions to one that is."""
        with self._lock:
            if topic not in self.logs:
                self._created += 1
                self.logs[topic], self.ids[topic] = [], f"id-{self._created}"
                partitions = partitions if partitions > 0 else self.partitions
            while len(self.logs[topic]) < partitions:
                self.logs[topic].append([])

    def recreate(self, topic: str) -> None:
        """Delete a topic, and make one of the same name."""
        partitions = len(self.logs.pop(topic))
        self.create(topic, partitions)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Have a partition begin at that offset, as retention does."""
        with self._lock:
            self.firsts[topic, partition] = before
            log = self.logs[topic][partition]
            log[:] = [record for record in log if record.offset >= before]

    def append(
        self,
        topic: str,
        partition: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers | None = None,
        timestamp: int = 0,
    ) -> None:
        """Add a record at the end of a partition."""
        with self._lock:
            log = self.logs[topic][partition]
            offset = log[-1].offset + 1 if log else self.first(topic, partition)
            log.append(Record(topic, partition, offset, key, value, headers or [], timestamp, self._arrivals))
            self._arrivals += 1

    def load(self, topic: str, firsts: Mapping[int, int], messages: Iterable[Message]) -> None:
        """A topic with records of another cluster, at their own offsets; each partition's are in their order.

        `firsts` has the first offset of every partition.
        """
        self.create(topic, len(firsts))
        with self._lock:
            self.firsts |= {(topic, partition): offset for partition, offset in firsts.items()}
            for message in messages:
                kind, timestamp = message.timestamp()
                partition = message.partition() or 0
                self.logs[topic][partition].append(
                    Record(
                        topic,
                        partition,
                        message.offset() or 0,
                        message.key(),
                        message.value(),
                        cast(Headers, message.headers() or []),
                        0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
                        self._arrivals,
                    )
                )
                self._arrivals += 1

    def first(self, topic: str, partition: int) -> int:
        """The first offset that a partition has, or would have."""
        return self.firsts.get((topic, partition), 0)

    def ends(self, topic: str) -> dict[int, int]:
        """The offset that the next record of each partition will get."""
        with self._lock:
            return {
                number: log[-1].offset + 1 if log else self.first(topic, number)
                for number, log in enumerate(self.logs[topic])
            }

    def records(self, topic: str) -> list[Record]:
        """All records of a topic in the order of their arrival; none if there is no such topic."""
        with self._lock:
            found = [record for log in self.logs.get(topic, ()) for record in log]
        return sorted(found, key=lambda record: record.arrival)

    # --- what producers do

    def fly(self, topic: str, given: dict[str, Any]) -> None:
        """A producer has taken a record."""
        with self._lock:
            if not self._dead:
                self._flying.append((topic, given))

    @property
    def flying(self) -> int:
        """How many records are on their way."""
        return len(self._flying)

    def land(self, chosen: Callable[[list[tuple[str, int, dict[str, Any]]]], Iterator[int]] | None = None) -> None:
        """Deliver what is on its way; `chosen` picks by their numbers those that arrive, the others never do."""
        with self._lock:
            placed = [(topic, self._place(topic, given), given) for topic, given in self._flying]
            self._flying = []
            for number in range(len(placed)) if chosen is None else chosen(placed):
                topic, partition, given = placed[number]
                key, value = _bytes(given.get("key")), _bytes(given.get("value"))
                self.append(topic, partition, value, key, given.get("headers"), given.get("timestamp") or 0)

    def crash(self, luck: Random | None) -> None:
        """The process dies: nothing more is taken. With `luck` some of what is on its way arrives."""
        with self._lock:
            if luck is not None:
                self.land(lambda placed: _first_ones(placed, luck))
            self._flying, self._dead = [], True

    def live(self) -> None:
        """A new process."""
        self._dead = False

    @property
    def dead(self) -> bool:
        """Whether the process that writes was killed."""
        return self._dead

    def _place(self, topic: str, given: Mapping[str, Any]) -> int:
        if given.get("partition", -1) >= 0:
            return int(given["partition"])
        key = _bytes(given.get("key"))
        if key is None:
            # In turn: what is written again after a crash comes into other partitions.
            self._arrivals += 1
            return self._arrivals % len(self.logs[topic])
        return zlib.crc32(key) % len(self.logs[topic])


def _first_ones(placed: Sequence[tuple[str, int, dict[str, Any]]], luck: Random) -> Iterator[int]:
    """Of each partition the first records, as many as luck has it."""
    by_partition: dict[tuple[str, int], list[int]] = {}
    for number, (topic, partition, _) in enumerate(placed):
        by_partition.setdefault((topic, partition), []).append(number)
    for numbers in by_partition.values():
        yield from numbers[: luck.randint(0, len(numbers))]


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


@dataclass(frozen=True)
class MemoryCluster(Cluster):
    """A cluster that is not there, with `topics`."""

    topics: Topics = field(default_factory=Topics)

    def producer(self, overrides: Mapping[str, Any] | None = None, *, patient: bool = False) -> Producer:
        """One that keeps what it takes until a flush."""
        return cast(Producer, _Producer(self.topics))

    def consumer(self, group: str, overrides: Mapping[str, Any] | None = None) -> Consumer:
        """One that reads what it is assigned, partition by partition."""
        return cast(Consumer, _Consumer(self.topics))

    def admin(self) -> Admin:
        """One that answers at once."""
        return cast(Admin, _Admin(self.topics))


class _Producer:
    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def produce(self, topic: str, value: Any, key: Any = None, **more: Any) -> None:
        self._topics.fly(topic, {"value": value, "key": key, **more})

    def produce_batch(self, topic: str, messages: Sequence[dict[str, Any]], **_: Any) -> int:
        for message in messages:
            self._topics.fly(topic, message)
        return len(messages)

    def flush(self, _timeout: float = 0.0) -> int:
        if not self._topics.dead:
            self._topics.on_flush()
            self._topics.land()
        return 0

    def poll(self, _timeout: float = 0.0) -> int:
        return 0

    def purge(self) -> None:
        """Nothing is left after a flush."""

    def __len__(self) -> int:
        return self._topics.flying


class _Metadata:
    """What consumers and administrators see of topics."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def list_topics(self, topic: str | None = None, timeout: float = 0.0) -> Any:
        logs = self._topics.logs
        found = {
            name: SimpleNamespace(
                error=None, partitions={number: SimpleNamespace(leader=LEADER) for number in range(len(logs[name]))}
            )
            for name in logs
            if topic is None or topic == name
        }
        return SimpleNamespace(cluster_id=CLUSTER_ID, topics=found)


class _Consumer(_Metadata):
    def __init__(self, topics: Topics) -> None:
        super().__init__(topics)
        self._messages: Iterator[Message] = iter(())

    def assign(self, places: list[TopicPartition]) -> None:
        self._messages = self._read(places)

    def poll(self, _timeout: float = 0.0) -> Message | None:
        return next(self._messages, None)

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, places: list[TopicPartition]) -> Iterator[Message]:
        for place in places:
            log = self._topics.logs[place.topic][place.partition]
            low = self._topics.first(place.topic, place.partition)
            first = low if place.offset == OFFSET_BEGINNING else place.offset
            if first < low:
                error = KafkaError(KafkaError._AUTO_OFFSET_RESET)
                yield Message(topic=place.topic, partition=place.partition, offset=first, error=error)
            yield from (record.message() for record in log if record.offset >= first)
            end = KafkaError(KafkaError._PARTITION_EOF)
            offset = self._topics.ends(place.topic)[place.partition]
            yield Message(topic=place.topic, partition=place.partition, offset=offset, error=end)


class _Admin(_Metadata):
    def poll(self, _timeout: float = 0.0) -> int:
        return 0

    def describe_topics(self, asked: TopicCollection, **_: Any) -> "dict[str, Future[Any]]":
        return {name: self._described(name) for name in asked.topic_names}

    def _described(self, name: str) -> "Future[Any]":
        if name not in self._topics.logs:
            return _failed(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        leader = SimpleNamespace(id=LEADER)
        partitions = [SimpleNamespace(id=number, leader=leader) for number in self._topics.ends(name)]
        return _done(SimpleNamespace(topic_id=self._topics.ids[name], partitions=partitions))

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> "dict[TopicPartition, Future[Any]]":
        return {place: _done(SimpleNamespace(offset=self._offset(place, spec))) for place, spec in asked.items()}

    def _offset(self, place: TopicPartition, spec: Any) -> int:
        if spec is EARLIEST:
            return self._topics.first(place.topic, place.partition)
        if spec is LATEST:
            return self._topics.ends(place.topic)[place.partition]
        raise NotImplementedError(f"offsets by {type(spec).__name__}")

    def create_topics(self, wanted: list[Any], **_: Any) -> "dict[str, Future[None]]":
        for topic in wanted:
            self._topics.create(topic.topic, topic.num_partitions)
        return {topic.topic: _done(None) for topic in wanted}


def _done(answer: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(answer)
    return future


def _failed(error: KafkaError) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(KafkaException(error))
    return future
