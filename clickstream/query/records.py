"""Records as a table: a column for each field of values that are JSON objects, and what else a record has.

Whole numbers of up to 64 bits are BIGINT, other numbers DOUBLE, where that keeps all their digits, else texts; objects
and arrays are texts of JSON. A field that is not always of one kind is a text.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

import msgspec
import pyarrow as pa
from confluent_kafka import Message

from clickstream import terminal
from clickstream.inspect import render
from clickstream.inspect.flatten import MAX_FIELDS, fields_of
from clickstream.query.model import EXACT_IN_BROWSERS, unique

# A double holds all whole numbers up to here.
EXACT_IN_DOUBLES = EXACT_IN_BROWSERS
LATEST_MS = 253_402_300_799_999

_STRING = msgspec.json.Decoder(str)


class Kind(Enum):
    """What a field is in one record."""

    BOOLEAN = "boolean"
    WHOLE = "whole number"
    NUMBER = "number"
    TEXT = "text"
    NESTED = "object or array"


_TYPES = {Kind.BOOLEAN: pa.bool_(), Kind.WHOLE: pa.int64(), Kind.NUMBER: pa.float64()}

Cell = tuple[Kind, Any] | None


def table_of(messages: Sequence[Message]) -> pa.Table:
    """The records' rows, in their order. Without any, only the columns that each record has."""
    members = [fields_of(message.value()) or {} for message in messages]
    fields = list(dict.fromkeys(name for one in members for name in one))
    if len(fields) > MAX_FIELDS:
        fields = []  # they are data, such as ids
    columns = {name: _column([_cell(one.get(name)) for one in members]) for name in fields}
    about = {
        "_partition": pa.array([message.partition() or 0 for message in messages], pa.int32()),
        "_offset": pa.array([message.offset() or 0 for message in messages], pa.int64()),
        "_timestamp": pa.array(map(_timestamp, messages), pa.timestamp("ms")),
        "_key": pa.array([_octets(message.key()) for message in messages], pa.string()),
        "_headers": pa.array(map(_headers, messages), pa.string()),
        "_value": pa.array([_octets(message.value()) for message in messages], pa.string()),
    }
    names = unique([*about, *map(terminal.escaped, columns)])
    # What the records themselves say comes first.
    order = [*range(len(about), len(names)), *range(len(about))]
    arrays = [*about.values(), *columns.values()]
    return pa.table([arrays[place] for place in order], [names[place] for place in order])


def _cell(raw: msgspec.Raw | None) -> Cell:
    """A field's kind and value; None when there is none, or null."""
    if raw is None:
        return None
    text = bytes(raw)
    try:
        match text[:1]:
            case b"n":
                return None
            case b"t" | b"f":
                return Kind.BOOLEAN, text == b"true"
            case b'"':
                return Kind.TEXT, _STRING.decode(text)
            case b"{" | b"[":
                return Kind.NESTED, msgspec.json.format(text.decode(), indent=-1)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Kind.TEXT, text.decode(errors="replace")
    return _number(text.decode())


def _number(text: str) -> Cell:
    if text.lstrip("-").isdigit():
        # Those that are longer than any column holds stay texts; Python reads no endless ones either.
        return Kind.WHOLE, int(text) if len(text) <= 20 else text
    return Kind.NUMBER, text


def _column(cells: Sequence[Cell]) -> pa.Array:
    kinds = {cell[0] for cell in cells if cell is not None}
    kind = Kind.NUMBER if kinds == {Kind.WHOLE, Kind.NUMBER} else kinds.pop() if len(kinds) == 1 else None
    found = [None if cell is None else cell[1] for cell in cells]
    if kind is Kind.WHOLE and not all(_fits(value) for value in found):
        kind = None
    if kind is Kind.NUMBER:
        numbers = [None if value is None else _double(value) for value in found]
        if all(number is not None or value is None for number, value in zip(numbers, found, strict=True)):
            return pa.array(numbers, pa.float64())
        kind = None
    if kind in _TYPES:
        return pa.array(found, _TYPES[kind])
    return pa.array([_text(value) for value in found], pa.string())


def _fits(value: Any) -> bool:
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _double(value: int | str) -> float | None:
    """None for a number whose digits no double has."""
    if isinstance(value, int):
        return float(value) if abs(value) <= EXACT_IN_DOUBLES else None
    number = float(value)
    try:
        exact = Decimal(value) == Decimal(repr(number))
    except InvalidOperation:  # an exponent beyond all bounds
        return None
    return number if exact else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _octets(octets: bytes | None) -> str | None:
    """UTF-8 as text, other bytes as JSON: `{"$base64": ...}`."""
    found = render.string(octets)
    return found if found is None or isinstance(found, str) else msgspec.json.encode(found).decode()


def _headers(message: Message) -> str | None:
    found = render.headers(message)
    return msgspec.json.encode(found).decode() if found else None


def _timestamp(message: Message) -> int | None:
    found = render.timestamp_of(message)
    return found if found is not None and found <= LATEST_MS else None
