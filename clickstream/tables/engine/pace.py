"""How soon an engine takes the next rows: at once when many come, every one to three seconds when few do.

Each step costs its queries, its commit and its closings, some 100 ms for a file with ten results, however few rows it
has. Without a pause ten clicks a second take a third of a core.
"""

import time
from collections.abc import Callable

LONGEST_PAUSE_S = 0.9
# Where all rows wait for a watermark anyway (until windows close, or in joins): this share of its delay.
SHARE_OF_DELAY = 0.6
LONGEST_PAUSE_WAITING_S = 3.0
# The pause is so many times the CPU time of the step before it: small files go on sooner.
PAUSE_PER_WORK = 16.0
# From so many rows/s on there is none; below, it is in proportion.
FAST_ROWS_PER_S = 1_000.0


def longest_pause(delay: float) -> float:
    """How long (s) a pause may be where all rows wait so long (s) for a watermark; 0: some are seen at once."""
    return max(LONGEST_PAUSE_S, min(LONGEST_PAUSE_WAITING_S, SHARE_OF_DELAY * delay))


class Pace:
    """Measures steps, from `began` to `ended`. `left` is how long (s) the pause after the last one still lasts.

    No pause is longer than `longest` (s).
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[], float] = time.process_time,
        *,
        longest: float = LONGEST_PAUSE_S,
    ) -> None:
        self._longest = longest
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
        pause = min(self._longest, PAUSE_PER_WORK * (self._work() - self._worked))
        self._until = now + pause * max(0.0, 1.0 - rate / FAST_ROWS_PER_S)
        self._ended_at = now

    @property
    def left(self) -> float:
        """Seconds of the pause that are still to come."""
        return max(0.0, self._until - self._clock())
