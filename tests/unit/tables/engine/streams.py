"""Rows of a stream, with the watermarks that their partitions have."""

from dataclasses import dataclass
from typing import Any

import duckdb

from clickstream.tables.engine.operators.operator import BEGINNING, CREATE_LATE


@dataclass(frozen=True)
class Row:
    """A record of `clicks`; `watermark` is its partition's (ms) before it."""

    partition: int
    offset: int
    time: int | None
    watermark: int
    ip: str | None = None
    userid: int | None = None
    status: int | None = None

    @property
    def arrival(self) -> tuple[int, int, int]:
        """Rows of a batch, in an order that is each partition's own and has rising watermarks."""
        return self.watermark, self.partition, self.offset


class Partitions:
    """Gives rows their offsets and watermarks; a partition's watermark is `delay` (ms) behind its latest time."""

    def __init__(self, count: int, delay: int) -> None:
        self._delay = delay
        self._marks = [BEGINNING] * count
        self._offsets = [0] * count

    @property
    def watermark(self) -> int:
        """The table's: the slowest partition's."""
        return min(self._marks)

    def row(self, partition: int, time: int | None, **values: Any) -> Row:
        made = Row(partition, self._offsets[partition], time, self._marks[partition], **values)
        self._offsets[partition] += 1
        if time is not None:
            self._marks[partition] = max(self._marks[partition], time - self._delay)
        return made


def connect() -> duckdb.DuckDBPyConnection:
    """A database with the table of late rows."""
    db = duckdb.connect()
    db.execute(CREATE_LATE)
    return db


def put(db: duckdb.DuckDBPyConnection, rows: list[Row], columns: str = "ip, userid, status") -> str:
    """The rows as a relation with these columns and the hidden ones; its name."""
    db.execute(
        "CREATE OR REPLACE TEMP TABLE given (p INTEGER, o BIGINT, t BIGINT, wm BIGINT, ip VARCHAR, userid INTEGER, "
        "status INTEGER)"
    )
    if rows:
        # One statement: a property test puts thousands of small batches.
        values = [(row.partition, row.offset, row.time, row.watermark, row.ip, row.userid, row.status) for row in rows]
        db.execute(
            f"INSERT INTO given VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * len(rows))}",
            [cell for one in values for cell in one],
        )
    db.execute(
        f"CREATE OR REPLACE TEMP VIEW batch AS "
        f'SELECT {columns}, p AS "$p", o AS "$o", t AS "$t", wm AS "$wm" FROM given'
    )
    return "batch"


def late(db: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """Partition and offset of every late row."""
    return sorted(db.execute("SELECT p, o FROM late").fetchall())
