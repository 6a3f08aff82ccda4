"""GROUP BY without a window: one row per group for ever, the latest of which counts."""

import duckdb

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators.aggregates import Parts
from clickstream.tables.engine.operators.distinct import DistinctValues
from clickstream.tables.engine.operators.inorder import CREATE_ARRIVALS
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import is_joined
from clickstream.tables.sql.types import type_of


class Groups:
    """The groups of one GROUP BY. `close` gives what changed since the last call; nothing ever closes."""

    def __init__(self, name: str, node: GroupBy) -> None:
        self.name = name
        self._table = identifier(name)
        self._changed = identifier(f"{name}_changed")
        self._parts = Parts(node.aggregates, aside=True, arrival=not is_joined(node.input))
        self._keys = [f"k{number}" for number in range(len(node.keys))]
        self._types = [duckdb_type(type_of(key.expression)) for key in node.keys]
        self._of_row = [
            f"{to_duckdb(key.expression)} AS {name}" for key, name in zip(node.keys, self._keys, strict=True)
        ]
        self._outputs = [
            *(f"{name} AS {identifier(key.field.name)}" for key, name in zip(node.keys, self._keys, strict=True)),
            *self._parts.results(),
            *('NULL::BIGINT AS "$start"', 'NULL::BIGINT AS "$end"'),
        ]
        keys = dict(zip(self._keys, self._types, strict=True))
        self._distinct = [DistinctValues(name, keys, self._of_row, one) for one in self._parts.aside]

    @staticmethod
    def before(into: str) -> str:
        """The name of the table that `close` makes beside `into`: the same groups' rows before they changed."""
        return f"{into}_before"

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        columns = [*zip(self._keys, self._types, strict=True), *self._parts.columns]
        typed = ", ".join(f"{name} {kind}" for name, kind in columns)
        db.execute(CREATE_ARRIVALS)
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({typed})")
        db.execute(f"CREATE OR REPLACE TEMP TABLE {self._changed} ({typed})")
        for one in self._distinct:
            one.create(db)

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        items = ", ".join([*self._of_row, *self._parts.of_rows()])
        grouped = " GROUP BY ALL" if self._parts.of_rows() else ""
        db.execute(
            f"INSERT INTO {self._changed} BY NAME SELECT {'' if grouped else 'DISTINCT '}{items} FROM {rows}{grouped}"
        )
        for one in self._distinct:
            one.absorb(db, rows)

    def due(self, watermark: int) -> bool:
        return True

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        for one in self._distinct:
            db.execute(f"INSERT INTO {self._changed} BY NAME {one.take_new(db)}")
        same = " AND ".join(f"s.{name} IS NOT DISTINCT FROM c.{name}" for name in self._keys)
        stored = f"FROM {self._table} s SEMI JOIN {self._changed} c ON {same}"
        names = ", ".join([*self._keys, *self._parts.names])
        merged = ", ".join([*self._keys, *self._parts.merged()])
        groups = (
            f"SELECT {merged} FROM (SELECT {names} {stored} UNION ALL SELECT {names} FROM {self._changed}) GROUP BY ALL"
        )
        if self._parts.in_order:
            groups = f"SELECT {', '.join([*self._keys, *self._parts.added()])} FROM ({groups})"
        both, outputs = identifier(f"{self.name}_both"), ", ".join(self._outputs)
        db.execute(f"CREATE OR REPLACE TEMP TABLE {both} AS {groups}")
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(self.before(into))} AS "
            f"SELECT {outputs} FROM (SELECT {names} {stored})"
        )
        db.execute(f"DELETE FROM {self._table} WHERE rowid IN (SELECT s.rowid {stored})")
        db.execute(f"INSERT INTO {self._table} SELECT {names} FROM {both}")
        db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS SELECT {outputs} FROM {both}")
        db.execute(f"DELETE FROM {self._changed}")

    def present_rows(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """Make temp table `into` of the rows of all groups."""
        outputs = ", ".join(self._outputs)
        db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS SELECT {outputs} FROM {self._table}")

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS "
            f"SELECT {', '.join(self._outputs)} FROM {self._table} LIMIT 0"
        )

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        return None
