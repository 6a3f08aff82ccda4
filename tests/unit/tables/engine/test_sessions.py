"""Sessions against sessions found row by row, in the order that is defined for a log of several partitions."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.config import config_dir
from clickstream.tables.engine.operators.operator import BEGINNING, END
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.sql.check import check
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


def row_by_row(rows: Sequence[Row]) -> tuple[list[Result], list[tuple[int, int]]]:
    """The sessions and the late rows of a log, as Flink's MergingWindowProcessFunction makes them of one partition."""
    kept: list[Session] = []
    late_rows: list[tuple[int, int]] = []
    for row in sorted(rows, key=lambda one: (*one.arrival, one.time or 0)):
        if row.time is None:
            continue
        made, touched = Session(row.time, row.time + GAP, []), []
        for other in kept:
            open_ = other.rows[0].ip == row.ip and row.watermark < other.end - 1
            if open_ and other.start <= row.time + GAP and other.end >= row.time:
                touched.append(other)
        for other in touched:
            made = Session(min(made.start, other.start), max(made.end, other.end), made.rows + other.rows)
        if made.end - 1 <= row.watermark:
            late_rows.append((row.partition, row.offset))
        else:
            kept = [one for one in kept if one not in touched]
            kept.append(Session(made.start, made.end, [*made.rows, row]))
    return sort(one.result for one in kept), sorted(late_rows)


def sort(found: Any) -> list[Result]:
    """As DuckDB's ORDER BY ALL."""
    return sorted(found, key=lambda row: [(value is None, value if value is not None else 0) for value in row])


@dataclass
class Reading:
    """One way to read a log: how its partitions are interleaved, cut into batches, closed and restarted is `draw`'s.

    `held`: rows come once the operator's watermark has reached their time, as from a join. `idles`: now and then the
    watermark goes on without the slower partitions, to a floor below which rows are late from then on.
    """

    draw: random.Random
    delay: int
    held: bool = False
    idles: bool = False

    def read(self, log: list[list[Row]]) -> tuple[list[Result], list[tuple[int, int]], list[Row]]:
        """The sessions, the late rows, and the rows with the watermarks that they were judged by."""
        draw, db = self.draw, connect()
        sessions = started(db)
        self._left = [list(reversed(rows)) for rows in log]
        self._marks = [BEGINNING] * len(log)
        self._floor = watermark = BEGINNING
        seen: list[Row] = []
        held: list[Row] = []
        found: list[Result] = []
        while any(self._left):
            came = [self._next() for _ in range(draw.choice((2, 8, 30)))]
            held += [one for one in came if one is not None]
            seen += [one for one in came if one is not None]
            if self.idles and draw.random() < 0.2:
                self._floor = max(self._floor, *self._marks)
            watermark = max(watermark, min(self._marks), self._floor)
            batch = [one for one in held if not self.held or one.time is None or one.time <= watermark]
            held = [one for one in held if one not in batch]
            db.execute("BEGIN")
            sessions.absorb(db, put(db, batch))
            if draw.random() < 0.6:
                found += closed(db, sessions, watermark)
            db.execute("COMMIT")
            if draw.random() < 0.2:
                sessions = started(db)
        sessions.absorb(db, put(db, held))
        horizon = sessions.horizon(db)
        if horizon is not None:
            found += closed(db, sessions, horizon - 1)
        assert sessions.horizon(db) is None
        return sort(found), late(db), seen

    def _next(self) -> Row | None:
        """The next row of some partition, judged by its own watermark and the floor."""
        lane = self.draw.choice([number for number, rows in enumerate(self._left) if rows] or [-1])
        if lane < 0:
            return None
        given = self._left[lane].pop()
        made = replace(given, watermark=max(given.watermark, self._floor))
        if given.time is not None:
            self._marks[lane] = max(self._marks[lane], given.time - self.delay)
        return made


def closed(db: duckdb.DuckDBPyConnection, sessions: Sessions, watermark: int) -> list[Result]:
    """What leaves at the watermark; nothing that has ended before it stays."""
    due = sessions.due(watermark)
    sessions.close(db, watermark, "out")
    found = results(db)
    assert due or not found
    assert all(one[2] <= watermark for one in found)
    assert db.execute(f"SELECT count(*) FROM sessions WHERE last + {GAP} <= {watermark}").fetchall() == [(0,)]
    return found


# Times go on, and sometimes back, in quarters of the gap: many are the same, or a gap apart exactly.
records = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0, 0, 1, 2, 5]),
    st.sampled_from([0, 0, 1, 3, 6, 9]),
    st.sampled_from([0, 0, 0, 1, -1, None]),
    st.none() | st.sampled_from("aaab"),
    st.none() | st.integers(-9, 9),
)
delays = st.sampled_from([0, 1, 2_500, 10_000, 30_000])
# Each reads a log of some dozens of rows two times, in some dozens of batches: 0.1 s of CPU.
EXAMPLES = 6
seeds = st.integers(0, 2**32)


def log_of(count: int, delay: int, given_records: list[Any]) -> list[list[Row]]:
    """The rows of each of `count` partitions, with their own watermarks."""
    partitions, clocks = Partitions(count, delay), [-20_000] * count
    log: list[list[Row]] = [[] for _ in range(count)]
    for number, forward, back, off, ip, userid in given_records:
        lane = number % count
        clocks[lane] += forward * 2_500
        time = None if off is None else clocks[lane] - back * 2_500 + off
        log[lane].append(partitions.row(lane, time, ip=ip, userid=userid, status=forward))
    return log


@pytest.mark.parametrize("held", [False, True], ids=["at once", "from a join"])
@pytest.mark.parametrize("count", [1, 3])
@settings(max_examples=EXAMPLES, derandomize=True)
@given(delays, st.lists(records, min_size=5, max_size=60), seeds)
def test_sessions_are_a_function_of_the_log(
    count: int, held: bool, delay: int, given_records: list[Any], seed: int
) -> None:
    log = log_of(count, delay, given_records)
    expected = row_by_row([one for rows in log for one in rows])
    for _ in range(2):
        draw = random.Random(seed)
        seed += 1
        assert Reading(draw, delay, held).read(log)[:2] == expected


@pytest.mark.parametrize("held", [False, True], ids=["at once", "from a join"])
@settings(max_examples=EXAMPLES, derandomize=True)
@given(delays, st.lists(records, min_size=5, max_size=60), seeds)
def test_with_idle_partitions_they_are_one_of_the_log_and_the_floors(
    held: bool, delay: int, given_records: list[Any], seed: int
) -> None:
    found, late_rows, seen = Reading(random.Random(seed), delay, held, idles=True).read(log_of(3, delay, given_records))

    assert (found, late_rows) == row_by_row(seen)


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


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2), (0, 3, 1, 2), (0, 1, 3, 2)])
def test_what_one_partition_keeps_apart_another_does_not_bring_together(order: tuple[int, ...]) -> None:
    """In the order of watermarks the other's row comes after: by then, the first session is closed for it, too."""
    rows = [row(0, 0), row(1, 10_000, 9_999), row(2, 12_000, 9_999), row(0, 5_000, 10_000, partition=1)]
    db = connect()
    sessions = started(db)
    for number in order:
        sessions.absorb(db, put(db, [rows[number]]))
    sessions.close(db, END, "out")
    assert [one[1:5] for one in results(db)] == [(0, 10_000, 9_999, 1), (5_000, 22_000, 21_999, 3)]


def test_a_slower_partition_brings_together_what_a_faster_one_would_keep_apart() -> None:
    db = connect()
    sessions = started(db)
    for one in [row(0, 0), row(1, 10_000, 9_999), row(0, 5_000, -20_000, partition=1)]:
        sessions.absorb(db, put(db, [one]))
    sessions.close(db, END, "out")
    assert [one[1:5] for one in results(db)] == [(0, 20_000, 19_999, 3)]


def test_a_row_behind_its_watermark_waits_until_all_partitions_have_passed_it() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(0, 20_000), row(1, 12_000, 15_000), row(2, 0, 15_000)]))
    assert sessions.horizon(db) == 30_001
    sessions.early(db, "early")
    assert [one[1:5] for one in results(db, "early")] == [(20_000, 30_000, 29_999, 1)]
    assert not sessions.due(15_000)
    sessions.close(db, 15_000, "out")
    assert late(db) == []
    assert sessions.due(15_001)
    sessions.close(db, 15_001, "out")
    assert (results(db), late(db)) == ([], [(0, 2)])
    sessions.early(db, "early")
    assert [one[1:5] for one in results(db, "early")] == [(12_000, 30_000, 29_999, 2)]


def test_the_end_waits_for_a_row_that_was_judged_by_a_floor_ahead_of_all() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(0, 1_000, 70_000)]))
    horizon = sessions.horizon(db)
    assert horizon is not None
    sessions.close(db, horizon - 1, "out")
    assert (late(db), sessions.horizon(db)) == ([(0, 0)], None)


def test_rows_of_two_tables_may_have_the_same_place() -> None:
    """Late alone, or in the session that the other opens: the earlier time is first."""
    for rows in ([row(0, 5_000, 20_000), row(0, 14_000, 20_000)], [row(0, 14_000, 20_000), row(0, 5_000, 20_000)]):
        db = connect()
        sessions = started(db)
        sessions.absorb(db, put(db, rows))
        sessions.close(db, END, "out")
        assert [one[1:5] for one in results(db)] == [(14_000, 24_000, 23_999, 1)]
        assert late(db) == [(0, 0)]


SHIPPED = check((config_dir() / "tables" / "clickstream.sql").read_text("utf-8")).program
USERS = next(one for one in SHIPPED.inserts if one.target.name == "click_user_sessions")


def clicks_with_late_ones(count: int = 1_200) -> list[list[Row]]:
    """Three partitions of clicks of 40 users, a click in 400 ms; of 100 clicks 3 are up to a minute late."""
    draw, partitions = random.Random(1), Partitions(3, 5_000)
    log: list[list[Row]] = [[], [], []]
    for number in range(count):
        late_by = draw.randint(1, 60_000) if draw.random() < 0.03 else 0
        lane = draw.randrange(3)
        user = f"user {draw.randrange(20) + 20 * (number // 200 % 2)}"
        log[lane].append(partitions.row(lane, number * 400 - late_by, ip=user, status=1))
    return log


def read_shipped(log: list[list[Row]], size: int) -> tuple[list[Any], list[tuple[int, int]]]:
    """The shipped file's sessions of users: all partitions side by side, `size` rows of each in a batch."""
    db = connect()
    sessions = started(db, next(one for one in walk(USERS.plan) if isinstance(one, GroupBy)))
    found: list[Any] = []
    for first in range(0, max(map(len, log)), size):
        batch = [one for rows in log for one in rows[first : first + size]]
        sessions.absorb(db, put(db, batch, 'ip AS username, status AS "bytes"'))
        seen = [max((one.time or 0 for one in rows[: first + size]), default=0) - 5_000 for rows in log]
        for watermark in [min(seen)] if first + size < max(map(len, log)) else [min(seen), END]:
            sessions.close(db, watermark, "out")
            found += db.execute("SELECT * FROM out").fetchall()
    return sorted(found), late(db)


def test_the_shipped_file_gives_the_same_sessions_read_live_and_at_once() -> None:
    log = clicks_with_late_ones()
    live, at_once = read_shipped(log, 20), read_shipped(log, 1_000)
    assert live == at_once
    assert len(live[0]) > 100
    assert live[1]


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
    assert again.due(10_000)
    assert not again.due(9_999)
    again.early(db, "early")
    assert len(results(db, "early")) == 2
    again.absorb(db, put(db, [row(2, 3_000)]))
    again.early(db, "early")
    assert [one[1:5] for one in results(db, "early")] == [(0, 13_000, 12_999, 2)]


def test_late_rows_are_noted_as_they_came() -> None:
    db = connect()
    sessions = started(db)
    sessions.absorb(db, put(db, [row(0, 0), row(1, 30_000), row(2, 8_000, 20_000), row(3, 7_000, 30_000)]))
    sessions.close(db, END, "out")
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
