"""A whole topic into a file: JSON lines or CSV, in order of partition and offset, so always the same."""

import csv
import io
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol

import msgspec
from confluent_kafka import Consumer, Message

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.inspect import flatten, render
from clickstream.inspect.flatten import MAX_FIELDS, Row
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.read import Keep, Open, Span, read, reader
from clickstream.kafka.clients import Cluster

Advance = Callable[[int], None]
"""Told how many more offsets of the topic were passed."""


class Writes(Protocol):
    """Where the lines of an export go."""

    def write(self, octets: bytes, /) -> object: ...


class Stopped(Exception):
    """Ctrl-C: what was written is not the whole topic."""


@dataclass(frozen=True)
class Cap:
    """How much is exported at most: records, and bytes of their keys and values."""

    records: int
    octets: int

    def __str__(self) -> str:
        return f"{self.records:,} records or {self.octets / 1e6:,.0f} MB"


@dataclass
class Source:
    """A topic's records as they were when the export began, `opened`: those that `keep` wants, up to a `cap`."""

    cluster: Cluster
    limits: Mapping[Partition, Limits]
    stop: threading.Event
    advance: Advance
    keep: Keep = lambda message: True
    cap: Cap | None = None
    opened: Open | None = None
    capped: bool = False
    """Whether there were more than the cap allows, once all was read."""

    def messages(self) -> Iterator[Message]:
        """In order of partition and offset, in bounded memory. Raises Stopped."""
        consumer = reader(self.cluster)
        try:
            records = octets = 0
            for partition, limit in sorted(self.limits.items()):
                for message in filter(self.keep, self._partition(consumer, partition, limit)):
                    octets += len(message.key() or b"") + len(message.value() or b"")
                    if self.cap is not None and (records >= self.cap.records or octets > self.cap.octets):
                        self.capped = True
                        return
                    records += 1
                    yield message
        finally:
            consumer.close()

    def _partition(self, consumer: Consumer, partition: Partition, limit: Limits) -> Iterator[Message]:
        at = limit.low
        span = {partition: Span(limit.low, limit.high)}
        for batch in read(consumer, span, self.cluster.address, self.stop, opened=self.opened):
            yield from batch
            if batch:
                after = (batch[-1].offset() or 0) + 1
                self.advance(after - at)
                at = after
        if self.stop.is_set():
            raise Stopped
        self.advance(limit.high - at)


def to_jsonl(source: Source, out: Writes, line: Callable[[Message], bytes] = render.line) -> int:
    """One line per record, as render.line (or render.exact_line) makes them; returns their number."""
    written = 0
    for message in source.messages():
        out.write(line(message) + b"\n")
        written += 1
    return written


def to_csv(source: Source, out: BinaryIO, scratch: Path | None = None, *, safe: bool = False) -> int:
    """A row per record below a header (see flatten.py); returns the number of records.

    With `safe`, no cell is a formula for a spreadsheet (see flatten.not_a_formula).

    The fields of all values must be known before the first line is written, so the records go through a
    temporary file in `scratch` (default: the system's folder), about as large as the topic.
    """
    with tempfile.TemporaryFile(dir=scratch) as spool:
        try:
            fields = _spool(source.messages(), spool)
        except OSError as error:
            place = scratch or tempfile.gettempdir()
            raise ClickstreamError(f"Cannot write a temporary file in {place}: {error.strerror}.") from error
        return _write_rows(_spooled(spool), fields, out, source.stop, flatten.not_a_formula if safe else str)


def _spool(messages: Iterator[Message], spool: IO[bytes]) -> list[str] | None:
    """The names of all fields in order of appearance; None when they are too many."""
    fields: dict[str, None] | None = {}
    for message in messages:
        row = _row(message)
        if fields is not None:
            fields.update(dict.fromkeys(flatten.fields_of(row.value) or ()))
            fields = fields if len(fields) <= MAX_FIELDS else None
        encoded = msgspec.msgpack.encode(row)
        spool.write(len(encoded).to_bytes(4, "big") + encoded)
    spool.seek(0)
    return None if fields is None else list(fields)


def _spooled(spool: IO[bytes]) -> Iterator[Row]:
    while length := spool.read(4):
        yield msgspec.msgpack.decode(spool.read(int.from_bytes(length, "big")), type=Row)


def _row(message: Message) -> Row:
    headers = render.headers(message)
    return Row(
        message.partition() or 0,
        message.offset() or 0,
        render.timestamp_of(message),
        message.key(),
        terminal.escaped(msgspec.json.encode(headers).decode()) if headers else "",
        message.value(),
    )


def _write_rows(
    rows: Iterator[Row],
    fields: list[str] | None,
    out: BinaryIO,
    stop: threading.Event,
    cell: Callable[[str], str],
) -> int:
    lines = io.TextIOWrapper(out, "utf-8", newline="")
    written = 0
    try:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(map(cell, flatten.header(fields)))
        for row in rows:
            writer.writerow(map(cell, flatten.cells(row, fields)))
            written += 1
            if stop.is_set():
                raise Stopped
    finally:
        lines.detach()  # flushes, and leaves `out` open
    return written
