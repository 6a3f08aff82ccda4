"""Up to when a topic is read: what was written before that moment has come, what was written later may not have."""

import time
from collections.abc import Callable, Iterable


def epoch_ms() -> int:
    """The wall clock, epoch ms."""
    return int(time.time() * 1000)


class Reached:
    """Of one reader. Changed by its thread only; `until` may be read from any."""

    def __init__(self, clock: Callable[[], int] = epoch_ms) -> None:
        self._clock = clock
        self._moments: dict[int, int] = {}
        self._at_end: set[int] = set()
        self.until: int | None = None
        """Epoch ms; None while every partition is read to its end. 0: nothing is known to be read yet."""

    def forget(self) -> None:
        """What was read before was of another log."""
        self._moments, self._at_end = {}, set()

    def begin(self, partitions: Iterable[int]) -> None:
        """These partitions are read from now on, and no others; the end of each is still to be seen."""
        before = min(self._moments.values(), default=0)
        self._moments = {one: self._moments.get(one, before) for one in partitions}
        self._at_end = set()
        self._settle()

    def still_at_end(self) -> None:
        """Kafka answers, and would have sent what was written to those that are read to their end."""
        self._moments |= dict.fromkeys(self._at_end, self._clock())

    def leave_end(self, partitions: Iterable[int]) -> None:
        """More was written to these than was read, though their end was seen before."""
        self._at_end -= set(partitions)
        self._settle()

    def record(self, partition: int, timestamp: int | None) -> None:
        """A record was read that was written at that time, as far as its timestamp can be believed."""
        # Never back: timestamps need not ascend, and those of records that are replayed are old.
        known = self._moments.get(partition, 0)
        self._moments[partition] = max(known, min(timestamp or 0, self._clock()))
        self._at_end.discard(partition)
        self._settle()

    def end(self, partition: int) -> None:
        """All that is there was read."""
        self._moments[partition] = self._clock()
        self._at_end.add(partition)
        self._settle()

    def _settle(self) -> None:
        behind = [moment for one, moment in self._moments.items() if one not in self._at_end]
        self.until = min(behind, default=None)
