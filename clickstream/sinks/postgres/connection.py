"""Where PostgreSQL is, and a connection to it whose every value means the same on every server."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg import conninfo, sql

from clickstream.deadline import Deadline, cut
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.postgres.errors import not_connected, translated
from clickstream.sinks.target import Away, Refused
from clickstream.stop import Stop

Connection = psycopg.Connection[tuple[Any, ...]]

# It warns of a rollback that fails because the connection is lost: that is said once, by the sink.
logging.getLogger("psycopg").setLevel(logging.ERROR)

APPLICATION = "clickstream-sink"
LOCK_WAIT_S = 10
ANSWERS_WITHIN_S = 60.0

# Of a server that is gone without a word the client hears within half a minute, not in two hours.
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

# What servers, databases and users may have set otherwise. The last one ends a transaction whose client stands still,
# for example stopped by a signal: its locks would hold up who takes over.
_SESSION = (
    "SET client_encoding = 'UTF8'",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET client_min_messages = 'warning'",
    "SET extra_float_digits = 1",
    "SET statement_timeout = 0",
    # Who waited for a lock then sees what its holder wrote.
    "SET default_transaction_isolation = 'read committed'",
    f"SET lock_timeout = '{LOCK_WAIT_S}s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    # A parallel plan cannot read a temporary table, and these statements are short.
    "SET jit = off",
)


class Address:
    """A DSN, as libpq reads it: `key=value` pairs or a URL; what it leaves out is in PG* variables. Holds a secret."""

    def __init__(self, dsn: str) -> None:
        """Raises ConfigError for a text that is no DSN; the text is not repeated, since it may hold a password."""
        try:
            self._given = {name: str(value) for name, value in conninfo.conninfo_to_dict(dsn).items()}
        except psycopg.Error:
            raise ConfigError(
                "This is no DSN of PostgreSQL. Examples: 'postgresql://user@db.example:5432/shop', "
                "'host=db.example dbname=shop user=shop'."
            ) from None

    @property
    def where(self) -> str:
        """For people, without secrets: `shop at db.example:5432`."""
        service = self._value("service", "PGSERVICE")
        if service is not None:
            return f"service {service}"
        hosts = self._value("host", "PGHOST") or self._value("hostaddr", "PGHOSTADDR") or "localhost"
        ports = (self._value("port", "PGPORT") or "5432").split(",")
        names = hosts.split(",")
        places = [f"{name or 'localhost'}:{ports[min(at, len(ports) - 1)]}" for at, name in enumerate(names)]
        user = self._value("user", "PGUSER") or os.environ.get("USER", "")
        database = self._value("dbname", "PGDATABASE") or user or "postgres"
        return f"{database} at {','.join(places)}"

    def _value(self, name: str, variable: str) -> str | None:
        return self._given.get(name) or os.environ.get(variable)

    def connect(self, *, writing: bool, name: str, stop: Stop | None = None) -> Connection:
        """A new connection; one for writing goes to the first of several hosts that takes writes.

        `name` is seen in pg_stat_activity; for `stop` see `answering`. Raises Away, or ClickstreamError for what does
        not pass.
        """
        settings = {**_DEFAULTS, "application_name": f"{APPLICATION} {name}"[:63], **self._given}
        if writing and not self._value("target_session_attrs", "PGTARGETSESSIONATTRS"):
            settings["target_session_attrs"] = "read-write"
        if "PGCONNECT_TIMEOUT" in os.environ and "connect_timeout" not in self._given:
            del settings["connect_timeout"]
        try:
            # No prepared statements: poolers lose them, and other sessions' DDL makes them fail.
            connection: Connection = psycopg.Connection.connect(
                conninfo.make_conninfo("", **settings), autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as error:
            # The cause is left out: a library's error may quote the DSN.
            raise not_connected(error, self.where) from None
        try:
            with speaking(self.where), answering(connection, self.where, stop):
                for statement in _SESSION:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def speaking(where: str, *, rows: bool = False) -> Iterator[None]:
    """Around statements: raises what their errors mean (see `errors`); Refused only where `rows` are written."""
    try:
        yield
    except psycopg.Error as error:
        meaning = translated(error, where)
        if isinstance(meaning, Refused) and not rows:
            raise ClickstreamError(f"{where} refuses what the sink asks for: {meaning}.") from None
        raise meaning from None


@contextmanager
def answering(connection: Connection, where: str, stop: Stop | None = None) -> Iterator[None]:
    """Around statements: raises Away when they take longer than ANSWERS_WITHIN_S, or than `stop` leaves for draining.

    The kernel of a server that is frozen, or waits for its disk, goes on to acknowledge what it gets: for TCP all is
    well, for ever.
    """
    # A duplicate: the connection may close its own, and its number may become that of another file.
    wire = socket.socket(fileno=os.dup(connection.fileno()))
    with wire, Deadline(ANSWERS_WITHIN_S, stop=stop) as deadline:
        deadline.interrupt = partial(cut, wire)
        try:
            yield
        except psycopg.Error:
            if deadline.over.is_set():
                raise Away(f"{where} does not answer in time") from None
            raise


def quoted(schema: str, name: str) -> sql.Identifier:
    """A table's name in statements."""
    return sql.Identifier(schema, name)


def beside_parameters(part: sql.Composable, connection: Connection) -> sql.SQL:
    """A part of a statement that has parameters: there a `%` of a name would begin one."""
    return sql.SQL(part.as_string(connection).replace("%", "%%"))


def schema_of(connection: Connection, given: str | None) -> str:
    """The schema of the sink's tables. Raises ClickstreamError when the connection has none."""
    if given is not None:
        return given
    row = connection.execute("SELECT current_schema()").fetchone()
    if row is None or row[0] is None:
        raise ClickstreamError("No schema of this connection's search_path exists. Give one with --schema.")
    return str(row[0])
