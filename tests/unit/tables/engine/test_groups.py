"""GROUP BY without a window: what changed, and what was before."""

from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import walk
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.sql.support import plan, sink

SQL = sink("ip STRING, n BIGINT, total INT, statuses BIGINT", "ip") + (
    "INSERT INTO results SELECT ip, COUNT(*), SUM(userid), COUNT(DISTINCT status) FROM clicks GROUP BY ip;"
)


NODE = next(one for one in walk(plan(SQL)) if isinstance(one, GroupBy))


def row(ip: str | None, userid: int | None = None, status: int | None = None) -> Row:
    return Row(0, 0, 0, BEGINNING, ip=ip, userid=userid, status=status)


def closed(groups: Groups, db: duckdb.DuckDBPyConnection) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The rows of the groups that changed, and what they were before."""
    groups.close(db, BEGINNING, "out")
    both = [
        {ip: tuple(values) for ip, *values in db.execute(f"SELECT {_COLUMNS} FROM {table}").fetchall()}
        for table in ("out", Groups.before("out"))
    ]
    return both[0], both[1]


_COLUMNS = 'ip, "$agg0:0", "$agg1:0", "$agg2:0"'


def test_what_changed_and_what_was_before() -> None:
    db, groups = connect(), Groups("groups", NODE)
    groups.create(db)
    groups.absorb(db, put(db, [row("a", 1, 200), row(None, 5), row("a", 2, 200)]))
    assert closed(groups, db) == ({"a": (2, 3, 1), None: (1, 5, 0)}, {})
    groups.absorb(db, put(db, [row("b"), row("a", None, 404)]))
    groups.absorb(db, put(db, [row("a", 4)]))
    assert closed(groups, db) == ({"a": (4, 7, 2), "b": (1, None, 0)}, {"a": (2, 3, 1)})
    assert closed(groups, db) == ({}, {})


def test_what_a_group_has_seen_of_distinct_values_is_not_written_again() -> None:
    """A list in its row would be: with every batch, all values so far."""
    db, groups = connect(), Groups("groups", NODE)
    groups.create(db)
    kept = "SELECT v, rowid FROM groups_a2_values ORDER BY v"
    groups.absorb(db, put(db, [row("a", status=status) for status in range(1_000)]))
    assert closed(groups, db)[0]["a"] == (1_000, None, 1_000)
    before = db.execute(kept).fetchall()
    groups.absorb(db, put(db, [row("a", status=status) for status in (7, 1_000, 7)]))
    assert closed(groups, db)[0]["a"] == (1_003, None, 1_001)
    after = db.execute(kept).fetchall()
    assert after[:-1] == before
    assert after[-1][0] == 1_000
    types = db.execute("SELECT data_type FROM duckdb_columns() WHERE table_name = 'groups'").fetchall()
    assert types
    assert not [kind for (kind,) in types if kind.endswith("[]")]


def test_groups_go_on_in_another_process() -> None:
    db = connect()
    for number in range(3):
        groups = Groups("groups", NODE)
        groups.create(db)
        groups.absorb(db, put(db, [row("a", number)]))
        assert closed(groups, db)[0]["a"][0] == number + 1


def test_nothing_is_early_and_nothing_is_open() -> None:
    db, groups = connect(), Groups("groups", NODE)
    groups.create(db)
    groups.absorb(db, put(db, [row("a")]))
    closed(groups, db)
    groups.early(db, "early")
    assert db.execute("SELECT * FROM early").fetchall() == []
    assert groups.horizon(db) is None
    assert groups.due(BEGINNING)


_rows = st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.integers(-9, 9), st.none() | st.integers(0, 3))


@settings(max_examples=30)
@given(batches=st.lists(st.lists(_rows, max_size=8), max_size=5))
def test_groups_are_those_counted_row_by_row(batches: list[list[tuple[str | None, int | None, int | None]]]) -> None:
    db, groups = connect(), Groups("groups", NODE)
    groups.create(db)
    seen: list[Row] = []
    latest: dict[Any, Any] = {}
    for given_rows in batches:
        batch = [row(*one) for one in given_rows]
        groups.absorb(db, put(db, batch))
        seen += batch
        changed, before = closed(groups, db)
        assert changed.keys() == {one.ip for one in batch}
        assert before == {ip: latest[ip] for ip in changed if ip in latest}
        latest |= changed
    db.close()
    for ip, (count, total, statuses) in latest.items():
        own = [one for one in seen if one.ip == ip]
        numbers = [one.userid for one in own if one.userid is not None]
        assert count == len(own)
        assert total == (sum(numbers) if numbers else None)
        assert statuses == len({one.status for one in own} - {None})
