"""Writing the rows of one INSERT: final rows, early ones, tombstones; and none twice.

Rows are produced and acknowledged before the transaction that accounts for them commits, so a crash repeats rows
and loses none. In tables, where rows have keys, a repeat is the same row again. In append-only topics it would be
a second row: after a crash they are read back from where they ended at the last commit, and what is there already
is skipped, by source partition and offset where the rows have them, otherwise by their bytes.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import duckdb

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.produce import Headers, Sender
from clickstream.tables.engine.encode import Encoder
from clickstream.tables.engine.flow import WINDOW_END, Branch
from clickstream.tables.engine.groups import Groups
from clickstream.tables.engine.operator import quoted
from clickstream.tables.engine.origin import origin_columns
from clickstream.tables.engine.sessions import Sessions
from clickstream.tables.engine.state import naming
from clickstream.tables.sql.model import Insert, Program

EARLY: Headers = [("final", b"0")]
ROWS_AT_ONCE = 50_000
# Rows of these columns come from DuckDB: key, value, and where a stream's row comes from.
Row = tuple[Any, ...]


class Result:
    """One INSERT's topic. `written`, `early`, `dropped` count rows since the start."""

    def __init__(self, program: Program, insert: Insert, branches: list[Branch], sender: Sender) -> None:
        self.insert = insert
        self.target = insert.target
        self.branches = branches
        self.written = 0
        self.early_rows = 0
        self.dropped = 0
        self.unmarked = False  # rows were written whose ends are not in the state yet
        self._encoder = Encoder(insert.target, insert.plan.fields, insert.columns)
        self._drops = program.drops_null_keys
        self._sender = sender
        self._early = quoted(f"early_{insert.target.name}")
        self._pending: list[Row] = []
        self._skip: Counter[Any] = Counter()
        self._origin = origin_columns(insert)
        self._shown = 0

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def appends(self) -> bool:
        return not self.target.upsert

    def prepare(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the views that rows are read from; the flow's tables are there already."""
        for number, branch in enumerate(self.branches):
            db.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(self._view(number))} AS {branch.sql}")
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._early} (k VARCHAR, until BIGINT)")
        found = db.execute(f"SELECT count(*) FROM {self._early}").fetchone()
        self._shown = found[0] if found else 0

    def read_back(self, cluster: Cluster, ends: dict[int, int]) -> None:
        """After a crash: what was written since the state's last commit is not written again."""
        if not self.appends or not ends:
            return

        def note(message: Any) -> None:
            self._skip[self._identity(message.key(), message.value())] += 1

        read_to_end(cluster, self.target.topic, note, start=ends)

    def _identity(self, key: bytes | None, value: bytes | None) -> Any:
        if self._origin is None:
            return key, value
        try:
            row = json.loads(value or b"null")
            return row.get(self._origin[0]), row.get(self._origin[1])
        except (ValueError, AttributeError):
            return key, value  # not ours

    # --- rows

    def stream(self, db: duckdb.DuckDBPyConnection) -> None:
        """Write the rows that leave with their batch."""
        for number, branch in enumerate(self.branches):
            if branch.stream:
                with naming(self.insert.described):
                    self._write(db, quoted(self._view(number)), ordered=True)

    def final(self, db: duckdb.DuckDBPyConnection, branch: Branch, watermark: int) -> None:
        """Write the rows that are final now; tombstones for what is not true any more."""
        view = quoted(self._view(self.branches.index(branch)))
        if branch.groups is not None and isinstance(branch.groups.operator, Groups):
            self._write(db, view)
            self._retract(db, branch, view)
            return
        if not self._shown:
            self._write(db, view)
            return
        # Views are computed once more for each use.
        rows = quoted(f"final_{self.name}")
        db.execute(f"CREATE OR REPLACE TEMP TABLE {rows} AS SELECT * FROM {view}")
        self._write(db, rows)
        db.execute(f"DELETE FROM {self._early} WHERE k IN ({self._encoder.select_keys(rows)})")
        self._bury(db, branch, f"until <= {watermark + 1}")

    def early(self, db: duckdb.DuckDBPyConnection, branch: Branch) -> None:
        """Note the early rows of a group; `send_early` writes them once the state has their keys."""
        if self.appends or branch.early is None or branch.groups is None or isinstance(branch.groups.operator, Groups):
            return
        output = f"{branch.groups.operator.name}_early"
        branch.groups.operator.early(db, output)
        rows, made = quoted(f"early_rows_{self.name}"), self._encoder
        db.execute(f"CREATE OR REPLACE TEMP TABLE {rows} AS SELECT * FROM ({branch.early(output, True)})")
        empty = made.not_null(rows)
        where = f" WHERE NOT ({empty})" if empty else ""
        found = db.execute(f"SELECT {made.key} AS k, {made.value} AS v, {WINDOW_END} FROM {rows}{where}").fetchall()
        self._pending += found
        if found:
            keys = f"SELECT {made.key} AS k, {WINDOW_END} AS until FROM {rows}{where}"
            db.execute(f"DELETE FROM {self._early} WHERE k IN (SELECT k FROM ({keys}))")
            db.execute(f"INSERT INTO {self._early} {keys}")
        self._shown += len(found)
        if isinstance(branch.groups.operator, Sessions) and self._shown:
            self._bury(db, branch, "FALSE")

    def send_early(self) -> None:
        """Write the early rows noted; their keys are in the state."""
        for key, value, _end in self._pending:
            self._sender.send(self.target.topic, value, key, headers=EARLY)
        self.early_rows += len(self._pending)
        self._pending = []

    # --- helpers

    def _view(self, number: int) -> str:
        return f"result_{self.name}_{number}"

    def _write(self, db: duckdb.DuckDBPyConnection, relation: str, *, ordered: bool = False) -> None:
        made = self._encoder
        empty = made.not_null(relation) or "FALSE"
        order = ' ORDER BY "$p", "$o"' if ordered else ""
        origin = ['"$p"', '"$o"'] if self._skip and self._origin else []
        extras = [one for one in (made.timestamp, made.headers) if one is not None]
        db.complete()  # what was asked before may have more rows than were fetched
        # In one query: another one for the NULLs would cost as much as a small result itself.
        items = ", ".join([f"({empty}) AS without", f"{made.key} AS k", f"{made.value} AS v", *origin, *extras])
        rows = db.sql(f"SELECT {items} FROM {relation}{order}")
        dropped = 0
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            without, *columns = [column.to_pylist() for column in batch.columns]
            found: Iterable[Row] = zip(*columns, strict=True)
            if any(without):
                found = [row for row, null in zip(found, without, strict=True) if not null]
                dropped += sum(without)
            if self._skip:
                found = self._unwritten(found)
            if extras:
                self._send_each(list(found))
            else:
                self._send([{"key": row[0], "value": row[1]} for row in found])
        if dropped:
            self._without_nulls(db, relation, empty)

    def _send_each(self, rows: list[Row]) -> None:
        """Rows with a timestamp or headers of their own."""
        timed, headed = self._encoder.timestamp is not None, self._encoder.headers is not None
        for row in rows:
            timestamp = row[-2 if headed else -1] if timed else None
            headers = list(row[-1] or []) if headed else None
            self._sender.send(self.target.topic, row[1], row[0], timestamp=timestamp or 0, headers=headers)
        self.written += len(rows)
        self.unmarked = self.unmarked or bool(rows)

    def _send(self, messages: list[dict[str, Any]]) -> None:
        if messages:
            self._sender.send_batch(self.target.topic, messages)
            self.written += len(messages)
            self.unmarked = True

    def _unwritten(self, rows: Iterable[Row]) -> list[Row]:
        left = []
        for row in rows:
            name = (row[2], row[3]) if self._origin else (_bytes(row[0]), _bytes(row[1]))
            if self._skip[name] > 0:
                self._skip[name] -= 1
                if not self._skip[name]:
                    del self._skip[name]
            else:
                left.append(row)
        return left

    def _without_nulls(self, db: duckdb.DuckDBPyConnection, relation: str, empty: str) -> None:
        found = db.execute(f"SELECT count(*), any_value(to_json(r)) FROM {relation} r WHERE {empty}").fetchone()
        assert found is not None
        if not found[0]:
            return
        if not self._drops:
            raise ClickstreamError(
                f"{self.insert.described}: a NULL in a column that must not be NULL: "
                f"{found[1]}. SET 'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out."
            )
        self.dropped += found[0]

    def _retract(self, db: duckdb.DuckDBPyConnection, branch: Branch, view: str) -> None:
        """Tombstones for groups that fulfilled HAVING before, and do not now."""
        assert branch.groups is not None
        assert branch.early is not None
        before = f"({branch.early(Groups.before(branch.groups.output), True)})"
        keys = f"{self._encoder.select_keys(before)} EXCEPT {self._encoder.select_keys(view)}"
        self._tombstones(db.execute(f"SELECT k FROM ({keys}) WHERE k IS NOT NULL").fetchall())

    def _bury(self, db: duckdb.DuckDBPyConnection, branch: Branch, closed: str) -> None:
        """Tombstones for early keys whose window is closed, or whose session has another start now."""
        assert branch.groups is not None
        operator = branch.groups.operator
        if isinstance(operator, Sessions):
            assert branch.early is not None
            opened = f"{operator.name}_open"
            operator.open_rows(db, opened)
            closed = f"k NOT IN ({self._encoder.select_keys(f'({branch.early(opened, False)})')})"
        keys = db.execute(f"SELECT k FROM {self._early} WHERE {closed}").fetchall()
        if keys:
            self._tombstones(keys)
            db.execute(f"DELETE FROM {self._early} WHERE {closed}")
        found = db.execute(f"SELECT count(*) FROM {self._early}").fetchone()
        self._shown = found[0] if found else 0

    def _tombstones(self, keys: list[Row]) -> None:
        self._send([{"key": key, "value": None} for (key,) in keys])


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
