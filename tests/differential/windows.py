"""Windows: which a row belongs to, and which of them are still open for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from clickstream.tables.sql.model import Window
from tests.differential.rows import Origin, Row, Value

# Rows with the start and end (ms) of one of their windows each.
Placed = list[tuple[Row, int, int]]


def bounds(window: Window, time: int) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of every TUMBLE, HOP or CUMULATE window of that time."""
    match window.kind:
        case "TUMBLE":
            start = time // window.size_ms * window.size_ms
            yield start, start + window.size_ms
        case "HOP":
            start = time // window.slide_ms * window.slide_ms
            while start > time - window.size_ms:
                yield start, start + window.size_ms
                start -= window.slide_ms
        case "CUMULATE":
            start = time // window.size_ms * window.size_ms
            end = time // window.slide_ms * window.slide_ms + window.slide_ms
            while end <= start + window.size_ms:
                yield start, end
                end += window.slide_ms


def pane(window: Window, time: int | None, end: int) -> int:
    """The place of a row's part of a window in the order in which Flink puts these parts together."""
    assert time is not None
    match window.kind:
        case "HOP":
            return end - time // window.slide_ms * window.slide_ms
        case "CUMULATE":
            return time // window.slide_ms
    return 0


def closed(end: int, watermark: int) -> bool:
    return watermark >= end - 1


def aligned(window: Window, rows: Sequence[Row]) -> tuple[Placed, set[Origin]]:
    """Rows in those of their windows that are open for them, and the origins of rows for which none is."""
    placed: Placed = []
    late: set[Origin] = set()
    for row in rows:
        if row.time is None:
            continue
        found = [(start, end) for start, end in bounds(window, row.time) if not closed(end, row.watermark)]
        placed += [(row, start, end) for start, end in found]
        if not found:
            late.add(row.origin)
    return placed, late


def _turn(row: Row) -> tuple[int, int, int, int, int]:
    """A sort key of rows that have a time."""
    _topic, partition, offset = row.origin
    return row.watermark, row.lane, partition, offset, row.time or 0


@dataclass
class _Session:
    start: int
    end: int
    rows: list[Row] = field(default_factory=list)


def sessions(window: Window, rows: Sequence[Row]) -> tuple[Placed, set[Origin]]:
    """Rows, taken one by one, with their sessions; and the origins of rows that came too late for any.

    They are taken by the watermarks before them, then table, partition, offset and time: they have no other
    order.
    A row makes a session from its time to the gap after it, which merges with those that it overlaps or touches
    and that are open for the row. What it makes must be open too.
    """
    kept: dict[tuple[Value, ...], list[_Session]] = {}
    late: set[Origin] = set()
    for row in sorted((one for one in rows if one.time is not None), key=_turn):
        assert row.time is not None
        known = kept.setdefault(tuple(row.values[name] for name in window.partition), [])
        made = _Session(row.time, row.time + window.gap_ms, [row])
        touched = [
            one
            for one in known
            if not closed(one.end, row.watermark) and one.start <= made.end and one.end >= made.start
        ]
        for one in touched:
            made = _Session(min(made.start, one.start), max(made.end, one.end), one.rows + made.rows)
        if closed(made.end, row.watermark):
            late.add(row.origin)
            continue
        kept_apart = [one for one in known if one not in touched]
        known[:] = [*kept_apart, made]
    return [(row, one.start, one.end) for known in kept.values() for one in known for row in one.rows], late
