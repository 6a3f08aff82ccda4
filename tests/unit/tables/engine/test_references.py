"""References against a dictionary that forgets nothing."""

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.engine.operators import references
from clickstream.tables.engine.operators.operator import END
from clickstream.tables.engine.operators.references import Join, Reference
from clickstream.tables.sql.model import TemporalJoin
from clickstream.tables.sql.plans import walk
from tests.unit.tables.engine.streams import Row, connect, put
from tests.unit.tables.sql.support import plan, sink

KEEP = 5  # ms
KEPT = ("userid", "status")


def node_of(kind: str) -> TemporalJoin:
    query = (
        f"SELECT c.userid, c.status, u.name FROM clicks AS c {kind} JOIN users FOR SYSTEM_TIME AS OF c.ts AS u "
        "ON c.userid = u.user_id"
    )
    found = plan(sink("userid INT, status INT, name STRING") + f"INSERT INTO results {query};")
    return next(one for one in walk(found) if isinstance(one, TemporalJoin))


@dataclass
class Bench:
    """A reference and a join with it, and what the join has to give."""

    kind: str
    db: duckdb.DuckDBPyConnection = field(default_factory=connect)
    watermark: int = 100
    offset: int = 0
    versions: dict[int, dict[int, str | None]] = field(default_factory=dict)
    waiting: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        node = node_of(self.kind)
        self.reference = Reference(node.reference, {"user_id", "name"})
        name = next(one.name for column, one in node.reference_fields if column == "name")
        fields = [one for one in node.left.fields if one.name in KEPT]
        self.join = Join("join", node, self.reference, fields, {name})
        self.select = f'SELECT userid, status, "{name}" FROM out ORDER BY ALL'
        self.reference.create(self.db)
        self.join.create(self.db)

    def change(self, changes: list[tuple[int, int, str | None]]) -> None:
        """New versions: user, ms after the last watermark but `KEEP`, name."""
        self.db.execute(
            'CREATE OR REPLACE TEMP TABLE changes (user_id INT, name VARCHAR, vt TIMESTAMP, "$ts" BIGINT, '
            '"$p" INTEGER, "$o" BIGINT, "$deleted" BOOLEAN)'
        )
        for user, after, name in changes:
            self.offset += 1
            time = self.watermark - KEEP + 1 + after
            self.db.execute(
                "INSERT INTO changes VALUES (?, ?, make_timestamp_ms(?), 0, 0, ?, ?)",
                [user, name, time, self.offset, name is None],
            )
            self.versions.setdefault(user, {})[time] = name
        self.reference.apply(self.db, "changes")

    def look_up(self, rows: list[tuple[int, int]]) -> None:
        """Clicks: user, ms after 20 ms before the watermark."""
        self.waiting += [
            Row(0, number, self.watermark - 20 + after, self.watermark, userid=user, status=number)
            for number, (user, after) in enumerate(rows)
        ]
        made = put(self.db, self.waiting[len(self.waiting) - len(rows) :], "userid, status")
        self.release(made, self.watermark)

    def release(self, rows: str, watermark: int) -> None:
        self.join.absorb(self.db, rows, watermark, "out")
        assert self.db.execute(self.select).fetchall() == sorted(
            (
                self.expected(row)
                for row in self.waiting
                if row.time is not None and row.time <= watermark and self.named(row)
            ),
            key=lambda found: (found[0], found[1], found[2] is None, found[2] or ""),
        )
        self.waiting = [row for row in self.waiting if row.time is not None and row.time > watermark]

    def named(self, row: Row) -> bool:
        return self.kind == "LEFT" or self.expected(row)[2] is not None

    def expected(self, row: Row) -> tuple[Any, ...]:
        assert row.userid is not None
        assert row.time is not None
        at = max(row.time, row.watermark - KEEP)
        own = {time: name for time, name in self.versions.get(row.userid, {}).items() if time <= at}
        return row.userid, row.status, own[max(own)] if own else None

    def go_on(self, by: int) -> None:
        self.watermark += by
        self.release(put(self.db, [], "userid, status"), self.watermark)
        self.reference.forget(self.db, self.watermark)


users = st.integers(0, 3)
steps = st.lists(
    st.tuples(
        st.just("change"),
        st.lists(st.tuples(users, st.integers(0, 30), st.none() | st.sampled_from("xyz")), min_size=1),
    )
    | st.tuples(st.just("look_up"), st.lists(st.tuples(users, st.integers(0, 60)), min_size=1, max_size=6))
    | st.tuples(st.just("go_on"), st.integers(0, 30)),
    max_size=8,
)


@pytest.mark.parametrize("kind", ["LEFT", "INNER"])
@settings(max_examples=12)
@given(given_steps=steps, share=st.sampled_from([0, 16]))
def test_rows_find_the_version_of_their_time(kind: str, given_steps: Any, share: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "KEEP_MS", KEEP)
        patch.setattr(references, "MERGE_AFTER_ROWS", 1)
        bench = Bench(kind)
        bench.change([(user, 0, "first") for user in (0, 1)])
        # 0: as if the table were so large that no batch may look through it.
        patch.setattr(references, "_SHARE", share or 10**9)
        if not share:
            bench.reference.count = 10**18
        for verb, argument in given_steps:
            getattr(bench, verb)(argument)
        bench.release(put(bench.db, [], "userid, status"), END)


@pytest.mark.parametrize("name", ["renamed", None])
def test_old_versions_are_forgotten(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    monkeypatch.setattr(references, "KEEP_MS", KEEP)
    monkeypatch.setattr(references, "MERGE_AFTER_ROWS", 10)
    bench = Bench("LEFT")
    for number in range(40):
        bench.change([(7, 0, f"{number}"), (number % 5, 0, name)])
        bench.go_on(20)
    held = [
        row
        for table in (bench.reference.settled, bench.reference.recent)
        for row in bench.db.execute(f"SELECT user_id FROM {table}").fetchall()
    ]
    assert len(held) < 20


def test_a_table_of_single_versions_is_joined_by_its_keys_alone() -> None:
    bench = Bench("LEFT")
    bench.change([(user, 0, "name") for user in range(50)])
    assert bench.reference.recent_count == 0
    bench.change([(3, 1, "other")])
    assert bench.reference.recent_count == 1


def test_the_last_few_changes_are_settled_once_no_more_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "KEEP_MS", KEEP)
    bench = Bench("LEFT")
    bench.change([(user, 0, "name") for user in range(50)])
    bench.change([(3, 1, "other"), (4, 10, None)])
    bench.go_on(2)
    assert bench.reference.recent_count == 2
    bench.go_on(10)
    assert bench.reference.recent_count == 0
    bench.look_up([(3, 20), (4, 20), (5, 20)])


def test_a_join_says_while_rows_wait_that_were_behind_their_watermark() -> None:
    bench = Bench("LEFT")
    said = []

    def absorb(watermark: int, *rows: Row) -> None:
        made = put(bench.db, list(rows), "userid, status")
        bench.join.absorb(
            bench.db, made, watermark, "out", behind=any((row.time or 0) <= row.watermark for row in rows)
        )
        said.append(bench.join.behind)

    absorb(100, Row(1, 0, 106, 100, userid=1))
    absorb(100, Row(0, 0, 105, 110, userid=1))
    absorb(102)
    again = Join("join", bench.join._node, bench.reference, bench.join._left, {"name"})
    again.create(bench.db)
    assert again.behind, "also after a restart"
    absorb(105)
    assert said == [False, True, True, False]
