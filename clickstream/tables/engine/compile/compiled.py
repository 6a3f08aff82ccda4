"""What the compiler makes of a program, and `flow` runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import duckdb

from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import BEGINNING, Operator
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Insert

Database = duckdb.DuckDBPyConnection


class Watermarks(Protocol):
    """The watermarks (ms) of tables, at some moment."""

    def of(self, tables: tuple[str, ...]) -> int:
        """The least of some tables, of which silent ones do not count."""

    def coming(self, tables: tuple[str, ...]) -> int:
        """What it will be once a floor that is pending is stored: rows that wait for it are in time."""

    def floor(self, tables: tuple[str, ...]) -> int:
        """Below it every row is late for what closes by the watermark of these tables."""

    def ended(self, operator: str) -> int:
        """Up to where an earlier run, which ended, closed this operator's windows."""


Step = Callable[[Database, Watermarks], None]

# The end (ms) of the window that a row of an operator belongs to.
WINDOW_END = '"$end"'


@dataclass(frozen=True)
class Placed:
    """An operator, where its rows come from and go to, and the tables that it reads.

    `rows` is the SQL of the relation `input`. `closes_with` has the tables of all operators that write to the same
    results: they close together, so that rows leave in the order of their windows' ends; `together` are the outputs of
    these operators. Windows that start at or before `begins` (ms) are incomplete, and not given. `lanes` has the table
    of each number that `operator.lane` gave.
    """

    operator: Operator
    input: str
    rows: str
    output: str
    tables: tuple[str, ...]
    closes_with: tuple[str, ...] = ()
    begins: int | None = None
    lanes: tuple[str, ...] = ()
    together: frozenset[str] = frozenset()

    def watermark(self, watermarks: Watermarks) -> int:
        """The watermark (ms) by which its windows close."""
        return max(watermarks.of(self.closes_with), watermarks.ended(self.operator.name))

    def show(self, db: Database, floor: int = BEGINNING) -> None:
        """Make `input`, with rows judged by `floor` (ms) where their own watermark is lower."""
        judged = f'SELECT * REPLACE (greatest("$wm", {floor}) AS "$wm") FROM ({self.rows})'
        rows = judged if floor > BEGINNING else self.rows
        db.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(self.input)} AS {rows}")


@dataclass(frozen=True)
class Branch:
    """Rows of one INSERT, as `sql`, which ends in the hidden columns. Stream rows leave with their batch.

    `joined`: they come out of a join. `outputs` are of the operators that it reads. `placed` is the one operator whose
    rows it only selects from: then `early(table, having)` is the same over another table of that operator's rows, with
    WINDOW_END, and with the condition of HAVING or without it.
    """

    insert: Insert
    name: str
    sql: str
    stream: bool
    joined: bool = False
    outputs: frozenset[str] = frozenset()
    early: Callable[[str, bool], str] | None = None
    placed: Placed | None = None

    @property
    def updates(self) -> bool:
        """Whether its rows are of groups without a window: never final, the latest of a key counts."""
        return self.placed is not None and isinstance(self.placed.operator, Groups)


@dataclass
class Compiled:
    """The relations of some INSERTs, in the order in which they need each other."""

    branches: list[Branch] = field(default_factory=list)
    operators: list[Placed] = field(default_factory=list)
    # Tables of rows that wait for the watermark, with lanes as in Placed.
    joins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # By table, each reference that is joined with, and the tables by whose watermarks rows leave its joins.
    joined: dict[str, tuple[Reference, set[tuple[str, ...]]]] = field(default_factory=dict)
    joins_at_once: bool = False  # rows of joins do not wait: they leave with the version that is known
    floors: dict[str, int] = field(default_factory=dict)  # in ms, by which the rows of an operator's input are judged
    behind: bool = False  # a row of the batches, or one that joins let go with them, is behind its watermark
    prepare: list[Callable[[Database], None]] = field(default_factory=list)
    relating: list[Step] = field(default_factory=list)  # views and joins
    absorbing: list[Step] = field(default_factory=list)  # operators that take in rows of them
