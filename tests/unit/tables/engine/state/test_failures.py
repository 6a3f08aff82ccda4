"""What people read of a statement that failed."""

from pathlib import Path

import duckdb
import pytest

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.state.failures import naming, opening_failed, refuse


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT 1 // 0", "INSERT INTO b cannot go on: division by zero. NULLIF"),
        ("SELECT error('Cannot cast ''x'' to INT.')", "INSERT INTO b cannot go on: Cannot cast 'x' to INT. TRY_CAST"),
        ("SELECT error('too odd')", "INSERT INTO b cannot go on: too odd."),
        ("COPY (SELECT 1) TO '/nowhere/at/all.csv'", "cannot be read or written: .* What was committed is kept"),
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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("IO Error: Could not write file: No space left on device", "is full: .*free some space and start again"),
        ("IO Error: Cannot open file: Read-only file system", "cannot be written: .*make the directory writable"),
        ("IO Error: Cannot open file: Permission denied", "cannot be written: .*make the directory writable"),
        ("Out of Memory Error: failed to pin block of size 256.0 KiB", "more memory .*Raise --memory"),
    ],
)
def test_what_the_machine_lacks_is_never_a_reason_to_forget_the_state(tmp_path: Path, text: str, says: str) -> None:
    for failed in (opening_failed(duckdb.IOException(text), tmp_path / "state"), refuse(duckdb.Error(text), tmp_path)):
        assert "--reset" not in str(failed)
        with pytest.raises(ClickstreamError, match=says):
            raise failed
