"""Event time of one table: the watermark of each partition, and of the table.

A partition's watermark is the highest event time of its rows less the delay. A row is judged by the watermark that
its own partition had before it, so what is late is a property of the log, not of how partitions happened to be read.
Windows close by the minimum over the partitions.

A partition that is at its end and has been silent for the idle time-out leaves the minimum; when all are silent the
watermark goes on with the wall clock. What closes that way cannot be told from the log any more: the clock keeps it
as the `floor`, below which every row is late, and such a step takes effect only after its floor was stored.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clickstream.tables.engine.operators.operator import BEGINNING

Times = NDArray[np.int64]


@dataclass
class Lane:
    """One partition. `silent_since` is in seconds of the caller's clock; None: it is not at its end."""

    highest: int = BEGINNING
    silent_since: float | None = None


@dataclass
class Clock:
    """All times are ms of event time, but for `idle_timeout` (s; None: partitions are never idle)."""

    delay: int
    idle_timeout: float | None
    # A bounded read: a partition at its end has nothing more to say, and the wall clock does not count.
    bounded: bool = False
    lanes: dict[int, Lane] = field(default_factory=dict)
    floor: int = BEGINNING
    watermark: int = BEGINNING
    next_floor: int = BEGINNING
    _silent_from: int | None = None

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
            lane.silent_since = None
        return marks if behind else None

    def at_end(self, partition: int, now: float) -> None:
        """The partition has nothing more to be read for now."""
        lane = self.lanes.get(partition)
        if lane is not None and lane.silent_since is None:
            lane.silent_since = now

    def advance(self, now: float) -> int:
        """The table's watermark at `now` (s); it never goes back."""
        active = [lane for lane in self.lanes.values() if not self._idle(lane, now)]
        strict = min((self._mark(lane) for lane in self.lanes.values()), default=BEGINNING)
        loose = strict
        if active:
            self._silent_from = None
        if len(active) < len(self.lanes):
            loose = min(map(self._mark, active)) if active else self._gone_on(now)
            self.next_floor = max(self.next_floor, loose)
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

    def finish(self, horizon: int | None) -> None:
        """Everything is read: go on to the end of the last open window (ms), and to the last row at least."""
        last = max(self.highest, self.watermark, horizon - 1 if horizon is not None else BEGINNING)
        self.watermark = last
        self.next_floor = max(self.next_floor, last)

    def _mark(self, lane: Lane) -> int:
        return max(BEGINNING, lane.highest - self.delay)

    def _idle(self, lane: Lane, now: float) -> bool:
        if lane.silent_since is None:
            return False
        return self.bounded or (self.idle_timeout is not None and now - lane.silent_since >= self.idle_timeout)

    def _gone_on(self, now: float) -> int:
        """All are silent: the highest watermark, and the time since the last row on top of it.

        Or on top of where the table's own stood when they fell silent: it may be from a silence before a restart.
        """
        highest = max(map(self._mark, self.lanes.values()))
        if self.bounded or highest <= BEGINNING:
            return highest
        if self._silent_from is None:
            self._silent_from = max(highest, self.watermark)
        silent = min(now - (lane.silent_since or now) for lane in self.lanes.values())
        return self._silent_from + int(silent * 1000)
