"""Looking for records of a topic within bounds: of time, of records read, and of results.

Newest first it reads each partition backwards from its end, or from where it ended at a past instant, in windows that
grow; forwards from a position in windows too, so that a partition that has given enough is not read on. Whatever bound
ends it, it says which, and where to go on.

Between partitions records are ordered by timestamp, within a partition always by offset, also where clocks disagree.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from confluent_kafka import Consumer, Message

from clickstream.errors import ClickstreamError
from clickstream.inspect import position
from clickstream.inspect.conditions import ANY, Condition
from clickstream.inspect.instant import extent_at, had_come
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.position import Position
from clickstream.inspect.read import Open, Span, read, reader
from clickstream.inspect.render import timestamp_of
from clickstream.inspect.tail import find
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster

Shown = TypeVar("Shown")

FIRST_WINDOW = 250  # records may be large: something should be found within the time
MAX_WINDOW = 100_000
_GROWTH = 4
# Of what is fetched ahead: searches run beside each other.
QUEUE = {"queued.max.messages.kbytes": 8_192, "fetch.queue.backoff.ms": 5}


class NoRecord(ClickstreamError):
    """There is no record at an offset."""


@dataclass(frozen=True)
class Question:
    """Which records of a topic, and how many.

    `start` None is from the end backwards. With an `instant` (epoch ms), only those that had come by then, wherever it
    begins. `places` go on where an Answer stopped: by partition the offset to read
    next, or (backwards) that before which to go on; a partition without one is finished.
    """

    topic: str
    start: Position | None = None
    partition: int | None = None
    key: bytes | None = None
    condition: Condition = ANY
    limit: int = 100
    places: Mapping[int, int] | None = None
    instant: int | None = None

    @property
    def backwards(self) -> bool:
        return self.start is None

    def accepts(self, message: Message) -> bool:
        """Whether the record is one of those."""
        if self.key is not None and message.key() != self.key:
            return False
        # What is younger is not even shown to the condition: it may note what it sees.
        return had_come(message, self.instant) and self.condition.accepts(message)


@dataclass(frozen=True)
class Bounds:
    """What a search may cost: seconds, and records read."""

    seconds: float = 20.0
    records: int = 2_000_000


class End(StrEnum):
    """Why a search ended."""

    COMPLETE = "complete"  # every record that was asked for was looked at
    LIMIT = "limit"  # as many as were asked for were found
    TIME = "time"
    RECORDS = "records"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Progress:
    """Records read so far and found among them; `total` is how many there are to read at most."""

    read: int
    found: int
    total: int


@dataclass(frozen=True)
class Answer(Generic[Shown]):
    """What was found, in order; `places` is where to go on (None: there is nothing more)."""

    found: list[Shown]
    end: End
    progress: Progress
    places: dict[int, int] | None


@dataclass(frozen=True)
class _Hit(Generic[Shown]):
    offset: int
    timestamp: int
    shown: Shown


@dataclass
class _Part(Generic[Shown]):
    """One partition: its hits in the order in which they are told, and the offset at which its reading stands."""

    at: int
    last: int
    hits: list[_Hit[Shown]] = field(default_factory=list)
    window: int = FIRST_WINDOW


class Search(Generic[Shown]):
    """One search. `run` on a thread of its own; another thread may set the `stop` that it was given."""

    def __init__(
        self,
        cluster: Cluster,
        question: Question,
        show: Callable[[Message], Shown],
        bounds: Bounds | None = None,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        opened: Open | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`show` makes of a record what is kept of it: lists of large records fit into memory as previews. Before,
        records are `opened`."""
        self._cluster = cluster
        self._question = question
        self._show = show
        self._bounds = bounds or Bounds()
        self._on_progress = on_progress
        self._opened = opened
        self._clock = clock
        self._read = 0
        self._found = 0
        self._total = 0

    def run(self, stop: threading.Event) -> Answer[Shown]:
        """Raises ClickstreamError when the topic cannot be read."""
        deadline = self._clock() + self._bounds.seconds
        admin = self._cluster.admin()
        there = find(self._cluster, admin, [self._question.topic], self._question.partition)
        limits = extent_at(self._cluster, admin, there, self._question.instant).limits
        parts = self._parts(limits, self._starts(admin, limits))
        self._total = sum(abs(part.last - part.at) for part in parts.values())
        consumer = reader(self._cluster, QUEUE)
        try:
            end = self._look(consumer, parts, deadline, stop)
        finally:
            consumer.close()
        return self._answer(parts, end)

    def _starts(self, admin: Admin, limits: Mapping[Partition, Limits]) -> dict[Partition, int]:
        if self._question.start is None:
            return {partition: limit.high for partition, limit in limits.items()}
        return position.starts(self._cluster, admin, self._question.start, limits)

    def _parts(
        self, limits: Mapping[Partition, Limits], starts: Mapping[Partition, int]
    ) -> dict[Partition, _Part[Shown]]:
        places = self._question.places
        parts = {}
        for partition, limit in sorted(limits.items()):
            last = limit.low if self._question.backwards else limit.high
            at = starts[partition] if places is None else places.get(partition[1], last)
            # Without a condition, as much is read as is wanted.
            window = FIRST_WINDOW if self._selects else self._question.limit
            parts[partition] = _Part[Shown](min(max(at, limit.low), limit.high), last, window=window)
        return parts

    @property
    def _selects(self) -> bool:
        asked = self._question
        return bool(asked.condition.terms) or asked.key is not None or asked.instant is not None

    def _look(
        self, consumer: Consumer, parts: dict[Partition, _Part[Shown]], deadline: float, stop: threading.Event
    ) -> End | None:
        """None when everything was looked at that had to be."""
        while True:
            unread = {
                one: part
                for one, part in parts.items()
                if part.at != part.last and len(part.hits) < self._question.limit
            }
            if not unread:
                return None
            end = self._windows(consumer, unread, deadline, stop)
            if end is not None:
                return end

    def _windows(
        self, consumer: Consumer, parts: dict[Partition, _Part[Shown]], deadline: float, stop: threading.Event
    ) -> End | None:
        """Read the next window of each; why it ended before that."""
        spans = {one: self._span(part) for one, part in parts.items()}
        wanted = self._question.limit
        # Backwards, the last ones of a window are those that count.
        rings = {one: deque[_Hit[Shown]](maxlen=wanted if self._question.backwards else None) for one in parts}
        done = dict.fromkeys(parts, 0)
        end = None
        for batch in read(consumer, spans, self._cluster.address, stop, opened=self._opened):
            self._take(batch, rings, done)
            self._on_progress(Progress(self._read, self._found, self._total))
            end = self._over(deadline, stop)
            if end is not None:
                break
        else:
            end = End.STOPPED if stop.is_set() else None
        for one, part in parts.items():
            self._close_window(part, spans[one], list(rings[one]), done[one], complete=end is None)
        return end

    def _take(
        self,
        batch: list[Message],
        rings: dict[Partition, "deque[_Hit[Shown]]"],
        done: dict[Partition, int],
    ) -> None:
        self._read += len(batch)
        for message in batch:
            one = (message.topic() or "", message.partition() or 0)
            offset = message.offset() or 0
            done[one] = offset + 1
            ring = rings[one]
            if not self._question.backwards and len(ring) >= self._question.limit:
                continue
            if self._question.accepts(message):
                self._found += 1
                timestamp = timestamp_of(message)
                ring.append(_Hit(offset, -1 if timestamp is None else timestamp, self._show(message)))

    def _span(self, part: _Part[Shown]) -> Span:
        if self._question.backwards:
            return Span(max(part.last, part.at - part.window), part.at)
        return Span(part.at, min(part.last, part.at + part.window))

    def _close_window(
        self, part: _Part[Shown], span: Span, hits: list[_Hit[Shown]], done: int, *, complete: bool
    ) -> None:
        part.window = min(part.window * _GROWTH, MAX_WINDOW)
        wanted = self._question.limit - len(part.hits)
        if not self._question.backwards:
            part.hits += hits[:wanted]
            part.at = (span.end or 0) if complete else max(part.at, done)
        elif complete:
            part.hits += hits[::-1][:wanted]
            part.at = span.start
        # else the newer end of the window was not read: all of it is left to whoever goes on.

    def _over(self, deadline: float, stop: threading.Event) -> End | None:
        if stop.is_set():
            return End.STOPPED
        if self._read >= self._bounds.records:
            return End.RECORDS
        return End.TIME if self._clock() >= deadline else None

    def _answer(self, parts: dict[Partition, _Part[Shown]], end: End | None) -> Answer[Shown]:
        merged = _merged({one[1]: part.hits for one, part in parts.items()}, newest_first=self._question.backwards)
        told: dict[int, int] = dict.fromkeys((number for _topic, number in parts), 0)
        found = []
        for number, hit in itertools.islice(merged, self._question.limit):
            told[number] += 1
            found.append(hit.shown)
        places = {
            number: place
            for (_topic, number), part in parts.items()
            if (place := self._goes_on(part, told[number])) is not None
        }
        end = end or (End.LIMIT if places else End.COMPLETE)
        return Answer(found, end, Progress(self._read, len(found), self._total), places or None)

    def _goes_on(self, part: _Part[Shown], told: int) -> int | None:
        """Where to go on in a partition of whose hits so many were told; None when it is finished."""
        after = 0 if self._question.backwards else 1
        if told < len(part.hits):
            place = part.hits[told].offset + 1 - after
        elif len(part.hits) >= self._question.limit:
            place = part.hits[-1].offset + after
        else:
            place = part.at
        return None if place == part.last else place


def _merged(parts: Mapping[int, list[_Hit[Shown]]], *, newest_first: bool) -> Iterator[tuple[int, _Hit[Shown]]]:
    """By timestamp, without changing the order within a partition."""
    at = {number: 0 for number, hits in parts.items() if hits}
    while at:
        pick = max if newest_first else min
        number = pick(at, key=lambda one: (parts[one][at[one]].timestamp, one))
        yield number, parts[number][at[number]]
        at[number] += 1
        if at[number] == len(parts[number]):
            del at[number]


def newest_first(messages: list[Message]) -> list[Message]:
    """Records that came, the newest first by timestamp, without changing the order within a partition."""
    parts: dict[int, list[_Hit[Message]]] = {}
    for message in reversed(messages):
        timestamp = timestamp_of(message)
        hit = _Hit(message.offset() or 0, -1 if timestamp is None else timestamp, message)
        parts.setdefault(message.partition() or 0, []).append(hit)
    return [hit.shown for _number, hit in _merged(parts, newest_first=True)]


def record_at(cluster: Cluster, topic: str, partition: int, offset: int, stop: threading.Event) -> Message:
    """The record at an offset; raises ClickstreamError when there is none."""
    limit = find(cluster, cluster.admin(), [topic], partition)[topic, partition]
    consumer = reader(cluster, {"fetch.message.max.bytes": 1_048_576})
    try:
        span = Span(max(offset, limit.low), limit.high)
        for batch in read(consumer, {(topic, partition): span}, cluster.address, stop):
            if batch and batch[0].offset() == offset:
                return batch[0]
            if batch:
                break
    finally:
        consumer.close()
    raise NoRecord(
        f"Topic {topic} partition {partition} has no record at offset {offset}: it was deleted, compacted, or not "
        "written yet."
    )
