"""Records as the rows of an input."""

import base64
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, TIMESTAMP, Input, Rows
from clickstream.sinks.unknown import UnknownFields
from clickstream.tables.engine.decoding.rows import NO_TIME, Records, RowReader, Wanted
from clickstream.tables.engine.decoding.timetext import LONGEST_MS
from clickstream.tables.names import engine_name
from clickstream.tables.sql.model import Kind, Table

if TYPE_CHECKING:
    from clickstream.tables.engine.decoding.avro import AvroMessages

NO_TEXT = "a key that is no UTF-8, written as base64"

# Rows of windows that are still open have this header, and only they.
EARLY = ("final", b"0")


@dataclass
class Found:
    """What became of records: `bad` are those without a row, with the reason, `early` how many were ignored.

    `nulled` counts by column the fields that are NULL because they have another type, `changed` by column and rule
    those that are another value in their column, and by their names those that no column takes.
    """

    rows: Rows
    bad: list[tuple[Message, str]]
    early: int
    nulled: Counter[str]
    changed: Counter[tuple[str, str]]


_Read = tuple[pa.Table, dict[int, str], Counter[str], Counter[tuple[str, str]]]
"""Rows, with their records' indices as `$i`; and what Found says of the others, and of values."""


class RecordReader:
    """Reads the records of one input."""

    def __init__(self, source: Input, *, early: bool, stop: threading.Event | None = None) -> None:
        """`early`: rows of windows that are still open are rows, too; without it they are ignored.

        `stop` ends the wait for a schema of Avro: then `read` raises Stopped. Without it the wait is short.
        """
        self._source = source
        self._stop = stop
        self._keys, self._values = _avro(source)
        self._early = early
        self._rows: RowReader | None = None
        self._unknown: UnknownFields | None = None
        if source.table is not None:
            metadata = {one.metadata for one in source.columns}
            physical = tuple(one for one in source.columns if one.kind == Kind.PHYSICAL)
            self._rows = RowReader(Wanted(source.table, physical, "timestamp" in metadata, "headers" in metadata))
            self._unknown = UnknownFields(_in_value(source.table))

    @property
    def waiting(self) -> bool:
        """Whether it waits for a schema registry, or for a schema; may be asked from any thread."""
        return any(one is not None and one.waiting for one in (self._keys, self._values))

    def read(self, messages: Sequence[Message]) -> Found:
        """The rows of messages without errors, in their order.

        Raises Stopped, and ClickstreamError for a schema registry that refuses, was wiped, or is away for too long.
        """
        final = [not _is_early(message) for message in messages]
        early = 0
        if not self._early and not all(final):
            messages = [message for message, is_final in zip(messages, final, strict=True) if is_final]
            early = len(final) - len(messages)
            final = [True] * len(messages)
        read = self._typed if self._rows else self._plain if self._source.columns else self._whole
        table, bad, nulled, changed = read(messages)
        at = table["$i"].to_pylist()
        table = table.drop_columns(["$i"]).append_column(FINAL, pa.array([final[index] for index in at], pa.bool_()))
        rows = Rows(self._source, table, [messages[index] for index in at])
        return Found(rows, [(messages[index], reason) for index, reason in sorted(bad.items())], early, nulled, changed)

    def _typed(self, messages: Sequence[Message]) -> _Read:
        assert self._rows is not None
        assert self._unknown is not None
        records = Records.of(messages, keys=self._rows.needs_keys, headers=self._rows.needs_headers)
        not_avro: dict[int, str] = {}
        if self._keys is not None and records.keys:
            records.keys, bad_keys = self._keys.to_json(records.keys, self._stop)
            not_avro = {index: f"key: {reason}" for index, reason in bad_keys.items()}
        if self._values is not None:
            records.values, bad_values = self._values.to_json(records.values, self._stop)
            not_avro |= bad_values
        found = self._rows.read(records)
        table = found.table
        columns: dict[str, Any] = {}
        for one in self._source.columns:
            stands = {"timestamp": "$time", "headers": "$headers"}.get(one.metadata or "", engine_name(one.name))
            columns[engine_name(one.name)] = table[stands]
        gone = table["$deleted"] if "$deleted" in table.column_names else pa.array(np.zeros(len(table), np.bool_))
        about = {PARTITION: table["$p"], OFFSET: table["$o"], TIMESTAMP: table["$ts"], DELETED: gone, "$i": table["$i"]}
        changed = self._unknown.count(records.values)
        for (name, rule), count in found.changed.items():
            for column in self._called(name):
                changed[column, rule] += count
        return pa.table({**columns, **about}), {**found.bad, **not_avro}, found.nulled, changed

    def _called(self, name: str) -> list[str]:
        """The columns of what is counted: of `$time` and `$headers` those that take them."""
        kind = {"$time": "timestamp", "$headers": "headers"}.get(name)
        return [name] if kind is None else [one.name for one in self._source.columns if one.metadata == kind]

    def _whole(self, messages: Sequence[Message]) -> _Read:
        return pa.table(_about(messages, range(len(messages)))), {}, Counter(), Counter()

    def _plain(self, messages: Sequence[Message]) -> _Read:
        wants_keys = any(one.name == "key" for one in self._source.columns)
        keys: Sequence[bytes | None] = [message.key() if wants_keys else None for message in messages]
        values: Sequence[bytes | None] = [message.value() for message in messages]
        bad: dict[int, str] = {}
        changed: Counter[tuple[str, str]] = Counter()
        if self._keys is not None:
            keys, _ = self._keys.to_json(keys, self._stop)
        if self._values is not None:
            values, bad = self._values.to_json(values, self._stop)
        texts: list[tuple[str | None, str | None]] = []
        at: list[int] = []
        for index, (key, value) in enumerate(zip(keys, values, strict=True)):
            if index in bad:
                continue
            try:
                text = None if value is None else value.decode()
            except UnicodeDecodeError:
                bad[index] = "the value is no UTF-8"
                continue
            texts.append((_key_text(key, changed), text))
            at.append(index)
        about = _about([messages[index] for index in at], at)
        stamps = about[TIMESTAMP]
        beyond = np.abs(stamps) > LONGEST_MS
        if beyond.any():
            changed["timestamp", NO_TIME] += int(np.count_nonzero(beyond))
        times = pa.array(stamps * 1000, mask=beyond).view(pa.timestamp("us"))
        table = pa.table(
            {
                "key": pa.array([key for key, _ in texts], pa.string()),
                "value": pa.array([value for _, value in texts], pa.string()),
                "timestamp": times,
                **about,
            }
        )
        return table, bad, Counter(), changed


def _about(messages: Sequence[Message], at: Sequence[int]) -> dict[str, Any]:
    """The hidden columns of records that are never deletions."""
    records = Records.of(messages, keys=False, headers=False)
    return {
        PARTITION: records.partitions,
        OFFSET: records.offsets,
        TIMESTAMP: records.timestamps,
        DELETED: np.zeros(len(at), np.bool_),
        "$i": np.array(at, np.int32),
    }


def _in_value(table: Table) -> list[str]:
    """The names of fields of the value that the SQL knows, also of columns that this sink does not write."""
    return [
        one.name
        for one in table.columns
        if one.kind == Kind.PHYSICAL and (table.key_in_value or one.name not in table.key_fields)
    ]


def _is_early(message: Message) -> bool:
    headers = message.headers()
    return headers is not None and EARLY in headers


def _key_text(octets: bytes | None, changed: Counter[tuple[str, str]]) -> str | None:
    """A key is no reason to refuse its record: producers of numbers and UUIDs make keys that are no text."""
    try:
        return None if octets is None else octets.decode()
    except UnicodeDecodeError:
        changed["key", NO_TEXT] += 1
        return base64.b64encode(octets or b"").decode()


def _avro(source: Input) -> "tuple[AvroMessages | None, AvroMessages | None]":
    """What makes JSON of keys and of values, where they are Avro."""
    avro, table = source.avro, source.table
    if avro is None:
        return None, None
    from clickstream.tables.engine.decoding.avro import AvroMessages  # its extra is for those who use it

    prefix = table.key_prefix if table is not None else ""
    typed = [] if table is None else [one for one in source.columns if one.kind == Kind.PHYSICAL]
    waits = avro.unknown_waits
    keys = values = None
    if avro.keys is not None:
        keys = AvroMessages(avro.keys, typed, prefix, unknown_waits=waits, strict=avro.strict_keys)
    if avro.values is not None:
        values = AvroMessages(avro.values, typed, unknown_waits=waits, strict=True)
    return keys, values
