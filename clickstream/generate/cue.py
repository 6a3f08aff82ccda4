"""Waiting until events are due."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from clickstream.generate.pace import LOOK_EVERY_S, MAX_DEBT_S, SLICE_S

AT_ONCE = 0.0


class Cue:
    """Hands out events when they are due, in slices of about 20 ms, never before.

    `stretch` is the seconds that a second of the events' own time takes: 1 is their own pace, AT_ONCE no waiting.
    The time begins with the first call of `slices`.
    """

    def __init__(
        self,
        stretch: float,
        idle: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """While nothing is due, `idle` is called several times a second, and whether it is `interrupted` is asked."""
        self._stretch = stretch
        self._idle = idle
        self._clock = clock
        self._interrupted = interrupted
        self._began: float | None = None
        self.slipped_ms = 0
        """By how much everything is later than at first, after outages that were not made up."""

    def slices(self, due_ms: Sequence[int], stop: threading.Event) -> Iterator[slice]:
        """Pieces of a list of events due at these times (not decreasing), each when its last is due.

        Ends early when `stop` is set, or the waiting is interrupted.
        """
        if self._stretch == AT_ONCE:
            if due_ms and not stop.is_set():
                yield slice(0, len(due_ms))
            return
        width = SLICE_S * 1000 / self._stretch
        first = 0
        while first < len(due_ms):
            end = bisect_right(due_ms, due_ms[first] + width, first)
            if not self._wait(due_ms[end - 1], stop):
                return
            yield slice(first, end)
            first = end

    def begin(self, at_ms: int) -> None:
        """Have the time begin now, at this moment of the events' own."""
        self._began = self._clock() - at_ms / 1000 * self._stretch

    def delay(self, seconds: float) -> None:
        """Have everything that is not due yet be due so much later: nothing is made up."""
        if self._began is not None:
            self._began += seconds
            self.slipped_ms += int(seconds * 1000)

    def _wait(self, due_ms: int, stop: threading.Event) -> bool:
        """Until then; False when `stop` was set first, or somebody interrupted."""
        if self._began is None:
            self._began = self._clock()
        due = self._began + due_ms / 1000 * self._stretch
        late = self._clock() - due
        if late > MAX_DEBT_S:
            # After an outage the missed slices are not made up in one burst, only the last second's.
            self._began += late - MAX_DEBT_S
            self.slipped_ms += int((late - MAX_DEBT_S) * 1000)
            return not stop.is_set() and not self._interrupted()
        while (left := due - self._clock()) > 0:
            if stop.wait(min(left, LOOK_EVERY_S)):
                return False
            if self._interrupted():
                return False
            self._idle()
        return not stop.is_set()
