"""A flow looks for late rows as long as there may be any, and no longer."""

from typing import Any

import pytest

from clickstream.tables.engine.compile.compiler import batch_of
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.engine.watermarks import Moment
from clickstream.tables.names import identifier
from tests.unit.tables.engine.flows import at, flow_of
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.engine.test_flow_unions import BOTH
from tests.unit.tables.sql.support import checked, sink

SQL = (
    "CREATE TEMPORARY VIEW named AS SELECT c.userid, u.name, c.ts FROM clicks AS c "
    "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;\n"
    + sink("name STRING, we TIMESTAMP(3), n BIGINT")
    + "INSERT INTO results SELECT name, window_end, COUNT(*) FROM "
    "TABLE(TUMBLE(TABLE named, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY name, window_start, window_end;"
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether windows look for late rows, batch by batch."""
    found: list[bool] = []
    absorb = Panes.absorb

    def noted(self: Panes, db: Any, rows: str, *, behind: bool = True) -> None:
        found.append(behind)
        absorb(self, db, rows, behind=behind)

    monkeypatch.setattr(Panes, "absorb", noted)
    return found


def test_the_late_path_is_left_when_no_late_row_waits_any_more(asked: list[bool]) -> None:
    db = connect()
    flow = flow_of(db, checked(SQL).program)
    asked.clear()

    def step(watermark: int, *rows: Row) -> None:
        batch = put(db, list(rows), "userid, make_timestamp_ms(t) AS ts")
        db.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(batch_of('clicks'))} AS SELECT * FROM {batch}")
        flow.behind = any(row.time is not None and row.time <= row.watermark + 1 for row in rows)
        flow.relate(db, at(clicks=watermark))
        flow.absorb(db, at(clicks=watermark))

    step(BEGINNING, Row(0, 0, 30_000, BEGINNING))
    step(BEGINNING, Row(0, 1, 12_000, 25_000))  # behind its own partition's watermark; the table's has not passed it
    step(BEGINNING, Row(1, 0, 10_000, BEGINNING))  # it may come out at any time
    step(20_000)  # now it comes out of the join, too late for its window
    step(20_000, Row(1, 1, 26_000, 20_000))
    assert asked == [False, True, True, True, False]
    assert db.execute("SELECT p, o FROM late").fetchall() == [(0, 1)]


def test_the_late_path_is_left_when_the_tables_of_a_union_have_passed_its_floor(asked: list[bool]) -> None:
    """One of them was silent: its own watermark was behind where windows were closed without it."""
    counted = (
        BOTH
        + sink("we TIMESTAMP(3), n BIGINT")
        + (
            "INSERT INTO results SELECT window_end, COUNT(*) FROM "
            "TABLE(TUMBLE(TABLE both_tables, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;"
        )
    )
    db = connect()
    flow = flow_of(db, checked(counted).program)
    asked.clear()

    def step(clicks: int, floor: int, *rows: Row) -> None:
        batch = put(db, list(rows), "userid, ip, make_timestamp_ms(t) AS ts")
        db.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(batch_of('clicks'))} AS SELECT * FROM {batch}")
        both = ("clicks", "taps")
        moment = Moment({("clicks",): clicks, ("taps",): 60_000, both: max(clicks, floor)}, {both: floor})
        flow.relate(db, moment)
        flow.absorb(db, moment)

    step(5_000, 20_000)
    step(30_000, 20_000, Row(0, 0, 6_000, 5_000), Row(0, 1, 30_000, 6_000))
    assert asked == [True, True]
    assert db.execute("SELECT p, o FROM late").fetchall() == [(0, 0)]
    step(31_000, 20_000, Row(0, 2, 31_000, 30_000))
    step(31_000, 40_000)  # it is silent again
    step(41_000, 40_000, Row(0, 3, 41_000, 31_000))
    step(41_000, 40_000)
    assert asked[2:] == [False, True, True, False]
