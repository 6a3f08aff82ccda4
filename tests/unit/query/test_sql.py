"""Which SQL is answered, by DuckDB's own reading of it."""

import duckdb
import pytest

from clickstream.query.model import Limits, Refused
from clickstream.query.sql import statement, tables
from clickstream.query.worker import locked, run


def answered(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    """As the process does it, where `clicks` is all that there is."""
    select = statement(db, sql)
    if tables(db, select) not in ([], ["clicks"]):
        raise Refused("There is no such table.")
    run(db, select, Limits())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_json('https://example.com/x.json')",
        "SELECT * FROM parquet_scan('x.parquet')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "SELECT * FROM (SELECT * FROM (SELECT * FROM read_blob('/etc/passwd')))",
        "WITH x AS MATERIALIZED (SELECT * FROM read_csv('/etc/passwd')) FROM x",
        "SELECT * FROM clicks WHERE a IN (SELECT 1 FROM read_csv('/etc/passwd'))",
        "DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
        "SUMMARIZE SELECT * FROM read_csv('/etc/passwd')",
        "COPY clicks TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "EXPORT DATABASE '/tmp/x'",
        "ATTACH '/tmp/x.db'",
        "DETACH memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA enable_profiling",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "USE main",
        "BEGIN",
        "CHECKPOINT",
        "VACUUM",
        "CREATE TABLE x AS SELECT 1",
        "CREATE SECRET (TYPE s3)",
        "CREATE MACRO m() AS 1",
        "INSERT INTO clicks VALUES (1, 'x')",
        "DELETE FROM clicks",
        "UPDATE clicks SET a = 1",
        "DROP TABLE clicks",
        "WITH y AS (DELETE FROM clicks RETURNING *) SELECT * FROM y",
        "WITH y AS (INSERT INTO clicks VALUES (1, 'x') RETURNING *) SELECT * FROM y",
        "EXPLAIN ANALYZE SELECT 1",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '/tmp/x.csv'",
        "SELECT 1) AS found(c0), (SELECT 2",
        "SELECT 1) TO '/tmp/x.csv' --",
        "",
        "-- nothing",
        ";",
        "SELEC 1",
        "SELECT getenv('HOME')",
        "SELECT GetEnv('HOME')",
        "SELECT current_setting('threads')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_extensions()",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM system.main.duckdb_settings",
        "SELECT * FROM query('SELECT * FROM read_csv(''/etc/passwd'')')",
        "SELECT * FROM query_table('clicks')",
        "SELECT * FROM json_execute_serialized_sql('{}')",
        "SELECT * FROM arrow_scan(1, 2, 3)",
        "SELECT * FROM pandas_scan(1)",
        "SELECT * FROM enable_logging()",
        "SELECT write_log('x')",
        "SELECT * FROM given",
        "SELECT * FROM nowhere",
        "SELECT * FROM table_of",
        "SELECT nix FROM clicks",
        "SELECT 1/'x'",
    ],
)
def test_what_is_no_select_or_does_more_than_read_is_refused(sql: str) -> None:
    with locked(Limits()) as db:
        db.execute("CREATE TABLE clicks AS SELECT 1 AS a, 'x' AS t")
        db.execute("SET lock_configuration = true")
        with pytest.raises((Refused, duckdb.Error)):
            answered(db, sql)


def test_the_tables_are_those_that_are_read() -> None:
    with locked(Limits()) as db:
        sql = """WITH w AS (FROM "a-b") SELECT * FROM w, B b, (DESCRIBE c), LATERAL (SELECT max(x) FROM d), range(3)
          WHERE x IN (FROM e) UNION ALL BY NAME FROM main.f"""
        assert sorted(tables(db, statement(db, sql))) == ["B", "a-b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT * FROM a WHERE x > 4) SELECT count(*) FROM A",
        "WITH a AS (FROM main.a) FROM a",
        "WITH a AS (SELECT 1) FROM main.a",
        "SELECT * FROM (WITH a AS (FROM b) FROM a), a",
        "SELECT (WITH a AS (FROM b) SELECT x FROM a), (SELECT max(x) FROM a)",
        "WITH b AS (FROM a), a AS (SELECT 1) FROM b",
        "WITH a AS (SELECT 1), b AS (WITH a AS (FROM a) FROM a, c) FROM b, a",
        "WITH a AS (SELECT 1 AS x), c AS (SELECT 2 UNION ALL FROM a) "
        "FROM (FROM a UNION ALL (WITH a AS (FROM d) FROM a)) WHERE x IN (FROM c) ORDER BY (SELECT max(1) FROM a)",
        "WITH a AS MATERIALIZED (FROM b), b AS (FROM a) (FROM a) UNION ALL FROM b",
        "WITH a AS (SELECT 1) SELECT * FROM (DESCRIBE a), (SUMMARIZE b)",
        "WITH RECURSIVE a AS (SELECT x FROM a UNION ALL SELECT x + 1 FROM a WHERE x < 3) FROM a",
        "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a, b) FROM a",
        "WITH RECURSIVE a AS (WITH a AS (FROM b) SELECT x FROM a UNION ALL SELECT x FROM a) FROM a",
        "WITH RECURSIVE a AS (FROM a) FROM a",
    ],
)
def test_a_name_of_a_with_hides_a_table_where_duckdb_says_so(sql: str) -> None:
    with locked(Limits()) as db:
        assert {one.lower() for one in tables(db, statement(db, sql))} == db.get_table_names(sql)
