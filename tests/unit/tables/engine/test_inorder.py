"""Sums of DOUBLE: the same bits as a loop in the order of the log, whatever the batches were."""

import itertools
import math
import random
from collections import defaultdict
from functools import cache
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators import inorder
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import walk
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.sql.support import plan, sink

AMOUNT = "CAST(userid AS DOUBLE) / 7"
AGGREGATES = f"SUM({AMOUNT}), AVG({AMOUNT}), SUM({AMOUNT}) FILTER (WHERE status > 1), SUM(DISTINCT {AMOUNT})"
COLUMNS = "total DOUBLE, mean DOUBLE, bad DOUBLE, apart DOUBLE"
WINDOWS = {
    "tumble": "TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '15' SECOND)",
    "hop": "HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)",
    "cumulate": "CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)",
    "session": "SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '90' SECOND)",
}
# Values of which nearly every order of adding gives other last digits.
amounts = st.integers(-(10**9), 10**9) | st.integers(-9, 9)
clicks = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 14_999), st.none() | amounts, st.integers(0, 3)),
    min_size=1,
    max_size=30,
)


@cache
def node(sql: str) -> GroupBy:
    return next(one for one in walk(plan(sql)) if isinstance(one, GroupBy))


@cache
def windowed(kind: str) -> GroupBy:
    query = f"SELECT ip, window_start, window_end, {AGGREGATES} FROM TABLE({WINDOWS[kind]})"
    columns = f"ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), {COLUMNS}"
    return node(sink(columns) + f"INSERT INTO results {query} GROUP BY ip, window_start, window_end;")


def log_of(given_clicks: list[tuple[int, int, int | None, int]]) -> list[Row]:
    """Rows as they come; no watermark is there before the last."""
    offsets: defaultdict[int, int] = defaultdict(int)
    rows = []
    for partition, time, userid, status in given_clicks:
        rows.append(Row(partition, offsets[partition], time, BEGINNING, "a", userid, status))
        # Several rows of one record, now and then.
        offsets[partition] += status != 3
    return rows


def looped(values: list[tuple[int, float]]) -> float | None:
    """Values with their partitions: a sum for each partition, and the sum of these."""
    sums: dict[int, float] = {}
    for partition, value in values:
        sums[partition] = sums[partition] + value if partition in sums else value
    return _loop([sums[partition] for partition in sorted(sums)])


def _loop(values: list[float]) -> float | None:
    total = 0.0
    for value in values:
        total += value
    return total if values else None


def amount(row: Row) -> float:
    assert row.userid is not None
    return row.userid / 7


def aggregated(panes: list[list[Row]]) -> tuple[float | None, ...]:
    """What a window of these panes has, which are added one after the other."""

    def total(panes: list[list[Row]]) -> float | None:
        added = []
        for partition in range(3):
            for pane in panes:
                own = [amount(row) for row in pane if row.partition == partition]
                added += [(partition, one) for one in [_loop(own)] if one is not None]
        return looped(added)

    known = [[row for row in pane if row.userid is not None] for pane in panes]
    some = [[row for row in pane if (row.status or 0) > 1] for pane in known]
    count = sum(map(len, known))
    mean = total(known)
    distinct = _loop(sorted({amount(row) for pane in known for row in pane}))
    return mean, mean / count if mean is not None else None, total(some), distinct


def batches(rows: list[Row], cuts: list[int]) -> list[list[Row]]:
    places = sorted({0, len(rows), *(cut % len(rows) for cut in cuts)})
    return [rows[start:end] for start, end in itertools.pairwise(places)]


def results(db: duckdb.DuckDBPyConnection, order: str = "") -> list[tuple[Any, ...]]:
    return db.execute(f'SELECT "$agg0:0", "$agg1:0", "$agg2:0", "$agg3:0" FROM out {order}').fetchall()


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_long_list_is_added_as_a_loop_adds(threads: int, partitions: int) -> None:
    chance = random.Random(7)
    values = [chance.uniform(-1e6, 1e6) * 10 ** chance.randint(0, 9) for _ in range(50_000)]
    placed = [(number % partitions, number, value) for number, value in enumerate(values)]
    mixed = chance.sample(placed, len(placed))
    db = duckdb.connect(config={"threads": threads})
    db.execute(inorder.CREATE_ARRIVALS)
    db.execute("CREATE TABLE given (p INTEGER, o BIGINT, v DOUBLE)")
    columns = [list(column) for column in zip(*mixed, strict=True)]
    db.execute("INSERT INTO given SELECT unnest(?), unnest(?), unnest(?)", columns)
    lists = f"SELECT o % 10 AS batch, list({inorder.entry('p', 'o', 'v')}) AS a FROM given GROUP BY batch"
    query = f"SELECT {inorder.total('a')} FROM (SELECT {inorder.together('a')} AS a FROM ({lists}))"

    expected = looped([(partition, value) for partition, _, value in placed])

    assert db.execute(query).fetchall() == [(expected,)]
    assert expected != math.fsum(values), "the order counts"


@pytest.mark.parametrize("kind", ["tumble", "hop", "cumulate"])
@settings(max_examples=6)
@given(given_clicks=clicks, cuts=st.lists(st.integers(0, 29), max_size=4), compact=st.sampled_from([1, 10**6]))
def test_windows_add_pane_by_pane_as_flink_does(kind: str, given_clicks: Any, cuts: list[int], compact: int) -> None:
    rows = log_of(given_clicks)
    db = connect()
    panes = Panes("panes", windowed(kind))
    panes.create(db)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clickstream.tables.engine.operators.panes.COMPACT_AFTER_ROWS", compact)
        for batch in batches(rows, cuts):
            panes.absorb(db, put(db, batch), behind=False)
    panes.close(db, 14_999, "out")

    of_pane = [[row for row in rows if (row.time or 0) // 5_000 == number] for number in range(3)]
    windows = {
        "tumble": [[rows]],
        "hop": [of_pane[number::-1] for number in range(3)],
        "cumulate": [of_pane[: number + 1] for number in range(3)],
    }[kind]
    expected = [aggregated(window) for window in windows if any(window)]
    assert results(db, "ORDER BY window_end") == expected


@settings(max_examples=6)
@given(given_clicks=clicks, cuts=st.lists(st.integers(0, 29), max_size=4))
def test_sessions_add_in_the_order_of_the_log(given_clicks: Any, cuts: list[int]) -> None:
    rows = log_of(given_clicks)
    db = connect()
    sessions = Sessions("sessions", windowed("session"))
    sessions.create(db)
    for batch in batches(rows, cuts):
        sessions.absorb(db, put(db, batch))
    sessions.close(db, 200_000, "out")
    assert results(db) == [aggregated([rows])]


@settings(max_examples=6)
@given(given_clicks=clicks, cuts=st.lists(st.integers(0, 29), max_size=4), closing=st.integers(1, 3))
def test_groups_add_in_the_order_of_the_log(given_clicks: Any, cuts: list[int], closing: int) -> None:
    rows = log_of(given_clicks)
    db = connect()
    query = f"SELECT ip, {AGGREGATES} FROM clicks GROUP BY ip"
    groups = Groups("groups", node(sink(f"ip STRING, {COLUMNS}", "ip") + f"INSERT INTO results {query};"))
    groups.create(db)
    for number, batch in enumerate(batches(rows, cuts)):
        groups.absorb(db, put(db, batch))
        if number % closing == 0:
            groups.close(db, BEGINNING, "out")
    groups.absorb(db, put(db, []))
    groups.absorb(db, put(db, [Row(0, 10**6, 0, BEGINNING, "a")]))
    groups.close(db, BEGINNING, "out")
    assert results(db) == [aggregated([rows])]
