"""Event time: the watermark of each partition, of a table, and of an operator that several tables feed.

A partition's watermark is the highest event time of its rows less the delay. A row is judged by the watermark that
its own partition had before it, so what is late is a property of the log, not of how partitions happened to be read.
Windows close by the minimum over the partitions, and over the tables.

An idle partition leaves the minimum. It is idle when the broker has confirmed for the idle time-out, without a gap,
that its log ends where it has been read to: rows that wait behind an outage, or that a stalled process has not read
yet, are not silence. When all partitions are idle the watermark goes on with the wall clock. An idle table leaves
the minimum over the tables in the same way.

What closes that way cannot be told from the log any more: it is kept as the `floor`, below which every row is late,
and such a step takes effect only after its floor was stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clickstream.tables.engine.operators.operator import BEGINNING

Times = NDArray[np.int64]

# Confirmations come every second, or more often for short time-outs. After a longer gap (the broker was away, or one
# of our processes stood still) silence begins again: what was written meanwhile may not have arrived yet.
LONGEST_GAP_S = 3.0
SHORTEST_GAP_S = 1.0


@dataclass
class Lane:
    """One partition. Times of silence are in seconds of the reading process's clock; None: it is not silent."""

    highest: int = BEGINNING  # ms of event time
    silent_since: float | None = None
    confirmed_at: float | None = None
    ended: bool = False  # a bounded read has come to its end

    @property
    def silent_for(self) -> float:
        """How long (s) its end has been confirmed without a gap."""
        if self.silent_since is None or self.confirmed_at is None:
            return 0.0
        return self.confirmed_at - self.silent_since


@dataclass
class Clock:
    """One table's time. All times are ms of event time, but for `idle_timeout` (s; None: partitions are never idle).

    `watermark` is what holds now, `prospect` what will hold once `next_floor` is stored.
    """

    delay: int
    idle_timeout: float | None
    # A bounded read: a partition at its end has nothing more to say, and the wall clock does not count.
    bounded: bool = False
    lanes: dict[int, Lane] = field(default_factory=dict)
    floor: int = BEGINNING
    watermark: int = BEGINNING
    next_floor: int = BEGINNING
    prospect: int = BEGINNING
    _silent_from: int | None = None
    _finished_at: int = BEGINNING
    _read_at: float = float("-inf")  # the reading process's time of the latest news

    def restore(self, floor: int, watermark: int) -> None:
        """Go on from a state."""
        self.floor = self.next_floor = floor
        self.watermark = self.prospect = watermark

    def add(self, partition: int, highest: int = BEGINNING) -> None:
        """A partition to be read; windows that closed without it stay closed."""
        self.lanes[partition] = Lane(highest)
        if self.watermark > BEGINNING:
            self.floor = self.next_floor = max(self.floor, self.watermark)

    def before(self, partitions: NDArray[np.int32], times: Times) -> Times | None:
        """The watermark before each row of a batch, or None when every row is later than its own.

        `times` has BEGINNING where a row has no event time. Takes note of the times.
        """
        marks = np.empty(len(times), np.int64)
        behind = False
        for partition in np.unique(partitions).tolist():
            lane = self.lanes[partition]
            at = np.flatnonzero(partitions == partition)
            own = times[at]
            highest = np.maximum.accumulate(np.concatenate(([lane.highest], own)))
            mark = np.maximum(highest[:-1] - self.delay, self.floor)
            marks[at] = mark
            # + 1: a session that ends where the watermark stands is closed for a row that touches it.
            behind = behind or bool(np.any((own <= mark + 1) & (own > BEGINNING)))
            lane.highest = int(highest[-1])
            self.end_silence(partition)
        return marks if behind else None

    # --- silence

    @property
    def read_at(self) -> float:
        """The time (s) of the latest news."""
        return self._read_at

    def read_until(self, at: float) -> None:
        """The batch at hand was read at this time (s): what was confirmed long before says nothing of now."""
        self._read_at = max(self._read_at, at)

    def confirm_silence(self, partition: int, since: float, until: float) -> None:
        """The broker's log of the partition ended where it has been read to, at all times (s) between the two."""
        self.read_until(until)
        lane = self.lanes[partition]
        if lane.silent_since != since:
            self._silent_from = None
        lane.silent_since, lane.confirmed_at = since, until

    def end_silence(self, partition: int) -> None:
        """The partition has records."""
        lane = self.lanes[partition]
        lane.silent_since = lane.confirmed_at = None
        self._silent_from = None

    def end_reading(self, partition: int) -> None:
        """A bounded read has come to the partition's end."""
        self.lanes[partition].ended = True

    @property
    def idle(self) -> bool:
        """Whether nothing is heard from any partition, even if there never was a row."""
        return bool(self.lanes) and all(map(self._is_idle, self.lanes.values()))

    def idle_partitions(self) -> set[int]:
        """Partitions that hold the watermark back no more."""
        return {partition for partition, lane in self.lanes.items() if self._is_idle(lane)}

    @property
    def settled(self) -> bool:
        """Whether the table is idle and its watermark has passed all its rows: none waits in a join any more."""
        return self.watermark >= self.highest and self.idle

    @property
    def settling(self) -> bool:
        """Whether it will be settled once `next_floor` is stored."""
        return self.prospect >= self.highest and self.idle

    def _is_idle(self, lane: Lane) -> bool:
        if self.bounded:
            return lane.ended
        if (
            self.idle_timeout is None
            or lane.confirmed_at is None
            or self._read_at - lane.confirmed_at > self.longest_gap
        ):
            return False
        return lane.silent_for >= self.idle_timeout

    @property
    def longest_gap(self) -> float:
        """Seconds between two confirmations; after a longer gap the silence begins again."""
        return min(LONGEST_GAP_S, max(SHORTEST_GAP_S, (self.idle_timeout or 0.0) / 2))

    # --- going on

    def advance(self) -> int:
        """The table's watermark after what was noted; it never goes back."""
        active = [lane for lane in self.lanes.values() if not self._is_idle(lane)]
        strict = loose = min(map(self._mark, self.lanes.values()), default=BEGINNING)
        if active:
            self._silent_from = None
            loose = min(map(self._mark, active))
        elif self.lanes:
            loose = self._by_wall_clock()
        self.next_floor = max(self.floor, self._finished_at, loose if loose > strict else BEGINNING)
        self.prospect = max(self.watermark, loose)
        self.watermark = max(self.watermark, strict, min(loose, self.floor))
        return self.watermark

    @property
    def waiting(self) -> bool:
        """Whether a floor has to be stored before the watermark can go on."""
        return self.next_floor > self.floor

    def stored(self) -> None:
        """`next_floor` is in the state now."""
        self.floor = max(self.floor, self.next_floor)

    @property
    def highest(self) -> int:
        """The highest event time so far."""
        return max((lane.highest for lane in self.lanes.values()), default=BEGINNING)

    def finish(self) -> None:
        """Everything is read: go on to the last row."""
        last = max(self.highest, self.watermark)
        self.watermark = self.prospect = self._finished_at = last
        self.next_floor = max(self.next_floor, last)

    def _mark(self, lane: Lane) -> int:
        return max(BEGINNING, lane.highest - self.delay)

    def _by_wall_clock(self) -> int:
        """All are silent: the highest watermark, and the confirmed time since the last row on top of it.

        Or on top of where the table's own stood when they fell silent: it may be from a silence before a restart.
        """
        highest = max(map(self._mark, self.lanes.values()))
        if self.bounded:
            return self.highest  # nothing comes any more
        if highest <= BEGINNING:
            return highest
        if self._silent_from is None:
            self._silent_from = max(highest, self.watermark)
        return self._silent_from + int(min(lane.silent_for for lane in self.lanes.values()) * 1000)


@dataclass
class CombinedWatermark:
    """The watermark (ms) of an operator or a join that several tables feed: the minimum over those not settled.

    When all are settled it is the highest of theirs, each of which goes on by its own wall clock. A row that comes
    later from a table that was left out is judged by the greater of its own watermark and `floor`. With one table
    this is that table's watermark, and the floor says nothing. Call `advance` after the clocks' own.
    """

    clocks: Sequence[Clock]
    floor: int = BEGINNING
    watermark: int = BEGINNING
    next_floor: int = BEGINNING
    prospect: int = BEGINNING

    def restore(self, floor: int) -> None:
        """Go on from a state."""
        self.floor = self.next_floor = floor

    def advance(self) -> int:
        """The watermark after what the clocks have noted; it never goes back."""
        strict = min((clock.watermark for clock in self.clocks), default=BEGINNING)
        heard = [clock.watermark for clock in self.clocks if not clock.settled]
        loose = min(heard) if heard else max((clock.watermark for clock in self.clocks), default=BEGINNING)
        self.next_floor = max(self.floor, loose if loose > strict else BEGINNING)
        self.watermark = max(self.watermark, strict, min(loose, self.floor))
        coming = [clock.prospect for clock in self.clocks if not clock.settling]
        prospect = min(coming) if coming else max((clock.prospect for clock in self.clocks), default=BEGINNING)
        self.prospect = max(self.watermark, prospect)
        return self.watermark

    @property
    def waiting(self) -> bool:
        """Whether a floor has to be stored before the watermark can go on."""
        return self.next_floor > self.floor

    def stored(self) -> None:
        """`next_floor` is in the state now."""
        self.floor = max(self.floor, self.next_floor)
