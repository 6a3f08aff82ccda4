"""Sessions against sessions found row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operator import BEGINNING, END
from clickstream.tables.engine.sessions import Sessions
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.scope import walk
from tests.unit.tables.engine.streams import Partitions, Row, connect, late, put
from tests.unit.tables.sql.support import plan, sink

GAP = 10_000
COLUMNS = "ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP_LTZ(3), n BIGINT, total INT, statuses BIGINT"
WINDOW = "TABLE(SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
Result = tuple[Any, ...]


def node_of(query: str, columns: str = COLUMNS) -> GroupBy:
    found = plan(sink(columns) + f"INSERT INTO results {query};")
    return next(one for one in walk(found) if isinstance(one, GroupBy))


NODE = node_of(
    "SELECT ip, window_start, window_end, window_time, COUNT(*), SUM(userid), COUNT(DISTINCT status) "
    f"FROM {WINDOW} GROUP BY ip, window_start, window_end, window_time"
)


def started(db: duckdb.DuckDBPyConnection, node: GroupBy = NODE) -> Sessions:
    made = Sessions("sessions", node)
    made.create(db)
    return made


def results(db: duckdb.DuckDBPyConnection, table: str = "out") -> list[Result]:
    found = db.execute(
        "SELECT ip, epoch_ms(window_start), epoch_ms(window_end), epoch_ms(window_time), "
        f'"$agg0", "$agg1", "$agg2" FROM {table} ORDER BY ALL'
    )
    return found.fetchall()


# --- the reference


@dataclass
class Session:
    """Rows of one key from `start` to `end` (ms, exclusive)."""

    start: int
    end: int
    rows: list[Row]

    @property
    def result(self) -> Result:
        users = [row.userid for row in self.rows if row.userid is not None]
        statuses = {row.status for row in self.rows if row.status is not None}
        total = sum(users) if users else None
        return self.rows[0].ip, self.start, self.end, self.end - 1, len(self.rows), total, len(statuses)


class RowByRow:
    """Sessions as Flink's MergingWindowProcessFunction makes them."""

    def __init__(self) -> None:
        self.open: list[Session] = []
        self.late: list[tuple[int, int]] = []

    def take(self, row: Row) -> None:
        if row.time is None:
            return
        made = Session(row.time, row.time + GAP, [])
        for other in [one for one in self.open if one.rows[0].ip == row.ip and row.watermark < one.end - 1]:
            if other.start <= row.time + GAP and other.end >= row.time:
                self.open.remove(other)
                made = Session(min(made.start, other.start), max(made.end, other.end), made.rows + other.rows)
        if made.end - 1 <= row.watermark:
            self.late.append((row.partition, row.offset))
        else:
            self.open.append(Session(made.start, made.end, [*made.rows, row]))

    def close(self, watermark: int) -> list[Result]:
        closed = [one for one in self.open if one.end - 1 <= watermark]
        self.open = [one for one in self.open if one.end - 1 > watermark]
        return sort(one.result for one in closed)


def sort(found: Any) -> list[Result]:
    """As DuckDB's ORDER BY ALL."""
    return sorted(found, key=lambda row: [(value is None, value if value is not None else 0) for value in row])


# Times go on, and sometimes back, in quarters of the gap: many are the same, or a gap apart exactly.
records = st.tuples(
    st.integers(0, 2),
    st.sampled_from([0, 0, 1, 2, 5]),
    st.sampled_from([0, 0, 1, 3, 6, 9]),
    st.sampled_from([0, 0, 0, 1, -1, None]),
    st.none() | st.sampled_from("aaab"),
    st.none() | st.integers(-9, 9),
)
batches = st.lists(st.lists(records, min_size=3, max_size=12), min_size=2, max_size=5)
delays = st.sampled_from([0, 1, 2_500, 10_000, 30_000])


def stream(kind: str, delay: int, given_batches: list[list[Any]]) -> Iterator[tuple[list[Row], int]]:
    """Batches, each with the table's watermark after it."""
    count = 3 if kind == "three partitions" else 1
    partitions, clocks = Partitions(count, delay), [-20_000] * count
    for batch in given_batches:
        rows = []
        for partition, forward, back, off, ip, userid in batch:
            lane = partition % count
            clocks[lane] += forward * 2_500
            time = None if off is None else clocks[lane] - back * 2_500 + off
            rows.append(partitions.row(lane, time, ip=ip, userid=userid, status=forward))
        yield rows, BEGINNING if kind == "beside a partition that waits" else partitions.watermark


@pytest.mark.parametrize("kind", ["one partition", "beside a partition that waits", "three partitions"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(delays, batches)
def test_sessions_are_those_found_row_by_row(kind: str, delay: int, given_batches: list[list[Any]]) -> None:
    db, reference = connect(), RowByRow()
    sessions = started(db)
    for rows, watermark in stream(kind, delay, given_batches):
        db.execute("BEGIN")
        sessions.absorb(db, put(db, rows))
        for row in sorted(rows, key=lambda row: row.arrival):
            reference.take(row)
        assert sessions.horizon(db) == max((one.end for one in reference.open), default=None)
        expected = reference.close(watermark)
        assert sessions.due(watermark) or not expected
        sessions.close(db, watermark, "out")
        db.execute("COMMIT")
        assert results(db) == expected
        assert late(db) == sorted(reference.late)
    sessions.close(db, END, "out")
    assert results(db) == reference.close(END)
