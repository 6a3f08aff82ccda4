"""One input's table: a batch of rows goes into a staging table, and from there into the table itself."""

from collections.abc import Mapping, Sequence

import pyarrow.compute as pc
from psycopg import sql

from clickstream.sinks.model import DELETED, Input, Rows, Written
from clickstream.sinks.postgres import columns
from clickstream.sinks.postgres.connection import Connection
from clickstream.sinks.postgres.rows import DELETED_NAME, Cleaned, Staged, staged


class InputTable:
    """The table that an input's rows are written to, on one connection. `types` are its columns', as they are there."""

    def __init__(self, source: Input, want: Sequence[columns.Wanted], types: Mapping[str, str], number: int) -> None:
        """`number` tells its staging table apart from others of this connection."""
        self.source = source
        self.want = want
        self.key = columns.key_of(source)
        self._types = {one.name: types[one.name] for one in want}
        self.staging = sql.Identifier("pg_temp", f"clickstream_stage_{number}")

    def make_stage(self, connection: Connection) -> None:
        """Make the staging table, which is empty again after each transaction."""
        typed = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in [*self._types.items(), (DELETED_NAME, "boolean")]
        ]
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DELETE ROWS").format(
                self.staging, sql.SQL(", ").join(typed)
            )
        )

    def write(self, connection: Connection, rows: Rows, into: sql.Composable) -> Written:
        """Write rows into a table with these columns and this key. Raises Refused, psycopg.Error."""
        gone = pc.sum(rows.table[DELETED]).as_py() or 0
        batch = self.stage(connection, rows)
        if batch.deleted:
            connection.execute(self._delete(into))
        if batch.count > batch.deleted:
            connection.execute(self._upsert(into))
        kept = len(rows) - gone
        written = Written(deleted=gone, cleaned=batch.cleaned)
        if self.source.upsert:
            written.upserted = kept
        else:
            written.appended = kept
        return written

    def cleaned(self, rows: Rows) -> Cleaned:
        """How many values of rows the table cannot hold, by column and rule. Raises Refused."""
        return staged(rows, self.want, self._types).cleaned

    def stage(self, connection: Connection, rows: Rows) -> Staged:
        """Put rows into the staging table, the last one of each key. Raises Refused, psycopg.Error."""
        batch = staged(rows, self.want, self._types)
        names = _list([sql.Identifier(name) for name in batch.names])
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(self.staging, names)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(memoryview(batch.csv))
        return batch

    def empty_stage(self, connection: Connection) -> None:
        """Before another batch in the same transaction."""
        connection.execute(sql.SQL("TRUNCATE {}").format(self.staging))

    def _delete(self, into: sql.Composable) -> sql.Composed:
        return sql.SQL("DELETE FROM {into} AS t USING {stage} AS s WHERE s.{deleted} AND {same}").format(
            into=into, stage=self.staging, deleted=sql.Identifier(DELETED_NAME), same=self.same("t", "s")
        )

    def _upsert(self, into: sql.Composable) -> sql.Composed:
        names = [sql.Identifier(one.name) for one in self.want]
        key = [sql.Identifier(name) for name in self.key]
        rest = [sql.Identifier(one.name) for one in self.want if one.name not in self.key]
        # In the key's order: two sinks that write the same rows then wait for each other, and do not deadlock.
        return sql.SQL(
            "INSERT INTO {into} ({names}) SELECT {names} FROM {stage} WHERE NOT {deleted} ORDER BY {key} "
            "ON CONFLICT ({key}) DO UPDATE SET {changes}"
        ).format(
            into=into,
            names=_list(names),
            stage=self.staging,
            deleted=sql.Identifier(DELETED_NAME),
            key=_list(key),
            changes=_list([sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in rest or key]),
        )

    def same(self, one: str, other: str) -> sql.Composed:
        """The condition that two tables' rows have the same key."""
        pairs = [
            sql.SQL("{}.{} = {}.{}").format(sql.SQL(one), sql.Identifier(name), sql.SQL(other), sql.Identifier(name))
            for name in self.key
        ]
        return sql.SQL(" AND ").join(pairs)


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
