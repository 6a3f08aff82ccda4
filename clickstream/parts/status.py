"""Who reports on the status topic."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Message
from msgspec import MsgspecError

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.parts.watch import STATUS_EVERY_S
from clickstream.records import Status, decode

DEAD_AFTER_S = 5 * STATUS_EVERY_S
FORGET_AFTER_S = 3600.0


@dataclass(frozen=True)
class Seen:
    """A part's last word, and when it was said (epoch seconds, by the record's timestamp)."""

    status: Status
    at: float

    def silent_s(self, now: float) -> float:
        """Seconds since the last word: a part that was killed says nothing more."""
        return max(0.0, now - self.at)

    def is_dead(self, now: float) -> bool:
        """Whether it has been silent for so long that it was killed, or cannot reach Kafka."""
        return self.silent_s(now) > DEAD_AFTER_S


class Reports:
    """The parts that report on a topic. Each `look` reads what came since the one before."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._seen: dict[bytes, Seen] = {}
        self._ends: Mapping[int, int] | None = None
        self._newest = 0.0

    def look(self, now: float, stop: threading.Event | None = None) -> list[Seen]:
        """The parts that have not said goodbye, oldest first; those silent for an hour are left out.

        `now` is in epoch seconds. Raises ClickstreamError when Kafka does not answer; with `stop` it is waited for, and
        Stopped is raised when that is set.
        """
        if self._ends is None and self._topic not in existing(self._cluster):
            return []
        self._ends = read_to_end(self._cluster, self._topic, self._take, start=self._ends, stop=stop)
        forgotten = max(now, self._newest) - FORGET_AFTER_S
        self._seen = {key: part for key, part in self._seen.items() if part.at > forgotten}
        return sorted(self._seen.values(), key=lambda part: (part.status.since, part.status.id))

    def _take(self, message: Message) -> None:
        key = message.key() or b""
        _kind, milliseconds = message.timestamp()
        self._newest = max(self._newest, milliseconds / 1000)
        if message.value() is None:
            self._seen.pop(key, None)
            return
        try:
            self._seen[key] = Seen(decode(message.value(), Status), milliseconds / 1000)
        except (MsgspecError, UnicodeDecodeError):
            return  # a record of another kind, or none of ours
