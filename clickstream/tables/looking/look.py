"""What is in a table now, read from its topic, and what comes."""

import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.inspect import tail
from clickstream.inspect.export import Advance
from clickstream.inspect.read import Span, last, read, reader
from clickstream.kafka.admin import metadata
from clickstream.kafka.clients import Cluster
from clickstream.tables.looking.latest import Latest, by_key, by_record, by_window
from clickstream.tables.looking.rows import RecordReader, Row
from clickstream.tables.sql.model import Table


class Look:
    """One look at a table: its `rows`, and then, if wanted, the `changes` after them."""

    def __init__(self, cluster: Cluster, table: Table, *, limit: int, final: bool = False, missing: str = "") -> None:
        """`limit`: how many rows to show. `final`: without those of windows that are still open.

        Raises ClickstreamError when the topic does not exist; `missing` says what to do then.
        """
        self._reader = RecordReader(table)
        self.known: int | None = None
        """How many rows there are of which `rows` are the newest, as far as that was found out; see `complete`."""
        self.complete = True
        """Whether there are no more rows than `known`."""
        self._cluster = cluster
        self._table = table
        self._limit = limit
        self._final = final
        admin = cluster.admin()
        if table.topic not in metadata(cluster, admin):
            raise ClickstreamError(
                f"Table {table.name}: its topic {table.topic} does not exist at {cluster.address}. {missing}".rstrip()
            )
        self._limits = tail.find(cluster, admin, [table.topic])
        self._next = {partition: limits.high for partition, limits in self._limits.items()}
        self._consumer = reader(cluster)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._consumer.close()

    @property
    def unreadable(self) -> int:
        """Records met so far that are no rows of the table."""
        return self._reader.unreadable

    @property
    def span(self) -> int:
        """How many offsets `rows` passes."""
        return sum(limits.span if self._table.upsert else 0 for limits in self._limits.values())

    def rows(self, stop: threading.Event, advance: Advance = lambda passed: None) -> list[Row]:
        """The newest rows; not all that were asked for when `stop` was set meanwhile.

        Of an upsert table the latest row of each key, if that was not deleted: those with the highest window_start,
        or without one those written last; by window_start, then by key. Otherwise those of the last records.
        `advance` is told how many more offsets were passed.
        """
        if not self._table.upsert:
            return self._last(stop)
        windows = by_window(self._table.columns)
        latest = Latest(self._limit, windows or by_record)
        spans = {partition: Span(limits.low, limits.high) for partition, limits in self._limits.items()}
        self._next = {partition: limits.low for partition, limits in self._limits.items()}
        for batch in read(self._consumer, spans, self._cluster.address, stop):
            for message in batch:
                # Not the end asked for: a transaction that is open may commit what lies before it.
                self._next[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
            for row in self._rows(batch):
                latest.take(row)
            advance(len(batch))
        self.known, self.complete = len(latest), latest.complete
        return sorted(latest.highest(self._limit), key=windows or by_key)

    def _last(self, stop: threading.Event) -> list[Row]:
        return self._rows(last(self._consumer, self._limits, self._limit, self._cluster.address, stop))

    def changes(self, stop: threading.Event) -> Iterator[list[Row]]:
        """What was written after `rows`, record by record, in batches, until `stop` is set.

        A batch is empty when nothing came for a moment.
        """
        spans = {partition: Span(offset) for partition, offset in self._next.items()}
        for batch in read(self._consumer, spans, self._cluster.address, stop):
            yield self._rows(batch)

    def _rows(self, messages: Sequence[Message]) -> list[Row]:
        rows = self._reader.rows(messages) if messages else []
        return [row for row in rows if not (self._final and row.early)]
