"""The rows of one INSERT as records: encoded, without those that are there already, counted."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Headers, Sender, record_time
from clickstream.tables.engine.operators.operator import OFFSET, PARTITION, first_row, only_row, partition_of
from clickstream.tables.engine.state.failures import naming
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.form import Form
from clickstream.tables.engine.writing.origin import origin_columns
from clickstream.tables.engine.writing.written import WrittenRows
from clickstream.tables.sql.model import Insert

# Rows at once: their texts stay in the processor's cache (0.9 us a row of 200 bytes; 1.3 with 50,000).
CHUNK = 2_000
# With up to so many rows a query costs half (14 ms instead of 30 for ten columns) when it is planned once, and plainly.
FEW = 200
_ROWS = "rows_to_send"
# A row to send: key, value, partition and offset of a stream's row, then its timestamp and headers.
_Row = tuple[Any, ...]


class Outgoing:
    """`written` and `dropped` count rows since the start. `drops`: rows with a NULL where none may be are left out.

    Rows go out in the writer's thread; `unmarked` says that some did whose ends are not in the state yet.
    """

    def __init__(self, insert: Insert, encoder: Encoder, form: Form, sender: Sender, *, drops: bool) -> None:
        self.written = 0
        self.dropped = 0
        self.unmarked = False
        self._insert = insert
        self._topic = insert.target.topic
        self._encoder = encoder
        self._form = form
        self._sender = sender
        self._drops = drops
        self._origin = origin_columns(insert)
        self.written_rows = WrittenRows(self._origin)

    @property
    def knows_origins(self) -> bool:
        """Whether rows carry the partition and offset that they come from."""
        return self._origin is not None

    def rows(self, db: duckdb.DuckDBPyConnection, rows: pa.Table | pa.RecordBatch, *, ordered: bool) -> None:
        """Send rows with the insert's fields; `ordered`: rows of the same "$p" by their "$o".

        Raises ClickstreamError for a NULL where none may be.
        """
        made = self._encoder
        empty = made.not_null(_ROWS) or "FALSE"
        # They nearly always are in order: a join with references that have changed may mix them up.
        order = ' ORDER BY "$p", "$o"' if ordered and not _in_order(rows) else ""
        origin = [partition_of(PARTITION), OFFSET] if self.written_rows and self._origin else []
        # In one query: another one for the NULLs would cost as much as a small result itself.
        items = ", ".join([f"({empty}) AS without", f"{made.key} AS k", f"{made.value} AS v", *origin, *made.extras])
        db.register(_ROWS, rows)
        try:
            with naming(self._insert.described):
                few = rows.num_rows <= FEW and not made.extras
                dropped = self._query(db, f"SELECT {items} FROM {_ROWS}{order}", few=few, each=bool(made.extras))
                if dropped and not self._drops:
                    self._refuse(db, empty)
            self.dropped += dropped
        finally:
            db.abort()  # a query of which not all rows were sent
            db.unregister(_ROWS)

    def _query(self, db: duckdb.DuckDBPyConnection, sql: str, *, few: bool, each: bool) -> int:
        """Send the rows of a query; how many have a NULL where none may be."""
        dropped = 0
        unsure: list[_Row] = []
        for without, *columns in _few(db, sql) if few else _chunks(db, sql):
            found: Iterable[_Row] = zip(*columns, strict=True)
            if any(without):
                found = [row for row, null in zip(found, without, strict=True) if not null]
                dropped += sum(without)
            if self.written_rows:
                unsure += found  # rows of one record may be in two chunks
            else:
                self.send(found, each=each)
        if unsure:
            self.unmarked = True
            self.send(self.written_rows.without(unsure), each=each)
        return dropped

    def send(self, rows: Iterable[_Row], *, each: bool) -> None:
        """Send encoded rows; `each`: they have a timestamp or headers of their own."""
        rows = self._form.packed(rows)
        if each:
            self._each(list(rows))
        else:
            self._together([{"key": row[0], "value": row[1]} for row in rows])

    def tombstones(self, keys: Iterable[str]) -> None:
        """Say that the rows with these keys are no more."""
        rows = self._form.packed((key, None) for key in keys)
        self._together([{"key": row[0], "value": None} for row in rows])

    def _each(self, rows: list[_Row]) -> None:
        """Rows with a timestamp or headers of their own."""
        for row in rows:
            timestamp, headers = time_and_headers(self._encoder, row)
            self._sender.send(self._topic, row[1], row[0], timestamp=timestamp, headers=headers)
        self._count(len(rows))

    def _together(self, messages: list[dict[str, Any]]) -> None:
        if messages:
            self._sender.send_batch(self._topic, messages)
            self._count(len(messages))

    def _count(self, rows: int) -> None:
        self.written += rows
        self.unmarked = self.unmarked or rows > 0

    def leave_out_nulls(self, db: duckdb.DuckDBPyConnection, table: str) -> None:
        """Delete rows of a table that have a NULL where none may be. Raises ClickstreamError if that is an error."""
        empty = self._encoder.not_null(table)
        if empty is None:
            return
        if not self._drops and first_row(db, f"SELECT 1 FROM {table} WHERE {empty} LIMIT 1"):
            self._refuse(db, empty, table)
        self.dropped += only_row(db, f"DELETE FROM {table} WHERE {empty}")[0]

    def _refuse(self, db: duckdb.DuckDBPyConnection, empty: str, table: str = _ROWS) -> None:
        """Raises ClickstreamError for the first row that is `empty`, in the words of the target's columns."""
        made = self._encoder
        found = only_row(db, f"SELECT {made.shown} FROM {table} WHERE {empty} LIMIT 1")
        row = dict(zip(made.written, json.loads(found[0]), strict=True))
        nulls = [name for name in made.strict if row[name] is None]
        raise ClickstreamError(
            f"{self._insert.described}: {' and '.join(nulls)} of {self._insert.target.name} must not be NULL: "
            f"{json.dumps(row, ensure_ascii=False)}. "
            "SET 'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out."
        )


def time_and_headers(made: Encoder, row: _Row) -> tuple[int, Headers]:
    """The record's own ones (ms, 0: none) of a row that ends in `made.extras`. Raises ClickstreamError before 1970."""
    timed, headed = made.timestamp is not None, made.headers is not None
    timestamp = row[-2 if headed else -1] if timed else None
    # A dict of a row that was fetched, pairs of one that came through Arrow.
    return record_time(timestamp), list(dict(row[-1] or ()).items()) if headed else []


def _chunks(db: duckdb.DuckDBPyConnection, sql: str) -> Iterator[list[list[Any]]]:
    """The columns of a query's rows, piece by piece."""
    for batch in db.sql(sql).to_arrow_reader(CHUNK):
        yield [column.to_pylist() for column in batch.columns]


def _few(db: duckdb.DuckDBPyConnection, sql: str) -> Iterator[list[list[Any]]]:
    """The same of few rows: planning is nearly all of it, and a relation is planned twice."""
    db.execute("PRAGMA disable_optimizer")
    try:
        rows = db.execute(sql).fetchall()
    finally:
        db.execute("PRAGMA enable_optimizer")
    if rows:
        yield [list(column) for column in zip(*rows, strict=True)]


def _in_order(rows: pa.Table | pa.RecordBatch) -> bool:
    partitions, offsets = rows["$p"].to_numpy(), rows["$o"].to_numpy()
    return all(np.all(np.diff(offsets[partitions == one]) >= 0) for one in np.unique(partitions))
