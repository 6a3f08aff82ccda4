"""Rows on their way to an append-only topic: stored with the state, sent after the commit, then forgotten."""

from collections.abc import Iterator

import duckdb
import pytest

from clickstream.tables.engine.state.store import Identity
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.outbox import Outbox
from clickstream.tables.sql.check import check

SCRIPT = """
CREATE TABLE numbers (x INT) WITH ('connector' = 'kafka', 'topic' = 'numbers', 'scan.startup.mode' = 'earliest-offset',
  'properties.bootstrap.servers' = 'x', 'format' = 'json');
CREATE TABLE copies (x INT) WITH (
  'connector' = 'kafka', 'topic' = 'copies', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
INSERT INTO copies SELECT x FROM numbers;
"""


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


def outbox(db: duckdb.DuckDBPyConnection) -> Outbox:
    [insert] = check(SCRIPT).program.inserts
    made = Outbox("copies", Encoder(insert.target, insert.plan.fields, insert.columns))
    made.create(db)
    return made


def store(db: duckdb.DuckDBPyConnection, box: Outbox, *numbers: int) -> None:
    values = ", ".join(f"({number})" for number in numbers)
    box.store(db, f"(SELECT * FROM (VALUES {values}) t(x))", "x")


def values(rows: list[tuple[object, ...]]) -> list[object]:
    return [row[1] for row in rows]


def test_rows_are_handed_over_once_in_their_order_and_forgotten_with_the_next_commit(
    db: duckdb.DuckDBPyConnection,
) -> None:
    box = outbox(db)
    store(db, box, 2, 1)
    assert values(box.unsent(db, 9)) == ['{"x":1}', '{"x":2}']
    assert box.unsent(db, 9) == []
    store(db, box, 3)
    box.forget_sent(db)
    assert values(box.unsent(db, 9)) == ['{"x":3}']
    box.forget_sent(db)
    store(db, box, 4)
    assert values(box.unsent(db, 9)) == ['{"x":4}']


def test_many_rows_are_handed_over_piece_by_piece(db: duckdb.DuckDBPyConnection) -> None:
    box = outbox(db)
    store(db, box, 1, 2, 3, 4)
    assert values(box.unsent(db, 2)) == ['{"x":1}', '{"x":2}']
    assert values(box.unsent(db, 2)) == ['{"x":3}', '{"x":4}']
    assert not box.owes
    assert box.unsent(db, 2) == []


def test_after_a_crash_what_is_in_the_topic_is_left_out_and_the_rest_sent(db: duckdb.DuckDBPyConnection) -> None:
    store(db, outbox(db), 1, 2, 2, 2)
    again = outbox(db)
    there: dict[Identity, int] = {(None, None, None, b'{"x":2}'): 2, (None, None, None, b"of a stream"): 1}
    assert again.forget_written(db, there) == {(None, None, None, b"of a stream"): 1}
    assert values(again.unsent(db, 9)) == ['{"x":1}', '{"x":2}']
    again.forget_sent(db)
    assert values(outbox(db).unsent(db, 9)) == []
