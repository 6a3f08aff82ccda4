"""The target itself: a batch and its places in one transaction."""

import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from clickstream.errors import ClickstreamError
from clickstream.sinks.model import Batch, Claim, Input, Rows, Stored, Written
from clickstream.sinks.postgres import catalog, columns
from clickstream.sinks.postgres.catalog import Database
from clickstream.sinks.postgres.claims import Claims
from clickstream.sinks.postgres.connection import Address, Connection, answering, quoted, schema_of, speaking
from clickstream.sinks.postgres.shape import OFFSETS, SINKS, Evolve, Todo, needed
from clickstream.sinks.postgres.table import InputTable
from clickstream.stop import Stop

log = logging.getLogger(__name__)

# Any number that nobody else uses: sinks that start at once make tables one after the other.
_MAKING = 7_245_032_105


@dataclass(frozen=True)
class PostgresOptions:
    """How tables look. `schema`: None is the connection's own. `early`: with a column is_final."""

    schema: str | None = None
    early: bool = False
    evolve: Evolve = "off"
    jsonb: bool = False


class PostgresTarget:
    """A connection to PostgreSQL, by which one sink writes."""

    kind = "postgres"

    def __init__(self, address: Address, name: str, options: PostgresOptions, stop: Stop) -> None:
        """`name` is the sink's, for pg_stat_activity. Once `stop` is set, a server is waited for while it drains."""
        self.where = address.where
        self._address = address
        self._name = name
        self._options = options
        self._stop = stop
        self._connection: Connection | None = None
        self._schema = ""
        self._tables: dict[str, InputTable] = {}
        self._claims: Claims | None = None
        self._claim: Claim | None = None
        self._epoch = 0

    def connect(self) -> None:
        """See Target."""
        self.close()
        self._connection = self._address.connect(writing=True, name=self._name, stop=self._stop)

    def prepare(self, inputs: Sequence[Input]) -> None:
        """See Target."""
        columns.check(inputs, early=self._options.early)
        connection = self._open()
        with speaking(self.where), answering(connection, self.where, self._stop):
            self._schema = schema_of(connection, self._options.schema)
            self._claims = Claims(self._schema, self.where)
            found = look(connection, self._schema, inputs)
            if self._todo(inputs, found).changes:
                found = self._change(connection, inputs)
            with connection.transaction():
                for number, source in enumerate(inputs):
                    want = columns.wanted(source, early=self._options.early, jsonb=self._options.jsonb)
                    table = InputTable(source, want, found.tables[source.name].columns, number)
                    table.make_stage(connection)
                    self._tables[source.topic] = table

    def _change(self, connection: Connection, inputs: Sequence[Input]) -> Database:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            # Once more: meanwhile another sink may have done it.
            for change in self._todo(inputs, look(connection, self._schema, inputs)).changes:
                connection.execute(change.statement)
                log.info("%s: made %s.", self.where, change.about)
        return look(connection, self._schema, inputs)

    def _todo(self, inputs: Sequence[Input], found: Database) -> Todo:
        options = self._options
        todo = needed(inputs, found, early=options.early, evolve=options.evolve, jsonb=options.jsonb)
        if todo.problems:
            more = f" ({len(todo.problems) - 1} more: see `sink plan postgres`)" if len(todo.problems) > 1 else ""
            raise ClickstreamError(f"{self.where}: {todo.problems[0]}{more}")
        return todo

    def claim(self, claim: Claim) -> Stored:
        """See Target."""
        assert self._claims is not None
        connection = self._open()
        with speaking(self.where), answering(connection, self.where, self._stop):
            stored = self._claims.claim(connection, claim)
        self._claim, self._epoch = claim, stored.epoch
        return stored

    def write(self, batch: Batch) -> Written:
        """See Target."""
        assert self._claims is not None
        assert self._claim is not None
        connection, total = self._open(), Written()
        with (
            speaking(self.where, rows=True),
            answering(connection, self.where, self._stop),
            connection.transaction(),
        ):
            self._claims.hold(connection, self._claim, self._epoch)
            for rows in batch.rows:
                table = self._tables[rows.input.topic]
                written = table.write(connection, rows, quoted(self._schema, rows.input.name))
                total.upserted += written.upserted
                total.deleted += written.deleted
                total.appended += written.appended
                total.cleaned.update(written.cleaned)
            self._claims.save(connection, self._claim, batch.places)
        return total

    def cleaned(self, rows: Rows) -> Counter[tuple[str, str]]:
        """See TellsCleaned."""
        return self._tables[rows.input.topic].cleaned(rows)

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        """See Target. Rows that the sink did not write, which have no offset, stay."""
        assert self._claims is not None
        connection = self._open()
        with speaking(self.where), connection.transaction():
            self._claims.forget(connection, sink, sorted(one.topic for one in inputs))
            for source in inputs:
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE {} IS NOT NULL").format(
                        quoted(self._schema, source.name), sql.Identifier(columns.OFFSET)
                    )
                )

    def close(self) -> None:
        """See Target."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        assert self._connection is not None, "connect() comes first"
        return self._connection


def look(connection: Connection, schema: str, inputs: Sequence[Input]) -> Database:
    """What there is of the inputs' tables and of the sink's own."""
    return catalog.look(connection, schema, [*(one.name for one in inputs), SINKS, OFFSETS])
