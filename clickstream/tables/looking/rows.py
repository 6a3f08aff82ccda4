"""Records as the rows of their table."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.inspect import render
from clickstream.tables.engine.decoding.decode import Decoder, Records
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Column, Table
from clickstream.tables.sql.types import Type

Value = bool | int | float | str | dict[str, Any] | None
"""Times are epoch ms, dates `2026-01-01`, headers as render.headers shows them."""

# Rows of windows that are still open have this header, and only they.
EARLY = ("final", b"0")

_INTO = "shown"


class Row(NamedTuple):
    """A record's row. `values` are those of all columns, `key` those of the primary key (() if there is none).

    `at` is the record's timestamp in ms, its partition and its offset. `early`: its window is still open. `deleted`:
    it says that the key has no row any more.
    """

    values: tuple[Value, ...]
    key: tuple[Value, ...]
    at: tuple[int, int, int]
    early: bool = False
    deleted: bool = False


class RecordReader:
    """Reads all columns of a table, as the engine does it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        names = [column.name for column in table.columns]
        self._key = [names.index(name) for name in table.primary_key]
        self._has_headers = any(column.metadata == "headers" for column in table.columns)
        self._decoder = Decoder(table, names)
        self._db = duckdb.connect()
        columns = ", ".join(map(_shown, table.columns))
        deleted = '"$deleted"' if table.upsert else "FALSE"
        self._select = f'SELECT "$ts", "$p", "$o", "$i", {deleted}, {columns} FROM {identifier(_INTO)} ORDER BY "$i"'
        self.unreadable = 0
        """Records so far that are no rows of the table."""

    def rows(self, messages: Sequence[Message]) -> list[Row]:
        """Raises ClickstreamError where a computed column has no value, so that the table cannot be read."""
        records = Records.of(messages, keys=self._decoder.needs_keys, headers=self._decoder.needs_headers)
        try:
            self.unreadable += len(self._decoder.decode(self._db, records, _INTO).bad)
            found = self._db.execute(self._select).fetchall()
        except duckdb.Error as error:
            raise ClickstreamError(f"Table {self._table.name} cannot be read: {error}.") from error
        return [self._row(messages[line[3]], line) for line in found]

    def _row(self, message: Message, line: tuple[Any, ...]) -> Row:
        timestamp, partition, offset, _, deleted = line[:5]
        values = line[5:]
        if self._has_headers:
            values = tuple(render.headers(message) if isinstance(value, dict) else value for value in values)
        headers = message.headers()
        early = headers is not None and EARLY in headers
        key = tuple([values[place] for place in self._key])
        return Row(values, key, (timestamp, partition, offset), early, deleted)


def _shown(column: Column) -> str:
    """SQL: the column as a Value. Python has no times beyond its year 9999, so they are numbers."""
    match column.type:
        case Type.TIMESTAMP | Type.TIMESTAMP_LTZ:
            return f"epoch_ms({identifier(column.name)})"
        case Type.DATE:
            return f"{identifier(column.name)}::VARCHAR"
        case _:
            return identifier(column.name)
