"""Who reports on the status topic."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from confluent_kafka import Message
from msgspec import MsgspecError

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.parts.watch import STATUS_EVERY_S
from clickstream.records import FAILED, REQUESTS_KEY_END, SQL_KEY_END, Requests, RunningSql, Status, decode

DEAD_AFTER_S = 5 * STATUS_EVERY_S
FORGET_AFTER_S = 3600.0
FORGET_FAILED_AFTER_S = 600.0

Told = TypeVar("Told", RunningSql, Requests)


@dataclass(frozen=True)
class Seen:
    """A part's last word, when it was said, and when it was heard here: epoch seconds.

    `at` is by Kafka's clock where the topic is as config/topics.toml has it. `heard_at` is by our clock: it can be
    compared with when we asked Kafka for something. `live`: it was heard as soon as it was said.
    """

    status: Status
    at: float
    heard_at: float = 0.0
    live: bool = False

    def silent_s(self, now: float) -> float:
        """Seconds since the last word: a part that was killed says nothing more.

        By our clock alone where it was heard live. What was there before is as young as Kafka or its host say,
        unless that is in the future: of three clocks one may be wrong.
        """
        if self.live or not self.heard_at:
            return max(0.0, now - (self.heard_at or self.at))
        told = [self.at] if self.status.said_at is None else [self.at, self.status.said_at / 1000]
        return max(0.0, now - max((one for one in told if one <= self.heard_at), default=self.heard_at))

    @property
    def has_failed(self) -> bool:
        """Whether it ended, and the last word says why."""
        return self.status.state == FAILED

    def is_dead(self, now: float) -> bool:
        """Whether it has been silent for so long that it was killed, or cannot reach Kafka."""
        return not self.has_failed and self.silent_s(now) > DEAD_AFTER_S

    def is_forgotten(self, now: float) -> bool:
        """Whether its last word is so old that nobody wants to see it any more."""
        return self.silent_s(now) > (FORGET_FAILED_AFTER_S if self.has_failed else FORGET_AFTER_S)


def living(parts: Iterable[Seen], now: float) -> list[Status]:
    """What those say that run: neither dead nor failed. `now` is in epoch seconds."""
    return [part.status for part in parts if not part.has_failed and not part.is_dead(now)]


class Heard:
    """What the records of a status topic add up to."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in epoch seconds."""
        self._clock = clock
        self._seen: dict[bytes, Seen] = {}
        self._sql: dict[bytes, RunningSql] = {}
        self._requests: dict[bytes, Requests] = {}
        self._unlisted: dict[bytes, float] = {}  # since when the part of such a record is not listed

    def take(self, message: Message, *, live: bool = False) -> None:
        """The next record; `live`: it has just been written."""
        key = message.key() or b""
        _kind, milliseconds = message.timestamp()
        value = message.value()
        self._unlisted.pop(key, None)
        if value is None:
            self._seen.pop(key, None)
            self._sql.pop(key, None)
            self._requests.pop(key, None)
            return
        try:
            if key.endswith(SQL_KEY_END):
                self._sql[key] = decode(value, RunningSql)
            elif key.endswith(REQUESTS_KEY_END):
                self._requests[key] = decode(value, Requests)
            else:
                self._seen[key] = Seen(decode(value, Status), milliseconds / 1000, self._clock(), live)
        except (MsgspecError, UnicodeDecodeError):
            return  # a record of another kind, or none of ours

    def parts(self, now: float) -> list[Seen]:
        """Those that have not ended well, oldest first; those that are forgotten are left out. `now` is in epoch s."""
        # By our clock alone: a topic that was there before may have times of the hosts, and one may be hours ahead.
        self._seen = {key: part for key, part in self._seen.items() if not part.is_forgotten(now)}
        self._forget_unlisted(self._sql, now)
        self._forget_unlisted(self._requests, now)
        return sorted(self._seen.values(), key=lambda part: (part.status.since, part.status.id))

    def _forget_unlisted(self, held: dict[bytes, Told], now: float) -> None:
        """What a part that was killed has left. Its status may come later than that: so not at once."""
        for key, one in list(held.items()):
            if one.id.encode() in self._seen:
                self._unlisted.pop(key, None)
            elif now - self._unlisted.setdefault(key, now) > FORGET_AFTER_S:
                del held[key], self._unlisted[key]

    def running_sql(self) -> dict[str, RunningSql]:
        """What the parts run that run a file of SQL, by their ids; those that are not listed are left out."""
        return {one.id: one for one in self._sql.values() if one.id.encode() in self._seen}

    def requests(self) -> dict[str, Requests]:
        """The last requests of collectors that explain them, by their ids; those that are not listed are left out."""
        return {one.id: one for one in self._requests.values() if one.id.encode() in self._seen}


class Reports:
    """The parts that report on a topic. Each `look` reads what came since the one before."""

    def __init__(self, cluster: Cluster, topic: str, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in epoch seconds."""
        self._cluster = cluster
        self._topic = topic
        self._clock = clock
        self._heard = Heard()
        self._ends: Mapping[int, int] | None = None

    def look(self, stop: threading.Event | None = None) -> list[Seen]:
        """The parts that have not ended well, oldest first.

        Those that have been silent for an hour, or failed more than ten minutes ago, are left out.
        It may take long: how old a word is, is told by the time after it. Raises ClickstreamError when Kafka does not
        answer; with `stop` it is waited for, and Stopped is raised when that is set.
        """
        if self._ends is None and self._topic not in existing(self._cluster):
            return []
        take = partial(self._heard.take, live=self._ends is not None)
        self._ends = read_to_end(self._cluster, self._topic, take, start=self._ends, stop=stop)
        return self._heard.parts(self._clock())
