"""How far a table's time is, and what holds it back. All pure."""

from collections.abc import Iterable, Sequence

import msgspec

from clickstream.parts.status import Seen
from clickstream.records import Position

# What is nearer to the others than that holds nobody back whom anybody would notice.
NOTICED_MS = 2_000
SILENT_S = 2.0
# Parts that read; others write what they read.
READERS = frozenset({"tables", "counter", "ui"})


class Hold(msgspec.Struct, frozen=True):
    """`held`: it holds the results back now; else it is only worth knowing."""

    words: str
    held: bool


def watermark(positions: Iterable[Position]) -> int | None:
    """Of one table (epoch ms): the minimum of its partitions that are not idle; None: there is none yet, or all are
    idle and it goes on with the wall clock."""
    active = [one.watermark for one in positions if not one.idle]
    known = [mark for mark in active if mark is not None]
    return min(known) if known and len(known) == len(active) else None


def all_idle(positions: Sequence[Position]) -> bool:
    """Whether nothing is heard from any partition of a table."""
    return bool(positions) and all(one.idle for one in positions)


def partition_holds(positions: Sequence[Position], said_ago_s: float) -> list[Hold]:
    """Of one table: its silent partitions. `said_ago_s`: how old the report is; who was silent then, is."""
    marks = [one.watermark for one in positions if one.watermark is not None and not one.idle]
    latest = max(marks, default=None)
    found = []
    for one in positions:
        name = f"{one.topic}-{one.partition}"
        if one.idle:
            found.append(Hold(f"{name} is idle: it holds nothing back", False))
        elif one.silent_s >= SILENT_S:
            silent = one.silent_s + said_ago_s
            behind = one.watermark is None or (latest is not None and one.watermark + NOTICED_MS < latest)
            found.append(Hold(f"{name} silent for {silent:.0f} s, {_leaves(one.idle_after_s, silent)}", behind))
        elif one.watermark is not None and latest is not None and one.watermark + NOTICED_MS < latest:
            found.append(Hold(f"{name} is {(latest - one.watermark) / 1000:,.0f} s behind the others", True))
    return found


def _leaves(idle_after_s: float | None, silent_s: float) -> str:
    if not idle_after_s:
        return "stays in the minimum: no idle time-out"
    return f"leaves the minimum in {max(0.0, idle_after_s - silent_s):.0f} s"


def part_holds(parts: Sequence[Seen], topics: Sequence[str], now: float) -> list[Hold]:
    """Of the parts that write these topics. `now` is in epoch s."""
    found = []
    for part in parts:
        status = part.status
        written = set(status.topics) - {one.topic for one in status.positions}
        if status.kind in READERS or status.kind.startswith("sink-") or not set(topics) & written:
            continue
        if (trouble := trouble_of(part, now)) is not None:
            found.append(Hold(trouble, True))
        elif status.paused:
            found.append(Hold(f"{named(part)} is paused", True))
    return found


def trouble_of(part: Seen, now: float) -> str | None:
    """Why a part does nothing any more; None: it works, or waits."""
    if part.has_failed:
        return f"{named(part)} failed: {part.status.error or 'its output says why'}"
    if part.is_dead(now):
        return f"{named(part)} is dead: silent for {part.silent_s(now):,.0f} s"
    return None


def named(part: Seen) -> str:
    """Kind and name."""
    return " ".join(filter(None, (part.status.kind, part.status.name)))
