"""Sums of clicks by 5 s for two hours, and by minute for a day; and who was there in each.

A bucket that lies behind the newest click is summed up once, from the rows. Clicks that come for it later are summed
up as they come, and their sums stand beside the others: all of it is added up when a question is asked. So a sum is
exact however late and in which order clicks come, and however long their rows are gone.

Users and addresses are not summed up: there may be as many as clicks.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from clickstream.history.segments import Segment, Segments, named

FINE_MS, MINUTE_MS = 5_000, 60_000
STEPS = {"fine": FINE_MS, "minutes": MINUTE_MS, "seen_fine": FINE_MS, "seen": MINUTE_MS}
KEPT_MS = {"fine": 2 * 3_600_000, "minutes": 24 * 3_600_000, "seen_fine": 720_000, "seen": 24 * 3_600_000}
WINDOWS_MS = {"fine": 600_000, "minutes": 7_200_000, "seen_fine": 600_000, "seen": 600_000}
# Most clicks of a bucket are there this long after the newest click has passed its end: they are summed up at once.
SETTLE_MS = 5_000

SUMMED = ("page", "referrer", "browser", "os", "device", "status", "country", "city", "bot")
SUM_COLUMNS = {"time": "BIGINT", "dim": "TINYINT", "code": "INTEGER", "hits": "BIGINT", "bytes": "BIGINT"}
SEEN_COLUMNS = {"time": "BIGINT", "visitor": "INTEGER", "country": "INTEGER"}
SUM_BYTES, SEEN_BYTES = 40, 20  # of a row, about

# A table is rewritten, equal rows in one, when it has this many rows, and again when it has doubled.
REWRITE_ROWS = 20_000


class Level(NamedTuple):
    """Sums by `step` ms that account for every click of [since, until)."""

    name: str
    step: int
    since: int
    until: int
    segments: Segments


class Piece(NamedTuple):
    """A part of a range, and the level that answers it."""

    level: Level
    start: int
    end: int


def cover(start: int, end: int, levels: Sequence[Level]) -> list[Piece]:
    """[start, end) in pieces that follow each other, from the coarsest levels that have them (given first).

    What they reach may begin after `start`, never end before `end`: then there is none.
    """
    pieces = _cover(start, end, levels)
    reached = end
    kept = []
    for piece in reversed(pieces):
        if piece.end != reached:
            break
        kept.append(piece)
        reached = piece.start
    return kept[::-1]


def _cover(start: int, end: int, levels: Sequence[Level]) -> list[Piece]:
    if start >= end or not levels:
        return []
    level, finer = levels[0], levels[1:]
    first = -(-max(start, level.since) // level.step) * level.step
    last = min(end, level.until) // level.step * level.step
    if first >= last:
        return _cover(start, end, finer)
    return [*_cover(start, first, finer), Piece(level, first, last), *_cover(last, end, finer)]


class Rollups:
    """Of one history of clicks, on its connection."""

    def __init__(self, db: duckdb.DuckDBPyConnection, *, max_rows: int) -> None:
        """`max_rows` of each of the three kinds of sums; the oldest are dropped beyond."""
        self._db = db
        self._max_rows = max_rows
        self._newest = 0
        self._since: dict[str, int] = {}
        self._fine = self._segments("fine", SUM_COLUMNS)
        self._minutes = self._segments("minutes", SUM_COLUMNS)
        self._seen = self._segments("seen", SEEN_COLUMNS)
        self._seen_fine = self._segments("seen_fine", SEEN_COLUMNS)
        self._until: int | None = None  # buckets before are summed up
        self._rewritten: dict[str, int] = {}  # by table: its rows after it

    def _segments(self, name: str, columns: dict[str, str]) -> Segments:
        def dropped(segment: Segment) -> None:
            # Of its last bucket, what belonged to it is gone.
            self._since[name] = max(self._since.get(name, 0), segment.last + STEPS[name])
            self._rewritten.pop(segment.table, None)

        window_ms, rows = WINDOWS_MS[name], self._max_rows  # one table for each window: rewriting needs all of it
        return Segments(self._db, name, columns, window_ms=window_ms, segment_rows=rows, dropped=dropped)

    def _kept_from(self, name: str) -> int:
        """Where the oldest window begins that is kept."""
        return (self._newest - KEPT_MS[name]) // WINDOWS_MS[name] * WINDOWS_MS[name]

    @property
    def bytes(self) -> int:
        """What they take, about."""
        return (self._fine.rows + self._minutes.rows) * SUM_BYTES + (
            self._seen.rows + self._seen_fine.rows
        ) * SEEN_BYTES

    @property
    def levels(self) -> list[Level]:
        """Minutes, then 5 s."""
        return [
            self._level("minutes", self._minute_until, self._minutes),
            self._level("fine", self._until or 0, self._fine),
        ]

    @property
    def seen(self) -> list[Level]:
        """Who was there in each minute, then in the 5 s of the last minutes: visitor and country, some twice."""
        return [
            self._level("seen", self._minute_until, self._seen),
            self._level("seen_fine", self._until or 0, self._seen_fine),
        ]

    def _level(self, name: str, until: int, segments: Segments) -> Level:
        return Level(name, STEPS[name], max(self._since.get(name, 0), self._kept_from(name)), until, segments)

    @property
    def _minute_until(self) -> int:
        return (self._until or 0) // MINUTE_MS * MINUTE_MS

    def begin(self, time: int) -> None:
        """All clicks from `time` on will be added."""
        self._since = dict.fromkeys(STEPS, time)

    def extend(self, time: int) -> None:
        """All clicks back to `time` have been added, too, unless sums were dropped meanwhile."""
        self._since = {name: min(since, time) for name, since in self._since.items()}

    def kept(self) -> Callable[[], None]:
        """What makes them as they are now once more; see Segments.kept."""
        newest, since, until, rewritten = self._newest, dict(self._since), self._until, dict(self._rewritten)
        restores = [segments.kept() for segments in (self._fine, self._minutes, self._seen, self._seen_fine)]

        def restore() -> None:
            self._newest, self._since, self._until, self._rewritten = newest, since, until, rewritten
            for each in restores:
                each()

        return restore

    def clear(self) -> None:
        for segments in (self._fine, self._minutes, self._seen, self._seen_fine):
            segments.clear()
        self._until = None
        self._rewritten = {}

    def add(self, rows: Segments, batch: pa.Table, times: Sequence[int], newest: int) -> None:
        """Account for clicks that are about to be added to `rows`; `newest` is the time of the newest click, of all.

        What the newest click has left behind is summed up from the rows first. So what of the batch belongs to those
        buckets is late, and is summed up by itself: it may be too old to become a row at all.
        """
        self._newest = newest
        self._advance(rows)
        if self._until is None or min(times) >= self._until:
            return
        with named(self._db, "late", batch):
            self._sum_up(self._fine, FINE_MS, "late", self._kept_from("fine"), self._until)
            self._sum_up(self._minutes, MINUTE_MS, "late", self._kept_from("minutes"), self._minute_until)
            self._see(self._seen, MINUTE_MS, "late", self._kept_from("seen"), self._minute_until)
            self._see(self._seen_fine, FINE_MS, "late", self._kept_from("seen_fine"), self._until)

    def lose(self, time: int) -> None:
        """Rows up to `time` are dropped: those that are not summed up are lost to the sums as well."""
        if self._until is not None and time >= self._until:
            self._since = {name: max(self._since.get(name, 0), time + step) for name, step in STEPS.items()}

    def _advance(self, rows: Segments) -> None:
        until = (self._newest - SETTLE_MS) // FINE_MS * FINE_MS
        if self._until is None:
            self._until = until  # there are no rows yet
        if until <= self._until:
            return
        began, minute_began = self._until, self._minute_until
        self._until = until
        self._sum_up(self._fine, FINE_MS, rows.from_(began, until), began, until)
        self._see(self._seen_fine, FINE_MS, rows.from_(began, until), began, until)
        minute = self._minute_until
        if minute > minute_began:
            self._sum_up(self._minutes, MINUTE_MS, rows.from_(minute_began, minute), minute_began, minute)
            self._see(self._seen, MINUTE_MS, rows.from_(minute_began, minute), minute_began, minute)
            self._clean_up()

    def _sum_up(self, to: Segments, step: int, source: str, start: int, end: int) -> None:
        parts = [
            f"SELECT time // {step} * {step} AS time, {number}::TINYINT AS dim, {dim} AS code, "
            f"count(*) AS hits, sum(bytes)::BIGINT AS bytes FROM clicks GROUP BY ALL"
            for number, dim in enumerate(SUMMED)
        ]
        clicks = f"WITH clicks AS MATERIALIZED (SELECT * FROM {source} WHERE time >= $start AND time < $end)"
        self._append(to, f"{clicks} {' UNION ALL '.join(parts)}", start, end)

    def _see(self, to: Segments, step: int, source: str, start: int, end: int) -> None:
        self._append(
            to,
            f"SELECT DISTINCT time // {step} * {step} AS time, visitor, country FROM {source} "
            "WHERE time >= $start AND time < $end AND visitor IS NOT NULL",
            start,
            end,
        )

    def _append(self, to: Segments, select: str, start: int, end: int) -> None:
        if start >= end:
            return
        found = self._db.sql(select, params={"start": start, "end": end}).to_arrow_table()
        if found.num_rows:
            to.add(found, found["time"].to_pylist())

    def _clean_up(self) -> None:
        for name, segments, select in (
            ("fine", self._fine, _ADD_UP),
            ("minutes", self._minutes, _ADD_UP),
            ("seen", self._seen, _ONCE),
            ("seen_fine", self._seen_fine, _ONCE),
        ):
            segments.drop_before(self._newest - KEPT_MS[name])
            for segment in segments.segments:
                if segment.rows >= max(REWRITE_ROWS, 2 * self._rewritten.get(segment.table, 0)):
                    self._rewritten.pop(segment.table, None)
                    segments.rewrite(segment, select)
                    self._rewritten[segment.table] = segment.rows
            while segments.rows > self._max_rows and segments.drop_oldest():
                pass

    def living(self, column: str) -> set[int]:
        """The codes that `column` of clicks still has here."""
        found: set[int] = set()
        if column in SUMMED:
            number = SUMMED.index(column)
            for table in (*self._fine.tables(), *self._minutes.tables()):
                select = f"SELECT DISTINCT code FROM {table} WHERE dim = ? AND code IS NOT NULL"
                found.update(code for (code,) in self._db.execute(select, [number]).fetchall())
        if column in SEEN_COLUMNS:
            for table in (*self._seen.tables(), *self._seen_fine.tables()):
                select = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"
                found.update(code for (code,) in self._db.execute(select).fetchall())
        return found


_ONCE = "SELECT DISTINCT * FROM {table}"
_ADD_UP = "SELECT time, dim, code, sum(hits)::BIGINT, sum(bytes)::BIGINT FROM {table} GROUP BY time, dim, code"
