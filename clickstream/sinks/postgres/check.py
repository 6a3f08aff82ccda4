"""Is what is in the tables what is in the topics? And what differs, made equal again.

What a table should hold is computed where its values are compared, in the database: the topic's records, up to where
the sink is, go into a temporary table by the same statements as a sink's. Both tables are then compared by the count
and a hash of the rows of each range of keys; only ranges that differ are looked at row by row. All of that is one
transaction, so a sink may go on meanwhile.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import Limits, limits
from clickstream.sinks.checking import NAMED, InputCheck, batches, must_be_of, written_and_later
from clickstream.sinks.model import Input, Place, Rows
from clickstream.sinks.postgres import columns
from clickstream.sinks.postgres.claims import Claims
from clickstream.sinks.postgres.connection import Address, Connection, beside_parameters, quoted, schema_of, speaking
from clickstream.sinks.postgres.shape import needed
from clickstream.sinks.postgres.table import InputTable
from clickstream.sinks.postgres.target import PostgresOptions, look
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Refused

RANGES = 1_024


def check(
    address: Address, cluster: Cluster, inputs: Sequence[Input], name: str, options: PostgresOptions, *, repair: bool
) -> list[InputCheck]:
    """Compare the tables of the sink `name` with their topics, and with `repair` make them equal.

    Raises ClickstreamError, also when a sink was in the way of a repair.
    """
    columns.check(inputs, early=options.early)
    connection = address.connect(writing=True, name=name)
    try:
        with speaking(address.where):
            # Meanwhile the topic is read.
            connection.execute("SET idle_in_transaction_session_timeout = 0")
            schema = schema_of(connection, options.schema)
            _must_exist(connection, schema, inputs, options, address.where)
            found = look(connection, schema, inputs)
            result = []
            for number, source in enumerate(inputs):
                want = columns.wanted(source, early=options.early, jsonb=options.jsonb)
                types = found.tables[source.name].columns
                table = InputTable(source, want, types, number)
                comparison = _Comparison(connection, table, types, Claims(schema, address.where), schema, name)
                try:
                    with connection.transaction():
                        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                        result.append(comparison.run(cluster, address.where, early=options.early, repair=repair))
                except psycopg.errors.SerializationFailure:
                    raise ClickstreamError(
                        f"{address.where}: meanwhile a sink wrote rows of {source.name} that were to be repaired, and "
                        "none was. Check again."
                    ) from None
            return result
    finally:
        connection.close()


def _must_exist(
    connection: Connection, schema: str, inputs: Sequence[Input], options: PostgresOptions, where: str
) -> None:
    found = look(connection, schema, inputs)
    todo = needed(inputs, found, early=options.early, evolve="off", jsonb=options.jsonb)
    if todo.problems:
        raise ClickstreamError(f"{where}: {todo.problems[0]}")
    if todo.changes:
        raise ClickstreamError(f"{where} has no {todo.changes[0].about}: there is nothing to compare. Fill it first.")


class _Comparison:
    """One table and its topic, in one transaction."""

    def __init__(
        self, connection: Connection, table: InputTable, types: dict[str, str], claims: Claims, schema: str, name: str
    ) -> None:
        self._connection = connection
        self._table = table
        self._source = table.source
        self._claims = claims
        self._name = name
        self._found = InputCheck(table.source)
        names = [one.name for one in table.want]
        parts: dict[str, sql.Composable] = {
            "table": quoted(schema, table.source.name),
            "expected": sql.Identifier("pg_temp", "clickstream_expected"),
            "stage": table.staging,
            "later": sql.Identifier("pg_temp", "clickstream_later"),
            "differing": sql.Identifier("pg_temp", "clickstream_differing"),
            "columns": _list(names),
            "typed": _typed(names, types),
            "key": _list(table.key),
            "typed_key": _typed(table.key, types),
            "row": _row(names),
            "key_row": _row(table.key),
            "offset": sql.Identifier(columns.OFFSET),
            "partition": sql.Identifier(columns.PARTITION),
            "same_te": table.same("t", "e"),
            "same_tl": table.same("t", "l"),
            "same_td": table.same("t", "d"),
            "same_ed": table.same("e", "d"),
            "same_ae": table.same("a", "e"),
            "e_key": _list(table.key, "e"),
            "chosen_key": sql.SQL(", ").join(
                [sql.SQL("COALESCE(a.{0}, e.{0}) AS {0}").format(sql.Identifier(name)) for name in table.key]
            ),
            "changes": sql.SQL(", ").join(
                [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names]
            ),
        }

        self._names = {name: beside_parameters(part, connection) for name, part in parts.items()}

    def run(self, cluster: Cluster, where: str, *, early: bool, repair: bool) -> InputCheck:
        topic = self._source.topic
        places = {
            number: place for (_, number), place in self._claims.places(self._connection, self._name, [topic]).items()
        }
        identity = must_be_of(cluster, topic, places, where, self._name)
        self._table.make_stage(self._connection)
        self._execute("CREATE TEMPORARY TABLE {expected} ({typed}, PRIMARY KEY ({key})) ON COMMIT DROP")
        self._execute("CREATE TEMPORARY TABLE {later} ({typed_key}, PRIMARY KEY ({key})) ON COMMIT DROP")
        found = limits(cluster, topic)
        self._read(cluster, identity, found, places, early)
        self._compare([found[number].low if number in found else 0 for number in range(max(found) + 1)])
        if repair and self._found.differs:
            self._repair()
        return self._found

    def _read(
        self,
        cluster: Cluster,
        identity: LogIdentity,
        found: dict[int, Limits],
        places: dict[int, Place],
        early: bool,
    ) -> None:
        reader = RecordReader(self._source, early=early)
        ends = {number: place.offset for number, place in places.items()}
        spans = {number: (limit.low, limit.high) for number, limit in found.items()}
        for messages in batches(cluster, identity, spans):
            read = reader.read(messages)
            self._found.unreadable += len(read.bad)
            written, later = written_and_later(read.rows, ends)
            self._expect(written)
            self._exclude(later)

    def _expect(self, rows: Rows) -> None:
        """Write rows as a sink does; those that it would refuse are left out."""
        if not len(rows):
            return
        try:
            with self._connection.transaction(), speaking("", rows=True):
                self._table.write(self._connection, rows, self._names["expected"])
        except Refused:
            if len(rows) == 1:
                self._found.refused += 1
                return
            middle = len(rows) // 2
            self._expect(rows.part(0, middle))
            self._expect(rows.part(middle, len(rows)))
            return
        self._table.empty_stage(self._connection)

    def _exclude(self, rows: Rows) -> None:
        """Keys that have records which the sink has not written yet: their rows before may be gone from the topic."""
        if not len(rows):
            return
        try:
            with self._connection.transaction(), speaking("", rows=True):
                self._table.stage(self._connection, rows)
                self._execute("INSERT INTO {later} SELECT {key} FROM {stage} ON CONFLICT DO NOTHING")
        except Refused:
            if len(rows) > 1:
                self._exclude(rows.part(0, len(rows) // 2))
                self._exclude(rows.part(len(rows) // 2, len(rows)))
            return
        self._table.empty_stage(self._connection)

    def _compare(self, lows: Sequence[int]) -> None:
        found = self._found
        self._execute("ANALYZE {expected}")
        [(found.later,)] = self._execute("SELECT count(*) FROM {later}")
        self._execute("DELETE FROM {expected} AS t USING {later} AS l WHERE {same_tl}")
        given = {"lows": list(lows), "ranges": RANGES}
        [(found.older,)] = self._execute("SELECT count(*) FROM {table} AS t WHERE {old}", given)
        [(found.rows,)] = self._execute("SELECT count(*) FROM ({actual}) AS a", given)
        [(found.expected,)] = self._execute("SELECT count(*) FROM {expected}")
        ranges = [
            at
            for (at,) in self._execute(
                """SELECT at FROM
                   (SELECT {range} AS at, count(*) AS rows, sum({hash}) AS hash FROM ({actual}) AS a GROUP BY 1) AS a
                   FULL JOIN
                   (SELECT {range} AS at, count(*) AS rows, sum({hash}) AS hash FROM {expected} GROUP BY 1) AS e
                   USING (at) WHERE (a.rows, a.hash) IS DISTINCT FROM (e.rows, e.hash)""",
                given,
            )
        ]
        found.ranges = len(ranges)
        if not ranges:
            return
        self._execute("CREATE TEMPORARY TABLE {differing} ({typed_key}, kind text) ON COMMIT DROP")
        self._execute(
            """INSERT INTO {differing} SELECT {chosen_key},
                   CASE WHEN a.row IS NULL THEN 'missing' WHEN e.row IS NULL THEN 'foreign' ELSE 'changed' END
               FROM (SELECT {key}, {row} AS row FROM ({actual}) AS a WHERE {range} = ANY(%(at)s)) AS a
               FULL JOIN (SELECT {key}, {row} AS row FROM {expected} WHERE {range} = ANY(%(at)s)) AS e ON {same_ae}
               WHERE a.row IS DISTINCT FROM e.row""",
            {**given, "at": ranges},
        )
        counts = dict(self._execute("SELECT kind, count(*) FROM {differing} GROUP BY 1"))
        found.missing, found.foreign = counts.get("missing", 0), counts.get("foreign", 0)
        found.changed = counts.get("changed", 0)
        found.examples = [
            (key, kind)
            for key, kind in self._execute(
                "SELECT {key_row}, kind FROM {differing} ORDER BY {key} LIMIT %(named)s", {"named": NAMED}
            )
        ]

    def _repair(self) -> None:
        gone = self._connection.execute(
            self._sql("DELETE FROM {table} AS t USING {differing} AS d WHERE d.kind = 'foreign' AND {same_td}"), {}
        ).rowcount
        wanted = "SELECT e.ctid FROM {expected} AS e JOIN {differing} AS d ON {same_ed} ORDER BY {e_key}"
        rows = [row for (row,) in self._execute(wanted)]
        write = (
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {expected} WHERE ctid = ANY(%(rows)s::tid[]) "
            "ORDER BY {key} ON CONFLICT ({key}) DO UPDATE SET {changes}"
        )
        self._found.repaired = gone + self._write(write, rows)

    def _write(self, statement: str, rows: Sequence[str]) -> int:
        """Write rows, without those that the table refuses, which are counted; returns how many were written."""
        if not rows:
            return 0
        try:
            with self._connection.transaction(), speaking("", rows=True):
                self._execute(statement, {"rows": list(rows)})
        except Refused:
            if len(rows) == 1:
                return 0
            middle = len(rows) // 2
            return self._write(statement, rows[:middle]) + self._write(statement, rows[middle:])
        return len(rows)

    def _execute(self, statement: str, given: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(self._sql(statement), given or {})
        return cursor.fetchall() if cursor.description else []

    def _sql(self, statement: str) -> sql.Composed:
        names: dict[str, sql.Composable] = dict(self._names)
        names["hash"] = sql.SQL("hashtextextended({row}, 0)").format(**names)
        names["range"] = sql.SQL("abs(hashtextextended({key_row}, 0) %% %(ranges)s)").format(**names)
        names["old"] = sql.SQL(
            "t.{offset} < COALESCE((%(lows)s::bigint[])[t.{partition} + 1], 0) "
            "AND NOT EXISTS (SELECT 1 FROM {expected} AS e WHERE {same_te})"
        ).format(**names)
        names["actual"] = sql.SQL(
            "SELECT {columns} FROM {table} AS t "
            "WHERE NOT EXISTS (SELECT 1 FROM {later} AS l WHERE {same_tl}) AND ({old}) IS NOT TRUE"
        ).format(**names)
        return sql.SQL(statement).format(**names)


def _list(names: Sequence[str], table: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(
        [sql.Identifier(name) if table is None else sql.Identifier(table, name) for name in names]
    )


def _row(names: Sequence[str]) -> sql.Composed:
    return sql.SQL("ROW({})::text").format(_list(names))


def _typed(names: Sequence[str], types: dict[str, str]) -> sql.Composed:
    return sql.SQL(", ").join([sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(types[name])) for name in names])
