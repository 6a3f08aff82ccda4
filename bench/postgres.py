"""`bench postgres`: how fast a table in PostgreSQL follows a topic, beside the row-by-row way of common sinks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from clickstream.errors import ClickstreamError


class Postgres:
    """See `sinks.Subject`: a space is a schema."""

    kind = "postgres"
    peer = "row by row: `INSERT ... ON CONFLICT` for each of 3,000, pipelined, then a commit"

    @contextmanager
    def server(self, address: str | None) -> Iterator[str]:
        """Its DSN."""
        if address is not None:
            yield address
            return
        from tests.postgres import server

        with server("fsync=on", "shared_buffers=128MB", "max_wal_size=1GB") as own:
            yield own.dsn

    def options(self, space: str, address: str) -> Sequence[str]:
        """See Subject."""
        return ["--schema", space, "--dsn", address]

    def must_have(self, address: str, space: str, topic: str, rows: int) -> None:
        """See Subject."""
        with psycopg.connect(address) as connection:
            found = connection.execute(f'SELECT count(*) FROM "{space}"."{topic}"').fetchone()
            connection.execute(f'DROP SCHEMA "{space}" CASCADE')
        if found != (rows,):
            raise ClickstreamError(f"{space}.{topic} has {found} rows instead of {rows:,}.")
