"""All topics again and again, with what comes in.

A look costs two requests for all topics together: who leads what, and where each partition ends. What changes slowly
(beginnings, sizes on disk, settings, the time of the last record before we looked) is asked every few looks.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    PartitionMetadata,
)

from clickstream.inspect import details, offsets, sizes
from clickstream.inspect.names import is_internal
from clickstream.inspect.offsets import Ends, Limits, Partition
from clickstream.kafka.admin import metadata
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster

LOOK_EVERY_S = 1.0
# Of what parts say every other second, and groups are asked for every three, it is known where topics ended then.
KEPT_S = 5.0
# Below ten: who looks every ten seconds, a little more or less, looks slowly each time.
SLOW_EVERY_S = 9.5
SETTINGS_EVERY_S = 60.0
BUCKET_S = 5.0
BUCKETS = 120  # ten minutes
# A topic that gets less than that in five seconds is slow: its rate is the mean of a minute.
FEW = 5
SLOW_MEAN_BUCKETS = 12


class Led(Protocol):
    """As confluent_kafka's PartitionMetadata has it; a leader below 0 is none."""

    @property
    def leader(self) -> int: ...
    @property
    def replicas(self) -> list[int]: ...
    @property
    def isrs(self) -> list[int]: ...


Leaders = Mapping[str, Mapping[int, Led]]


@dataclass(frozen=True)
class TopicLine:
    """A topic as it is in a list; None is unknown.

    `records` is an upper bound, and only `about` right where compaction or transactions leave offsets without records.
    `size` is in bytes on disk, `last_write` in epoch ms, `rate` in records per second. `history` has one rate for every
    BUCKET_S of the last ten minutes, oldest first, as far back as somebody has looked. `policy` and `retention_ms` are
    cleanup.policy and retention.ms (-1: for good).
    """

    name: str
    internal: bool
    partitions: int
    replication: int
    records: int | None
    about: bool
    size: int | None
    last_write: int | None
    rate: float | None
    history: list[float]
    policy: str | None
    retention_ms: int | None


class Rate:
    """Records per second out of a number that grows, and its recent past in buckets."""

    def __init__(self, bucket_s: float = BUCKET_S, buckets: int = BUCKETS) -> None:
        self._bucket_s = bucket_s
        self._recent: deque[tuple[float, int]] = deque()
        self._begun: tuple[float, int] | None = None
        self.history: deque[float] = deque(maxlen=buckets)

    def add(self, now: float, total: int) -> None:
        """The number at a time in seconds. When it is smaller than before, everything begins again."""
        if self._begun is None or total < self._recent[-1][1]:
            self._recent.clear()
            self.history.clear()
            self._begun = (now, total)
        self._recent.append((now, total))
        while len(self._recent) > 2 and self._recent[1][0] <= now - self._bucket_s:
            self._recent.popleft()
        at, before = self._begun
        if now - at >= self._bucket_s:
            rate = (total - before) / (now - at)
            # Nobody may have looked for a while: those buckets had, in the mean, the same.
            for _bucket in range(min(int((now - at) / self._bucket_s), self.history.maxlen or 1)):
                self.history.append(rate)
            self._begun = (now, total)

    @property
    def per_s(self) -> float | None:
        """The rate now: of the last seconds, or of a minute when there is little."""
        if len(self._recent) < 2:
            return None
        (first, before), (last, after) = self._recent[0], self._recent[-1]
        if after - before >= FEW or not self.history:
            return (after - before) / max(last - first, 1e-3)
        slow = list(self.history)[-SLOW_MEAN_BUCKETS:]
        return sum(slow) / len(slow)


@dataclass
class _Known:
    """What is kept of a topic between looks."""

    rate: Rate = field(default_factory=Rate)
    written: int | None = None
    last_write: int | None = None
    size: int | None = None
    policy: str | None = None
    retention_ms: int | None = None


@dataclass(frozen=True)
class TopicList:
    """Every topic by name, Kafka's own ones too; `limits` and `leaders` are those of the same look, which began at
    `asked_at` (epoch seconds). `before`: the ends of the looks before, the newest first."""

    lines: list[TopicLine]
    limits: Mapping[Partition, Limits]
    leaders: Leaders
    asked_at: float
    before: Sequence[Ends] = ()

    @property
    def ends(self) -> Ends:
        """The limits, with their time, and those before."""
        return Ends(self.limits, self.asked_at, self.before)


class TopicRates:
    """What is known of the topics between looks. For one thread: see refreshed.py."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._wall = wall
        self._admin: Admin | None = None
        self._known: dict[str, _Known] = {}
        self._lows: dict[Partition, int] = {}
        self._before: Sequence[Ends] = ()
        self._slowly = self._settings = float("-inf")

    def look(self) -> TopicList:
        """Raises ClickstreamError when Kafka does not answer."""
        if self._admin is None:
            self._admin = self._cluster.admin()
        asked_at = self._wall()
        leaders = metadata(self._cluster, self._admin)
        names = sorted(leaders)
        partitions = offsets.led(leaders, names)
        ends = {
            one: answer.offset
            for one, answer in offsets.ask(self._cluster, self._admin, partitions, offsets.LATEST).items()
        }
        first = not self._known
        self._known = {name: self._known.get(name) or _Known() for name in names}
        now = self._clock()
        # A partition that ends before its beginning is of a topic that was recreated.
        unknown = any(one not in self._lows or end < self._lows[one] for one, end in ends.items())
        if unknown or now - self._slowly >= SLOW_EVERY_S:
            self._look_slowly(self._admin, names, partitions, ends)
            self._slowly = now
        if not first and now - self._settings >= SETTINGS_EVERY_S:
            self._look_at_settings(self._admin, names)
            self._settings = now
        limits = {one: Limits(self._lows[one], max(self._lows[one], end)) for one, end in ends.items()}
        lines = [self._line(name, leaders[name], limits, now) for name in names]
        before = tuple(one for one in self._before if one.at > asked_at - KEPT_S)
        self._before = (Ends(limits, asked_at), *before)
        return TopicList(lines, limits, leaders, asked_at, before)

    def _look_slowly(
        self, admin: Admin, names: Sequence[str], partitions: Iterable[Partition], ends: Mapping[Partition, int]
    ) -> None:
        lows = offsets.ask(self._cluster, admin, partitions, offsets.EARLIEST)
        self._lows = {one: lows[one].offset if one in lows else end for one, end in ends.items()}
        limits = {one: Limits(low, max(low, ends[one])) for one, low in self._lows.items()}
        unknown = {one: limit for one, limit in limits.items() if self._known[one[0]].last_write is None}
        for (name, _number), time_ms in sizes.last_writes(self._cluster, admin, unknown).items():
            known = self._known[name]
            known.last_write = max(known.last_write or 0, time_ms)
        on_disk = {} if self._cluster.data_dir is None else sizes.on_disk(self._cluster.data_dir, names)
        for name, known in self._known.items():
            known.size = on_disk.get(name)

    def _look_at_settings(self, admin: Admin, names: Sequence[str]) -> None:
        for name, entries in details.configs(self._cluster, admin, names).items():
            known = self._known[name]
            known.policy = entries.get("cleanup.policy")
            retention = entries.get("retention.ms")
            known.retention_ms = None if retention is None else int(retention)

    def _line(
        self, name: str, partitions: Mapping[int, PartitionMetadata], limits: Mapping[Partition, Limits], now: float
    ) -> TopicLine:
        known = self._known[name]
        own = [limits[name, number] for number in partitions if (name, number) in limits]
        complete = len(own) == len(partitions)
        if complete:
            self._note(known, now, sum(limit.high for limit in own))
        replicas = [len(one.replicas) for one in partitions.values()]
        return TopicLine(
            name=name,
            internal=is_internal(name),
            partitions=len(partitions),
            replication=max(replicas, default=0),
            records=sum(limit.span for limit in own) if complete else None,
            about=known.policy is not None and "compact" in known.policy,
            size=known.size,
            last_write=known.last_write,
            rate=known.rate.per_s,
            history=list(known.rate.history),
            policy=known.policy,
            retention_ms=known.retention_ms,
        )

    def _note(self, known: _Known, now: float, written: int) -> None:
        if known.written is not None and written > known.written:
            known.last_write = int(self._wall() * 1000)  # we saw it: records may bear an older time
        elif known.written is not None and written < known.written:
            known.last_write = None  # recreated
        known.written = written
        known.rate.add(now, written)
