"""How far behind the readers of a topic are: in records and in seconds, and whether that grows.

A group's lag is told from its commits, that of our own parts from the offsets in their stored results, which they
report. It is never negative: where a commit lies outside the log, a note says what happened. Ends of a log that were
asked for before the commit was known say nothing of what lies beyond them.
"""

import time
from bisect import bisect_right
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition

from clickstream.inspect.groups import Group, TopicMember
from clickstream.inspect.offsets import Ends, Limits, Partition
from clickstream.inspect.read import reader
from clickstream.inspect.refreshed import Seen
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, split
from clickstream.kafka.statistics import LostBrokers
from clickstream.records import Status

HISTORY = 60
OBSERVE_EVERY_S = 5.0
OBSERVED = 360  # half an hour
MAX_TIMES = 10_000
LONG_AGO = 0.0
READ_WITHIN_S = 2.0
# Of the mean lag, so that a breath is no trend.
TREND_SHARE = 0.1
TREND_RECORDS = 10

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True)
class PartitionLag:
    """`next` is the offset that is read next (None: unknown), as text, as `end` is; `seconds` how long that record has
    waited; `note` says why the offset lies outside the log."""

    partition: int
    next: str | None
    end: str | None
    lag: int | None
    seconds: float | None
    note: str = ""


@dataclass(frozen=True)
class ReaderLag:
    """A consumer group, or one of our parts, on one topic.

    `stored`: by the part's own stored offsets, not by commits. `members` is None where it is in no group, or they are
    unknown. `seconds` is that of the partition furthest behind. `history` has the lag every OBSERVE_EVERY_S, oldest
    first; `trend` is growing, shrinking, steady or "".
    """

    name: str
    stored: bool
    state: str | None
    members: list[TopicMember] | None
    lag: int | None
    seconds: float | None
    trend: str
    history: list[int]
    partitions: list[PartitionLag]
    problem: str = ""


@dataclass(frozen=True)
class Reading:
    """Who reads a topic: the next offset by partition (None: unknown), and since when we know it, epoch seconds."""

    name: str
    stored: bool
    state: str | None
    members: list[TopicMember] | None
    next: Mapping[int, int | None]
    known_at: Mapping[int, float]
    problem: str = ""


class Told(Protocol):
    """What a part said, when, and when it was heard here (epoch seconds): parts/status.Seen."""

    @property
    def status(self) -> Status: ...
    @property
    def at(self) -> float: ...
    @property
    def heard_at(self) -> float: ...


def readings(topic: str, groups: Seen[list[Group]], parts: Iterable[Told]) -> list[Reading]:
    """Who reads `topic`, by name. A part that reports stored offsets stands there with those, not with its commits."""
    found: dict[str, Reading] = {}
    for group in groups.answer or []:
        told = [one for one in group.progress if one.topic == topic]
        own = {one.partition: one.committed for one in told}
        # Its end was asked for after the commit: what is beyond it is of another topic for sure.
        known_at = {one.partition: LONG_AGO if (one.lag or 0) < 0 else groups.at for one in told}
        if own or any(place[0] == topic for member in group.members or () for place in member.partitions):
            members = group.members_on(topic)
            found[group.name] = Reading(group.name, False, group.state, members, own, known_at, group.problem or "")
    of_groups = {name: reading.state for name, reading in found.items()}
    # The newest word wins: one that was killed goes on with the partitions that another member has taken over.
    for part in sorted(parts, key=lambda part: part.at):
        status = part.status
        stored: dict[int, int | None] = {}
        for one in status.positions:
            if one.topic == topic:  # several tables may read it: the slowest counts
                other = stored.get(one.partition)
                stored[one.partition] = one.next_offset if other is None else min(other, one.next_offset)
        if not stored:
            continue
        name = status.group or " ".join(filter(None, (status.kind, status.name)))
        known = found.get(name)
        found[name] = Reading(
            name,
            True,
            of_groups.get(name) or status.state,
            # Tables commit and are in no group: that nobody is in it does not mean that nobody reads.
            (known.members or None) if known is not None else None,
            stored if known is None else {**known.next, **stored},
            {**(known.known_at if known else {}), **dict.fromkeys(stored, part.heard_at)},
        )
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Slowest:
    """The reader of a topic that is furthest behind, and by how many records."""

    name: str
    lag: int


def slowest(groups: Seen[list[Group]], parts: Sequence[Told], ends: Ends) -> dict[str, Slowest]:
    """Of every topic that somebody reads whose place is known."""
    topics = {topic for group in groups.answer or [] for topic in group.topics}
    topics |= {one.topic for part in parts for one in part.status.positions}
    found = {}
    for topic in topics:
        lags = [(one.name, _behind(topic, one, ends)) for one in readings(topic, groups, parts)]
        known = [(lag, name) for name, lag in lags if lag is not None]
        if known:
            lag, name = max(known)
            found[topic] = Slowest(name, lag)
    return found


def _behind(topic: str, reading: Reading, ends: Ends) -> int | None:
    known = [
        ahead(at, limit)
        for number, at in reading.next.items()
        if at is not None and (limit := ends.of((topic, number), at, reading.known_at[number])) is not None
    ]
    return sum(known) if known else None


def ahead(at: int, limit: Limits) -> int:
    """Records from `at` on. Beyond the end, the topic is another one than was read: all of it is ahead."""
    return limit.span if at > limit.high else limit.high - max(at, limit.low)


class Times(Protocol):
    """When records were written, in epoch seconds: WriteTimes, SeenTimes."""

    def observe(self, topic: str, limits: Mapping[int, Limits], at: float) -> None:
        """Where the partitions ended at a time (epoch seconds); the same look may come again and again."""
        ...

    def written(self, places: Iterable[Place]) -> dict[Place, float]:
        """Of those of which it is known."""
        ...

    def close(self) -> None: ...


class Lags:
    """Lags of one topic over time. For one thread."""

    def __init__(self, topic: str, times: Times, *, clock: Callable[[], float] = time.time) -> None:
        self._topic = topic
        self._clock = clock
        self._times = times
        self._history: dict[str, deque[int]] = {}
        self._observed_at = float("-inf")

    def look(self, found: Sequence[Reading], ends: Ends) -> list[ReaderLag]:
        """The lag of each. Raises ClickstreamError when Kafka does not answer."""
        now = self._clock()
        own = self.observe(ends)
        observes = now - self._observed_at >= OBSERVE_EVERY_S
        waiting = [
            (self._topic, number, place)
            for reading in found
            for number, at in reading.next.items()
            if (limit := own.get(number)) is not None and at is not None
            if (place := max(at, limit.low)) < limit.high
        ]
        since = self._times.written(waiting)
        lags = [self._lag(reading, ends, since, now, observes) for reading in found]
        if observes:
            self._observed_at = now
            self._history = {one.name: self._history[one.name] for one in lags if one.name in self._history}
        return lags

    def observe(self, ends: Ends) -> dict[int, Limits]:
        """Note where the partitions ended; the limits of this topic."""
        own = {number: limit for (topic, number), limit in ends.limits.items() if topic == self._topic}
        self._times.observe(self._topic, own, ends.at)
        return own

    def close(self) -> None:
        """Needed once, at the end."""
        self._times.close()

    def _lag(self, reading: Reading, ends: Ends, since: Mapping[Place, float], now: float, observes: bool) -> ReaderLag:
        parts = []
        for number, at in reading.next.items():
            limit = ends.of((self._topic, number), at or 0, reading.known_at[number])
            parts.append(self._partition(number, at, limit, since, now))
        if not reading.stored:
            parts += self._untouched(reading, ends)
        known = [one.lag for one in parts if one.lag is not None]
        lag = sum(known) if known else None
        history = self._history.setdefault(reading.name, deque(maxlen=HISTORY))
        if observes and lag is not None:
            history.append(lag)
        seconds = [one.seconds for one in parts if one.seconds is not None]
        behind = [one for one in parts if one.lag]
        return ReaderLag(
            name=reading.name,
            stored=reading.stored,
            state=reading.state,
            members=reading.members,
            lag=lag,
            # Nobody is behind: 0. Somebody is, and it is not known since when: unknown.
            seconds=max(seconds) if seconds else (0.0 if known and not behind else None),
            trend=trend(history),
            history=list(history),
            partitions=sorted(parts, key=lambda one: one.partition),
            problem=reading.problem,
        )

    def _untouched(self, reading: Reading, ends: Ends) -> list[PartitionLag]:
        """The partitions of which a group has neither a commit nor, it may be, a member."""
        return [
            PartitionLag(number, None, str(limit.high), None, None)
            for (topic, number), limit in ends.limits.items()
            if topic == self._topic and number not in reading.next
        ]

    def _partition(
        self, number: int, at: int | None, limit: Limits | None, since: Mapping[Place, float], now: float
    ) -> PartitionLag:
        next_, end = None if at is None else str(at), None if limit is None else str(limit.high)
        if limit is None or at is None:
            return PartitionLag(number, next_, end, None, None)
        lag = ahead(at, limit)
        if at > limit.high:
            note = f"read up to {at}, beyond the end: the topic was recreated"
            return PartitionLag(number, next_, end, lag, None, note)
        note = f"{limit.low - at:,} records were deleted before they were read" if at < limit.low else ""
        written = since.get((self._topic, number, limit.high - lag))
        seconds = 0.0 if not lag else None if written is None else max(0.0, round(now - written, 1))
        return PartitionLag(number, next_, end, lag, seconds, note)


def trend(history: Sequence[int]) -> str:
    """Whether the lag of the last third is another than that of the first."""
    if len(history) < 6:
        return ""
    third = len(history) // 3
    values = list(history)
    first, last = sum(values[:third]) / third, sum(values[-third:]) / third
    if abs(last - first) <= max(TREND_RECORDS, TREND_SHARE * (first + last) / 2):
        return "steady"
    return "growing" if last > first else "shrinking"


class WriteTimes:
    """When records were written, in epoch seconds.

    A record's own timestamp tells; but one that was replayed from an old log says when it happened, not when it came.
    It cannot have come before a moment at which the log was seen to end before it, so the later of the two counts.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._consumer: Consumer | None = None
        self._stamps: OrderedDict[Place, float | None] = OrderedDict()
        self._ends: dict[Partition, deque[tuple[float, int]]] = {}

    def observe(self, topic: str, limits: Mapping[int, Limits], at: float) -> None:
        """Where the partitions ended at a time (epoch seconds); the same look may come again and again."""
        for number, limit in limits.items():
            seen = self._ends.setdefault((topic, number), deque(maxlen=OBSERVED))
            if seen and limit.high < seen[-1][1]:  # recreated
                seen.clear()
                self._stamps.clear()
            if not seen or at - seen[-1][0] >= OBSERVE_EVERY_S:
                seen.append((at, limit.high))

    def written(self, places: Iterable[Place]) -> dict[Place, float]:
        """Of those whose record could be read, or whose coming was seen."""
        wanted = set(places)
        unknown = [place for place in wanted if place not in self._stamps]
        if unknown:
            self._read(unknown)
        found = {}
        for place in wanted:
            stamp, seen = self._stamps.get(place), self._not_before(place)
            if stamp is not None:
                found[place] = stamp if seen is None else max(stamp, seen)
        return found

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _not_before(self, place: Place) -> float | None:
        topic, number, offset = place
        return max((at for at, end in self._ends.get((topic, number), ()) if end <= offset), default=None)

    def _read(self, places: Iterable[Place]) -> None:
        """One record at or after each place: rounds, as a partition is read at one place at a time."""
        if self._consumer is None:
            self._consumer = reader(self._cluster, {"fetch.message.max.bytes": 65_536})
        left = sorted(places)
        deadline = time.monotonic() + READ_WITHIN_S
        while left and time.monotonic() < deadline:
            rounds = {(topic, number): offset for topic, number, offset in reversed(left)}
            try:
                self._round(self._consumer, rounds, deadline)
            except LostBrokers:
                self.close()  # the next look reads with a new one
                raise
            done = {(*partition, offset) for partition, offset in rounds.items()}
            left = [place for place in left if place not in done]
        self._consumer.unassign()
        while len(self._stamps) > MAX_TIMES:
            self._stamps.popitem(last=False)

    def _round(self, consumer: Consumer, places: Mapping[Partition, int], deadline: float) -> None:
        consumer.assign([TopicPartition(topic, number, offset) for (topic, number), offset in places.items()])
        waiting = set(places)
        while waiting and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            for one in split([] if message is None else [message], self._cluster.address):
                partition = (one.topic, one.partition)
                if partition not in waiting:
                    continue
                waiting.discard(partition)
                if not isinstance(one, End):  # an end: no record yet that is committed
                    timestamp = timestamp_of(one.messages[0])
                    self._stamps[*partition, places[partition]] = None if timestamp is None else timestamp / 1000
                consumer.incremental_unassign([TopicPartition(*partition)])


class SeenTimes:
    """When records were written, from where their partitions ended at the moments before and after: between them they
    came evenly. It asks nobody, so it tells of moments that are over; what is older than the first of them is unknown.
    """

    def __init__(self) -> None:
        self._ends: defaultdict[Partition, list[tuple[int, float]]] = defaultdict(list)

    def observe(self, topic: str, limits: Mapping[int, Limits], at: float) -> None:
        """Where the partitions ended at a time (epoch seconds); the same look may come again and again."""
        for number, limit in limits.items():
            seen = self._ends[topic, number]
            if seen and limit.high < seen[-1][0]:  # recreated
                seen.clear()
            if not seen or at > seen[-1][1]:
                seen.append((limit.high, at))

    def written(self, places: Iterable[Place]) -> dict[Place, float]:
        """Of those that came between two moments."""
        return {place: at for place in set(places) if (at := self._written(place)) is not None}

    def close(self) -> None:
        """There is nothing to end."""

    def _written(self, place: Place) -> float | None:
        topic, number, offset = place
        seen = self._ends.get((topic, number), [])
        after = bisect_right(seen, offset, key=lambda one: one[0])
        if not 0 < after < len(seen):
            return None
        (low, begun), (high, ended) = seen[after - 1], seen[after]
        return begun + (ended - begun) * (offset - low) / (high - low)
