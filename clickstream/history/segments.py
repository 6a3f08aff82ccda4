"""Rows in tables of a few minutes of event time, which are dropped whole.

DuckDB in memory gives nothing back after a DELETE, only after a DROP. A table that has many rows is followed by
another one of the same minutes, so that no drop takes away a large part of all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa


@dataclass
class Segment:
    """`window` numbers its minutes; its rows are from `first` to `last`, both included (ms)."""

    table: str
    window: int
    rows: int
    first: int
    last: int


class Segments:
    """Rows of one kind. The first column is the event time, `time`, in epoch ms.

    Not to be used by two threads at once, as its connection.
    """

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        name: str,
        columns: Mapping[str, str],
        *,
        window_ms: int,
        segment_rows: int,
        dropped: Callable[[Segment], None] = lambda segment: None,
    ) -> None:
        """`columns` are names and types. `dropped` hears of each segment that is gone."""
        self._db = db
        self._name = name
        self._columns = ", ".join(f'"{column}" {type_}' for column, type_ in columns.items())
        self._names = ", ".join(f'"{column}"' for column in columns)
        self._window_ms = window_ms
        self._segment_rows = segment_rows
        self._dropped = dropped
        self._made = 0
        self.segments: list[Segment] = []  # the oldest window first, in each the oldest first
        self._db.execute(f"CREATE TABLE {name}_none ({self._columns})")

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    def add(self, batch: pa.Table, times: Sequence[int]) -> None:
        """Append rows; `times` is their first column."""
        window_ms = self._window_ms
        if min(times) // window_ms == max(times) // window_ms:
            self._insert("SELECT * FROM batch", {}, times[0], batch, times)
            return
        for window in sorted({time // window_ms for time in times}):
            own = [time for time in times if time // window_ms == window]
            bounds = {"start": window * window_ms, "end": (window + 1) * window_ms}
            select = "SELECT * FROM batch WHERE time >= $start AND time < $end"
            self._insert(select, bounds, window * window_ms, batch, own)

    def _insert(
        self, select: str, parameters: Mapping[str, Any], begin: int, batch: pa.Table, times: Sequence[int]
    ) -> None:
        segment = self._open(begin // self._window_ms, times[0])
        with named(self._db, "batch", batch):
            self._db.execute(f"INSERT INTO {segment.table} {select}", dict(parameters))
        segment.rows += len(times)
        segment.first, segment.last = min(segment.first, min(times)), max(segment.last, max(times))

    def _open(self, window: int, time: int) -> Segment:
        """The last segment of the window, or another one when that has enough rows."""
        own = [segment for segment in self.segments if segment.window == window]
        if own and own[-1].rows < self._segment_rows:
            return own[-1]
        segment = Segment(self._new_table(), window, 0, time, time)
        self.segments.append(segment)
        self.segments.sort(key=lambda one: one.window)  # stable: those of a window stay in their order
        return segment

    def _new_table(self) -> str:
        self._made += 1
        table = f"{self._name}_{self._made}"
        self._db.execute(f"CREATE TABLE {table} ({self._columns})")
        return table

    def from_(self, start: int, end: int) -> str:
        """A relation with the rows of [start, end), for SQL behind FROM.

        The statement needs the parameters $start and $end, which are the same.
        """
        where = "WHERE time >= $start AND time < $end"
        tables = [one.table for one in self.segments if one.last >= start and one.first < end]
        parts = [f"SELECT {self._names} FROM {table} {where}" for table in tables or [f"{self._name}_none"]]
        return f"({' UNION ALL '.join(parts)})"

    def drop(self, segment: Segment) -> None:
        self._db.execute(f"DROP TABLE {segment.table}")
        self.segments.remove(segment)
        self._dropped(segment)

    def drop_before(self, time: int) -> bool:
        """Drop what is older as a whole; whether there was any."""
        old = [segment for segment in self.segments if (segment.window + 1) * self._window_ms <= time]
        for segment in old:
            self.drop(segment)
        return bool(old)

    def drop_oldest(self) -> bool:
        """Whether there was one to drop. The last one stays."""
        if len(self.segments) < 2:
            return False
        self.drop(self.segments[0])
        return True

    def clear(self) -> None:
        for segment in self.segments:
            self._db.execute(f"DROP TABLE {segment.table}")
        self.segments = []

    def rewrite(self, segment: Segment, select: str) -> None:
        """Replace a segment's table by what `select` (with {table} for its name) makes of it."""
        table = self._new_table()
        self._db.execute(f"INSERT INTO {table} {select.format(table=segment.table)}")
        self._db.execute(f"DROP TABLE {segment.table}")
        segment.table = table
        segment.rows = int(self._db.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def tables(self) -> Iterator[str]:
        for segment in self.segments:
            yield segment.table

    def kept(self) -> Callable[[], None]:
        """What makes it as it is now once more, after the tables have been rolled back to what they are now."""
        before = [replace(segment) for segment in self.segments]

        def restore() -> None:
            self.segments = before

        return restore


@contextmanager
def named(db: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """In the block SQL knows some rows by a name."""
    db.register(name, rows)
    try:
        yield
    finally:
        # In a transaction that has failed nothing works but to roll it back, which forgets the name as well.
        with suppress(duckdb.TransactionException):
            db.unregister(name)
