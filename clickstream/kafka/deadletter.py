"""What cannot be read goes to a dead-letter topic: its bytes, its reason and its origin."""

import logging
import time
from dataclasses import dataclass

from clickstream import terminal
from clickstream.kafka.produce import Headers, Sender

log = logging.getLogger(__name__)

# Below the broker's default message.max.bytes (1,048,588) with room for key and headers.
MAX_VALUE_BYTES = 900_000
MAX_REASON_CHARACTERS = 500
SAY_EVERY_S = 5.0


@dataclass(frozen=True)
class Origin:
    """Where a record stood: a topic's partition and offset, or a file's line (counted from 1)."""

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.file} line {self.line}"
        return f"{self.topic} partition {self.partition} offset {self.offset}"


@dataclass(frozen=True)
class DeadLetter:
    """`length` is that of the whole value in bytes, where `value` is only its beginning."""

    value: bytes | None
    reason: str
    origin: Origin
    length: int | None = None


class DeadLetters:
    """The dead-letter topic of one part, which names itself in each letter's headers."""

    def __init__(self, sender: Sender, topic: str, part: str) -> None:
        self._sender = sender
        self._topic = topic
        self._part = part
        self._said_at = float("-inf")
        self.count = 0

    def send(self, letter: DeadLetter, key: bytes | None = None) -> None:
        """Queue a letter. It is delivered only after the sender's flush: flush before the offset moves on."""
        value = letter.value
        # It may quote the record, and people read it with tools that show it as it is.
        reason = terminal.escaped(letter.reason)[:MAX_REASON_CHARACTERS]
        headers: Headers = [
            ("reason", reason.encode("utf-8", "replace")),
            ("part", self._part.encode()),
            ("length", str(len(value or b"") if letter.length is None else letter.length).encode()),
        ]
        for name in ("topic", "partition", "offset", "file", "line"):
            place = getattr(letter.origin, name)
            if place is not None:
                headers.append((f"origin-{name}", str(place).encode("utf-8", "replace")))
        if value is not None:
            value = value[:MAX_VALUE_BYTES]
        if key is not None and len(key) > MAX_VALUE_BYTES // 20:
            key = None  # an oversized key is part of what is wrong; the letter must fit
        self._sender.send(self._topic, value, key, headers=headers)
        self.count += 1
        if time.monotonic() > self._said_at + SAY_EVERY_S:
            self._said_at = time.monotonic()
            log.warning(
                "Dead letter to %s: %s: %s. So far: %d.",
                self._topic,
                letter.origin,
                reason,
                self.count,
            )
