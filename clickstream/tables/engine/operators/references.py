"""Reference tables: the versions of every key, and rows joined with the version of their time.

A version holds from its time until the next one of its key. Most keys have one that can still be asked for: they are
in one large table, which rows are joined with by their key alone. What came since is in a small one beside it, with
all its versions, so that a batch costs what it holds and not what the table does. From time to time what no row can
ask for any more is forgotten, and what then is a key's only version moves over.
"""

import duckdb

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators.operator import (
    HIDDEN,
    OFFSET,
    PARTITION,
    TIME,
    WATERMARK,
    only_row,
)
from clickstream.tables.names import engine_name, identifier, relation, string
from clickstream.tables.sql.model import Field, Table, TemporalJoin

# A row this far (ms) behind its watermark still finds the version of its time; later ones find the version that held
# this long before the watermark, so that what a row finds depends on the log alone.
KEEP_MS = 600_000
# The table of recent versions is looked through with every batch of rows, the other one copied when it is merged.
MERGE_AFTER_ROWS = 10_000
_SHARE = 16


class Reference:
    """One upsert topic: `settled` has one version of a key, `recent` any number of later, or earlier, ones."""

    def __init__(self, table: Table, used: set[str]) -> None:
        self.table = table
        self._name = relation("reference", table.name)
        self.settled = identifier(self._name)
        self.recent = identifier(relation("recent_reference", table.name))
        self._new = identifier(relation("new_reference", table.name))
        self._columns = [column for column in table.columns if column.name in used]
        self._key = [identifier(name) for name in table.primary_key]
        assert table.watermark is not None
        self._time = table.watermark.column
        self.count = self.recent_count = 0
        self._first: int | None = None  # the times (ms) of the first and of the last recent version
        self._last: int | None = None

    @property
    def wanted(self) -> set[str]:
        """The columns that have to be decoded."""
        return {*(column.name for column in self._columns), self._time}

    def create(self, db: duckdb.DuckDBPyConnection) -> bool:
        """Make its tables; True if it has to be read again, since columns are wanted that were not kept before."""
        wanted = {engine_name(column.name) for column in self._columns}
        there = f"SELECT column_name FROM duckdb_columns() WHERE table_name = {string(engine_name(self._name))}"
        found = {name for (name,) in db.execute(there).fetchall()}
        lacks = bool(found) and not found >= wanted
        typed = ", ".join(f"{identifier(column.name)} {duckdb_type(column.type)}" for column in self._columns)
        for name in (self.settled, self.recent):
            if lacks:
                db.execute(f"DROP TABLE {name}")
            db.execute(f'CREATE TABLE IF NOT EXISTS {name} ({typed}, "$from" BIGINT, "$deleted" BOOLEAN)')
        (self.count,) = only_row(db, f"SELECT count(*) FROM {self.settled}")
        self._look(db)
        return lacks

    def apply(self, db: duckdb.DuckDBPyConnection, batch: str) -> None:
        """Take in decoded records; of the same key and time the last one holds."""
        names = ", ".join(identifier(column.name) for column in self._columns)
        version = f'coalesce(epoch_ms({identifier(self._time)}), "$ts")'
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._new} AS "
            f'SELECT {names}, {version} AS "$from", "$deleted" FROM {batch} '
            f'QUALIFY row_number() OVER (PARTITION BY {", ".join(self._key)}, {version} ORDER BY "$o" DESC, "$p") = 1'
        )
        (rows,) = only_row(db, f"SELECT count(*) FROM {self._new}")
        if rows * _SHARE >= self.count:
            self._settle_unknown(db)
        same = self._same("r", "n", '"$from"')
        again = f"SELECT r.rowid FROM {self.recent} r JOIN {self._new} n ON {same}"
        db.execute(f"DELETE FROM {self.recent} WHERE rowid IN ({again})")
        db.execute(f"INSERT INTO {self.recent} SELECT * FROM {self._new}")
        self._look(db)

    def forget(self, db: duckdb.DuckDBPyConnection, watermark: int) -> None:
        """Forget versions that no row can ask for: all rows to come, and those that wait, are after `watermark` (ms)
        or late.
        """
        passed = watermark - KEEP_MS
        if self._first is None or self._last is None or self._first > passed:
            return
        # A join costs twice as much while there are recent versions: the last few are merged when none has come for
        # KEEP_MS.
        if self._last > passed and self.recent_count < max(MERGE_AFTER_ROWS, self.count // _SHARE):
            return
        same = self._same("s", "n")
        db.execute(
            f'CREATE OR REPLACE TEMP TABLE {self._new} AS SELECT * FROM {self.recent} WHERE "$from" <= {passed} '
            f'QUALIFY row_number() OVER (PARTITION BY {", ".join(self._key)} ORDER BY "$from" DESC) = 1'
        )
        db.execute(f'DELETE FROM {self.recent} WHERE "$from" <= {passed}')
        # A record that came late may be older than the version that is settled.
        db.execute(
            f"DELETE FROM {self._new} WHERE rowid IN "
            f'(SELECT n.rowid FROM {self._new} n JOIN {self.settled} s ON {same} AND s."$from" > n."$from")'
        )
        older = f"SELECT s.rowid FROM {self.settled} s JOIN {self._new} n ON {same}"
        db.execute(f"DELETE FROM {self.settled} WHERE rowid IN ({older})")
        db.execute(f'INSERT INTO {self.settled} SELECT * FROM {self._new} WHERE NOT "$deleted"')
        db.execute(f'DELETE FROM {self.settled} WHERE "$deleted" AND "$from" <= {passed}')
        (self.count,) = only_row(db, f"SELECT count(*) FROM {self.settled}")
        self._look(db)

    def _settle_unknown(self, db: duckdb.DuckDBPyConnection) -> None:
        """Of a batch so large that it may cost as much as the table does: move over the only versions of new keys."""
        key, alone = ", ".join(self._key), identifier(relation("only_reference", self.table.name))
        known = f"(SELECT {key} FROM {self.settled} UNION ALL SELECT {key} FROM {self.recent})"
        single = f'SELECT *, rowid AS "$id" FROM {self._new} QUALIFY count(*) OVER (PARTITION BY {key}) = 1'
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {alone} AS "
            f"SELECT n.* FROM ({single}) n ANTI JOIN {known} k ON {self._same('n', 'k')}"
        )
        db.execute(f'INSERT INTO {self.settled} SELECT * EXCLUDE ("$id") FROM {alone}')
        (moved,) = only_row(db, f'DELETE FROM {self._new} WHERE rowid IN (SELECT "$id" FROM {alone})')
        self.count += moved

    def _look(self, db: duckdb.DuckDBPyConnection) -> None:
        self.recent_count, self._first, self._last = only_row(
            db, f'SELECT count(*), min("$from"), max("$from") FROM {self.recent}'
        )

    def _same(self, one: str, other: str, *more: str) -> str:
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in [*self._key, *more])


class Join:
    """Rows beside the version of their time. Rows wait until the watermark has passed them, as in Flink."""

    def __init__(self, name: str, node: TemporalJoin, reference: Reference, left: list[Field], right: set[str]) -> None:
        self.name = name
        self._node = node
        self._reference = reference
        self._left = left
        self._right = [(column, field.name) for column, field in node.reference_fields if field.name in right]
        self.behind = False  # whether rows wait that were behind their watermark

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        typed = "".join(f"{identifier(field.name)} {duckdb_type(field.type)}, " for field in self._left)
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {identifier(self.name)} "
            f'({typed}{PARTITION} INTEGER, {OFFSET} BIGINT, {TIME} BIGINT, "$wm" BIGINT)'
        )
        self._look(db)

    def absorb(
        self, db: duckdb.DuckDBPyConnection, rows: str, watermark: int, into: str, *, behind: bool = True
    ) -> None:
        """Make temp table `into` of the rows that the watermark (ms) has passed; keep the others.

        `behind` False: none of `rows` is behind its own watermark.
        """
        own = identifier(self.name)
        columns = ", ".join([*(identifier(field.name) for field in self._left), *HIDDEN])
        waited = f"SELECT {columns} FROM {own} WHERE {TIME} <= {watermark}"
        # A row without a time finds nothing, and has nothing to wait for.
        passed = f"SELECT {columns} FROM {rows} WHERE {TIME} <= {watermark} OR {TIME} IS NULL"
        joined = self._joined(f"{waited} UNION ALL {passed}", columns)
        db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS {joined}")
        db.execute(f"DELETE FROM {own} WHERE {TIME} <= {watermark}")
        db.execute(f"INSERT INTO {own} SELECT {columns} FROM {rows} WHERE {TIME} > {watermark}")
        if behind or self.behind:
            self._look(db)

    def _look(self, db: duckdb.DuckDBPyConnection) -> None:
        (self.behind,) = only_row(
            db, f"SELECT coalesce(bool_or({TIME} <= {WATERMARK} + 1), FALSE) FROM {identifier(self.name)}"
        )

    def _joined(self, ready: str, columns: str) -> str:
        reference = self._reference
        keys = "".join(
            f', {to_duckdb(expression)} AS "$k{number}"' for number, (expression, _) in enumerate(self._node.keys)
        )
        oldest = f"{WATERMARK} - {KEEP_MS}"
        left = f'SELECT *{keys}, CASE WHEN {TIME} < {oldest} THEN {oldest} ELSE {TIME} END AS "$at" FROM ({ready})'
        if not reference.recent_count:
            versions = f'{self._versions(reference.settled)} WHERE NOT "$deleted"'
            found = "".join(f', s."$v{number}" AS {identifier(name)}' for number, (_, name) in enumerate(self._right))
            return (
                f"SELECT {columns}{found} FROM ({left}) l {self._node.kind} JOIN ({versions}) s ON {self._holds('s')}"
            )
        newer = 'r."$from" IS NOT NULL AND (s."$from" IS NULL OR r."$from" >= s."$from")'
        there = f'CASE WHEN {newer} THEN NOT r."$deleted" ELSE coalesce(NOT s."$deleted", FALSE) END'
        found = "".join(f', "$v{number}" AS {identifier(name)}' for number, (_, name) in enumerate(self._right))
        one = 'CASE WHEN {there} THEN CASE WHEN {newer} THEN r."{name}" ELSE s."{name}" END END AS "{name}"'
        values = "".join(
            f", {one.format(there=there, newer=newer, name=f'$v{number}')}" for number in range(len(self._right))
        )
        both = (
            f'SELECT l.*{values}, {there} AS "$there" FROM ({left}) l '
            f"LEFT JOIN ({self._versions(reference.settled)}) s ON {self._holds('s')} "
            f"ASOF LEFT JOIN ({self._versions(reference.recent)}) r ON {self._holds('r')}"
        )
        only = ' WHERE "$there"' if self._node.kind == "INNER" else ""
        return f"SELECT {columns}{found} FROM ({both}){only}"

    def _versions(self, table: str) -> str:
        """Versions with names that no column of the rows has."""
        keys = "".join(f', {identifier(column)} AS "$k{number}"' for number, (_, column) in enumerate(self._node.keys))
        values = "".join(f', {identifier(column)} AS "$v{number}"' for number, (column, _) in enumerate(self._right))
        return f'SELECT "$from", "$deleted"{keys}{values} FROM {table}'

    def _holds(self, version: str) -> str:
        keys = "".join(f'l."$k{number}" = {version}."$k{number}" AND ' for number in range(len(self._node.keys)))
        return f'{keys}l."$at" >= {version}."$from"'
