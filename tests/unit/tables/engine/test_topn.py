"""The first rows of windows, against rows sorted in Python."""

from collections import defaultdict
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators.operator import BEGINNING, END
from clickstream.tables.engine.operators.topn import WindowTopN, ranked
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import TopN
from clickstream.tables.sql.plans import walk
from tests.unit.tables.engine.streams import Partitions, Row, connect, late, put
from tests.unit.tables.sql.support import plan, sink

SIZE, SLIDE = 10_000, 5_000
HOP = "HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"
COLUMNS = "ip STRING, userid INT, status INT, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT"
Result = tuple[Any, ...]


def node_of(window: str = HOP, rank: str = ", n", condition: str = "n <= 2") -> TopN:
    inner = (
        "SELECT ip, userid, status, window_start, window_end, ROW_NUMBER() OVER "
        f"(PARTITION BY window_start, window_end, ip ORDER BY status DESC, userid) AS n FROM TABLE({window})"
    )
    outer = f"SELECT ip, userid, status, window_start, window_end{rank} FROM ({inner}) WHERE {condition}"
    columns = COLUMNS if rank else COLUMNS.replace(", n BIGINT", "")
    found = plan(sink(columns) + f"INSERT INTO results {outer};")
    return next(one for one in walk(found) if isinstance(one, TopN))


def started(db: duckdb.DuckDBPyConnection) -> WindowTopN:
    made = WindowTopN("topn", node_of())
    made.create(db)
    return made


def put_windowed(db: duckdb.DuckDBPyConnection, rows: list[Row]) -> str:
    """The rows, once for each of their windows."""
    batch = put(db, rows)
    first = f'"$t" - "$t" % {SLIDE}'
    db.execute(
        f"CREATE OR REPLACE TEMP VIEW windowed AS SELECT * EXCLUDE (e), make_timestamp_ms(e - {SIZE}) AS window_start, "
        f"make_timestamp_ms(e) AS window_end FROM "
        f"(SELECT *, unnest([{first} + {SLIDE}, {first} + {SIZE}]) AS e FROM {batch})"
    )
    return "windowed"


def results(db: duckdb.DuckDBPyConnection, table: str = "out") -> list[Result]:
    return db.execute(
        f"SELECT ip, epoch_ms(window_end), n, status, userid FROM {table} ORDER BY ip NULLS LAST, window_end, n"
    ).fetchall()


def windows_of(row: Row) -> list[int]:
    assert row.time is not None
    first = row.time - row.time % SLIDE
    return [first + SLIDE, first + SIZE]


def place(row: Row) -> tuple[Any, ...]:
    """NULLs are lowest: last when descending, first when ascending; then who came first."""
    status = (row.status is None, -(row.status or 0))
    return status, (row.userid is not None, row.userid or 0), row.partition, row.offset


def first_rows(end: int, rows: list[Row]) -> list[Result]:
    best = sorted(rows, key=place)[:2]
    return [(row.ip, end, rank, row.status, row.userid) for rank, row in enumerate(best, 1)]


records = st.tuples(
    st.integers(0, 1),
    st.integers(0, 30).map(lambda step: step * 1_000),
    st.none() | st.sampled_from("ab"),
    st.none() | st.integers(0, 2),
    st.none() | st.integers(0, 1),
)
batches = st.lists(st.lists(records, max_size=10), min_size=1, max_size=4)


@settings(max_examples=40, derandomize=True)
@given(st.sampled_from([0, 4_000, 30_000]), batches)
def test_windows_have_their_first_rows(delay: int, given_batches: list[list[Any]]) -> None:
    db, partitions = connect(), Partitions(2, delay)
    topn = started(db)
    open_: dict[tuple[int, str | None], list[Row]] = defaultdict(list)
    expected_late: list[tuple[int, int]] = []
    for batch in given_batches:
        rows = [partitions.row(lane, time, ip=ip, status=code, userid=user) for lane, time, ip, code, user in batch]
        topn.absorb(db, put_windowed(db, rows))
        for row in rows:
            taking = [end for end in windows_of(row) if row.watermark < end - 1]
            for end in taking:
                open_[(end, row.ip)].append(row)
            expected_late += [] if taking else [(row.partition, row.offset)]
        assert topn.horizon(db) == max((end for end, _ in open_), default=None)
        ended = [one for one in open_ if one[0] - 1 <= partitions.watermark]
        assert topn.due(partitions.watermark) or not ended
        topn.close(db, partitions.watermark, "out")
        assert sorted(results(db), key=str) == sorted(
            (r for one in ended for r in first_rows(one[0], open_.pop(one))), key=str
        )
    assert late(db) == sorted(expected_late)
    topn.close(db, END, "out")
    left = [row for (end, _), rows in open_.items() for row in first_rows(end, rows)]
    assert sorted(results(db), key=str) == sorted(left, key=str)


def row(offset: int, time: int, status: int, watermark: int = BEGINNING) -> Row:
    return Row(0, offset, time, watermark, ip="a", status=status)


def test_the_state_has_no_more_rows_than_can_be_first() -> None:
    db = connect()
    topn = started(db)
    for offset in range(5):
        topn.absorb(db, put_windowed(db, [row(offset, 1_000, status=offset)]))
    assert db.execute("SELECT epoch_ms(window_end), status FROM topn ORDER BY ALL").fetchall() == [
        (5_000, 3),
        (5_000, 4),
        (10_000, 3),
        (10_000, 4),
    ]


def test_the_state_survives_a_restart() -> None:
    db = connect()
    started(db).absorb(db, put_windowed(db, [row(0, 1_000, status=1)]))
    again = started(db)
    assert again.due(4_999)
    assert not again.due(4_998)
    again.absorb(db, put_windowed(db, [row(1, 1_000, status=2)]))
    again.close(db, 4_999, "out")
    assert results(db) == [("a", 5_000, 1, 2, None), ("a", 5_000, 2, 1, None)]


def test_early_rows_are_those_of_partitions_that_changed() -> None:
    db = connect()
    topn = started(db)
    topn.absorb(db, put_windowed(db, [row(0, 1_000, status=1), row(1, 21_000, status=1)]))
    topn.early(db, "early")
    assert {one[1] for one in results(db, "early")} == {5_000, 10_000, 25_000, 30_000}
    topn.absorb(db, put_windowed(db, [row(2, 1_000, status=2), row(3, 21_000, status=1), row(4, 21_000, status=0)]))
    topn.absorb(db, put_windowed(db, [row(5, 21_000, status=0)]))
    topn.early(db, "early")
    assert [one[1:4] for one in results(db, "early") if one[1] == 5_000] == [(5_000, 1, 2), (5_000, 2, 1)]
    assert db.execute('SELECT DISTINCT "$end" FROM early ORDER BY 1').fetchall() == [
        (5_000,),
        (10_000,),
        (25_000,),
        (30_000,),
    ]
    topn.absorb(db, put_windowed(db, [row(6, 21_000, status=0)]))
    topn.early(db, "early")
    assert results(db, "early") == [], "a row behind the first ones changes nothing"


@pytest.mark.parametrize(("rank", "condition"), [(", n", "n <= 2"), ("", "n <= 2"), ("", "n = 1")])
def test_closed_rows_are_ranked_in_one_go(rank: str, condition: str) -> None:
    db = connect()
    node = node_of(rank=rank, condition=condition)
    db.execute(
        "CREATE TABLE closed AS SELECT ip, userid, status, TIMESTAMP '2024-01-01' AS window_start, "
        "TIMESTAMP '2024-01-02' AS window_end FROM (VALUES ('a', 1, NULL), ('a', 7, 3), ('a', NULL, 3), ('b', 1, 1)) "
        "AS _(ip, userid, status)"
    )
    columns = "ip, userid, status" + rank
    expected = [("a", None, 3, 1), ("a", 7, 3, 2), ("b", 1, 1, 1)]
    expected = [one for one in expected if one[3] <= node.limit]
    found = db.execute(f"SELECT {columns} FROM ({ranked(node, '(FROM closed)')}) ORDER BY ip, userid NULLS FIRST")
    assert found.fetchall() == [one if rank else one[:3] for one in expected]


@pytest.mark.parametrize(
    ("order", "condition", "kept"),
    [
        ("ts DESC", "n = 1", 2),
        ("ts DESC", "n <= 1", 2),
        ("window_time DESC", "n = 1", 3),
        ("ts", "n = 1", 3),
        ("window_time", "n = 1", 0),
        ("ts DESC", "n <= 2", 0),
        ("ts DESC, ip DESC", "n = 1", 0),
    ],
)
def test_of_equal_times_the_last_row_is_kept_where_a_window_keeps_one_row_by_time_only(
    order: str, condition: str, kept: int
) -> None:
    inner = (
        "SELECT ip, window_start, window_end, userid AS id, ts AS moment, ROW_NUMBER() OVER "
        f"(PARTITION BY window_start, window_end ORDER BY {order}) AS n FROM "
        "TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"
    )
    found = plan(sink("id INT") + f"INSERT INTO results SELECT id FROM ({inner}) WHERE {condition};")
    node = next(one for one in walk(found) if isinstance(one, TopN))
    db, topn = connect(), WindowTopN("topn", node)
    topn.create(db)
    fields = {one.name for one in node.input.fields}
    # In two batches: offsets 0 and 1, 2 and 3; the last one is earlier than the others.
    for offsets in ((0, 1), (2, 3)):
        rows = [
            Row(0, offset, 59_000 if offset == 3 else 59_500, BEGINNING, ip="a", userid=offset) for offset in offsets
        ]
        batch = put(db, rows)
        made = {"id": "userid", "moment": 'make_timestamp_ms("$t")', "ip": "ip"}
        window = {name: f"make_timestamp_ms({ms})" for name, ms in (("window_start", 0), ("window_end", 60_000))}
        times = {name: "make_timestamp_ms(59_999)" for name in fields if name.startswith("$order")}
        columns = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in {**made, **window, **times}.items())
        db.execute(f'CREATE OR REPLACE TEMP VIEW windowed AS SELECT {columns}, "$p", "$o", "$t", "$wm" FROM {batch}')
        topn.absorb(db, "windowed")
    topn.close(db, END, "out")
    assert db.execute("SELECT min(id) FROM out").fetchall() == [(kept,)]
