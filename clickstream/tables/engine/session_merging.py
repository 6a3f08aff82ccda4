"""Which sessions rows are in: over whole arrays where the order of rows does not matter, row by row where it does."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

# In the place of a session's number: the row is late.
LATE_ROW = -1


def islands(keys: Integers, start: Integers, last: Integers, gap: int) -> Integers:
    """A number for each piece, the same for pieces of one key that hang together.

    `keys` are numbers from 1; a piece has rows from `start` to `last` (ms), and two that at most `gap` (ms) lies
    between touch.
    """
    order = np.lexsort((start, keys))
    # Each key gets a range of times of its own, out of reach of the others', so that one running maximum serves all.
    shift = keys[order] * (last.max() - start.min() + gap + 1) - start.min()
    reached = np.maximum.accumulate(last[order] + shift) + gap
    opens = np.ones(len(keys), dtype=np.int64)
    opens[1:] = (start[order] + shift)[1:] > reached[:-1]
    numbers = np.empty(len(keys), dtype=np.int64)
    numbers[order] = np.cumsum(opens)
    return numbers


@dataclass(slots=True)
class Session:
    """Rows from `start` to `last` (ms) of an island; `into` is another session's number once it was merged."""

    island: int
    start: int
    last: int
    changed: bool = False
    apart: bool = False
    into: int | None = None

    def touches(self, time: int, gap: int) -> bool:
        return self.start - gap <= time <= self.last + gap


def resolve(rows: Iterable[tuple[int, int, int]], sessions: list[Session], gap: int) -> list[int]:
    """The index in `sessions` of each row's session, or LATE_ROW.

    A row is its island, time and watermark (ms); rows come in the order of their watermarks. `sessions` has those
    that are held, and gets the new ones; afterwards the rows' sessions are `changed`, those that went into another
    say so in `into`, and changed ones that touch another session, closed for their rows, are `apart`.
    """
    met: dict[int, list[int]] = defaultdict(list)
    for number, session in enumerate(sessions):
        met[session.island].append(number)
    found = []
    for island, time, watermark in rows:
        # Watermarks only rise: what is closed for this row is so for all that follow.
        live = [number for number in met[island] if sessions[number].last + gap - 1 > watermark]
        touching = [number for number in live if sessions[number].touches(time, gap)]
        if touching:
            number = _merge(sessions, touching, time)
            live = [one for one in live if sessions[one].into is None]
        elif time + gap - 1 > watermark:
            number = len(sessions)
            sessions.append(Session(island, time, time, changed=True))
            live.append(number)
        else:
            number = LATE_ROW
        met[island] = live
        found.append(number)
    _mark_apart(sessions, gap)
    return [number if number == LATE_ROW else final(sessions, number) for number in found]


def final(sessions: list[Session], number: int) -> int:
    """The session that one is part of in the end."""
    while (into := sessions[number].into) is not None:
        number = into
    return number


def _merge(sessions: list[Session], touching: list[int], time: int) -> int:
    """Put a row and the sessions that it touches together, as the first of them."""
    kept = sessions[touching[0]]
    for number in touching[1:]:
        other = sessions[number]
        other.into = touching[0]
        kept.start, kept.last = min(kept.start, other.start), max(kept.last, other.last)
    kept.start, kept.last = min(kept.start, time), max(kept.last, time)
    kept.changed = True
    return touching[0]


def _mark_apart(sessions: list[Session], gap: int) -> None:
    standing = sorted((one for one in sessions if one.into is None), key=lambda one: (one.island, one.start))
    for before, after in _neighbours(standing):
        if after.start <= before.last + gap:
            before.apart = after.apart = True
