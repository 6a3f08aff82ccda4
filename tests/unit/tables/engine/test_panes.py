"""Panes against windows counted row by row."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators.operator import BEGINNING, CREATE_LATE
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import walk
from tests.unit.tables.sql.support import plan, sink

WINDOWS = {
    "tumble": ("TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)", 10_000, 10_000),
    "hop": ("HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)", 5_000, 15_000),
    "cumulate": ("CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)", 5_000, 15_000),
}
AGGREGATES = (
    "COUNT(*), SUM(userid), COUNT(DISTINCT status), AVG(userid), MIN(userid), COUNT(*) FILTER (WHERE status > 1)"
)
COLUMNS = (
    "ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT, total INT, statuses BIGINT, mean INT, least INT, bad BIGINT"
)


@dataclass(frozen=True)
class Row:
    time: int | None
    userid: int | None
    status: int | None
    ip: str | None


rows = st.builds(
    Row,
    st.none() | st.integers(-30_000, 60_000),
    st.none() | st.integers(-9, 9),
    st.none() | st.integers(0, 3),
    st.none() | st.sampled_from("ab"),
)
batches = st.lists(st.tuples(st.lists(rows, max_size=12), st.integers(0, 20_000)), max_size=5)


def windows_of(kind: str, time: int) -> list[tuple[int, int]]:
    _, slide, size = WINDOWS[kind]
    if kind == "cumulate":
        start = time // size * size
        return [(start, end) for end in range(start + slide, start + size + 1, slide) if end > time]
    first = time // slide * slide + slide
    return [(end - size, end) for end in range(first, first + size, slide) if end - size <= time]


def aggregated(found: list[Row]) -> tuple[Any, ...]:
    users = [row.userid for row in found if row.userid is not None]
    statuses = [row.status for row in found if row.status is not None]
    total = sum(users)
    return (
        len(found),
        total if users else None,
        len(set(statuses)),
        int(total / len(users)) if users else None,
        min(users, default=None),
        sum(status > 1 for status in statuses),
    )


def node_of(kind: str) -> GroupBy:
    query = f"SELECT ip, window_start, window_end, {AGGREGATES} FROM TABLE({WINDOWS[kind][0]})"
    found = plan(sink(COLUMNS) + f"INSERT INTO results {query} GROUP BY ip, window_start, window_end;")
    return next(one for one in walk(found) if isinstance(one, GroupBy))


def put(db: duckdb.DuckDBPyConnection, batch: list[tuple[Row, int]]) -> None:
    db.execute(
        'CREATE OR REPLACE TEMP TABLE "rows" (ip VARCHAR, userid INTEGER, status INTEGER, "$p" INTEGER, "$o" BIGINT, '
        '"$t" BIGINT, "$wm" BIGINT)'
    )
    values = [[row.ip, row.userid, row.status, number, row.time, mark] for number, (row, mark) in enumerate(batch)]
    if values:
        db.executemany('INSERT INTO "rows" VALUES (?, ?, ?, 0, ?, ?, ?)', values)


@pytest.mark.parametrize("kind", WINDOWS)
@settings(max_examples=40)
@given(batches)
def test_windows_have_the_rows_that_came_in_time_and_no_others(kind: str, given_batches: Any) -> None:
    db = duckdb.connect()
    panes = Panes("panes", node_of(kind))
    panes.create(db)
    db.execute(CREATE_LATE)
    watermark: int = BEGINNING
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    expected: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    expected_late = 0
    for batch, step in given_batches:
        put(db, [(row, watermark) for row in batch])
        panes.absorb(db, "rows")
        for row in batch:
            if row.time is None:
                continue
            taking = [one for one in windows_of(kind, row.time) if watermark < one[1] - 1]
            expected_late += not taking
            for window in taking:
                expected[(row.ip, *window)].append(row)
        watermark = max(watermark, 0) + step
        panes.close(db, watermark, "out")
        for ip, start, end, *values in _results(db):
            assert watermark >= end - 1
            assert (ip, start, end) not in found, "a window closed twice"
            found[(ip, start, end)] = tuple(values)
    horizon = panes.horizon(db)
    if horizon is not None:
        panes.close(db, horizon - 1, "out")
        found |= {(ip, start, end): tuple(values) for ip, start, end, *values in _results(db)}
    assert found == {window: aggregated(members) for window, members in expected.items()}
    assert db.execute("SELECT count(*) FROM late").fetchall()[0][0] == expected_late
    assert db.execute("SELECT count(*) FROM panes").fetchall()[0][0] == 0


def _results(db: duckdb.DuckDBPyConnection, table: str = "out") -> list[tuple[Any, ...]]:
    aggregates = ", ".join(f'"$agg{number}:0"' for number in range(6))
    return db.execute(f"SELECT ip, epoch_ms(window_start), epoch_ms(window_end), {aggregates} FROM {table}").fetchall()


@pytest.mark.parametrize("kind", WINDOWS)
def test_early_rows_are_those_of_groups_that_changed(kind: str) -> None:
    db = duckdb.connect()
    panes = Panes("panes", node_of(kind))
    panes.create(db)
    db.execute(CREATE_LATE)
    put(db, [(Row(1_000, 1, 1, "a"), BEGINNING), (Row(2_000, 2, 2, "b"), BEGINNING)])
    panes.absorb(db, "rows")
    panes.touch(db, "rows")
    panes.early(db, "early")
    assert {row[0] for row in _results(db, "early")} == {"a", "b"}
    put(db, [(Row(3_000, 5, 1, "a"), BEGINNING)])
    panes.absorb(db, "rows")
    panes.touch(db, "rows")
    panes.early(db, "early")
    changed = _results(db, "early")
    assert {row[0] for row in changed} == {"a"}
    assert {row[3:5] for row in changed} == {(2, 6)}
    assert {(row[1], row[2]) for row in changed} == set(windows_of(kind, 3_000))
    panes.early(db, "early")
    assert _results(db, "early") == []


def test_state_survives_a_restart_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.tables.engine.operators.panes.COMPACT_AFTER_ROWS", 10)
    db = duckdb.connect()
    panes = Panes("panes", node_of("hop"))
    panes.create(db)
    db.execute(CREATE_LATE)
    put(db, [(Row(20_000, 1, 1, "a"), BEGINNING)])
    for step in range(50):
        panes.absorb(db, "rows")
        panes.close(db, step * 100 + 15_000, "out")
    assert db.execute("SELECT count(*) FROM panes").fetchall()[0][0] <= 11
    again = Panes("panes", node_of("hop"))
    again.create(db)
    again.close(db, 15_000 + 4_900, "out")
    assert _results(db) == [], "windows that closed before are not closed again"
    again.close(db, 34_999, "out")
    assert {row[3] for row in _results(db)} == {50}


def test_a_window_closes_at_its_last_millisecond() -> None:
    panes = Panes("panes", node_of("tumble"))
    grid = panes._grid
    assert [grid.closed_at(mark) for mark in (9_998, 9_999, 10_000)] == [0, 10_000, 10_000]
