"""DISTINCT without a window: each value of a group counts once, for ever."""

from collections.abc import Mapping, Sequence

import duckdb

from clickstream.tables.engine.operators.aggregates import Aside
from clickstream.tables.names import identifier


class DistinctValues:
    """The values of one aggregate that were there already, a row each.

    As lists in the groups' rows all values would be written again with every new one.
    """

    def __init__(self, group: str, keys: Mapping[str, str], of_row: Sequence[str], aggregate: Aside) -> None:
        """`keys`: names and types of the groups' keys; `of_row`: the select items that give them."""
        self._known = identifier(f"{group}_{aggregate.name}_values")
        self._arrived = identifier(f"{group}_{aggregate.name}_arrived")
        self._new = identifier(f"{group}_{aggregate.name}_new")
        self._keys = list(keys)
        self._columns = ", ".join(f"{name} {kind}" for name, kind in {**keys, "v": aggregate.kind}.items())
        self._of_row = ", ".join([*of_row, aggregate.values])
        self._of_values = ", ".join([*keys, *aggregate.of_values()])

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make its tables if they are not there."""
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._known} ({self._columns})")
        db.execute(f"CREATE OR REPLACE TEMP TABLE {self._arrived} ({self._columns})")

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Note the values of a batch."""
        values = f"SELECT {self._of_row} FROM {rows}"
        db.execute(f"INSERT INTO {self._arrived} SELECT DISTINCT * FROM ({values}) WHERE v IS NOT NULL")

    def take_new(self, db: duckdb.DuckDBPyConnection) -> str:
        """Remember the values noted that are new; returns SQL for the groups' parts of them."""
        same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM k.{name}" for name in [*self._keys, "v"])
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._new} AS "
            f"SELECT DISTINCT a.* FROM {self._arrived} a ANTI JOIN {self._known} k ON {same}"
        )
        db.execute(f"INSERT INTO {self._known} SELECT * FROM {self._new}")
        db.execute(f"DELETE FROM {self._arrived}")
        return f"SELECT {self._of_values} FROM {self._new} GROUP BY ALL"
