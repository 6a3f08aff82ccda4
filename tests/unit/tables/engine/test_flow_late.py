"""A flow looks for late rows as long as there may be any, and no longer."""

from typing import Any

import pytest

from clickstream.tables.engine.compile.compiler import batch_of
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.names import identifier
from tests.unit.tables.engine.flows import at, flow_of
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.sql.support import checked, sink

SQL = (
    "CREATE TEMPORARY VIEW named AS SELECT c.userid, u.name, c.ts FROM clicks AS c "
    "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;\n"
    + sink("name STRING, we TIMESTAMP(3), n BIGINT")
    + "INSERT INTO results SELECT name, window_end, COUNT(*) FROM "
    "TABLE(TUMBLE(TABLE named, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY name, window_start, window_end;"
)


def test_the_late_path_is_left_when_no_late_row_waits_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    db = connect()
    flow = flow_of(db, checked(SQL).program)
    asked: list[bool] = []
    absorb = Panes.absorb

    def noted(self: Panes, db: Any, rows: str, *, behind: bool = True) -> None:
        asked.append(behind)
        absorb(self, db, rows, behind=behind)

    monkeypatch.setattr(Panes, "absorb", noted)

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
