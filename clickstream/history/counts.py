"""Counts of open sessions by bucket, which cannot be added up: kept until a click comes that changes one."""

from collections.abc import Callable, Sequence

MAX_BUCKETS = 5_000  # of each length
MAX_LENGTHS = 8

Count = Callable[[int, int], "dict[int, int]"]


class CountCache:
    """By length and start of a bucket. Only buckets all of whose rows are there may be asked for."""

    def __init__(self, reach: int) -> None:
        """A click counts in all buckets that end within `reach` ms after it."""
        self._reach = reach
        self._counts: dict[int, dict[int, int]] = {}

    def touch(self, times: Sequence[int]) -> None:
        """Clicks came with these times: what they change is no longer known."""
        for bucket, counts in self._counts.items():
            changed = {one for time in times for one in range(time // bucket, (time + self._reach) // bucket + 1)}
            for number in changed & counts.keys():
                del counts[number]

    def clear(self) -> None:
        self._counts.clear()

    def get(self, bucket: int, starts: Sequence[int], count: Count) -> dict[int, int]:
        """The count of each bucket. `count(start, end)` finds those of all buckets that begin in [start, end)."""
        if len(self._counts) >= MAX_LENGTHS and bucket not in self._counts:
            self._counts.clear()
        counts = self._counts.setdefault(bucket, {})
        if len(counts) > MAX_BUCKETS:
            counts.clear()
        unknown = [start for start in starts if start // bucket not in counts]
        if unknown:
            found = count(unknown[0], unknown[-1] + bucket)
            counts.update((start // bucket, found.get(start, 0)) for start in unknown)
        return {start: counts[start // bucket] for start in starts}
