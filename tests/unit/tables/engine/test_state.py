"""The state file: what it keeps, whom it refuses, and what a failed statement is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.state import FILE, Progress, State, naming, refuse, reset

STATEMENTS = {"CREATE TABLE a": "CREATE TABLE a (x INT)", "INSERT INTO b": "INSERT INTO b SELECT x FROM a"}


@contextmanager
def opened(directory: Path, **statements: str) -> Iterator[State]:
    state = State(directory, statements or STATEMENTS, memory_limit="100MB", threads=1)
    try:
        yield state
    finally:
        state.close()


def test_progress_is_kept(tmp_path: Path) -> None:
    progress = Progress("an id", -5, 77, {0: (12, 100), 3: (0, -(2**61))})
    with opened(tmp_path) as state:
        assert state.progress("a") is None
        state.save("a", progress)
        state.save("b", Progress("", 0, 0, {}))
    with opened(tmp_path) as state:
        assert state.progress("a") == progress
        state.save("a", Progress("an id", 1, 78, {0: (13, 101)}))
        assert state.progress("a") == Progress("an id", 1, 78, {0: (13, 101)})


def test_where_results_end_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        assert state.written("b") == {}
        state.save_written("b", {0: 5, 1: 7}, {(0, 1): 1})
        state.save_written("b", {0: 6, 1: 7}, {(0, 4): 1, (1, 5): 2})
        state.save_written("c", {}, {(b"k", b"v"): 1, (None, b"v"): 3, (b"k", None): 1})
        state.save_written("d", {}, {})
    with opened(tmp_path) as state:
        assert (state.written("b"), state.written("c")) == ({0: 6, 1: 7}, {})
        assert state.there("b") == {(0, 4): 1, (1, 5): 2}
        assert state.there("c") == {(b"k", b"v"): 1, (None, b"v"): 3, (b"k", None): 1}
        assert state.there("d") == {}


def test_rows_that_a_transaction_inserted_can_be_deleted_by_it_with_their_row_ids(tmp_path: Path) -> None:
    """DuckDB 2.0.0 deletes others, or dies, unless an optimizer of it is off."""
    new = "SELECT 'a name that is long ' || i AS name, 1 AS n FROM range(11_000) t(i) WHERE hash(i + {step}) % 10 < 9"
    both = "SELECT rowid AS slice, name, n FROM fresh UNION ALL SELECT slice, name, n FROM found"
    with opened(tmp_path) as state:
        db = state.db
        db.execute("CREATE TABLE sums (name VARCHAR, n BIGINT)")
        expected = 0
        for transaction in range(4):
            db.execute("BEGIN")
            for batch in range(4):
                db.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {new.format(step=4 * transaction + batch)}")
                expected += len(db.execute("SELECT 1 FROM fresh").fetchall())
                db.execute(
                    "CREATE OR REPLACE TEMP TABLE found AS SELECT f.rowid AS slice, s.rowid AS id, s.name, s.n "
                    "FROM sums s JOIN fresh f ON s.name = f.name"
                )
                db.execute("DELETE FROM sums WHERE rowid IN (SELECT id FROM found)")
                db.execute(f"INSERT INTO sums SELECT any_value(name), sum(n) FROM ({both}) GROUP BY slice")
                assert db.execute("SELECT sum(n) FROM sums").fetchall() == [(expected,)]
            db.execute("COMMIT")


def test_what_was_not_committed_is_not_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.db.execute("BEGIN")
        state.save("a", Progress("", 0, 0, {}))
    with opened(tmp_path) as state:
        assert state.progress("a") is None


def test_only_one_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path):
        with pytest.raises(ClickstreamError, match=r"Another process .*--state-dir"), opened(tmp_path):
            pass
        with pytest.raises(ClickstreamError, match="Another process"):
            reset(tmp_path)
    with opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ({"CREATE TABLE a": "CREATE TABLE a (y INT)"}, "CREATE TABLE a was changed; INSERT INTO b is gone"),
        ({**STATEMENTS, "SET x": "SET x = 1"}, "SET x is new"),
    ],
)
def test_other_statements_are_refused_by_name(tmp_path: Path, now: dict[str, str], says: str) -> None:
    with opened(tmp_path):
        pass
    with pytest.raises(ClickstreamError, match=f"{says}. --reset"), opened(tmp_path, **now):
        pass
    with opened(tmp_path):  # and the state is free and as it was
        pass


def test_reset_forgets_the_state_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save("a", Progress("", 0, 0, {}))
    (tmp_path / "spill").mkdir()
    (tmp_path / "notes.txt").write_text("a person's")
    reset(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "notes.txt"]
    with opened(tmp_path, other="statements") as state:
        assert state.progress("a") is None


def test_reset_of_nothing_makes_nothing(tmp_path: Path) -> None:
    reset(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"garbage" * 1000)
    with pytest.raises(ClickstreamError, match=r"state\.duckdb cannot be opened: .*--reset"), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT 1 // 0", "INSERT INTO b cannot go on: division by zero. NULLIF"),
        ("SELECT error('Cannot cast ''x'' to INT.')", "INSERT INTO b cannot go on: Cannot cast 'x' to INT. TRY_CAST"),
        ("SELECT error('too odd')", "INSERT INTO b cannot go on: too odd."),
        ("COPY (SELECT 1) TO '/nowhere/at/all.csv'", "cannot be written: .* free some space"),
    ],
)
def test_what_people_read_of_a_failed_statement(tmp_path: Path, sql: str, says: str) -> None:
    with duckdb.connect(config={"error_on_division_by_zero": True}) as db:
        with pytest.raises(duckdb.Error) as failed, naming("INSERT INTO b"):
            db.execute(sql).fetchall()
        with pytest.raises(ClickstreamError, match=says):
            raise refuse(failed.value, tmp_path)


def test_the_first_error_counts_not_those_of_cleaning_up(tmp_path: Path) -> None:
    def work(db: duckdb.DuckDBPyConnection) -> None:
        with naming("INSERT INTO b"):
            db.execute("BEGIN")
            try:
                db.execute("SELECT error('the first')").fetchall()
            finally:
                db.execute("SELECT 1")

    with duckdb.connect() as db, pytest.raises(duckdb.Error) as failed:
        work(db)
    assert str(refuse(failed.value, tmp_path)) == "INSERT INTO b cannot go on: the first."
