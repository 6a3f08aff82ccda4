"""Records and a broker's log to test with."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, KafkaError, Message, TopicPartition

from clickstream.inspect.offsets import Partition


def record(
    offset: int,
    value: bytes | None = b"{}",
    *,
    topic: str = "t",
    partition: int = 0,
    key: bytes | None = None,
    headers: list[tuple[str, bytes | None]] | None = None,
    timestamp: int | None = 1_600_000_000_123,
) -> Message:
    time = (0, 0) if timestamp is None else (TIMESTAMP_CREATE_TIME, timestamp)
    given: Any = {"headers": headers, "timestamp": time}
    return Message(topic=topic, partition=partition, offset=offset, value=value, key=key, **given)


def end(partition: Partition, offset: int) -> Message:
    error = KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic=partition[0], partition=partition[1], offset=offset, error=error)


class Log:
    """A consumer of these records. Offsets that no record has, up to `high`, are gaps."""

    def __init__(self, records: Iterable[Message], high: Mapping[Partition, int]) -> None:
        self.records = sorted(records, key=lambda message: message.offset() or 0)
        self.high = dict(high)
        self.at: dict[Partition, int] = {}
        self.told: set[Partition] = set()
        self.read: list[Message] = []
        self.silent = False

    def consumer(self) -> Consumer:
        return cast(Consumer, self)

    def assign(self, places: list[TopicPartition]) -> None:
        self.at = {(place.topic, place.partition): place.offset for place in places}
        self.told = set()

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for place in places:
            del self.at[place.topic, place.partition]

    def unassign(self) -> None:
        self.at = {}

    def close(self) -> None:
        self.at = {}

    def poll(self, timeout: float) -> Message | None:
        found = self.consume(1, timeout)
        return found[0] if found else None

    def consume(self, number: int, timeout: float) -> list[Message]:
        found: list[Message] = []
        while len(found) < number and (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> Message | None:
        for partition, at in () if self.silent else self.at.items():
            for message in self.records:
                if (message.topic(), message.partition()) == partition and (message.offset() or 0) >= at:
                    self.at[partition] = (message.offset() or 0) + 1
                    self.read.append(message)
                    return message
            if partition not in self.told:
                self.told.add(partition)
                return end(partition, self.high[partition])
        return None
