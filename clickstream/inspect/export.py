"""A whole topic into a file: JSON lines or CSV, in order of partition and offset, so always the same."""

import csv
import io
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import msgspec
from confluent_kafka import Consumer, Message

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.inspect import flatten, render
from clickstream.inspect.flatten import MAX_FIELDS, Row
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.read import Span, read, reader
from clickstream.kafka.clients import Cluster

Advance = Callable[[int], None]
"""Told how many more offsets of the topic were passed."""


class Stopped(Exception):
    """Ctrl-C: what was written is not the whole topic."""


@dataclass
class Source:
    """A topic's records as they were when the export began."""

    cluster: Cluster
    limits: Mapping[Partition, Limits]
    stop: threading.Event
    advance: Advance

    def messages(self) -> Iterator[Message]:
        """In order of partition and offset, in bounded memory. Raises Stopped."""
        consumer = reader(self.cluster)
        try:
            for partition, limit in sorted(self.limits.items()):
                yield from self._partition(consumer, partition, limit)
        finally:
            consumer.close()

    def _partition(self, consumer: Consumer, partition: Partition, limit: Limits) -> Iterator[Message]:
        at = limit.low
        for batch in read(consumer, {partition: Span(limit.low, limit.high)}, self.cluster.address, self.stop):
            yield from batch
            if batch:
                after = (batch[-1].offset() or 0) + 1
                self.advance(after - at)
                at = after
        if self.stop.is_set():
            raise Stopped
        self.advance(limit.high - at)


def to_jsonl(source: Source, out: BinaryIO) -> int:
    """One line per record, as render.line makes them; returns their number."""
    written = 0
    for message in source.messages():
        out.write(render.line(message) + b"\n")
        written += 1
    return written


def to_csv(source: Source, out: BinaryIO, scratch: Path | None = None) -> int:
    """A row per record below a header (see flatten.py); returns the number of records.

    The fields of all values must be known before the first line is written, so the records go through a
    temporary file in `scratch` (default: the system's folder), about as large as the topic.
    """
    with tempfile.TemporaryFile(dir=scratch) as spool:
        try:
            fields = _spool(source.messages(), spool)
        except OSError as error:
            place = scratch or tempfile.gettempdir()
            raise ClickstreamError(f"Cannot write a temporary file in {place}: {error.strerror}.") from error
        return _write_rows(_spooled(spool), fields, out, source.stop)


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


def _write_rows(rows: Iterator[Row], fields: list[str] | None, out: BinaryIO, stop: threading.Event) -> int:
    lines = io.TextIOWrapper(out, "utf-8", newline="")
    written = 0
    try:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(flatten.header(fields))
        for row in rows:
            writer.writerow(flatten.cells(row, fields))
            written += 1
            if stop.is_set():
                raise Stopped
    finally:
        lines.detach()  # flushes, and leaves `out` open
    return written
