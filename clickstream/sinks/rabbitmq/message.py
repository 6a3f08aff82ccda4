"""Rows as messages: an id that tells repeats, the record's headers, a body that is JSON."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Message

from clickstream.kafka.deadletter import headers_of
from clickstream.sinks.documents import Cleaned, documents
from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, TIMESTAMP, Rows
from clickstream.sinks.target import Refused

# AMQP 0-9-1: a shortstr has one byte for its length; all headers stand in one frame, of 128 kB unless agreed otherwise.
MAX_SHORT_BYTES = 255
MAX_HEADERS_BYTES = 100_000
OWN = "clickstream-"
# Where RabbitMQ sends a message besides: lists for it, and with anything else it closes the channel
# (https://www.rabbitmq.com/docs/sender-selected).
ROUTING = frozenset({"CC", "BCC"})

JSON, TEXT, OCTETS = "application/json", "text/plain", "application/octet-stream"
REPEATED = "a header that is repeated: only the last of a name is sent"
RESERVED = "a header with a name of the sink's or RabbitMQ's own (clickstream-..., CC, BCC): left out"

Origin = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True)
class Outgoing:
    """A message to be published. `key` is the record's: what has the same one stays in order."""

    origin: Origin
    id: str
    key: bytes | None
    body: bytes
    content_type: str
    headers: dict[str, Any]
    timestamp: int | None  # epoch s
    deleted: bool = False


def message_id(topic: str, partition: int, offset: int) -> str:
    """`topic/partition/offset`; where that is too long for AMQP, a hash of it."""
    text = f"{topic}/{partition}/{offset}"
    return text if len(text) <= MAX_SHORT_BYTES else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def outgoing(rows: Rows, topic_id: str) -> tuple[list[Outgoing], Cleaned]:
    """A message for each row, and what was cleaned. Raises Refused for a row whose headers AMQP cannot carry."""
    cleaned: Cleaned = Cleaned()
    bodies = _bodies(rows, cleaned)
    found = []
    for record, (body, content_type), partition, offset, timestamp, gone, final in zip(
        rows.messages,
        bodies,
        *(rows.table[name].to_pylist() for name in (PARTITION, OFFSET, TIMESTAMP, DELETED, FINAL)),
        strict=True,
    ):
        gone = gone or record.value() is None
        headers = _headers(record, cleaned)
        headers |= {f"{OWN}topic-id": topic_id}
        if record.key() is not None:
            headers[f"{OWN}key"] = _text_or_bytes(record.key())
        if not final:
            headers[f"{OWN}final"] = False
        if gone:
            headers[f"{OWN}deleted"] = True
        _check(headers)
        topic = rows.input.topic
        found.append(
            Outgoing(
                (topic, partition, offset),
                message_id(topic, partition, offset),
                record.key(),
                body,
                content_type,
                headers,
                timestamp // 1000 if timestamp >= 0 else None,
                gone,
            )
        )
    return found, cleaned


def _bodies(rows: Rows, cleaned: Cleaned) -> Iterator[tuple[bytes, str]]:
    if rows.input.table is None:
        for value in _values(rows):
            yield value, _type_of(value)
        return
    objects, found = documents(rows)
    cleaned.update(found)
    for document, gone in zip(objects, rows.table[DELETED].to_pylist(), strict=True):
        if gone:
            document = {name: document[name] for name in rows.input.primary_key}
        yield msgspec.json.encode(document), JSON


def _values(rows: Rows) -> Iterator[bytes]:
    if not rows.input.columns:
        return (message.value() or b"" for message in rows.messages)
    return ((text or "").encode() for text in rows.column("value").to_pylist())


def _type_of(value: bytes) -> str:
    try:
        value.decode()
        msgspec.json.decode(value)
    except UnicodeDecodeError:
        return OCTETS
    except (msgspec.MsgspecError, RecursionError):  # nested too deep: whether it is JSON nobody knows
        return TEXT
    return JSON


def _headers(record: Message, cleaned: Cleaned) -> dict[str, Any]:
    given = headers_of(record)
    pairs = [(name, octets) for name, octets in given if name not in ROUTING and not name.startswith(OWN)]
    if len(pairs) < len(given):
        cleaned["headers", RESERVED] += len(given) - len(pairs)
    found = {name: _text_or_bytes(octets) for name, octets in pairs}
    if len(found) < len(pairs):
        cleaned["headers", REPEATED] += len(pairs) - len(found)
    return found


def _text_or_bytes(octets: bytes | None) -> str | bytes | None:
    if octets is None:
        return None
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets


def _check(headers: dict[str, Any]) -> None:
    size = 0
    for name, value in headers.items():
        length = len(name.encode())
        if length > MAX_SHORT_BYTES:
            raise Refused("headers", f"the name of a header has {length} bytes, AMQP takes {MAX_SHORT_BYTES}")
        octets = value.encode() if isinstance(value, str) else value
        size += length + 6 + (len(octets) if isinstance(octets, bytes) else 0)
    if size > MAX_HEADERS_BYTES:
        raise Refused("headers", f"key and headers have {size:,} bytes, at most {MAX_HEADERS_BYTES:,} are sent")
