"""Spreading work evenly over time."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

SLICE_S = 0.02
MAX_DEBT_S = 1.0


class Pace:
    """Hands out items at `rate` per second (infinity: at once), in slices of about 20 ms.

    Threads share one, so that their rate in all does not depend on how many still have items.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._due = clock()
        self._lock = threading.Lock()

    def slices(self, items: Sequence[Item], stop: threading.Event) -> Iterator[Sequence[Item]]:
        """`items` piece by piece, each when it is due; ends early when `stop` is set."""
        if self._rate == float("inf"):
            if not stop.is_set():
                yield items
            return
        size = max(1, min(len(items), round(self._rate * SLICE_S)))
        for start in range(0, len(items), size):
            piece = items[start : start + size]
            if stop.wait(max(0.0, self._reserve(len(piece)) - self._clock())):
                return
            yield piece

    def _reserve(self, count: int) -> float:
        """When the next `count` items are due."""
        with self._lock:
            # After an outage the missed slices are not made up in one burst, only the last second's.
            due = max(self._due, self._clock() - MAX_DEBT_S)
            self._due = due + count / self._rate
            return due
