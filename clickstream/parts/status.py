"""Who reports on the status topic."""

from dataclasses import dataclass

from confluent_kafka import Message
from msgspec import MsgspecError

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.records import Status, decode

FORGET_AFTER_S = 24 * 3600.0


@dataclass(frozen=True)
class Seen:
    """A part's last word, and when it was said (epoch seconds, by the record's timestamp)."""

    status: Status
    at: float

    def silent_s(self, now: float) -> float:
        """Seconds since the last word: a part that was killed says nothing more."""
        return max(0.0, now - self.at)


def running(cluster: Cluster, topic: str) -> list[Seen]:
    """The parts that have not said goodbye, oldest first; those silent for a day are left out."""
    if topic not in existing(cluster):
        return []
    seen: dict[bytes, Seen] = {}
    newest = 0.0

    def take(message: Message) -> None:
        nonlocal newest
        key = message.key() or b""
        _kind, milliseconds = message.timestamp()
        newest = max(newest, milliseconds / 1000)
        if message.value() is None:
            seen.pop(key, None)
            return
        try:
            seen[key] = Seen(decode(message.value(), Status), milliseconds / 1000)
        except (MsgspecError, UnicodeDecodeError):
            seen.pop(key, None)  # not one of ours

    read_to_end(cluster, topic, take)
    fresh = [part for part in seen.values() if part.at > newest - FORGET_AFTER_S]
    return sorted(fresh, key=lambda part: part.status.since)
