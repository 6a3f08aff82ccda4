"""The records that a preview is over: the last ones of each source, and references as a whole."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, Message

from clickstream.deadline import Deadline
from clickstream.errors import ClickstreamError
from clickstream.inspect import position, tail
from clickstream.inspect.instant import Extent, extent_at, had_come
from clickstream.inspect.offsets import Limits as LogLimits
from clickstream.inspect.offsets import Partition
from clickstream.inspect.read import Span, last, read, reader, size_of
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.clients import Cluster
from clickstream.tables.preview.limits import Limits
from clickstream.tables.sql.model import Table

Advance = Callable[[str, int], None]
"""Told of which table how many more records were read."""


@dataclass(frozen=True)
class Found:
    """A topic's records in the order in which they came, each partition in its own; `firsts` has every partition.

    `whole`: the topic has no others.
    """

    firsts: Mapping[int, int]
    messages: list[Message]
    whole: bool


class SourceRecords:
    """Reads the topics of tables. What was read of one topic stands for all tables over it."""

    def __init__(self, cluster: Cluster, limits: Limits, deadline: Deadline, advance: Advance) -> None:
        self._cluster = cluster
        self._limits = limits
        self._deadline = deadline
        self._advance = advance
        self._bytes = 0

    def of(self, table: Table, *, whole: bool) -> Found:
        """The records of a table's topic: all of them, or those that the limits allow.

        Raises ClickstreamError when the topic does not exist, when it has too many, or when the time is over.
        """
        admin = self._cluster.admin()
        there = tail.find(self._cluster, admin, [table.topic])
        past = extent_at(self._cluster, admin, there, self._limits.instant)
        limits = past.limits
        consumer = reader(self._cluster)
        try:
            if whole:
                spans = {partition: Span(limit.low, limit.high) for partition, limit in limits.items()}
            elif self._limits.since is not None:
                start = position.Time(self._limits.since)
                begin = position.starts(self._cluster, admin, start, limits)
                spans = {partition: Span(begin[partition], limit.high) for partition, limit in limits.items()}
            else:
                return self._found(past, self._last(consumer, table, limits))
            return self._found(past, self._spans(consumer, table, spans))
        finally:
            consumer.close()

    def _last(self, consumer: Consumer, table: Table, limits: Mapping[Partition, LogLimits]) -> list[Message]:
        number = min(self._limits.records, self._limits.most_records)
        most = self._limits.most_bytes
        over = self._deadline.over
        found = last(consumer, limits, number, self._cluster.address, over, keep=self._had_come, most_bytes=most)
        self._deadline.check()
        self._take(table, found)
        return found

    def _spans(self, consumer: Consumer, table: Table, spans: Mapping[Partition, Span]) -> list[Message]:
        found: list[Message] = []
        for every in read(consumer, spans, self._cluster.address, self._deadline.over):
            batch = list(filter(self._had_come, every))
            found += batch
            self._take(table, batch)
            if len(found) > self._limits.most_records:
                raise ClickstreamError(
                    f"Topic {table.topic} has more than {self._limits.most_records:,} records there: too many for a "
                    "preview. A shorter time may do."
                )
        self._deadline.check()
        return found

    def _had_come(self, message: Message) -> bool:
        return had_come(message, self._limits.instant)

    def _take(self, table: Table, batch: list[Message]) -> None:
        self._bytes += sum(map(size_of, batch))
        if self._bytes > self._limits.most_bytes:
            raise ClickstreamError(
                f"The records of a preview may have {self._limits.most_bytes // 2**20} MB; these have more. "
                "Fewer records may do."
            )
        if batch:
            self._advance(table.name, len(batch))

    @staticmethod
    def _found(past: Extent, messages: list[Message]) -> Found:
        lanes: dict[int, list[Message]] = {number: [] for _topic, number in past.limits}
        for message in messages:
            lanes[message.partition() or 0].append(message)
        for lane in lanes.values():
            lane.sort(key=_offset)
        firsts = {
            number: _offset(lane[0]) if lane else limits_of(past.limits, number).high for number, lane in lanes.items()
        }
        return Found(firsts, list(merged(lanes.values())), len(messages) >= past.records)


def limits_of(limits: Mapping[Partition, LogLimits], number: int) -> LogLimits:
    """Those of a partition of one topic."""
    return next(limit for (_topic, one), limit in limits.items() if one == number)


def merged(lanes: Iterable[list[Message]]) -> Iterator[Message]:
    """Records of partitions, each in its order, side by side in that of their timestamps."""
    return heapq.merge(*lanes, key=lambda message: timestamp_of(message) or 0)


def _offset(message: Message) -> int:
    return message.offset() or 0
