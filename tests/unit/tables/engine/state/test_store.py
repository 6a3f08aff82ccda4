"""The state file: what it keeps, whom it refuses, and what it notices."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.state.place import COMMITS, FILE, reset
from clickstream.tables.engine.state.statements import Statements
from clickstream.tables.engine.state.store import Identity, Membership, Progress, State

OF_B = {"CREATE TABLE a": "CREATE TABLE a (x INT)", "INSERT INTO b": "INSERT INTO b SELECT x FROM a"}
STATEMENTS = {"b": OF_B}


@contextmanager
def opened(directory: Path, statements: Statements = STATEMENTS, cluster: str = "here") -> Iterator[State]:
    state = State(directory, statements, cluster_id=cluster, memory_limit="100MB", threads=1)
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
    of_origins: dict[Identity, int] = {(0, 4, b"k", b"v"): 1, (1, 5, None, b"v"): 2}
    of_bytes: dict[Identity, int] = {(None, None, b"k", b"v"): 1, (None, None, None, b"v"): 3}
    with opened(tmp_path) as state:
        assert state.written("b") == {}
        state.save_written("b", {0: 5, 1: 7}, {(0, 1, b"", b""): 1})
        state.save_written("b", {0: 6, 1: 7}, of_origins)
        state.save_written("c", {}, of_bytes)
        state.save_written("d", {}, {})
    with opened(tmp_path) as state:
        assert (state.written("b"), state.written("c")) == ({0: 6, 1: 7}, {})
        assert (state.there("b"), state.there("c"), state.there("d")) == (of_origins, of_bytes, {})
        state.save_written("b", {0: 8}, {})
    with opened(tmp_path) as state:
        assert (state.there("b"), state.there("c")) == ({}, of_bytes)


def test_floors_and_topic_ids_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        assert (state.floors(), state.topic_id("b")) == ({}, None)
        state.save_floors({"a": 1, "a,b": 2})
        state.save_floors({"a,b": 3})
        state.save_topic_id("b", "an id")
    with opened(tmp_path) as state:
        assert (state.floors(), state.topic_id("b")) == ({"a,b": 3}, "an id")
        state.save_floors({"a,b": 3})
        state.save_floors({})
    with opened(tmp_path) as state:
        state.save_floors({})  # before anybody asked what they are
        assert state.floors() == {}


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
        ({"b": {**OF_B, "CREATE TABLE a": "CREATE TABLE a (y INT)"}}, "CREATE TABLE a was changed"),
        ({"b": {**OF_B, "CREATE VIEW v": "CREATE VIEW v AS SELECT 1"}}, "CREATE VIEW v is new"),
        ({"c": OF_B}, "INSERT INTO b is gone"),
    ],
)
def test_other_statements_are_refused_by_name(tmp_path: Path, now: Statements, says: str) -> None:
    with opened(tmp_path):
        pass
    with pytest.raises(ClickstreamError, match=f"other statements: {says}. --reset"), opened(tmp_path, now):
        pass
    with opened(tmp_path):  # and the state is free and as it was
        pass


def test_settings_that_an_earlier_version_has_noted_do_not_matter(tmp_path: Path) -> None:
    with opened(tmp_path, {"b": {**OF_B, "SET 'table.exec.sink.require-on-conflict'": "false"}}):
        pass
    with opened(tmp_path) as state:
        assert state.added == []


def test_an_insert_more_keeps_the_state_and_is_of_a_later_generation(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save("a", Progress("", 0, 0, {}))
        assert state.added == []
    more = {"c": {"INSERT INTO c": "..."}, **STATEMENTS}
    with opened(tmp_path, more) as state:
        assert state.added == ["c"]
        state.begin()
        state.add({"c": more["c"]}, begins=5)
        state.commit()
    with opened(tmp_path, more) as state:
        assert state.added == []
        assert state.progress("a") is not None
        assert state.memberships() == {"b": Membership(0, None), "c": Membership(1, 5)}


def test_a_state_of_another_cluster_is_told_as_that(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    says = "belongs to another Kafka cluster, here; this one is there"
    with pytest.raises(ClickstreamError, match=says) as raised, opened(tmp_path, cluster="there"):
        pass
    assert "--reset" not in str(raised.value)


def test_a_directory_that_is_removed_meanwhile_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as state:
        state.begin()
        shutil.rmtree(tmp_path / "state")
        with pytest.raises(ClickstreamError, match="was removed while the tables ran"):
            state.commit()


def _killed(directory: Path, transactions: int) -> None:
    """A state as a SIGKILL leaves it: with all transactions in the write-ahead log."""
    code = (
        "import os, pathlib, sys\n"
        "from clickstream.tables.engine.state.store import Progress, State\n"
        f"state = State(pathlib.Path({str(directory)!r}), {STATEMENTS!r}, cluster_id='here', memory_limit='100MB', "
        "threads=1)\n"
        f"for number in range({transactions}):\n"
        "    state.begin(); state.save('a', Progress('', 0, number, {})); state.commit()\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9


def test_a_killed_process_leaves_all_that_it_committed(tmp_path: Path) -> None:
    _killed(tmp_path, 3)
    assert (tmp_path / f"{FILE}.wal").stat().st_size > 0
    with opened(tmp_path) as state:
        assert state.progress("a") == Progress("", 0, 2, {})


def test_a_number_that_was_written_before_a_commit_that_never_came_is_no_loss(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.begin()
        state.commit()
    (tmp_path / COMMITS).write_text(f"{3:020d}")
    with opened(tmp_path):
        pass


@pytest.mark.parametrize("loss", ["no log", "half a log", "no file"])
def test_a_damaged_or_missing_write_ahead_log_is_noticed(tmp_path: Path, loss: str) -> None:
    _killed(tmp_path, 5)
    log = tmp_path / f"{FILE}.wal"
    match loss:
        case "no log":
            log.unlink()
        case "half a log":
            os.truncate(log, log.stat().st_size // 2)
        case _:
            log.unlink()
            (tmp_path / FILE).unlink()
    with pytest.raises(ClickstreamError, match=r"missing or damaged|may be damaged"), opened(tmp_path):
        pass
    reset(tmp_path)
    with opened(tmp_path) as state:
        assert state.progress("a") is None


def test_reset_forgets_the_state_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save("a", Progress("", 0, 0, {}))
    (tmp_path / "spill").mkdir()
    (tmp_path / "notes.txt").write_text("a person's")
    reset(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "notes.txt"]
    with opened(tmp_path, {"other": {"INSERT INTO other": ""}}) as state:
        assert state.progress("a") is None


def test_reset_of_nothing_makes_nothing(tmp_path: Path) -> None:
    reset(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"garbage" * 1000)
    with (
        pytest.raises(ClickstreamError, match=r"state\.duckdb cannot be opened, it may be damaged: .*--reset"),
        opened(tmp_path),
    ):
        pass
