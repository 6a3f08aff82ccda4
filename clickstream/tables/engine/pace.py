"""How soon an engine takes the next rows: at once when many come, about once a second when few do.

Each step costs its queries, its commit and its closings, some 50 ms for a file with ten results, however few rows it
has. Without a pause ten clicks a second take a third of a core; with it they wait half a second on average.
"""

import time
from collections.abc import Callable

LONGEST_PAUSE_S = 0.9
# The pause is so many times the CPU time of the step before it: small files go on sooner.
PAUSE_PER_WORK = 16.0
# From so many rows/s on there is none; below, it is in proportion.
FAST_ROWS_PER_S = 1_000.0


class Pace:
    """Measures steps, from `began` to `ended`. `left` is how long (s) the pause after the last one still lasts."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, work: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._work = work
        self._worked = 0.0
        self._rows = 0
        self._ended_at = float("-inf")
        self._until = float("-inf")

    def began(self) -> None:
        """A step begins."""
        self._worked, self._rows = self._work(), 0

    def took(self, rows: int) -> None:
        """The step takes in so many rows."""
        self._rows += rows

    def ended(self) -> None:
        """The step is committed."""
        now = self._clock()
        rate = self._rows / max(0.001, now - self._ended_at)
        pause = min(LONGEST_PAUSE_S, PAUSE_PER_WORK * (self._work() - self._worked))
        self._until = now + pause * max(0.0, 1.0 - rate / FAST_ROWS_PER_S)
        self._ended_at = now

    @property
    def left(self) -> float:
        return max(0.0, self._until - self._clock())
