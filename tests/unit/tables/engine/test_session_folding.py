"""Sums of DOUBLE in sessions are added up while these go on, and end in the same bits as if they were not."""

import random
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators import sessions as module
from clickstream.tables.engine.operators.operator import BEGINNING, END
from clickstream.tables.engine.operators.sessions import Sessions
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.engine.test_sessions import WINDOW, delays, log_of, node_of

NODE = node_of(
    "SELECT ip, window_start, window_end, SUM(CAST(userid AS DOUBLE) / 7), AVG(CAST(status AS DOUBLE) / 3) "
    f"FROM {WINDOW} GROUP BY ip, window_start, window_end",
    "ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), total DOUBLE, mean DOUBLE",
)
JOIN = "a join"
# As in test_sessions, but for the values: nearly every order of adding them gives other last digits.
records = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0, 0, 1, 2, 5]),
    st.sampled_from([0, 0, 1, 3, 6, 9]),
    st.sampled_from([0, 0, 0, 1, -1]),
    st.sampled_from("aab"),
    st.none() | st.integers(-(10**9), 10**9) | st.integers(-9, 9),
)


def started(db: duckdb.DuckDBPyConnection) -> Sessions:
    db.execute(f'CREATE TABLE IF NOT EXISTS "{JOIN}" ("$p" INTEGER, "$o" BIGINT)')
    sessions = Sessions("sessions", NODE, [(JOIN, 0)])
    sessions.create(db)
    return sessions


def results(db: duckdb.DuckDBPyConnection, sessions: Sessions, watermark: int) -> list[tuple[Any, ...]]:
    sessions.close(db, watermark, "out")
    return db.execute('SELECT ip, window_start, window_end, "$agg0:0", "$agg1:0" FROM out').fetchall()


def read(log: list[list[Row]], delay: int, draw: random.Random, *, held: bool) -> list[tuple[Any, ...]]:
    """The sessions of a log that is read in any order; `held`: rows come from a join, which lets them go late."""
    db = connect()
    sessions = started(db)
    left, marks = [list(reversed(rows)) for rows in log], [BEGINNING] * len(log)
    waiting: list[Row] = []
    found = []
    while any(left) or waiting:
        for _ in range(draw.choice((1, 3, 10))):
            lanes = [number for number, rows in enumerate(left) if rows]
            if lanes:
                lane = draw.choice(lanes)
                waiting.append(left[lane].pop())
                marks[lane] = max(marks[lane], (waiting[-1].time or 0) - delay)
        watermark = min(marks) if any(left) else END
        batch = [row for row in waiting if not held or (row.time or 0) <= watermark]
        waiting = [row for row in waiting if row not in batch]
        db.execute("BEGIN")
        db.execute(f'DELETE FROM "{JOIN}"')
        for row in waiting:
            db.execute(f'INSERT INTO "{JOIN}" VALUES (?, ?)', [row.partition, row.offset])
        sessions.absorb(db, put(db, batch))
        if draw.random() < 0.4:
            found += results(db, sessions, watermark)
        db.execute("COMMIT")
        if draw.random() < 0.2:
            sessions = started(db)
    return sorted(found + results(db, sessions, END))


@pytest.mark.parametrize("held", [False, True], ids=["at once", "from a join"])
@pytest.mark.parametrize("count", [1, 3])
@settings(max_examples=4, derandomize=True)
@given(delays, st.lists(records, min_size=5, max_size=60), st.integers(0, 2**32))
def test_they_are_the_same_to_the_last_digit(
    count: int, held: bool, delay: int, given_records: list[Any], seed: int
) -> None:
    log = log_of(count, delay, given_records)
    found = []
    for fold_after in (10**9, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "FOLD_AFTER_VALUES", fold_after)
            found.append(read(log, delay, random.Random(seed), held=held))
    assert found[0] == found[1]


def values(db: duckdb.DuckDBPyConnection) -> int:
    return int(db.execute("SELECT coalesce(sum(len(a0)), 0) FROM sessions").fetchall()[0][0])


def click(number: int, time: int, *, partition: int = 0, watermark: int = BEGINNING) -> Row:
    return Row(partition, number, time, watermark, ip="a", userid=number, status=1)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_session_that_does_not_end_keeps_few_values(partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_AFTER_VALUES", 60)
    db = connect()
    sessions = started(db)
    for start in range(0, 600, 30):
        rows = [click(number, number * 1_000, partition=number % partitions) for number in range(start, start + 30)]
        sessions.absorb(db, put(db, rows))
        results(db, sessions, start * 1_000 - 5_000)
        assert values(db) <= 60 + 30
    ((_, _, _, total, _),) = results(db, sessions, END)
    own = [0.0] * partitions
    for number in range(600):
        own[number % partitions] += number / 7
    total_of_partitions = 0.0
    for one in own:
        total_of_partitions += one
    assert total == total_of_partitions


def test_what_waits_in_a_join_is_added_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_AFTER_VALUES", 1)
    db = connect()
    sessions = started(db)
    db.execute(f'INSERT INTO "{JOIN}" VALUES (0, 2)')
    sessions.absorb(db, put(db, [click(number, 1_000) for number in (0, 1, 3, 4)]))
    assert values(db) == 3
    db.execute(f'DELETE FROM "{JOIN}"')
    sessions.absorb(db, put(db, [click(number, 2_000) for number in (2, *range(5, 20))]))
    assert values(db) == 1


def test_sessions_that_may_grow_together_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_AFTER_VALUES", 1)
    db = connect()
    sessions = started(db)
    times = {0: 0, 1: 0, 2: 15_000, 3: 0, 4: 15_000}
    sessions.absorb(db, put(db, [click(number, time) for number, time in times.items()]))
    assert values(db) == 4
    results(db, sessions, 10_000)
    sessions.absorb(db, put(db, [click(number, 16_000, watermark=10_000) for number in range(5, 20)]))
    assert values(db) == 1
