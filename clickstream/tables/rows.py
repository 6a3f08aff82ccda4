"""Records as the rows of their table, one by one, for people to look at.

Values become a column's type as Flink's JSON format does it:
https://github.com/apache/flink/blob/master/flink-formats/flink-json/src/main/java/org/apache/flink/formats/json/JsonParserToRowDataConverters.java
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

import msgspec
from confluent_kafka import Message

from clickstream.inspect import render
from clickstream.tables.sql.model import Column, Kind, Table
from clickstream.tables.sql.types import Type

Value = bool | int | float | str | datetime | date | dict[str, Any] | None
"""Times are in UTC, without a zone; headers are a dict."""

# Rows of windows that are still open carry this header, and only they.
EARLY = ("final", b"0")

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BITS = {Type.INT: 32, Type.BIGINT: 64}
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T])[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z?)")


class Unreadable(Exception):
    """The record is no row of the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """`values` are those of `RowReader.columns`; `key` those of the primary key, () without one.

    `early`: the window is still open. `deleted`: a tombstone, which has a key only. `at` is the record's
    timestamp (-1: none), partition and offset.
    """

    values: tuple[Value, ...]
    key: tuple[Value, ...]
    at: tuple[int, int, int]
    early: bool = False
    deleted: bool = False


class RowReader:
    """Reads the columns of a table that are in its records, not those that it computes of them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.columns = tuple(column for column in table.columns if column.kind != Kind.COMPUTED)
        from_key = table.upsert or not table.key_in_value
        self._key = {name: name.removeprefix(table.key_prefix) for name in table.key_fields} if from_key else {}
        self._convert = {
            part: _Converter(
                table.json("timestamp-format.standard", part) or "SQL", table.json("ignore-parse-errors", part)
            )
            for part in ("key", "value")
        }

    def row(self, message: Message) -> Row:
        """Raises Unreadable."""
        octets = message.value()
        if octets is None and not self.table.upsert:
            raise Unreadable
        key = self._key_values(message.key())
        fields = None if octets is None else _members(octets)
        values = tuple(self._value(column, key, fields, message) for column in self.columns)
        headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
        timestamp = render.timestamp_of(message)
        return Row(
            values,
            tuple(key[name] for name in self.table.primary_key),
            (-1 if timestamp is None else timestamp, message.partition() or 0, message.offset() or 0),
            early=EARLY in headers,
            deleted=octets is None,
        )

    def _key_values(self, octets: bytes | None) -> dict[str, Value]:
        if not self._key:
            return {}
        if octets is None:
            if self.table.upsert:
                raise Unreadable
            return dict.fromkeys(self._key)
        if self.table.key_format == "raw":
            return dict.fromkeys(self._key, _text(octets))
        fields = _members(octets)
        types = {column.name: column.type for column in self.columns}
        convert = self._convert["key"]
        return {name: convert(fields.get(field), types[name]) for name, field in self._key.items()}

    def _value(
        self, column: Column, key: dict[str, Value], fields: dict[str, msgspec.Raw] | None, message: Message
    ) -> Value:
        if column.name in key:
            return key[column.name]
        if column.metadata is not None:
            return _METADATA[column.metadata](message)
        return None if fields is None else self._convert["value"](fields.get(column.name), column.type)


def _members(octets: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable from None


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Unreadable from None


def _moment(message: Message) -> datetime | None:
    timestamp = render.timestamp_of(message)
    try:
        return None if timestamp is None else datetime.fromtimestamp(timestamp / 1000, UTC).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):
        return None


_METADATA: dict[str, Callable[[Message], Value]] = {
    "topic": Message.topic,
    "partition": Message.partition,
    "offset": Message.offset,
    "timestamp": _moment,
    "headers": render.headers,
}


class _Converter:
    """A field's JSON as a column's type; one that is not of it is NULL (lenient) or makes the record unreadable."""

    def __init__(self, standard: str, ignore_errors: str | None) -> None:
        self._separator = "T" if standard.upper() == "ISO-8601" else " "
        self._lenient = (ignore_errors or "false").lower() == "true"

    def __call__(self, field: msgspec.Raw | None, wanted: Type) -> Value:
        if field is None:
            return None
        json = bytes(field)
        try:
            return None if json == b"null" else self._converted(json, wanted)
        except (UnicodeDecodeError, msgspec.MsgspecError):
            raise Unreadable from None
        except (ValueError, OverflowError):
            if self._lenient:
                return None
            raise Unreadable from None

    def _converted(self, json: bytes, wanted: Type) -> Value:
        """Raises ValueError or OverflowError where the value is not of the type."""
        if json[:1] in (b"{", b"["):
            if wanted != Type.STRING:
                raise ValueError
            return msgspec.json.format(json, indent=-1).decode()
        text: str = msgspec.json.decode(json) if json[:1] == b'"' else json.decode()
        match wanted:
            case Type.BOOLEAN:
                return text.strip().lower() == "true"
            case Type.INT | Type.BIGINT:
                return _whole(text.strip(), _BITS[wanted], number=json[:1] != b'"')
            case Type.DOUBLE:
                return _double(text.strip())
            case Type.TIMESTAMP | Type.TIMESTAMP_LTZ:
                return self._time(text, "Z" if wanted == Type.TIMESTAMP_LTZ else "")
            case Type.DATE:
                return datetime.strptime(text, "%Y-%m-%d").date()
            case _:
                return text

    def _time(self, text: str, zone: str) -> datetime:
        match = _TIME.fullmatch(text)
        if match is None or (match[1], match[3]) != (self._separator, zone):
            raise ValueError
        return datetime.fromisoformat(text.removesuffix("Z"))


def _whole(text: str, bits: int, *, number: bool) -> int:
    if _WHOLE.fullmatch(text):
        found = int(text)
    elif number:
        found = math.trunc(float(text))  # cut, not rounded, as Jackson does it
    else:
        raise ValueError
    if not -(1 << bits - 1) <= found < 1 << bits - 1:
        raise ValueError
    return found


def _double(text: str) -> float:
    if not _DOUBLE.fullmatch(text):
        raise ValueError
    return float(text)
