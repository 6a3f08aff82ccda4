"""A record as one line of JSON."""

import base64
import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import msgspec
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from clickstream import terminal
from clickstream.inspect import text

BASE64 = "$base64"
"""The only member of the object that stands for bytes that are no UTF-8."""


class _NoJson:
    """The one value of NO_JSON: null is JSON."""


NO_JSON: Final = _NoJson()


Octets = str | dict[str, str] | None
"""Bytes as JSON: text where they are UTF-8, else `{"$base64": ...}`; null where there are none."""


class Record(msgspec.Struct, frozen=True):
    """A record as it is shown: its encoding is the line of `topics tail`.

    `timestamp` is ISO 8601 in UTC, or beyond year 9999 epoch ms. `value` is the JSON that it is, as it was written
    (numbers keep their digits), else as `Octets`; None is a tombstone. Headers are Octets by name, lists of them for a
    name that occurs more than once.
    """

    topic: str | None
    partition: int | None
    offset: int | None
    timestamp: str | int | None
    key: Octets
    headers: dict[str, Octets | list[Octets]]
    value: msgspec.Raw | Octets


def record(message: Message) -> Record:
    """The record of a message, as it is shown."""
    timestamp = timestamp_of(message)
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        None if timestamp is None else text.utc(timestamp),
        string(message.key()),
        headers(message),
        value(message.value()),
    )


def line(message: Message) -> bytes:
    """The record as a JSON object without a line end, control characters escaped."""
    encoded = msgspec.json.encode(record(message))
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return terminal.escaped(encoded.decode()).encode()


class ExactRecord(msgspec.Struct, frozen=True):
    """A record to the byte: key, value and headers in base64, headers in their order; None where there are none."""

    topic: str | None
    partition: int | None
    offset: int | None
    timestamp_ms: int | None
    key_base64: str | None
    value_base64: str | None
    headers_base64: list[tuple[str, str | None]]


def exact_line(message: Message) -> bytes:
    """The record as a JSON object from which every byte of it comes back."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    exact = ExactRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        timestamp_of(message),
        _base64(message.key()),
        _base64(message.value()),
        [(name, _base64(octets)) for name, octets in headers],
    )
    return msgspec.json.encode(exact)


def _base64(octets: bytes | None) -> str | None:
    return None if octets is None else base64.b64encode(octets).decode()


def timestamp_of(message: Message) -> int | None:
    """Epoch ms, as the record says; None when it says nothing."""
    kind, timestamp = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE or timestamp < 0 else timestamp


def value(octets: bytes | None) -> msgspec.Raw | Octets:
    """What msgspec encodes as the record's value."""
    if octets is None:
        return None
    compact = compact_json(octets)
    return string(octets) if compact is None else msgspec.Raw(compact.encode())


def compact_json(octets: bytes) -> str | None:
    """The JSON text `octets` without white space, its numbers and escapes untouched; None when it is no JSON."""
    try:
        return msgspec.json.format(octets.decode(), indent=-1)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None


def decoded(octets: bytes | None) -> Any:
    """The value of which compact_json gives the text; NO_JSON where that gives none.

    Every number with a fraction or an exponent is a Decimal, so that 1e400 is found where it is shown, and only one
    that no Decimal can hold is a float (0.0 or an infinity).
    """
    octets = octets or b""
    try:
        return _EXACT.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        compact = compact_json(octets)
    try:  # integers of any length, slowly
        return NO_JSON if compact is None else json.loads(compact, parse_float=_number, parse_int=_number)
    except RecursionError:
        return NO_JSON


def _number(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:
        return float(text)


_EXACT = msgspec.json.Decoder(float_hook=_number)


def string(octets: bytes | None) -> Octets:
    """UTF-8 as text, other bytes as `{"$base64": ...}`."""
    if octets is None:
        return None
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return {BASE64: base64.b64encode(octets).decode()}


def headers(message: Message) -> dict[str, Octets | list[Octets]]:
    """Header values by name; a list for a name that occurs more than once."""
    found: dict[str, list[Octets]] = {}
    # What was sent as a dict or as text arrives as pairs with bytes.
    for name, octets in cast("list[tuple[str, bytes | None]]", message.headers() or []):
        found.setdefault(name, []).append(string(octets))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
