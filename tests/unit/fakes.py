"""Stand-ins for clients where a test must say what they answer."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from clickstream.kafka.produce import Sender

Report = Callable[[KafkaError | None, Message], None]


def message(
    offset: int, value: bytes | None = b"{}", *, partition: int = 0, topic: str = "t", key: bytes | None = None
) -> Message:
    """A record as a consumer returns it."""
    return Message(topic=topic, partition=partition, offset=offset, value=value, key=key)


def arrived(record: "Sent", offset: int = 0, timestamp: int = 1_000) -> Message:
    """A record that was sent, as a consumer of its topic returns it."""
    return Message(
        topic=record.topic,
        offset=offset,
        partition=0,
        value=record.value,
        key=record.key.encode() if isinstance(record.key, str) else record.key,
        headers=list(record.headers or []) or None,
        timestamp=(TIMESTAMP_CREATE_TIME, timestamp),
    )


def end(offset: int, *, partition: int = 0, topic: str = "t") -> Message:
    """The event that a partition's end was reached."""
    return Message(topic=topic, partition=partition, offset=offset, error=KafkaError(KafkaError._PARTITION_EOF))


def trouble(code: int, *, partition: int = 0, topic: str = "t") -> Message:
    """An error that the client reports in place of a record."""
    return Message(topic=topic, partition=partition, offset=-1001, error=KafkaError(code))


class Clock:
    """In place of a module's `time`: stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class FakeConsumer:
    """Returns some batches first, whatever is assigned; then the log of one partition from the place that is."""

    def __init__(self, log: Sequence[Message], *first: list[Message]) -> None:
        self._log = log
        self._first = list(first)
        self._polled: list[Message] = []
        self._at = 0
        self.assigned: list[int] = []  # offsets, assignment by assignment

    @property
    def client(self) -> Consumer:
        return cast(Consumer, self)

    def assign(self, places: Sequence[TopicPartition]) -> None:
        [place] = places
        self.assigned.append(place.offset)
        self._at = max(place.offset, 0)
        self._polled = []

    def consume(self, _count: int, _timeout: float) -> list[Message]:
        if self._first:
            return self._first.pop(0)
        found, self._at = self._log[self._at :], len(self._log)
        return [*found, end(self._at)]

    def poll(self, _timeout: float) -> Message:
        self._polled = self._polled or self.consume(1, 0.0)
        return self._polled.pop(0)

    def get_watermark_offsets(self, _place: TopicPartition, *, cached: bool) -> tuple[int, int]:
        return 0, len(self._log)

    def list_topics(self, _topic: str, timeout: float) -> None:
        """Nobody looks at the answer."""

    def close(self) -> None:
        pass


@dataclass
class Sent:
    """A record that a FakeProducer took."""

    topic: str
    value: bytes | None
    key: bytes | str | None = None
    headers: list[tuple[str, bytes]] | None = None
    timestamp: int = 0
    report: Report | None = None
    partition: int = -1


class FakeProducer:
    """Holds what it is given until `deliver`. With `room`, its queue takes that many records until it is polled."""

    def __init__(self, room: int | None = None) -> None:
        self._lock = threading.Lock()
        self.room = room
        self.queue: list[Sent] = []
        self.delivered: list[Sent] = []
        self.refusals: list[KafkaError] = []  # what produce() raises, call by call
        self.polls = 0
        self.purged = False
        self.on_poll: Callable[[], None] = self.deliver

    @property
    def client(self) -> Producer:
        return cast(Producer, self)

    def deliver(self, error: KafkaError | None = None) -> None:
        """Confirm all that is queued, or fail it with `error`."""
        with self._lock:
            queue, self.queue = self.queue, []
        for record in queue:
            if error is None:
                self.delivered.append(record)
            if record.report is not None and error is not None:
                record.report(error, Message(topic=record.topic))

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = -1,
        headers: list[tuple[str, bytes]] | None = None,
        timestamp: int = 0,
        on_delivery: Report | None = None,
    ) -> None:
        if self.refusals:
            raise KafkaException(self.refusals.pop(0))
        with self._lock:
            if self.room is not None and len(self.queue) >= self.room:
                raise BufferError("Local: Queue full")
            self.queue.append(Sent(topic, value, key, headers, timestamp, on_delivery, partition))

    def produce_batch(self, topic: str, messages: Sequence[dict[str, Any]], *, on_delivery: Report) -> int:
        taken = 0
        for entry in messages:
            try:
                self.produce(topic, entry["value"], entry.get("key"), on_delivery=on_delivery)
                taken += 1
            except BufferError:
                entry["_error"] = KafkaError(KafkaError._QUEUE_FULL)
            except KafkaException as problem:
                entry["_error"] = problem.args[0]
        return taken

    def poll(self, _timeout: float) -> int:
        self.polls += 1
        self.on_poll()
        return 0

    def flush(self, _timeout: float) -> int:
        self.on_poll()
        return len(self.queue)

    def purge(self) -> None:
        self.purged = True
        self.deliver(KafkaError(KafkaError._PURGE_QUEUE))

    def __len__(self) -> int:
        return len(self.queue)


class Kept(Sender):
    """A sender whose records are all delivered, and can be looked at."""

    def __init__(self) -> None:
        self.producer = FakeProducer()
        super().__init__(self.producer.client)

    @property
    def records(self) -> list[Sent]:
        return self.producer.delivered + self.producer.queue
