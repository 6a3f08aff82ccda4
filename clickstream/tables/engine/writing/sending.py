"""The rows of one INSERT as records: encoded, without those that are there already, counted."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.operators.operator import first_row
from clickstream.tables.engine.state import Identity, naming
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.origin import origin_columns
from clickstream.tables.sql.model import Insert

# Rows at once: their texts stay in the processor's cache (0.9 us a row of 200 bytes; 1.3 with 50,000).
CHUNK = 2_000
_ROWS = "rows_to_send"
# Columns of these: key, value, partition and offset of a stream's row, then its timestamp and headers.
_Row = tuple[Any, ...]


class Outgoing:
    """`written` and `dropped` count rows since the start. `drops`: rows with a NULL where none may be are left out.

    Rows go out in the writer's thread; `unmarked` says that some did whose ends are not in the state yet.
    """

    def __init__(self, insert: Insert, encoder: Encoder, sender: Sender, *, drops: bool) -> None:
        self.written = 0
        self.dropped = 0
        self.unmarked = False
        self._insert = insert
        self._topic = insert.target.topic
        self._encoder = encoder
        self._sender = sender
        self._drops = drops
        self._skip: Counter[Identity] = Counter()
        self._origin = origin_columns(insert)

    def read_back(self, cluster: Cluster, ends: dict[int, int], there: Mapping[Identity, int]) -> None:
        """Note what an append-only topic has from `ends` on, and `there`: rows that are not to be written again."""

        def note(message: Any) -> None:
            identity = self._identity(message.key(), message.value())
            if identity is not None:
                self._skip[identity] += 1

        self._skip.update(there)
        read_to_end(cluster, self._topic, note, start=ends)

    @property
    def there(self) -> Mapping[Identity, int]:
        """Rows that are written, and were not computed again yet."""
        return self._skip

    def rows(self, db: duckdb.DuckDBPyConnection, rows: pa.Table | pa.RecordBatch, *, ordered: bool) -> None:
        """Send rows with the insert's fields; `ordered`: rows of the same "$p" by their "$o".

        Raises ClickstreamError for a NULL where none may be.
        """
        made = self._encoder
        empty = made.not_null(_ROWS) or "FALSE"
        # They nearly always are in order: a join with references that have changed may mix them up.
        order = ' ORDER BY "$p", "$o"' if ordered and not _in_order(rows) else ""
        origin = ['"$p"', '"$o"'] if self._skip and self._origin else []
        extras = [one for one in (made.timestamp, made.headers) if one is not None]
        # In one query: another one for the NULLs would cost as much as a small result itself.
        items = ", ".join([f"({empty}) AS without", f"{made.key} AS k", f"{made.value} AS v", *origin, *extras])
        db.register(_ROWS, rows)
        try:
            with naming(self._insert.described):
                dropped = self._query(db, f"SELECT {items} FROM {_ROWS}{order}", each=bool(extras))
                if dropped and not self._drops:
                    self._refuse(db, empty)
            self.dropped += dropped
        finally:
            db.abort()  # a query of which not all rows were sent
            db.unregister(_ROWS)

    def _query(self, db: duckdb.DuckDBPyConnection, sql: str, *, each: bool) -> int:
        """Send the rows of a query; how many have a NULL where none may be."""
        dropped = 0
        for batch in db.sql(sql).to_arrow_reader(CHUNK):
            without, *columns = [column.to_pylist() for column in batch.columns]
            found: Iterable[_Row] = zip(*columns, strict=True)
            if any(without):
                found = [row for row, null in zip(found, without, strict=True) if not null]
                dropped += sum(without)
            if self._skip:
                found = self._unwritten(found)
            if each:
                self._each(list(found))
            else:
                self._together([{"key": row[0], "value": row[1]} for row in found])
        return dropped

    def tombstones(self, keys: Iterable[str]) -> None:
        """Say that the rows with these keys are no more."""
        self._together([{"key": key, "value": None} for key in keys])

    def _each(self, rows: list[_Row]) -> None:
        """Rows with a timestamp or headers of their own."""
        timed, headed = self._encoder.timestamp is not None, self._encoder.headers is not None
        for row in rows:
            timestamp = row[-2 if headed else -1] if timed else None
            headers = list(row[-1] or []) if headed else None
            self._sender.send(self._topic, row[1], row[0], timestamp=timestamp or 0, headers=headers)
        self._count(len(rows))

    def _together(self, messages: list[dict[str, Any]]) -> None:
        if messages:
            self._sender.send_batch(self._topic, messages)
            self._count(len(messages))

    def _count(self, rows: int) -> None:
        self.written += rows
        self.unmarked = self.unmarked or rows > 0

    def _identity(self, key: bytes | None, value: bytes | None) -> Identity | None:
        """None: somebody else wrote it."""
        if self._origin is None:
            return key, value
        try:
            row = json.loads(value or b"null")
            partition, offset = row.get(self._origin[0]), row.get(self._origin[1])
        except (ValueError, AttributeError):
            return None
        return (partition, offset) if isinstance(partition, int) and isinstance(offset, int) else None

    def _unwritten(self, rows: Iterable[_Row]) -> list[_Row]:
        left = []
        for row in rows:
            name = (row[2], row[3]) if self._origin else (_bytes(row[0]), _bytes(row[1]))
            if self._skip[name] > 0:
                self.unmarked = True
                self._skip[name] -= 1
                if not self._skip[name]:
                    del self._skip[name]
            else:
                left.append(row)
        return left

    def _refuse(self, db: duckdb.DuckDBPyConnection, empty: str) -> None:
        found = first_row(db, f"SELECT to_json(r) FROM {_ROWS} r WHERE {empty} LIMIT 1")
        raise ClickstreamError(
            f"{self._insert.described}: a NULL in a column that must not be NULL: "
            f"{found[0] if found else ''}. SET 'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out."
        )


def _in_order(rows: pa.Table | pa.RecordBatch) -> bool:
    partitions, offsets = rows["$p"].to_numpy(), rows["$o"].to_numpy()
    return all(np.all(np.diff(offsets[partitions == one]) >= 0) for one in np.unique(partitions))


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
