"""GROUP BY in TUMBLE, HOP and CUMULATE windows.

A batch is aggregated to panes, the pieces that windows share, and appended; panes are put together only when a
window closes or an early row is due. A row that is late for some of its windows (HOP, CUMULATE) stands in a pane
of its own, with the first end that still takes it.
"""

import duckdb
import numpy as np

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators.aggregates import Parts
from clickstream.tables.engine.operators.inorder import CREATE_ARRIVALS
from clickstream.tables.engine.operators.operator import (
    BEGINNING,
    TIME,
    WATERMARK,
    note_late,
    only_row,
)
from clickstream.tables.engine.operators.windows import Grid, window_column
from clickstream.tables.names import identifier, string
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import is_joined
from clickstream.tables.sql.types import type_of

# Batches append panes of the same key again and again; past this many they are put together.
COMPACT_AFTER_ROWS = 200_000
# Beside the columns of a statement, which may have any other name.
_PANE, _FIRST_END = '"$pane"', '"$first_end"'
_END = '"end"'


class Panes:
    """The open windows of one GROUP BY."""

    def __init__(self, name: str, node: GroupBy) -> None:
        assert node.window is not None
        self.name = name
        self._table = identifier(name)
        self._touched = identifier(f"{name}_touched")
        self._grid = Grid(node.window)
        # Joins let rows wait: what they give comes in the order of offsets only when all is there.
        self._straight = not is_joined(node.input)
        self._parts = Parts(node.aggregates, arrival=self._straight)
        roles = {field: role for role, field in node.window_keys.items()}
        groups = [key for key in node.keys if key.field.name not in roles]
        self._keys = [f"k{number}" for number in range(len(groups))]
        self._key_types = [duckdb_type(type_of(key.expression)) for key in groups]
        self._of_row = [f"{to_duckdb(key.expression)} AS {name}" for key, name in zip(groups, self._keys, strict=True)]
        names = {key.field.name: name for key, name in zip(groups, self._keys, strict=True)}
        self._outputs = [
            f"{self._window_column(roles[key.field.name]) if key.field.name in roles else names[key.field.name]}"
            f" AS {identifier(key.field.name)}"
            for key in node.keys
        ]
        self._lists = self._parts.in_order
        self._window = [f'{self._grid.start(_END)} AS "$start"', f'{_END} AS "$end"']
        self._closed = BEGINNING  # windows up to this end are closed
        self._grown = 0
        self._compacted = 0

    def _window_column(self, role: str) -> str:
        return window_column(role, self._grid.start(_END), _END)

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        columns = [*zip(self._keys, self._key_types, strict=True), *self._parts.columns]
        typed = "".join(f", {name} {kind}" for name, kind in columns)
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._table} (pane BIGINT, first_end BIGINT{typed})")
        db.execute(CREATE_ARRIVALS)
        db.execute("CREATE TABLE IF NOT EXISTS closed (name VARCHAR, until BIGINT)")
        keys = "".join(f", {name} {kind}" for name, kind in zip(self._keys, self._key_types, strict=True))
        db.execute(f"CREATE OR REPLACE TEMP TABLE {self._touched} (pane BIGINT, first_end BIGINT{keys})")
        (until,) = only_row(db, f"SELECT max(until) FROM closed WHERE name = {string(self.name)}")
        self._closed = until if until is not None else BEGINNING
        self._compacted = self._count(db)

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str, *, behind: bool = True) -> None:
        """As Operator.absorb; `behind` False: no row is behind its watermark, so that none can be late."""
        grid = self._grid
        pane, parts = grid.pane(TIME), ", ".join(self._parts.of_rows())
        keys = "".join(f", {item}" for item in self._of_row)
        first_end = grid.first_end(_PANE, WATERMARK) if behind else f"{_PANE} + {grid.slide}"
        in_time = f" WHERE {_FIRST_END} <= {grid.last_end(_PANE)}" if behind else ""
        timed = f"SELECT *, {pane} AS {_PANE} FROM {rows} WHERE {TIME} IS NOT NULL"
        placed = f"SELECT *, {first_end} AS {_FIRST_END} FROM ({timed})"
        self._grown += self._append(
            db,
            f"INSERT INTO {self._table} SELECT {_PANE}, {_FIRST_END}{keys}{', ' if parts else ''}{parts} "
            f"FROM ({placed}){in_time} GROUP BY ALL",
        )
        if behind:
            first_end = grid.first_end(pane, WATERMARK)
            db.execute(note_late(self.name, rows, f"{TIME} IS NOT NULL AND {first_end} > {grid.last_end(pane)}"))
        self._compact(db)

    def _append(self, db: duckdb.DuckDBPyConnection, insert: str) -> int:
        """Run an INSERT; how much larger the table is: its rows, and the values in their lists."""
        if not self._lists:
            (rows,) = only_row(db, insert)
            return int(rows)
        lengths = db.execute(f"{insert} RETURNING coalesce(len({self._lists[0]}), 0) AS values").fetchnumpy()["values"]
        return len(lengths) + len(self._lists) * int(np.sum(lengths))

    def touch(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Remember which groups a batch changed, for the next early rows."""
        grid, keys = self._grid, "".join(f", {item}" for item in self._of_row)
        pane = grid.pane(TIME)
        db.execute(
            f"INSERT INTO {self._touched} SELECT DISTINCT {pane}, {grid.first_end(pane, WATERMARK)}{keys} "
            f"FROM {rows} WHERE {TIME} IS NOT NULL"
        )

    def touch_open(self, db: duckdb.DuckDBPyConnection) -> None:
        """The same of all groups of open windows: what a former run had still to show is not known."""
        keys = "".join(f", {name}" for name in self._keys)
        db.execute(f"INSERT INTO {self._touched} SELECT DISTINCT pane, first_end{keys} FROM {self._table}")

    def due(self, watermark: int) -> bool:
        return self._grid.closed_at(watermark) > self._closed

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        until = max(self._closed, self._grid.closed_at(watermark))
        if until == self._closed:
            db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS {self._results('FALSE', 0, 0)}")
            return
        first, last = f"greatest(first_end, {self._closed + self._grid.slide})", self._grid.last_end("pane")
        some = f"first_end <= {until} AND {last} > {self._closed}"
        results = self._results(some, first, f"least({last}, {until})")
        db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS {results}")
        db.execute(f"DELETE FROM {self._table} WHERE {last} <= {until}")
        db.execute(f"DELETE FROM closed WHERE name = {string(self.name)}")
        db.execute(f"INSERT INTO closed VALUES ({string(self.name)}, {until})")
        self._closed = until

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        first, last = f"greatest(first_end, {self._closed + self._grid.slide})", self._grid.last_end("pane")
        keys = "".join(f", {name}" for name in self._keys)
        open_ones = f"{last} > {self._closed}"
        same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM g.{name}" for name in ['"end"', *self._keys])
        touched = (
            f'SELECT DISTINCT {self._grid.ends(first, last)} AS "end"{keys} FROM {self._touched} WHERE {open_ones}'
        )
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS "
            f"SELECT {', '.join([*self._outputs, *self._parts.results(), *self._window])} "
            f"FROM ({self._groups(open_ones, first, last)}) g SEMI JOIN ({touched}) t ON {same}"
        )
        db.execute(f"DELETE FROM {self._touched}")

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        (last,) = only_row(db, f"SELECT max({self._grid.last_end('pane')}) FROM {self._table}")
        return None if last is None else int(last)

    def _groups(self, condition: str, first: object, last: object) -> str:
        """The parts of every group of every window whose end is from `first` to `last`."""
        keys, merged = "".join(f", {name}" for name in self._keys), "".join(f", {one}" for one in self._parts.merged())
        names = "".join(f", {name}" for name in self._parts.names)
        panes = f"SELECT pane, first_end{keys}{merged} FROM {self._table} WHERE {condition} GROUP BY ALL"
        if self._grid.single:
            # A pane is in one window, and first_end is its end: nothing to put together again.
            return f'SELECT first_end AS "end"{keys}{names} FROM ({panes})'
        ends = self._grid.ends(str(first), str(last))
        if self._lists:
            spread = f'SELECT pane, first_end, {ends} AS "end"{keys}{names} FROM ({self._added(panes)})'
            placed = "".join(f", {one}" for one in self._parts.placed(*self._grid.order("pane", "first_end", '"end"')))
            spread = f'SELECT "end"{keys}{placed} FROM ({spread})'
        else:
            spread = f'SELECT {ends} AS "end"{keys}{names} FROM ({panes})'
        return f'SELECT "end"{keys}{merged} FROM ({spread}) GROUP BY ALL'

    def _added(self, panes: str) -> str:
        """The same panes, with the values in lists added as far as they are there."""
        items = ", ".join(["pane", "first_end", *self._keys, *self._parts.added()])
        return f"SELECT {items} FROM ({panes})"

    def _results(self, condition: str, first: object, last: object) -> str:
        return (
            f"SELECT {', '.join([*self._outputs, *self._parts.results(), *self._window])} "
            f"FROM ({self._groups(condition, first, last)})"
        )

    def _compact(self, db: duckdb.DuckDBPyConnection) -> None:
        """Put appended panes of the same key together: at most as often as it pays."""
        if self._grown < max(COMPACT_AFTER_ROWS, self._compacted):
            return
        keys, merged = "".join(f", {name}" for name in self._keys), "".join(f", {one}" for one in self._parts.merged())
        compact = identifier(f"{self.name}_compact")
        panes = f"SELECT pane, first_end{keys}{merged} FROM {self._table} GROUP BY ALL"
        if self._lists and self._straight:
            panes = self._added(panes)
        db.execute(f"CREATE OR REPLACE TEMP TABLE {compact} AS {panes}")
        db.execute(f"DELETE FROM {self._table}")
        db.execute(f"INSERT INTO {self._table} SELECT * FROM {compact}")
        db.execute(f"DROP TABLE {compact}")
        self._grown, self._compacted = 0, self._count(db)

    def _count(self, db: duckdb.DuckDBPyConnection) -> int:
        """The table's rows, and the values in their lists."""
        values = "".join(f" + coalesce(sum(len({name})), 0)" for name in self._lists)
        (count,) = only_row(db, f"SELECT count(*){values} FROM {self._table}")
        return int(count)
