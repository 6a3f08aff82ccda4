"""Rows of several tables in one query: their order is defined, whichever table happened to be read first."""

import itertools

import pytest

from clickstream.tables.engine.compile.compiler import batch_of
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.sources.stream import show_nothing
from clickstream.tables.names import identifier
from tests.unit.tables.engine.flows import at, flow_of
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.sql.support import TABLES, checked, sink

TAPS = TABLES[TABLES.index("CREATE TABLE clicks") : TABLES.index("CREATE TABLE users")].replace("clicks", "taps")
BOTH = TAPS + (
    "CREATE VIEW likes AS SELECT ip, CAST(userid AS DOUBLE) / 7 AS amount, ts FROM taps;\n"
    "CREATE VIEW both_tables AS SELECT ip, CAST(userid AS DOUBLE) / 7 AS amount, ts FROM clicks "
    "UNION ALL SELECT * FROM likes;\n"
)
SUMS = BOTH + (
    sink("ip STRING, we TIMESTAMP(3), total DOUBLE") + "INSERT INTO results SELECT ip, window_end, SUM(amount) FROM "
    "TABLE({window}) GROUP BY ip, window_start, window_end;"
)
FIRST = BOTH + (
    sink("ip STRING, amount DOUBLE") + "INSERT INTO results SELECT ip, amount FROM (SELECT *, ROW_NUMBER() OVER "
    "(PARTITION BY ip ORDER BY ts) AS place FROM both_tables) WHERE place = 1;"
)
COLUMNS = "userid, ip, make_timestamp_ms(t) AS ts"
# Added in another order they give other last digits; all are of partition 0, and two of the same offset and time.
BATCHES = {
    "clicks": [Row(0, 0, 1_000, BEGINNING, "a", 1_000_003), Row(0, 1, 1_001, BEGINNING, "a", 5)],
    "taps": [Row(0, 0, 1_000, BEGINNING, "a", 11), Row(0, 1, 1_002, BEGINNING, "a", 999_999_999)],
}


def results(sql: str, order: tuple[str, ...]) -> list[tuple[object, ...]]:
    """What is final after the tables' batches came in this order."""
    db, program = connect(), checked(sql).program
    flow = flow_of(db, program)
    for name in order:
        for table in BATCHES:
            used = {"userid", "ip", "ts"}
            show_nothing(db, program.tables[table], used)
        batch = put(db, BATCHES[name], COLUMNS)
        db.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(batch_of(name))} AS SELECT * FROM {batch}")
        flow.relate(db, at(clicks=BEGINNING, taps=BEGINNING))
        flow.absorb(db, at(clicks=BEGINNING, taps=BEGINNING))
    flow.close(db, at(clicks=100_000, taps=100_000))
    [branch] = flow.branches
    return db.execute(f'SELECT * EXCLUDE ("$p", "$o", "$t", "$wm") FROM ({branch.sql})').fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        SUMS.replace("{window}", "TUMBLE(TABLE both_tables, DESCRIPTOR(ts), INTERVAL '10' SECOND)"),
        SUMS.replace("{window}", "HOP(TABLE both_tables, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"),
        SUMS.replace("{window}", "SESSION(TABLE both_tables PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '10' SECOND)"),
        FIRST,
    ],
    ids=["tumble", "hop", "session", "first"],
)
def test_which_table_was_read_first_does_not_matter(sql: str) -> None:
    assert not checked(sql).problems, checked(sql).render()
    found = [results(sql, order) for order in itertools.permutations(BATCHES)]
    assert found[0]
    assert found[0] == found[1]
