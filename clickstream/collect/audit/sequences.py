"""Which numbers of a sequence came, which are missing, and which came twice; summed up by site and hour.

A tag numbers what it sends, on over its pages (a cookieless one: from 0 on each page, and each hour). A number that did
not come though later ones did is missing. What nobody can see: losses before the first event of a visitor, and after
its last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HOUR_MS = 3_600_000
MAX_STREAMS = 200_000  # of which the last half is there in any case: 35 MB
MAX_SITES = 1_000
# A sequence that jumps further is another one: nobody loses a million events between two.
MAX_GAP = 1_000_000
MAX_GAPS = 100
OTHER_SITES = "(other)"

Hour = tuple[str, int]
"""A site, and the epoch ms of an hour's beginning."""


@dataclass(slots=True)
class Figures:
    """Of one site and hour. `missing` may become less: what is late fills its gap. `last`: when the last of them came,
    epoch ms."""

    received: int = 0
    missing: int = 0
    doubled: int = 0
    last: int = 0

    @property
    def sent(self) -> int:
        """As far as can be seen."""
        return self.received + self.missing


@dataclass(slots=True)
class _Gap:
    """Numbers from `first` up to, not including, `end` that did not come before `end` did; missing in `hour`."""

    first: int
    end: int
    hour: Hour


class _Stream:
    """What came of one sequence: everything from `low` up to `high` but for the gaps."""

    __slots__ = ("gaps", "high", "low")

    def __init__(self, low: int) -> None:
        self.low = self.high = low
        self.gaps: Sequence[_Gap] = ()  # most have none, ever


class Sequences:
    """The figures of every site and hour. `forgotten`: streams that were given up, as there are too many."""

    def __init__(self, *, max_streams: int = MAX_STREAMS, max_sites: int = MAX_SITES) -> None:
        # Two generations, of which the older one goes: an order of all would take as much memory as they do.
        self._latest: dict[str, _Stream] = {}
        self._before: dict[str, _Stream] = {}
        self._max_streams = max_streams
        self._max_sites = max_sites
        self._sites: set[str] = set()
        self.figures: dict[Hour, Figures] = {}
        self.changed: set[Hour] = set()
        self.forgotten = 0

    def take(self, site: str, stream: str, number: int, time_ms: int, *, from_zero: bool, came_at: int = 0) -> None:
        """An event, which came at `came_at` (epoch ms). `from_zero`: its sequence began within what is looked at, so 0
        was its first number."""
        if site not in self._sites:
            if len(self._sites) >= self._max_sites:
                site = OTHER_SITES
            self._sites.add(site)
        hour = site, time_ms - time_ms % HOUR_MS
        known = self._stream(site, stream, number, from_zero)
        figures = self._of(hour)
        if came_at > figures.last:
            figures.last = came_at
        if number >= known.high:
            if number > known.high:  # of most it is the next one
                self._gap(known, known.high, number, hour)
            known.high = number + 1
            figures.received += 1
        elif number < known.low:
            self._gap(known, number + 1, known.low, hour)
            known.low = number
            figures.received += 1
        elif self._fill(known, number):
            figures.received += 1
        else:
            figures.doubled += 1

    def drop_before(self, time_ms: int) -> list[Hour]:
        """Forget the hours that were over at `time_ms`; returns them."""
        old = [hour for hour in self.figures if hour[1] + HOUR_MS <= time_ms]
        for hour in old:
            del self.figures[hour]
            self.changed.discard(hour)
        self._sites = {site for site, _begin in self.figures}
        return old

    def _stream(self, site: str, stream: str, number: int, from_zero: bool) -> _Stream:
        key = f"{site}\0{stream}"
        known = self._latest.get(key)
        if known is None:
            known = self._before.pop(key, None)
            if known is not None:
                self._keep(key, known)
        if known is None or abs(number - known.high) > MAX_GAP:
            # Once some were forgotten, this may be one of them: what came of it before is not missing.
            began_here = from_zero and number <= MAX_GAP and not self.forgotten
            known = _Stream(0 if began_here else number)
            self._keep(key, known)
        return known

    def _keep(self, key: str, stream: _Stream) -> None:
        if key not in self._latest and 2 * len(self._latest) >= self._max_streams:
            self.forgotten += len(self._before)
            self._before, self._latest = self._latest, {}
        self._latest[key] = stream

    def _gap(self, stream: _Stream, first: int, end: int, hour: Hour) -> None:
        if first >= end:
            return
        # Of too many the first one is forgotten, and stays missing.
        stream.gaps = [*stream.gaps, _Gap(first, end, hour)][-MAX_GAPS:]
        self._of(hour).missing += end - first

    def _fill(self, stream: _Stream, number: int) -> bool:
        """Whether the number was missing; it is not any more."""
        for place, gap in enumerate(stream.gaps):
            if gap.first <= number < gap.end:
                parts = [_Gap(gap.first, number, gap.hour), _Gap(number + 1, gap.end, gap.hour)]
                left = [part for part in parts if part.first < part.end]
                stream.gaps = [*stream.gaps[:place], *left, *stream.gaps[place + 1 :]]
                if gap.hour in self.figures:
                    self._of(gap.hour).missing -= 1
                return True
        return False

    def _of(self, hour: Hour) -> Figures:
        """Those of an hour, to be changed."""
        self.changed.add(hour)
        found = self.figures.get(hour)
        if found is None:
            found = self.figures[hour] = Figures()
        return found
