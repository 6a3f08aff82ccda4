"""Rows of windows, and of joins that do not carry their origin, on their way to an append-only topic.

They are stored, encoded, with the state that they were made from, and written after that commit; the next commit
forgets those that are acknowledged. So after a crash the very same bytes tell which of them are there already,
however the batches are cut then: a sum of fractions in another order, or a session of rows that come otherwise, would
have made another row, and a reference that has changed meanwhile another one of a join. Other streams need none of
this: their rows carry their origin, or are made of one record each.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.state.store import Identity
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.written import WrittenRows
from clickstream.tables.names import identifier, relation
from clickstream.tables.sql.types import Type

Row = tuple[Any, ...]

ROWS_AT_ONCE = 50_000  # in Python's memory


class Outbox:
    """Of one INSERT. Rows are (key, value, timestamp, headers), the last two None unless the table writes them."""

    def __init__(self, name: str, encoder: Encoder) -> None:
        self._table = identifier(relation("outbox", name))
        self._encoder = encoder
        self._stored = self._sent = 0  # numbers of the last rows that were stored, and handed over
        self._before = 0  # of the last one that was stored before the last call of `store`

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make its table if it is not there, and learn what it holds."""
        columns = f"n BIGINT, k VARCHAR, v VARCHAR, ts_ms BIGINT, headers {duckdb_type(Type.HEADERS)}"
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({columns})")
        self._stored = db.execute(f"SELECT coalesce(max(n), 0) FROM {self._table}").fetchall()[0][0]

    def store(self, db: duckdb.DuckDBPyConnection, rows: str, order: str) -> None:
        """Encode and keep the rows of a relation, in an order, in the caller's transaction."""
        made = self._encoder
        items = [
            f"row_number() OVER (ORDER BY {order}) + {self._stored} AS n",
            f"{made.key} AS k",
            f"{made.value} AS v",
        ]
        items += [f"{made.timestamp or 'NULL'} AS ts_ms", f"{made.headers or 'NULL'} AS headers"]
        found = db.execute(f"INSERT INTO {self._table} BY NAME SELECT {', '.join(items)} FROM {rows}").fetchall()
        self._before, self._stored = self._stored, self._stored + found[0][0]

    def unsent(self, db: duckdb.DuckDBPyConnection, limit: int) -> list[Row]:
        """The first of the committed rows that were not handed over yet, some `limit` at most; each is given once."""
        if self._sent >= self._stored:
            return []
        found = db.execute(
            f"SELECT n, k, v, ts_ms, headers FROM {self._table} WHERE n > {self._sent} ORDER BY n LIMIT {limit}"
        ).fetchall()
        self._sent = found[-1][0] if len(found) == limit else self._stored
        return [row[1:] for row in found]

    @property
    def owes(self) -> bool:
        """Whether committed rows wait to be handed over: after a crash they are nobody else's."""
        return self._sent < self._stored

    @property
    def holds(self) -> bool:
        """Whether rows were handed over that the state still keeps."""
        return self._sent > 0

    def forget_sent(self, db: duckdb.DuckDBPyConnection) -> None:
        """The rows that were handed over are acknowledged: part of the caller's transaction."""
        if self._sent:
            db.execute(f"DELETE FROM {self._table} WHERE n <= {self._sent}")
            if self._sent == self._stored:
                self._sent = self._stored = 0

    def leave_out(self, db: duckdb.DuckDBPyConnection, written: WrittenRows) -> None:
        """Have the rows that were stored last not sent as far as they are among those of an engine that sent them
        before it stored them; these are told by their bytes.
        """
        rows = db.execute(f"SELECT k, v, n FROM {self._table} WHERE n > {self._before} ORDER BY n").fetchall()
        left = {number for _, _, number in written.without(rows)}
        self._delete(db, [number for _, _, number in rows if number not in left])

    def forget_written(self, db: duckdb.DuckDBPyConnection, there: Mapping[Identity, int]) -> Counter[Identity]:
        """After a crash: leave out what is in the topic already. Returns the rows there that are none of these."""
        left, written = Counter(there), []
        by_bytes: dict[tuple[bytes | None, bytes | None], Identity] = {(one[2], one[3]): one for one in there}
        last = 0
        while some := db.execute(
            f"SELECT n, k, v FROM {self._table} WHERE n > {last} ORDER BY n LIMIT {ROWS_AT_ONCE}"
        ).fetchall():
            last = some[-1][0]
            for number, key, value in some:
                identity = by_bytes.get((_bytes(key), _bytes(value)))
                if identity is not None and left[identity] > 0:
                    left[identity] -= 1
                    written.append(number)
        self._delete(db, written)
        return +left

    def _delete(self, db: duckdb.DuckDBPyConnection, numbers: list[int]) -> None:
        if numbers:  # a statement with all of them in it takes 5 kB of memory for each
            db.register("numbers", pa.table({"n": numbers}))
            db.execute(f"DELETE FROM {self._table} WHERE n IN (SELECT n FROM numbers)")
            db.unregister("numbers")


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
