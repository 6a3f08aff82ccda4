"""The database of the query process by itself: what stands behind the look at the SQL."""

from collections.abc import Iterator

import duckdb
import pytest

from clickstream.query.model import Limits
from clickstream.query.worker import locked


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with locked(Limits()) as found:
        found.execute("SET lock_configuration = true")
        yield found


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_json('https://example.com/x.json')",
        "COPY (SELECT 1) TO '/tmp/clickstream-query-test.csv'",
        "ATTACH '/tmp/clickstream-query-test.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '1TB'",
        "SET temp_directory = '/tmp'",
    ],
)
def test_what_is_not_refused_before_is_refused_there(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(duckdb.Error):
        db.execute(sql).fetchall()


def test_variables_of_python_are_no_tables(db: duckdb.DuckDBPyConnection) -> None:
    rows = [1, 2, 3]
    assert rows
    with pytest.raises(duckdb.CatalogException):
        db.execute("FROM rows").fetchall()
