"""Whether rows may be seen as soon as they are taken, or all wait for a watermark: then the engine may rest longer."""

import duckdb
import pytest

from clickstream.tables.sql.model import Program
from tests.differential.files import compiled, prepared
from tests.unit.tables.engine.flows import flow_of
from tests.unit.tables.engine.streams import connect
from tests.unit.tables.sql.support import checked, sink

COUNTS = sink("ip STRING, n BIGINT", "ip")
WINDOW = "SELECT ip, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
JOIN = "SELECT c.ip, u.city FROM clicks c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;"


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    return connect()


@pytest.mark.parametrize(
    ("sql", "at_once"),
    [
        (f"{COUNTS}INSERT INTO results {WINDOW}GROUP BY ip, window_start, window_end;", False),
        (f"{sink('ip STRING, city STRING')}INSERT INTO results {JOIN}", False),
        (f"{sink('ip STRING')}INSERT INTO results SELECT ip FROM clicks;", True),
        (f"{COUNTS}INSERT INTO results SELECT ip, COUNT(*) FROM clicks GROUP BY ip;", True),
    ],
    ids=["windows", "a join", "a stream", "groups without a window"],
)
def test_rows_of_windows_and_joins_wait_and_others_do_not(
    db: duckdb.DuckDBPyConnection, sql: str, at_once: bool
) -> None:
    assert flow_of(db, checked(sql).program).gives_rows_at_once is at_once


def clickstream() -> Program:
    return compiled(prepared("clickstream", "s", "r"), "localhost:9092").program


def test_in_the_shipped_file_all_rows_wait(db: duckdb.DuckDBPyConnection) -> None:
    assert not flow_of(db, clickstream()).gives_rows_at_once


def test_early_rows_do_not_wait(db: duckdb.DuckDBPyConnection) -> None:
    assert flow_of(db, clickstream(), changes=True).gives_rows_at_once
