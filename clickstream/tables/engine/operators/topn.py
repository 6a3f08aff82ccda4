"""ROW_NUMBER in windows: the first rows of each, in the order that the query says.

NULLs are the lowest values, and of rows that are equal in the order the one that came first is first (as Flink 2.3's
SyncStateWindowRankProcessor has it), but the last one where a window keeps its last row by event time only (as
RowTimeDeduplicateRecordsCombiner has it). "Came first" is by partition and offset here, so that it is the same after
a restart.
"""

import duckdb

from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.operators.operator import OFFSET, PARTITION, WATERMARK, note_late, only_row
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import TopN
from clickstream.tables.sql.plans import keeps_last, window_of


def ranked(node: TopN, rows: str) -> str:
    """SQL for the first rows of each partition, given all rows of their windows at once: closed groups.

    `rows` is what can stand after FROM; the result has its columns, and the rank if the node has one. What is equal in
    the order is ordered by all columns, for lack of an order of arrival.
    """
    return _ranked(node, rows, '"$row"')


def _ranked(node: TopN, rows: str, ties: str) -> str:
    number = _number(node, ties)
    if node.rank is None:
        return f'SELECT "$row".* FROM {rows} "$row" QUALIFY {number} <= {node.limit}'
    rank = identifier(node.rank.name)
    return f'SELECT "$row".*, {number} AS {rank} FROM {rows} "$row" QUALIFY {rank} <= {node.limit}'


def _number(node: TopN, ties: str) -> str:
    order = ", ".join(f"{identifier(name)} {'DESC NULLS LAST' if down else 'NULLS FIRST'}" for name, down in node.order)
    return f"row_number() OVER (PARTITION BY {', '.join(map(identifier, node.partition))} ORDER BY {order}, {ties})"


class WindowTopN:
    """The first rows of each open window, of rows that are in no groups.

    `absorb` takes rows once for each of their windows. The state has at most `limit` rows of each partition.
    """

    def __init__(self, name: str, node: TopN) -> None:
        found = window_of(node.input)
        assert found is not None
        _, roles = found
        self.name = name
        self._node = node
        self._table, self._first, self._both = identifier(name), identifier(f"{name}_first"), identifier(f"{name}_both")
        self._start, self._end = (f"epoch_ms({identifier(roles[role])})" for role in ("window_start", "window_end"))
        self._names = ", ".join(identifier(field.name) for field in node.input.fields)
        self._arrival = f"{PARTITION}, {OFFSET}"
        self._ties = f"{PARTITION} DESC, {OFFSET} DESC" if keeps_last(node) else self._arrival
        self._batch, self._reported = 0, -1
        self._first_end: int | None = None  # no open window ends before

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        typed = "".join(f"{identifier(field.name)} {duckdb_type(field.type)}, " for field in self._node.input.fields)
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} "
            f'({typed}{PARTITION} INTEGER, {OFFSET} BIGINT, "$end" BIGINT, "$batch" BIGINT)'
        )
        self._batch, self._first_end = only_row(
            db, f'SELECT coalesce(max("$batch"), 0), min("$end") FROM {self._table}'
        )
        self._reported = -1

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        late = f"{WATERMARK} >= {self._end} - 1"
        first_end, some_late = only_row(
            db, f"SELECT min({self._end}) FILTER (NOT ({late})), bool_or({late}) FROM {rows}"
        )
        if some_late:
            # A row may still be in time for its last window.
            last = f"row_number() OVER (PARTITION BY {self._arrival} ORDER BY {self._end} DESC) = 1"
            db.execute(note_late(self.name, f"(SELECT * FROM {rows} QUALIFY {last})", late))
        if first_end is None:
            return
        self._batch += 1
        self._first_end = first_end if self._first_end is None else min(first_end, self._first_end)
        number = _number(self._node, self._ties)
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._first} AS "
            f'SELECT {self._names}, {self._arrival}, {self._end} AS "$end", {self._batch} AS "$batch" FROM {rows} '
            f"WHERE NOT ({late}) QUALIFY {number} <= {self._node.limit}"
        )
        db.execute(
            f'CREATE OR REPLACE TEMP TABLE {self._both} AS SELECT *, {number} <= {self._node.limit} AS "$stays" '
            f'FROM (SELECT NULL AS "$id", * FROM {self._first} '
            f"UNION ALL SELECT s.rowid, s.* FROM {self._table} s SEMI JOIN {self._first} f ON {self._same('s', 'f')})"
        )
        db.execute(f'DELETE FROM {self._table} WHERE rowid IN (SELECT "$id" FROM {self._both} WHERE NOT "$stays")')
        db.execute(
            f'INSERT INTO {self._table} SELECT * EXCLUDE ("$id", "$stays") FROM {self._both} '
            f'WHERE "$stays" AND "$id" IS NULL'
        )

    def due(self, watermark: int) -> bool:
        return self._first_end is not None and watermark >= self._first_end - 1

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        ended = f'"$end" <= {watermark + 1}'
        self._rows(db, into, f"(FROM {self._table} WHERE {ended})")
        db.execute(f"DELETE FROM {self._table} WHERE {ended}")
        (self._first_end,) = only_row(db, f'SELECT min("$end") FROM {self._table}')

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """As Operator.early: all rows of partitions that changed."""
        changed = f'(FROM {self._table} WHERE "$batch" > {self._reported})'
        self._rows(db, into, f"(SELECT s.* FROM {self._table} s SEMI JOIN {changed} c ON {self._same('s', 'c')})")
        self._reported = self._batch

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        (end,) = only_row(db, f'SELECT max("$end") FROM {self._table}')
        return None if end is None else int(end)

    def _rows(self, db: duckdb.DuckDBPyConnection, into: str, rows: str) -> None:
        names = ", ".join(identifier(field.name) for field in self._node.fields)
        window = f'{self._start} AS "$start", "$end"'
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS SELECT {names}, {window} "
            f"FROM ({_ranked(self._node, rows, self._ties)})"
        )

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(
            f"{one}.{identifier(name)} IS NOT DISTINCT FROM {other}.{identifier(name)}" for name in self._node.partition
        )
