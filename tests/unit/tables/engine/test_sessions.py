"""Sessions against sessions found row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators.operator import BEGINNING, END
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import walk
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
        f'"$agg0:0", "$agg1:0", "$agg2:0" FROM {table} ORDER BY ALL'
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


def row(offset: int, time: int | None, watermark: int = BEGINNING, ip: str | None = "a", partition: int = 0) -> Row:
    return Row(partition, offset, time, watermark, ip=ip, userid=offset)


ORDERS: dict[str, tuple[list[tuple[int | None, int]], list[tuple[int, int, int]]]] = {
    "a gap apart": ([(0, BEGINNING), (10_000, BEGINNING)], [(0, 20_000, 2)]),
    "a gap apart, backwards": ([(10_000, BEGINNING), (0, BEGINNING)], [(0, 20_000, 2)]),
    "more than a gap apart": ([(0, BEGINNING), (10_001, BEGINNING)], [(0, 10_000, 1), (10_001, 20_001, 1)]),
    "brought together": ([(0, BEGINNING), (20_000, BEGINNING), (10_000, BEGINNING)], [(0, 30_000, 3)]),
    "open at the last moment": ([(0, BEGINNING), (10_000, 9_998)], [(0, 20_000, 2)]),
    "closed where it is touched": ([(0, BEGINNING), (10_000, 9_999)], [(0, 10_000, 1), (10_000, 20_000, 1)]),
    "closed behind an open one": (
        [(0, BEGINNING), (10_000, 9_999), (12_000, 9_999)],
        [(0, 10_000, 1), (10_000, 22_000, 2)],
    ),
    "an open one takes a row that is late alone": ([(10_000, BEGINNING), (1_000, 10_999)], [(1_000, 20_000, 2)]),
    "not late yet": ([(0, 9_998)], [(0, 10_000, 1)]),
    "late": ([(0, 9_999)], []),
    "late beside a closed one": ([(0, BEGINNING), (0, 9_999)], [(0, 10_000, 1)]),
    "late, as all that it is near to": ([(0, 25_000), (5_000, 25_000)], []),
    "no time": ([(None, BEGINNING), (0, BEGINNING)], [(0, 10_000, 1)]),
    "before 1970": ([(-9_000, BEGINNING), (-19_000, BEGINNING)], [(-19_000, 1_000, 2)]),
    "around 1970": ([(-9_000, BEGINNING), (9_000, BEGINNING)], [(-9_000, 1_000, 1), (9_000, 19_000, 1)]),
}


@pytest.mark.parametrize("how", ["at once", "one by one", "beside rows behind their watermark"])
@pytest.mark.parametrize("case", ORDERS)
def test_a_row_is_in_the_sessions_that_are_open_for_it(case: str, how: str) -> None:
    db = connect()
    sessions = started(db)
    given_rows, expected = ORDERS[case]
    rows = [row(number, *one) for number, one in enumerate(given_rows)]
    other = [row(99, 0, 1_000, ip="b")] if how.startswith("beside") else []
    for batch in [rows] if how == "at once" else [[one, *other] for one in rows]:
        sessions.absorb(db, put(db, batch))
    sessions.close(db, END, "out")
    assert [(one[1], one[2], one[4]) for one in results(db) if one[0] == "a"] == expected
    timed = sum(time is not None for time, _ in given_rows)
    assert len(late(db)) == timed - sum(count for *_, count in expected)


def test_sessions_that_one_partition_keeps_apart_stay_so_however_rows_are_batched() -> None:
    db = connect()
    sessions = started(db)
    far = row(0, -50_000, partition=1)
    for batch in [[row(0, 0)], [row(1, 10_000, 9_999)], [row(2, 12_000, 9_999)], [row(3, 13_000, 9_999), far]]:
        sessions.absorb(db, put(db, batch))
    sessions.close(db, END, "out")
    assert [one[1:3] for one in results(db)] == [(-50_000, -40_000), (0, 10_000), (10_000, 23_000)]


def test_a_slower_partition_brings_together_what_a_faster_one_kept_apart() -> None:
    db = connect()
    sessions = started(db)
    for one in [row(0, 0), row(1, 10_000, 9_999), row(0, 5_000, -20_000, partition=1)]:
        sessions.absorb(db, put(db, [one]))
    sessions.close(db, END, "out")
    assert [one[1:5] for one in results(db)] == [(0, 20_000, 19_999, 3)]


def test_sessions_are_no_longer_apart_when_one_is_closed() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(0, 0), row(1, 10_000, 9_999)]))
    assert db.execute("SELECT bool_or(apart) FROM sessions").fetchall() == [(True,)]
    sessions.close(db, 9_999, "out")
    assert db.execute("SELECT start, apart FROM sessions").fetchall() == [(10_000, False)]


def test_only_sessions_that_are_touched_are_written_again() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(number, number * 20_000) for number in range(5)]))
    sessions.absorb(db, put(db, [row(5, 41_000)]))
    sessions.absorb(db, put(db, [row(6, 1_000), row(7, 81_000)]))
    found = db.execute("SELECT start, batch FROM sessions ORDER BY start").fetchall()
    assert found == [(0, 3), (20_000, 1), (40_000, 2), (60_000, 1), (80_000, 3)]


def test_early_rows_are_those_of_sessions_that_changed() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(0, 0), row(1, 50_000)]))
    sessions.early(db, "early")
    assert [one[1:3] for one in results(db, "early")] == [(0, 10_000), (50_000, 60_000)]
    sessions.absorb(db, put(db, [row(2, -5_000)]))
    sessions.early(db, "early")
    assert [one[1:3] for one in results(db, "early")] == [(-5_000, 10_000)]
    assert db.execute('SELECT "$end" FROM early').fetchall() == [(10_000,)]
    sessions.early(db, "early")
    assert results(db, "early") == []
    sessions.open_rows(db, "opened")
    assert [one[1:3] for one in results(db, "opened")] == [(-5_000, 10_000), (50_000, 60_000)]


def test_after_a_restart_sessions_go_on_and_all_are_early() -> None:
    db = connect()
    before = started(db)
    before.absorb(db, put(db, [row(0, 0), row(1, 50_000)]))
    before.early(db, "early")
    again = started(db)
    assert again.due(9_999)
    assert not again.due(9_998)
    again.early(db, "early")
    assert len(results(db, "early")) == 2
    again.absorb(db, put(db, [row(2, 3_000)]))
    again.early(db, "early")
    assert [one[1:5] for one in results(db, "early")] == [(0, 13_000, 12_999, 2)]


def test_late_rows_are_noted_as_they_came() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(0, 0), row(1, 30_000), row(2, 8_000, 20_000), row(3, 7_000, 30_000)]))
    found = db.execute(
        'SELECT statement, p, o, "row"->>\'ip\', ("row"->>\'userid\')::INTEGER, json_keys("row")::VARCHAR FROM late'
    ).fetchall()
    names = "[ip, userid, status, $p, $o, $t, $wm]"
    assert found == [("sessions", 0, 2, "a", 2, names), ("sessions", 0, 3, "a", 3, names)]


def test_sessions_need_no_partition() -> None:
    window = "TABLE(SESSION(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
    query = f"SELECT window_start, COUNT(*) FROM {window} GROUP BY window_start, window_end"
    db = connect()
    sessions = started(db, node_of(query, "ws TIMESTAMP(3), n BIGINT"))
    sessions.absorb(db, put(db, []))
    sessions.absorb(db, put(db, [row(0, 0, ip="a"), row(1, 9_000, ip="b"), row(2, 40_000, 1_000), row(3, 0, 30_000)]))
    sessions.absorb(db, put(db, [row(4, 15_000)]))
    sessions.close(db, END, "out")
    found = db.execute('SELECT epoch_ms(window_start), "$agg0:0" FROM out ORDER BY ALL').fetchall()
    assert found == [(0, 3), (40_000, 1)]
    assert late(db) == [(0, 3)]


def test_columns_may_be_called_as_those_of_the_state() -> None:
    view = (
        "CREATE TEMPORARY VIEW odd AS SELECT ip AS k0, userid AS `start`, status AS `last`, userid AS `batch`, "
        "status AS id, userid AS island, status AS k1, ts FROM clicks;"
    )
    window = "TABLE(SESSION(TABLE odd PARTITION BY (id, k0, `last`), DESCRIPTOR(ts), INTERVAL '10' SECOND))"
    query = (
        f"SELECT k0, SUM(`start`), SUM(`batch`), SUM(island), MAX(k1) FROM {window} "
        "GROUP BY window_start, window_end, `last`, k0, id"
    )
    sums = plan(
        sink("k0 STRING, a INT, b INT, c INT, d INT").replace("CREATE", view + "CREATE", 1)
        + f"INSERT INTO results {query};"
    )
    node = next(one for one in walk(sums) if isinstance(one, GroupBy))
    columns = (
        'ip AS k0, userid AS "start", status AS "last", userid AS "batch", status AS id, userid AS island, status AS k1'
    )
    db = connect()
    sessions = started(db, node)
    rows = [row(1, 0), row(2, 10_000, 9_999), row(3, 12_000, 9_999), row(4, 0, 30_000), row(5, -30_000, 30_000)]
    for one in [rows[:1], rows[1:]]:
        sessions.absorb(db, put(db, one, columns))
    sessions.close(db, END, "out")
    found = db.execute('SELECT k0, "$agg0:0", "$agg1:0", "$agg2:0", "$agg3:0" FROM out ORDER BY ALL').fetchall()
    assert found == [("a", 1, 1, 1, None), ("a", 5, 5, 5, None)]
    assert late(db) == [(0, 4), (0, 5)]
