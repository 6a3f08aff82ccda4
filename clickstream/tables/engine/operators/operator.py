"""What the nodes of a plan that remember rows have in common."""

from collections.abc import Sequence
from typing import Any, Protocol

import duckdb

from clickstream.tables.names import string

# Hidden columns of every relation of stream rows: source partition and offset, event time (ms, NULL: none), and
# the watermark (ms) that the row's own partition had before it.
PARTITION, OFFSET, TIME, WATERMARK = '"$p"', '"$o"', '"$t"', '"$wm"'
HIDDEN = (PARTITION, OFFSET, TIME, WATERMARK)

# In a union of several tables the upper bits of "$p" say which table a row is of: without them partition 0 of one would
# be partition 0 of the other, and the order of their rows a matter of which was read first.
PARTITION_BITS = 14
TABLE_BITS = 5


def lane(table: int) -> str:
    """SQL of "$p" for rows of the union's table with that number, which may be lanes of a union themselves."""
    return f"{PARTITION} + {raised_by(table)} AS {PARTITION}"


def raised_by(table: int) -> int:
    """What "$p" of the union's table with that number is raised by."""
    return table % (1 << TABLE_BITS) << PARTITION_BITS


def partition_of(lane: str) -> str:
    """SQL of the source partition."""
    return f"({lane} & {(1 << PARTITION_BITS) - 1})"


def lane_of(lane: str) -> str:
    """SQL of the number of the union's table."""
    return f"({lane} >> {PARTITION_BITS})"


# Where rows that no window takes are noted, until the end of the step.
LATE = "late"
CREATE_LATE = (
    f'CREATE OR REPLACE TEMP TABLE {LATE} (statement VARCHAR, "row" VARCHAR, lane INTEGER, p INTEGER, o BIGINT)'
)

# Watermarks in ms. Far from BIGINT's ends, so that a window's size can be added.
BEGINNING = -(2**61)
END = 2**61


class Operator(Protocol):
    """The state of one node, kept in tables of the state file. Every call is part of the step's transaction."""

    name: str

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make its tables if they are not there."""

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Take in a batch: `rows` names a relation with the input's fields and the hidden columns."""

    def due(self, watermark: int) -> bool:
        """Whether `close` could find anything to do at this watermark."""

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        """Make temp table `into` of the rows that are final at `watermark` (ms), and forget their state.

        Beside the node's fields it has "$start" and "$end" (ms) of each row's window. Without windows "$start" is NULL,
        and so may "$end" be. Rows that could not be judged before may be noted as late.
        """

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """Make temp table `into` of the present rows of what is open and changed since the last call; as `close`."""

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        """The highest end (ms) of an open window, less 1 the watermark that closes all; None: nothing is open."""


def note_late(name: str, rows: str, condition: str) -> str:
    """SQL that notes the rows of `rows` that fulfil `condition` as late for the statement `name`."""
    place = f"r.{PARTITION}"
    entry = f"{string(name)}, to_json(r), {lane_of(place)}, {partition_of(place)}, r.{OFFSET}"
    return f"INSERT INTO {LATE} SELECT {entry} FROM {rows} r WHERE {condition}"


def first_row(db: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of a small result; None if it has no rows.

    All rows are fetched: after `fetchone()` the result would stay open, be it of one row only, and the connection
    refuses to register or unregister anything until it is closed.
    """
    found = db.execute(sql, parameters).fetchall()
    return found[0] if found else None


def only_row(db: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The row of a query that has one: aggregates without GROUP BY."""
    found = first_row(db, sql)
    assert found is not None
    return found
