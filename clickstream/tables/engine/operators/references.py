"""Reference tables: every version of every key, and rows joined with the version of their time."""

import duckdb

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators.operator import HIDDEN, OFFSET, PARTITION, TIME, first_row, quoted
from clickstream.tables.sql.model import Field, Table, TemporalJoin


class Reference:
    """One upsert topic, kept whole: a version holds from its time until the next one of its key."""

    def __init__(self, table: Table, used: set[str]) -> None:
        self.table = table
        self.name = f"reference_{table.name}"
        self.columns = [column for column in table.columns if column.name in used]
        assert table.watermark is not None
        self._time = table.watermark.column
        self.changing = False

    @property
    def wanted(self) -> set[str]:
        """The columns that have to be decoded."""
        return {*(column.name for column in self.columns), self._time}

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        typed = ", ".join(f"{quoted(column.name)} {duckdb_type(column.type)}" for column in self.columns)
        db.execute(f'CREATE TABLE IF NOT EXISTS {quoted(self.name)} ({typed}, "$from" BIGINT, "$deleted" BOOLEAN)')
        self._look(db)

    def apply(self, db: duckdb.DuckDBPyConnection, batch: str) -> None:
        """Take in decoded records; of the same key and time the last one holds."""
        new, own = quoted(f"{self.name}_new"), quoted(self.name)
        names = ", ".join(quoted(column.name) for column in self.columns)
        key = [quoted(name) for name in self.table.primary_key]
        version = f'coalesce(epoch_ms({quoted(self._time)}), "$ts")'
        db.execute(
            f'CREATE OR REPLACE TEMP TABLE {new} AS SELECT {names}, {version} AS "$from", "$deleted" FROM {batch} '
            f'QUALIFY row_number() OVER (PARTITION BY {", ".join(key)}, {version} ORDER BY "$o" DESC, "$p") = 1'
        )
        same = " AND ".join(f"r.{name} = n.{name}" for name in [*key, '"$from"'])
        db.execute(f"DELETE FROM {own} WHERE rowid IN (SELECT r.rowid FROM {own} r JOIN {new} n ON {same})")
        db.execute(f"INSERT INTO {own} SELECT * FROM {new}")
        self._look(db)

    def _look(self, db: duckdb.DuckDBPyConnection) -> None:
        key = ", ".join(quoted(name) for name in self.table.primary_key)
        several = f"SELECT 1 FROM {quoted(self.name)} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
        self.changing = first_row(db, several) is not None


class Join:
    """Rows beside the version of their time. Rows wait until the watermark has passed them, as in Flink."""

    def __init__(self, name: str, node: TemporalJoin, reference: Reference, left: list[Field], right: set[str]) -> None:
        self.name = name
        self._node = node
        self._reference = reference
        self._left = left
        self._right = [(column, field.name) for column, field in node.reference_fields if field.name in right]

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        typed = "".join(f"{quoted(field.name)} {duckdb_type(field.type)}, " for field in self._left)
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {quoted(self.name)} "
            f'({typed}{PARTITION} INTEGER, {OFFSET} BIGINT, {TIME} BIGINT, "$wm" BIGINT)'
        )

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str, watermark: int, into: str) -> None:
        """Make temp table `into` of the rows that the watermark (ms) has passed; keep the others."""
        own = quoted(self.name)
        columns = ", ".join([*(quoted(field.name) for field in self._left), *HIDDEN])
        waited = f"SELECT {columns} FROM {own} WHERE {TIME} <= {watermark}"
        # A row without a time finds nothing, and has nothing to wait for.
        passed = f"SELECT {columns} FROM {rows} WHERE {TIME} <= {watermark} OR {TIME} IS NULL"
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(into)} AS {self._joined(f'{waited} UNION ALL {passed}', columns)}"
        )
        db.execute(f"DELETE FROM {own} WHERE {TIME} <= {watermark}")
        db.execute(f"INSERT INTO {own} SELECT {columns} FROM {rows} WHERE {TIME} > {watermark}")

    def _joined(self, ready: str, columns: str) -> str:
        keys = [(to_duckdb(expression), column) for expression, column in self._node.keys]
        left = "".join(f', {key} AS "$k{number}"' for number, (key, _) in enumerate(keys))
        pk = "".join(f', {quoted(column)} AS "$r{number}"' for number, (_, column) in enumerate(keys))
        values = "".join(f", {quoted(column)} AS {quoted(name)}" for column, name in self._right)
        same = " AND ".join(f'l."$k{number}" = r."$r{number}"' for number in range(len(keys)))
        same = f'{same} AND l.{TIME} >= r."$from"'
        versions = f'SELECT "$from", "$deleted"{pk}{values} FROM {quoted(self._reference.name)}'
        if self._reference.changing:
            there = 'r."$from" IS NOT NULL AND NOT r."$deleted"'
            right = [quoted(name) for _, name in self._right]
            found = "".join(f", CASE WHEN {there} THEN r.{name} END AS {name}" for name in right)
            only = f" WHERE {there}" if self._node.kind == "INNER" else ""
            join = "ASOF LEFT JOIN"
        else:
            # With one version of each key an ordinary hash join does, several times cheaper.
            versions += ' WHERE NOT "$deleted"'
            found = "".join(f", r.{quoted(name)}" for _, name in self._right)
            only, join = "", f"{self._node.kind} JOIN"
        return f"SELECT {columns}{found} FROM (SELECT *{left} FROM ({ready})) l {join} ({versions}) r ON {same}{only}"
