"""Which partitions are silent, and since when: the broker confirms again and again that their logs end where we are.

An outage is no silence, nor is a stalled process: what was written meanwhile may not have arrived. So a confirmation
that comes long after the one before begins the silence again.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from clickstream.tables.engine.fetching.logwatch import Ends, LogWatch, now


@dataclass(frozen=True)
class Silence:
    """A partition's end was confirmed from one time (s of logwatch.now) to another, without a gap."""

    since: float
    until: float


class Silences:
    """The silent partitions of one topic. Times are in s; `longest_gap` is between two confirmations."""

    def __init__(self, longest_gap: float) -> None:
        self._longest_gap = longest_gap
        self._silences: dict[int, Silence] = {}

    def confirm(self, partitions: Iterable[int], at: float) -> dict[int, Silence]:
        """These partitions ended where they have been read to; returns their silences."""
        found = {}
        for partition in partitions:
            before = self._silences.get(partition)
            unbroken = before is not None and at - before.until <= self._longest_gap
            found[partition] = Silence(before.since if before is not None and unbroken else at, at)
        self._silences.update(found)
        return found

    def break_off(self, partitions: Iterable[int]) -> None:
        """These partitions have records."""
        for partition in partitions:
            self._silences.pop(partition, None)


class SilenceWatch:
    """Asks about the partitions that are read to their end, every `every` s; never waits for an answer."""

    def __init__(self, watch: LogWatch, every: float, longest_gap: float) -> None:
        self._watch = watch
        self._every = every
        self._silences = Silences(longest_gap)
        self._asked: Future[Ends] | None = None
        self._ask_at = 0.0

    def look(self, positions: Mapping[int, int], at_end: Iterable[int]) -> dict[int, Silence]:
        """Silences that were confirmed since the last call. `positions`: all that was handed over comes before.

        Raises ClickstreamError when it is another log now.
        """
        found: dict[int, Silence] = {}
        if self._asked is not None and self._asked.done():
            ends, self._asked = self._asked.result(), None
            found = self._silences.confirm(ends.confirmed(positions), ends.asked_at)
        partitions = sorted(at_end)
        if partitions and self._asked is None and now() >= self._ask_at:
            self._ask_at = now() + self._every
            self._asked = self._watch.ends(partitions)
        return found

    def break_off(self, partitions: Iterable[int]) -> None:
        """These partitions have records."""
        self._silences.break_off(partitions)

    @property
    def due_in(self) -> float:
        """After how long (s) it is time to look again."""
        return 0.1 if self._asked is not None else max(0.0, self._ask_at - now())
