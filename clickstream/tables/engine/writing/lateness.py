"""Rows that came too late for every window: counted, and kept if there is a topic for them.

A row counts once in the total, however many operators miss it. They may do so one after the other: a join lets a row
go, and sessions judge it, only when the watermark of all partitions has reached it. So what was counted is remembered
for as long as rows of the same records wait for that.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import duckdb

from clickstream.kafka.deadletter import Sends
from clickstream.tables.engine.operators.operator import (
    CREATE_LATE,
    LATE,
    OFFSET,
    PARTITION,
    lane_of,
    only_row,
    partition_of,
)
from clickstream.tables.names import identifier, string, user_name

# What the engine has beside the columns of a file: where a row comes from, and values that steps hand on.
_HIDDEN = re.compile(r"\$(p|o|t|wm|(key|agg|order)\d+)")

Lanes = Mapping[str, Sequence[str]]
"""By the name of an operator, or of a table of rows: the source table of each number that `operator.lane` gave."""

# Records that were found late already: how many rows of them, by operator.
_COUNTED = "late_counted"
_RECORD = "source, p, o"
# With fewer it costs more to look which ones wait than to keep them.
FORGET_AFTER = 10_000


class LateRows:
    """Late rows by operator, and `count`: each once, however many operators miss it, and whenever.

    `topic` gets each as JSON, with its origin and those who miss it as headers. `statements` says which results an
    operator's rows are for, `origins` the topic of each source table. `unjudged` gives tables of rows that may still be
    found late.
    """

    def __init__(
        self,
        sender: Sends,
        topic: str | None,
        statements: Mapping[str, str],
        lanes: Lanes,
        origins: Mapping[str, str],
        unjudged: Callable[[], Lanes] = dict,
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._statements = statements
        self._lanes = lanes
        self._origins = origins
        tables = dict.fromkeys(table for found in lanes.values() for table in found)
        self._numbers = {table: number for number, table in enumerate(tables)}
        cases = "".join(f" WHEN {string(name)} THEN {self._source(found, 'lane')}" for name, found in lanes.items())
        self._noted = f"(SELECT *, CASE statement{cases} END AS source FROM {LATE})"
        self._several = len(lanes) > 1
        self._unjudged = unjudged
        self._kept, self._forget_at = 0, FORGET_AFTER
        self.by_operator: Counter[str] = Counter()
        self.count = 0

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the tables of what is noted, which are empty at the start of a run."""
        db.execute(CREATE_LATE)
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {_COUNTED} "
            "(statement VARCHAR, source INTEGER, p INTEGER, o BIGINT, rows BIGINT)"
        )

    def take(self, db: duckdb.DuckDBPyConnection) -> None:
        """Count what the operators noted, and forget it."""
        found = db.execute(f"SELECT statement, count(*) FROM {LATE} GROUP BY statement").fetchall()
        if not found:
            return
        self.by_operator.update(dict(found))
        if self._several:
            self._count_once(db)
        else:
            self.count += found[0][1]
        if self._topic is not None:
            self._send(db, self._topic)
        db.execute(f"DELETE FROM {LATE}")

    def _count_once(self, db: duckdb.DuckDBPyConnection) -> None:
        # A record may have several rows (a JSON array): as many are late as the operator finds that finds most of them.
        now = f"SELECT statement, {_RECORD}, count(*) AS rows FROM {self._noted} GROUP BY ALL"
        before = f"SELECT c.* FROM {_COUNTED} c SEMI JOIN {self._noted} n USING ({_RECORD})"
        both = f"SELECT *, 0 AS old FROM ({now}) UNION ALL BY NAME SELECT *, rows AS old FROM ({before})"
        operators = f"SELECT {_RECORD}, sum(rows) AS rows, sum(old) AS old FROM ({both}) GROUP BY statement, {_RECORD}"
        records = f"SELECT max(rows) - max(old) AS more FROM ({operators}) GROUP BY {_RECORD}"
        (more,) = only_row(db, f"SELECT sum(more)::BIGINT FROM ({records})")
        self.count += more
        unjudged = self._unjudged()
        if unjudged:
            (added,) = only_row(db, f"INSERT INTO {_COUNTED} BY NAME {now}")
            self._kept += added
        if self._kept >= self._forget_at:
            self._forget(db, unjudged)

    def _forget(self, db: duckdb.DuckDBPyConnection, unjudged: Lanes) -> None:
        """Forget the records of which no row waits."""
        waiting = " UNION ALL ".join(
            f"SELECT {self._source(lanes, lane_of(PARTITION))} AS source, {partition_of(PARTITION)} AS p, "
            f"{OFFSET} AS o FROM {identifier(name)}"
            for name, lanes in unjudged.items()
        )
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {_COUNTED} AS "
            f"SELECT c.* FROM {_COUNTED} c SEMI JOIN ({waiting}) w USING ({_RECORD})"
        )
        (self._kept,) = only_row(db, f"SELECT count(*) FROM {_COUNTED}")
        self._forget_at = max(FORGET_AFTER, 2 * self._kept)

    def _source(self, lanes: Sequence[str], lane: str) -> str:
        """SQL of the number of a row's table."""
        return f"[{', '.join(str(self._numbers[table]) for table in lanes)}][{lane} + 1]"

    def _send(self, db: duckdb.DuckDBPyConnection, topic: str) -> None:
        rows = db.execute(f'SELECT statement, "row", lane, p, o FROM {LATE} ORDER BY p, o').fetchall()
        for operator, row, lane, partition, offset in rows:
            headers = [
                ("statement", self._statements[operator]),
                ("origin-topic", self._origins[self._lanes[operator][lane]]),
                ("origin-partition", str(partition)),
                ("origin-offset", str(offset)),
            ]
            value = {user_name(name): cell for name, cell in json.loads(row).items() if not _HIDDEN.fullmatch(name)}
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            self._sender.send(topic, text.encode(), headers=[(name, one.encode()) for name, one in headers])
