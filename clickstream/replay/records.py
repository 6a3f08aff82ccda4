"""Lines of a file or of standard input as records of a topic, as they are."""

import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from clickstream.fieldpath import values_at
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.replay.files import Reader, Source
from clickstream.replay.lines import Unreadable


class LineRecords(Part):
    """Sends each line that is not blank, without its end, as a record. With `key`, a field of its JSON is the key."""

    kind = "lines"

    def __init__(self, sources: Sequence[Source], sender: Sender, topic: str, key: str | None = None) -> None:
        """`key`: the name of a field, or a path such as `user.id`; a text is taken as it is, anything else as JSON."""
        self.sender = sender
        self.topics = [topic]
        self._sources = sources
        self._topic = topic
        self._key = key
        self._skipped = 0
        self._first_skipped: str | None = None

    @property
    def skipped(self) -> str | None:
        """How many lines were not sent, and why the first was not; None when all were."""
        if self._first_skipped is None:
            return None
        lines = "1 line was" if self._skipped == 1 else f"{self._skipped:,} lines were"
        return f"{lines} skipped. The first: {self._first_skipped}."

    def run(self, stop: threading.Event) -> None:
        """Send until the end of the last source or until `stop` is set, then wait for the broker's confirmations.

        Raises ClickstreamError, after what was read has been delivered, for a damaged file.
        """
        try:
            for source in self._sources:
                self._send_lines(source, stop)
                if stop.is_set():
                    return
        finally:
            self.sender.close()

    def totals(self) -> dict[str, int]:
        """Lines so far, for rates and metrics."""
        return {
            "sent": self.sender.sent,
            "acknowledged": self.sender.acknowledged,
            "failed": self.sender.failed,
            "skipped": self._skipped,
        }

    def gauges(self) -> dict[str, float]:
        """Records that are not confirmed yet."""
        return {"queued": self.sender.queued}

    def last_success(self) -> float | None:
        return self.sender.last_success

    def _send_lines(self, source: Source, stop: threading.Event) -> None:
        for part in Reader(source):
            if isinstance(part, Unreadable):
                self._skip(source, part.number, part.reason)
            else:
                self.sender.send_batch(self._topic, self._messages(source, part.first, part.lines))
            if stop.is_set():
                return

    def _messages(self, source: Source, first: int, lines: Sequence[bytes]) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        for number, line in enumerate(lines, first):
            value = line.removesuffix(b"\r")
            if not value.strip():
                continue
            if self._key is None:
                messages.append({"value": value})
                continue
            try:
                messages.append({"value": value, "key": _key_of(value, self._key)})
            except ValueError as error:
                self._skip(source, number, str(error))
        return messages

    def _skip(self, source: Source, number: int, reason: str) -> None:
        self._skipped += 1
        self._first_skipped = self._first_skipped or f"{source.name}, line {number:,}: {reason}"


def _key_of(value: bytes, path: str) -> bytes:
    """Raises ValueError with the reason why there is none."""
    try:
        found = values_at(msgspec.json.decode(value), path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not found or found[0] is None:
        raise ValueError(f"it has no field {path}")
    return found[0].encode() if isinstance(found[0], str) else msgspec.json.encode(found[0])
