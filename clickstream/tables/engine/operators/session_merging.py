"""Which sessions rows are in: of whole arrays where the order of rows does not matter, row by row where it does."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

# What `resolve` returns for a row that is late, where others have the index of their session.
LATE_ROW = -1


def islands(keys: Integers, start: Integers, last: Integers, gap: int) -> Integers:
    """A number for each piece, the same for pieces of one key that hang together over touching ones.

    `keys` are numbers from 0; a piece has rows from `start` to `last` (ms), and touches what is at most `gap` (ms)
    away. There is at least one piece.
    """
    order = np.lexsort((start, keys))
    keys, start, last = keys[order], start[order], last[order]
    # One running maximum for all keys: over ranks, since times of a key's own range could grow beyond 64 bits.
    times, rank = np.unique(last, return_inverse=True)
    reached = times[np.maximum.accumulate(keys * len(times) + rank) % len(times)]
    opens = np.ones(len(keys), dtype=np.int64)
    opens[1:] = (keys[1:] != keys[:-1]) | (start[1:] > reached[:-1] + gap)
    numbers = np.empty(len(keys), dtype=np.int64)
    numbers[order] = np.cumsum(opens)
    return numbers


@dataclass(slots=True)
class Session:
    """Rows from `start` to `last` (ms) in an island. `into` is the session that it was merged with."""

    island: int
    start: int
    last: int
    changed: bool = False
    into: int | None = None

    def touches(self, time: int, gap: int) -> bool:
        """Whether a row at `time` (ms) belongs to it: it is not further away than `gap` (ms)."""
        return self.start - gap <= time <= self.last + gap


def resolve(rows: Iterable[tuple[int, int, int]], sessions: list[Session], gap: int) -> list[int]:
    """The index in `sessions` of each row's session, or LATE_ROW.

    A row is its island, time and watermark (ms); rows come in the order of their watermarks. `sessions` are those
    that are held; new ones are added. Afterwards the sessions of rows are `changed`, and those that were merged with
    another say so in `into`.
    """
    live: dict[int, list[int]] = defaultdict(list)
    for number, session in enumerate(sessions):
        live[session.island].append(number)
    found = []
    for island, time, watermark in rows:
        # Watermarks only rise: what is closed for this row is so for all that follow.
        near = live[island] = [one for one in live[island] if sessions[one].last + gap - 1 > watermark]
        touching = [one for one in near if sessions[one].touches(time, gap)]
        if touching:
            _merge(sessions, touching, time)
            live[island] = [one for one in near if sessions[one].into is None]
            found.append(touching[0])
        elif time + gap - 1 > watermark:
            near.append(len(sessions))
            found.append(len(sessions))
            sessions.append(Session(island, time, time, changed=True))
        else:
            found.append(LATE_ROW)
    return [number if number == LATE_ROW else final(sessions, number) for number in found]


def final(sessions: list[Session], number: int) -> int:
    """The session that one is part of in the end."""
    while (into := sessions[number].into) is not None:
        number = into
    return number


def _merge(sessions: list[Session], touching: list[int], time: int) -> None:
    """Put a row and the sessions that it touches together, as the first of them."""
    kept = sessions[touching[0]]
    for number in touching[1:]:
        other = sessions[number]
        other.into = touching[0]
        kept.start, kept.last = min(kept.start, other.start), max(kept.last, other.last)
    kept.start, kept.last = min(kept.start, time), max(kept.last, time)
    kept.changed = True
