"""What cannot be read goes to a dead-letter topic: its bytes, its reason and its origin; written and read here."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from clickstream import terminal
from clickstream.kafka.produce import Headers

log = logging.getLogger(__name__)

# Below the broker's default message.max.bytes (1,048,588) with room for key and headers.
MAX_VALUE_BYTES = 900_000
# What is larger is part of what is wrong, and is left out: the letter must fit.
MAX_KEY_BYTES = MAX_VALUE_BYTES // 20
MAX_HEADERS_BYTES = MAX_VALUE_BYTES // 20
MAX_REASON_CHARACTERS = 500
SAY_EVERY_S = 5.0

# The record's own headers, each under its name behind this.
OWN_HEADER = "header-"

RecordHeaders = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Origin:
    """Where a record stood: a topic's partition and offset, a file's line (counted from 1), or a place in a request.

    `request` is the endpoint, such as `POST /e`, and `index` the place in its array of events, counted from 0.
    """

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    file: str | None = None
    line: int | None = None
    request: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        if self.request is not None:
            return f"{self.request} event {self.index}"
        if self.file is not None:
            return f"{self.file} line {self.line}"
        return f"{self.topic} partition {self.partition} offset {self.offset}"


@dataclass(frozen=True)
class DeadLetter:
    """`length` is that of the whole value in bytes, where `value` is only its beginning; `headers` the record's own.

    `kind` is the reason as a word, where a part has a set of them.
    """

    value: bytes | None
    reason: str
    origin: Origin
    length: int | None = None
    headers: RecordHeaders = ()
    kind: str | None = None


@dataclass(frozen=True)
class FoundLetter:
    """A letter as it stands in the dead-letter topic: what was set aside, why, whence, by which `part` and when.

    `time` is when it was set aside, in epoch ms, None when unknown. `length` is that of the whole value in bytes.
    `left_out` names what of the record was too large to keep: `key`, `headers`.
    """

    part: str
    reason: str
    origin: Origin
    time: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    length: int
    left_out: frozenset[str] = frozenset()
    kind: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all of the record is here: value, key and headers."""
        return not self.left_out and self.length == len(self.value or b"")


class Sends(Protocol):
    """What letters are handed to: a Sender, or what collects the records of a transaction."""

    def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, *, headers: Headers | None = None
    ) -> None:
        """Take one record."""
        ...


class DeadLetters:
    """The dead-letter topic of one part, which names itself in each letter's headers."""

    def __init__(self, sender: Sends, topic: str, part: str) -> None:
        self._sender = sender
        self._topic = topic
        self._part = part
        self._said_at = float("-inf")
        self.count = 0

    def send(self, letter: DeadLetter, key: bytes | None = None) -> None:
        """Queue a letter. It is delivered only after the sender's flush: flush before the offset moves on."""
        value, headers = letter_headers(letter, self._part)
        own: Headers = [(f"{OWN_HEADER}{name}", octets) for name, octets in letter.headers]
        left_out = []
        if key is not None and len(key) > MAX_KEY_BYTES:
            key = None
            left_out.append("key")
        if sum(map(_header_size, letter.headers)) > MAX_HEADERS_BYTES:
            own = []
            left_out.append("headers")
        if left_out:
            headers.append(("left-out", ",".join(left_out).encode()))
        self._sender.send(self._topic, value, key, headers=headers + own)
        self.count += 1
        if time.monotonic() > self._said_at + SAY_EVERY_S:
            self._said_at = time.monotonic()
            log.warning(
                "Dead letter to %s: %s: %s. So far: %d.",
                self._topic,
                letter.origin,
                _reason(letter),
                self.count,
            )


def letter_headers(letter: DeadLetter, part: str) -> tuple[bytes | None, Headers]:
    """The value of a letter's record, as much of it as fits, and the headers that make it a letter of `part`."""
    value = letter.value
    headers: Headers = [
        ("reason", _reason(letter).encode("utf-8", "replace")),
        ("part", part.encode()),
        ("length", str(len(value or b"") if letter.length is None else letter.length).encode()),
    ]
    if letter.kind is not None:
        headers.append(("kind", letter.kind.encode()))
    for name in ("topic", "partition", "offset", "file", "line", "request", "index"):
        place = getattr(letter.origin, name)
        if place is not None:
            headers.append((f"origin-{name}", str(place).encode("utf-8", "replace")))
    return None if value is None else value[:MAX_VALUE_BYTES], headers


def _reason(letter: DeadLetter) -> str:
    # It may quote the record, and people read it with tools that show it as it is.
    return terminal.escaped(letter.reason)[:MAX_REASON_CHARACTERS]


def found_letter(message: Message) -> FoundLetter | None:
    """The letter in a record of a dead-letter topic; None when it is none, for anyone may write to a topic."""
    pairs = headers_of(message)
    named = {name: octets.decode("utf-8", "replace") for name, octets in pairs if octets is not None}
    try:
        part, reason, length = named["part"], named["reason"], int(named["length"])
        origin = _origin(named)
    except (KeyError, ValueError):
        return None
    kind, timestamp = message.timestamp()
    return FoundLetter(
        part=part,
        reason=reason,
        origin=origin,
        time=None if kind == TIMESTAMP_NOT_AVAILABLE or timestamp < 0 else timestamp,
        key=message.key(),
        value=message.value(),
        headers=tuple((name.removeprefix(OWN_HEADER), one) for name, one in pairs if name.startswith(OWN_HEADER)),
        length=length,
        left_out=frozenset(filter(None, named.get("left-out", "").split(","))),
        kind=named.get("kind"),
    )


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """The record's headers in their order: what was sent as a dict or as text arrives as pairs with bytes."""
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])


def _origin(named: Mapping[str, str]) -> Origin:
    """Raises KeyError or ValueError when it is not told."""
    if "origin-file" in named:
        return Origin(file=named["origin-file"], line=int(named["origin-line"]))
    if "origin-request" in named:
        return Origin(request=named["origin-request"], index=int(named["origin-index"]))
    return Origin(named["origin-topic"], int(named["origin-partition"]), int(named["origin-offset"]))


def _header_size(header: tuple[str, bytes | None]) -> int:
    name, octets = header
    return len(name.encode()) + len(octets or b"")
