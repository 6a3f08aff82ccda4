"""Snapshots in the order of time, as bytes, within bounds of time and size."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

MAX_BYTES = 32 * 1024 * 1024
# What a snapshot takes beside the bytes of its pieces: objects of Python.
OVERHEAD_BYTES = 512


@dataclass(frozen=True)
class Snapshot:
    """What was at a moment (epoch ms), encoded: see moment.py. A piece that did not change is the one before."""

    at: int
    pieces: tuple[bytes, ...]


class Ring:
    """The newest snapshots. One thread adds, any thread asks."""

    def __init__(self, keeps_ms: int, max_bytes: int = MAX_BYTES) -> None:
        """The oldest are dropped when they are older than `keeps_ms`, or all together larger than `max_bytes`."""
        self._keeps_ms = keeps_ms
        self._max_bytes = max_bytes
        self._held: deque[Snapshot] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def first(self) -> int | None:
        """From when on there is something, epoch ms."""
        held = self._all()
        return held[0].at if held else None

    def add(self, at: int, pieces: tuple[bytes, ...]) -> None:
        """The newest. A clock that was set back makes those after it go."""
        while self._held and self._held[-1].at >= at:
            self._forget(self._held.pop(), self._held[-1] if self._held else None)
        last = self._held[-1] if self._held else None
        if last is not None:
            pieces = tuple(old if old == new else new for old, new in zip(last.pieces, pieces, strict=True))
        added = Snapshot(at, pieces)
        self._held.append(added)
        self.bytes += _own_bytes(added, last)
        while len(self._held) > 1 and (self._held[0].at < at - self._keeps_ms or self.bytes > self._max_bytes):
            self._forget(self._held.popleft(), self._held[0])

    def at(self, at: int) -> Snapshot | None:
        """The newest that is not of after `at`."""
        held = self._all()
        index = bisect_right(held, at, key=lambda one: one.at)
        return held[index - 1] if index else None

    def between(self, since: int, until: int) -> list[Snapshot]:
        """Those from `since` to `until`, both included, the oldest first."""
        return [one for one in self._all() if since <= one.at <= until]

    def _all(self) -> list[Snapshot]:
        while True:
            try:
                return list(self._held)
            except RuntimeError:  # it was changed meanwhile
                continue

    def _forget(self, one: Snapshot, neighbour: Snapshot | None) -> None:
        self.bytes -= _own_bytes(one, neighbour)


def _own_bytes(one: Snapshot, neighbour: Snapshot | None) -> int:
    """Of a snapshot at an end of the ring: what it does not share with the next one. Only neighbours share."""
    shared = neighbour.pieces if neighbour is not None else (b"",) * len(one.pieces)
    return OVERHEAD_BYTES + sum(len(own) for own, other in zip(one.pieces, shared, strict=True) if own is not other)
