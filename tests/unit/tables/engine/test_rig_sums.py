"""Sums of DOUBLE in sessions over joins: rows that wait in a join come later than others with higher offsets."""

import random
from pathlib import Path

import pytest

from clickstream.tables.engine.compile.compiler import compiled
from clickstream.tables.engine.needs import Needs
from clickstream.tables.engine.operators import sessions
from clickstream.tables.engine.operators.operator import raised_by
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.engine.rig import Rig
from clickstream.tables.sql.check import VARIABLES, check
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, reference, row, source, upsert, windows


def named(table: str) -> str:
    """The rows of a table, joined."""
    joined = f"{table} AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.ip = u.ip"
    return f"SELECT c.ip, u.name, c.price, c.ts FROM {joined}"


SQL = (
    SETTINGS
    + source("a", delay=5)
    + source("b", delay=5)
    + reference("users", "ip STRING, name STRING", "ip")
    + f"CREATE VIEW ab AS {named('a')} UNION ALL {named('b')};\n"
    + upsert("sums", f"ip STRING, {WINDOW}, total DOUBLE", "ip, window_start")
    + "INSERT INTO sums SELECT ip, window_start, window_end, SUM(price) "
    + f"FROM {windows('ab', 'SESSION', 20, partition='ip')} GROUP BY ip, window_start, window_end;\n"
)


def test_a_session_knows_where_rows_wait_and_which_lane_of_the_union_they_are_of() -> None:
    program = check(SQL, VARIABLES).program
    needs = Needs(program)
    references = {name: Reference(program.tables[name], needs.tables[name]) for name in needs.references}
    made = compiled(program, references)
    (placed,) = made.operators
    assert isinstance(placed.operator, Sessions)
    first, second = made.joins
    assert placed.operator.waiting == [(first, 0), (second, raised_by(1))]


def test_they_are_the_same_however_soon_they_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    log = [
        (table, row(number - draw.randint(0, 5), price=draw.uniform(-1e9, 1e9)))
        for number in range(40)
        for table in "ab"
    ]
    found = []
    for fold_after in (10**9, 1):
        monkeypatch.setattr(sessions, "FOLD_AFTER_VALUES", fold_after)
        with Rig(SQL, tmp_path / str(fold_after)) as rig:
            for table, one in log:
                rig.put(table, 0, one)
            while rig.step(records=2):
                pass
            rig.finish()
            found.append(rig.rows("sums"))
    assert len(found[0]) == 1
    assert found[0] == found[1]
