"""The first row of each key, against keys followed row by row."""

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators.firsts import KeepFirst
from clickstream.tables.engine.operators.operator import BEGINNING, END
from clickstream.tables.sql.model import TopN
from clickstream.tables.sql.plans import walk
from tests.unit.tables.engine.streams import Partitions, Row, connect, late, put
from tests.unit.tables.sql.support import plan, sink

COLUMNS = "ip, userid, status, make_timestamp_ms(t) AS ts"
Result = tuple[Any, ...]


def node_of() -> TopN:
    inner = "SELECT ip, userid, status, ts, ROW_NUMBER() OVER (PARTITION BY ip, status ORDER BY ts) AS n FROM clicks"
    outer = f"SELECT ip, userid, status, ts FROM ({inner}) WHERE n = 1"
    found = plan(sink("ip STRING, userid INT, status INT, ts TIMESTAMP_LTZ(3)") + f"INSERT INTO results {outer};")
    return next(one for one in walk(found) if isinstance(one, TopN))


def started(db: duckdb.DuckDBPyConnection) -> KeepFirst:
    made = KeepFirst("firsts", node_of())
    made.create(db)
    return made


def results(db: duckdb.DuckDBPyConnection, table: str = "out") -> list[Result]:
    return db.execute(f"SELECT ip, status, epoch_ms(ts), userid FROM {table}").fetchall()


class RowByRow:
    """As Flink's RowTimeDeduplicateKeepFirstRowFunction, with rows at the same time by partition and offset."""

    def __init__(self) -> None:
        self.waiting: dict[Any, Row] = {}
        self.left: dict[Any, int] = {}
        self.late: list[Row] = []

    def take(self, row: Row) -> None:
        key = (row.ip, row.status)
        if row.time is None:
            return
        if row.time < row.watermark:
            self.late.append(row)
        elif key not in self.left:
            held = self.waiting.get(key)
            if held is None or self.place(row) < self.place(held):
                self.waiting[key] = row

    def close(self, watermark: int) -> list[Result]:
        leaving = [row for row in self.waiting.values() if row.time is not None and row.time <= watermark]
        for row in leaving:
            del self.waiting[(row.ip, row.status)]
            assert row.time is not None
            self.left[(row.ip, row.status)] = row.time
        return [(row.ip, row.status, row.time, row.userid) for row in sorted(leaving, key=self.place)]

    @staticmethod
    def place(row: Row) -> tuple[Any, ...]:
        return row.time, row.partition, row.offset


records = st.tuples(
    st.integers(0, 1),
    st.none() | st.integers(0, 12).map(lambda step: step * 1_000),
    st.none() | st.sampled_from("ab"),
    st.integers(0, 1),
)
batches = st.lists(st.lists(records, max_size=10), min_size=1, max_size=4)


@pytest.mark.parametrize("count", [1, 2])
@settings(max_examples=40, derandomize=True)
@given(st.sampled_from([0, 3_000]), batches)
def test_keys_have_their_first_row_once(count: int, delay: int, given_batches: list[list[Any]]) -> None:
    db, partitions, reference = connect(), Partitions(count, delay), RowByRow()
    firsts = started(db)
    for batch in given_batches:
        rows = [
            partitions.row(lane % count, time, ip=ip, status=status, userid=number)
            for number, (lane, time, ip, status) in enumerate(batch)
        ]
        firsts.absorb(db, put(db, rows, COLUMNS))
        for row in rows:
            reference.take(row)
        times = [row.time for row in reference.waiting.values() if row.time is not None]
        assert (firsts.horizon(db) or 0) >= max(times, default=-1) + 1
        expected = reference.close(partitions.watermark)
        assert firsts.due(partitions.watermark) or not expected
        firsts.close(db, partitions.watermark, "out")
        assert results(db) == expected
    firsts.close(db, END, "out")
    assert results(db) == reference.close(END)
    assert set(late(db)) <= {(row.partition, row.offset) for row in reference.late}


def row(offset: int, time: int | None, watermark: int = BEGINNING, ip: str = "a") -> Row:
    return Row(0, offset, time, watermark, ip=ip, userid=offset, status=1)


@pytest.mark.parametrize("at_once", [True, False])
def test_late_are_rows_that_could_have_been_the_first(at_once: bool) -> None:
    db = connect()
    firsts = started(db)
    rows = [
        row(0, 10_000),
        row(1, 9_000, watermark=10_000),
        row(2, 9_999, watermark=10_000, ip="b"),
        row(3, 20_000, watermark=10_000, ip="b"),
        row(4, 12_000, watermark=15_000),
        row(5, None, watermark=15_000),
    ]
    for batch in [rows] if at_once else [[one] for one in rows]:
        firsts.absorb(db, put(db, batch, COLUMNS))
        firsts.close(db, batch[-1].watermark, "out")
    assert late(db) == [(0, 1), (0, 2)]


def test_a_row_at_its_watermark_is_in_time() -> None:
    db = connect()
    firsts = started(db)
    firsts.absorb(db, put(db, [row(0, 10_000, watermark=10_000)], COLUMNS))
    assert firsts.due(10_000)
    firsts.close(db, 10_000, "out")
    assert results(db) == [("a", 1, 10_000, 0)]
    assert late(db) == []


def test_the_state_survives_a_restart() -> None:
    db = connect()
    before = started(db)
    before.absorb(db, put(db, [row(0, 10_000), row(1, 20_000, ip="b")], COLUMNS))
    before.close(db, 10_000, "out")
    again = started(db)
    assert not again.due(19_999)
    again.absorb(db, put(db, [row(2, 15_000), row(3, 20_000, ip="b")], COLUMNS))
    again.close(db, END, "out")
    assert results(db) == [("b", 1, 20_000, 1)]


def test_early_rows_are_those_that_wait_and_changed() -> None:
    db = connect()
    firsts = started(db)
    firsts.absorb(db, put(db, [row(0, 10_000), row(1, 20_000, ip="b")], COLUMNS))
    firsts.early(db, "early")
    assert len(results(db, "early")) == 2
    firsts.absorb(db, put(db, [row(2, 9_000), row(3, 21_000, ip="b")], COLUMNS))
    firsts.early(db, "early")
    assert results(db, "early") == [("a", 1, 9_000, 2)]
    assert db.execute('SELECT "$end" FROM early').fetchall() == [(9_001,)]


def test_a_batch_does_not_look_through_the_keys_that_left() -> None:
    db = connect()
    firsts = started(db)
    firsts.absorb(db, put(db, [row(0, 10_000), row(1, 11_000, ip="b")], COLUMNS))
    firsts.close(db, 11_000, "out")
    db.execute("ALTER TABLE firsts_left RENAME TO elsewhere")
    batch = put(db, [row(2, 12_000), row(3, 13_000, ip="c")], COLUMNS)
    firsts.absorb(db, batch)
    db.execute("ALTER TABLE elsewhere RENAME TO firsts_left")
    firsts.close(db, 13_000, "out")
    assert results(db) == [("c", 1, 13_000, 3)]
    assert firsts.horizon(db) is None
