"""ROW_NUMBER without a window: the first row of each key by event time, once and for ever.

As Flink 2.3's RowTimeDeduplicateKeepFirstRowFunction: a row leaves when the watermark has reached its time, since no
earlier one can come then; of rows at the same time the one that came first (here: by partition and offset) is it.
Rows behind their watermark, t < watermark, are dropped. A row without event time is skipped, which Flink does only
once there is a watermark: before, it takes such a row for one of 1970.
"""

import duckdb

from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.operators.operator import OFFSET, PARTITION, TIME, WATERMARK, note_late, only_row
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import TopN


class KeepFirst:
    """The first row of each key. The state has the key and time of every key that ever was, for ever.

    Rows wait in one table until they leave; the other has the keys of those that left. Whether a key has left is only
    asked for when rows would leave: to look through a million keys takes 50 ms (an index on them makes that 5, but it
    triples the cost of new keys, and takes 60 bytes of memory for each). Late are the rows behind their watermark that
    could have been the first: no row of their key that waits or left is as early.
    """

    def __init__(self, name: str, node: TopN) -> None:
        self.name = name
        self._node = node
        self._waiting, self._left = identifier(f"{name}_waiting"), identifier(f"{name}_left")
        self._first = identifier(f"{name}_first")
        self._keys = [identifier(key) for key in node.partition]
        self._names = ", ".join(identifier(field.name) for field in node.fields)
        self._order = f"{TIME}, {PARTITION}, {OFFSET}"
        self._batch, self._reported = 0, -1
        self._first_time: int | None = None  # no row that waits is earlier

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        types = {identifier(field.name): duckdb_type(field.type) for field in self._node.input.fields}
        fields = "".join(f"{name} {kind}, " for name, kind in types.items())
        keys = "".join(f"{key} {types[key]}, " for key in self._keys)
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._waiting} "
            f'({fields}{PARTITION} INTEGER, {OFFSET} BIGINT, {TIME} BIGINT, "$batch" BIGINT)'
        )
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._left} ({keys}{TIME} BIGINT)")
        self._batch, self._first_time = only_row(
            db, f'SELECT coalesce(max("$batch"), 0), min({TIME}) FROM {self._waiting}'
        )
        self._reported = -1

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        in_time = f"{TIME} >= {WATERMARK}"
        first_time, some_late = only_row(
            db, f"SELECT min({TIME}) FILTER ({in_time}), bool_or({TIME} < {WATERMARK}) FROM {rows}"
        )
        if first_time is not None:
            self._batch += 1
            self._first_time = first_time if self._first_time is None else min(first_time, self._first_time)
            self._take(db, rows, in_time)
        if some_late:
            known = " UNION ALL ".join(
                f"SELECT {', '.join([*self._keys, TIME])} FROM {one}" for one in (self._left, self._waiting)
            )
            lost = (
                f"(SELECT r.* FROM {rows} r ANTI JOIN ({known}) k ON {self._same('r', 'k')} AND k.{TIME} <= r.{TIME})"
            )
            db.execute(note_late(self.name, lost, f"{TIME} < {WATERMARK}"))

    def _take(self, db: duckdb.DuckDBPyConnection, rows: str, in_time: str) -> None:
        # arg_min takes half the time of row_number() here.
        firsts = (
            f'SELECT unnest(arg_min("$row", ({self._order}))) FROM {rows} "$row" '
            f"WHERE {in_time} GROUP BY {', '.join(self._keys)}"
        )
        db.execute(f"CREATE OR REPLACE TEMP TABLE {self._first} AS {firsts}")
        place = ", ".join("{0}." + name for name in (TIME, PARTITION, OFFSET))
        db.execute(
            f"DELETE FROM {self._waiting} WHERE rowid IN (SELECT w.rowid FROM {self._waiting} w "
            f"JOIN {self._first} f ON {self._same('w', 'f')} AND ({place.format('f')}) < ({place.format('w')}))"
        )
        # The rows of these keys that still wait are earlier.
        db.execute(
            f'INSERT INTO {self._waiting} BY NAME SELECT {self._names}, {self._order}, {self._batch} AS "$batch" '
            f"FROM {self._first} f ANTI JOIN {self._waiting} w ON {self._same('f', 'w')}"
        )

    def due(self, watermark: int) -> bool:
        return self._first_time is not None and watermark >= self._first_time

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        """As Operator.close, with the rows in the order of their times."""
        passed = f"{TIME} <= {watermark}"
        # The first row of these keys was handed on before: what waits came later.
        again = (
            f"SELECT w.rowid FROM {self._waiting} w SEMI JOIN {self._left} l ON {self._same('w', 'l')} WHERE w.{passed}"
        )
        db.execute(f"DELETE FROM {self._waiting} WHERE rowid IN ({again})")
        self._rows(db, into, passed)
        db.execute(
            f"INSERT INTO {self._left} SELECT {', '.join([*self._keys, TIME])} FROM {self._waiting} WHERE {passed}"
        )
        db.execute(f"DELETE FROM {self._waiting} WHERE {passed}")
        (self._first_time,) = only_row(db, f"SELECT min({TIME}) FROM {self._waiting}")

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """As Operator.early: the rows that wait. Keys that have left may be among them."""
        self._rows(db, into, f'"$batch" > {self._reported}')
        self._reported = self._batch

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        (last,) = only_row(db, f"SELECT max({TIME}) FROM {self._waiting}")
        return None if last is None else int(last) + 1

    def _rows(self, db: duckdb.DuckDBPyConnection, into: str, condition: str) -> None:
        # A row is final when the watermark has reached its time: no earlier one can come any more. It is of no window
        # that could have begun before the INSERT came to the file.
        window = f'NULL::BIGINT AS "$start", {TIME} + 1 AS "$end"'
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS "
            f"SELECT {self._names}, {window} FROM {self._waiting} WHERE {condition} ORDER BY {self._order}"
        )

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{key} IS NOT DISTINCT FROM {other}.{key}" for key in self._keys)
