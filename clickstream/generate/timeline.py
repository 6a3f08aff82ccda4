"""When events happen: constant rates, phases that repeat, and how people write them."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from clickstream.durations import seconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FOREVER_MS = 0

# Whole numbers that floats miss: 0.07 events/s for 100 s are 7 events, not 8; the eighth comes after 100,000 ms, not
# after 99,999.
EPSILON_MS = 1e-6


@dataclass(frozen=True)
class Phase:
    """`rate` events per second for `ms` milliseconds; the last and only phase may last FOREVER_MS."""

    rate: float
    ms: int = FOREVER_MS

    @property
    def events(self) -> int:
        """How many begin in it: one at its start, and then one every 1/rate seconds."""
        return math.ceil(self.rate * (self.ms - EPSILON_MS) / 1000)


class Timeline:
    """The time of every event, in whole milliseconds after the start, as a function of its number alone.

    The phases follow each other and repeat. A phase with rate 0 is a silence.
    """

    def __init__(self, phases: Sequence[Phase]) -> None:
        """Raises ValueError when no phase has an event."""
        self.phases = self._phases = phases
        self._starts_ms = [0, *accumulate(phase.ms for phase in phases)]
        self._firsts = [0, *accumulate(phase.events for phase in phases)]
        self._forever = len(phases) == 1 and phases[0].ms == FOREVER_MS
        if not self._forever and self._firsts[-1] == 0:
            raise ValueError("no phase of the schedule has an event")

    def offsets(self, first: int, count: int) -> list[int]:
        """Milliseconds after the start of the events `first` to `first + count - 1`; they never decrease."""
        found: list[int] = []
        while count > 0:
            begin, number, left, rate = self._place(first)
            size = min(count, left)
            # Multiplied before divided: exact where the rate is whole and the result is.
            found += [begin + int(place * 1000 / rate + EPSILON_MS) for place in range(number, number + size)]
            first += size
            count -= size
        return found

    def before(self, ms: int) -> int:
        """How many events happen earlier than `ms` after the start."""
        if self._forever:
            return Phase(self._phases[0].rate, ms).events
        cycles, rest = divmod(ms, self._starts_ms[-1])
        within = sum(
            Phase(phase.rate, min(phase.ms, rest - start)).events
            for phase, start in zip(self._phases, self._starts_ms, strict=False)
            if rest > start
        )
        return cycles * self._firsts[-1] + within

    def _place(self, event: int) -> tuple[int, int, int, float]:
        """Of the event: its phase's start in ms, its number in the phase, how many are left there, the rate."""
        if self._forever:
            return 0, event, 1 << 62, self._phases[0].rate
        cycle, place = divmod(event, self._firsts[-1])
        index = bisect_right(self._firsts, place) - 1
        begin = cycle * self._starts_ms[-1] + self._starts_ms[index]
        return begin, place - self._firsts[index], self._firsts[index + 1] - place, self._phases[index].rate


def duration_ms(text: str) -> int:
    """`90s`, `2m`, `1.5h`, `500ms`, or plain seconds, in milliseconds; raises ValueError."""
    try:
        return round(seconds(text) * 1_000)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


def moment_ms(text: str) -> int:
    """An ISO 8601 time, UTC if it names no zone, in epoch milliseconds; raises ValueError.

    Not local, as elsewhere: the same text must mean the same time on every machine.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r}: a time such as 2026-03-25T19:05:49Z is expected (without a zone: UTC)") from None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def sessions(text: str) -> tuple[int, int]:
    """`ACTIVE/PAUSE`, such as 90s/35s, in milliseconds; raises ValueError."""
    active, slash, pause = text.partition("/")
    if not slash:
        raise ValueError(f"{text!r}: ACTIVE/PAUSE is expected, such as 90s/35s")
    return duration_ms(active), duration_ms(pause)


def schedule(text: str) -> list[Phase]:
    """`RATExDURATION,...`, such as 100x60s,1000x10s; raises ValueError."""
    phases = []
    for one in text.split(","):
        rate, times, duration = one.partition("x")
        if not times:
            raise ValueError(f"{one!r}: RATExDURATION is expected, such as 100x60s,1000x10s")
        phases.append(Phase(_rate(rate), duration_ms(duration)))
    Timeline(phases)
    return phases


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1e9:
        raise ValueError(f"{text!r}: a number of events per second is expected, from 0")
    return rate
