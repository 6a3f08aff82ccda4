"""Spreading work evenly over time."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

SLICE_S = 0.02
MAX_DEBT_S = 1.0
# How soon somebody who waits for what is due notices that he is to do something else.
LOOK_EVERY_S = 0.2


class Pace:
    """Hands out items at `rate` per second (infinity: at once), in slices of about 20 ms.

    Threads share one, so that their rate in all does not depend on how many still have items.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._due = clock()
        self._lock = threading.Lock()

    @property
    def rate(self) -> float:
        """Items per second. Another one holds from the next slice on."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        with self._lock:
            self._rate = rate
            self._due = self._clock()

    def delay(self) -> None:
        """Have what is due since a while be due now: after a pause nothing is made up."""
        with self._lock:
            self._due = max(self._due, self._clock())

    def slices(self, items: Sequence[Item], stop: threading.Event) -> Iterator[Sequence[Item]]:
        """`items` piece by piece, each when it is due; ends early when `stop` is set."""
        start = 0
        while start < len(items) and not stop.is_set():
            rate = self._rate
            size = len(items) if rate == float("inf") else max(1, round(rate * SLICE_S))
            piece = items[start : start + size]
            due = self._reserve(len(piece), rate)
            while (left := due - self._clock()) > 0 and self._rate == rate:
                if stop.wait(min(left, LOOK_EVERY_S)):
                    return
            if self._rate == rate:
                yield piece
                start += len(piece)

    def _reserve(self, count: int, rate: float) -> float:
        """When the next `count` items are due."""
        with self._lock:
            # After an outage the missed slices are not made up in one burst, only the last second's.
            due = max(self._due, self._clock() - MAX_DEBT_S)
            self._due = due + count / rate
            return due
