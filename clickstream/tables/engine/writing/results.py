"""Writing the rows of one INSERT: final rows, early ones, tombstones; and none twice.

Rows are produced and acknowledged before the transaction that accounts for them commits, so a crash repeats rows
and loses none. In tables, where rows have keys, a repeat is the same row again. In append-only topics it would be
a second row: after a crash they are read back from where they ended at the last commit, and what is there already
is skipped, by source partition and offset where the rows have them, otherwise by their bytes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import duckdb

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Headers, Sender
from clickstream.tables.engine.flow import WINDOW_END, Branch
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import only_row, quoted
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.engine.state import State, naming
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.sending import Outgoing
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.sql.model import Insert, Program

EARLY: Headers = [("final", b"0")]
ROWS_AT_ONCE = 50_000
Row = tuple[Any, ...]


class Result:
    """One INSERT's topic. `early_rows` counts since the start."""

    def __init__(
        self, program: Program, insert: Insert, branches: list[Branch], sender: Sender, writer: Writer
    ) -> None:
        self.insert = insert
        self.target = insert.target
        self.branches = branches
        self.early_rows = 0
        self._encoder = Encoder(insert.target, insert.plan.fields, insert.columns)
        self._sender = sender
        self._writer = writer
        self._outgoing = Outgoing(insert, self._encoder, sender, drops=program.drops_null_keys)
        self._early = quoted(f"early_{insert.target.name}")
        self._pending: list[Row] = []
        self._shown = 0

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def written(self) -> int:
        return self._outgoing.written

    @property
    def dropped(self) -> int:
        return self._outgoing.dropped

    @property
    def appends(self) -> bool:
        return not self.target.upsert

    def prepare(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the views that rows are read from; the flow's tables are there already."""
        for number, branch in enumerate(self.branches):
            db.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(self._view(number))} AS {branch.sql}")
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._early} (k VARCHAR, until BIGINT)")
        (self._shown,) = only_row(db, f"SELECT count(*) FROM {self._early}")

    def read_back(self, cluster: Cluster, state: State) -> None:
        """After a crash: what was written since the state's last commit is not written again."""
        ends = state.written(self.name)
        if self.appends and ends:
            self._outgoing.read_back(cluster, ends, state.there(self.name))

    def save_ends(self, state: State, ends: Callable[[str], dict[int, int]]) -> None:
        """Once all is acknowledged, before the commit: from where a restart reads back. `ends` asks for a topic's."""
        if self.appends and self._outgoing.unmarked:
            state.save_written(self.name, ends(self.target.topic), self._outgoing.there)
        self._outgoing.unmarked = False

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

    def shows_early(self, branch: Branch) -> bool:
        """Whether rows of the branch are written before they are final."""
        return not (
            self.appends or branch.early is None or branch.groups is None or isinstance(branch.groups.operator, Groups)
        )

    def early(self, db: duckdb.DuckDBPyConnection, branch: Branch, asked: set[str]) -> None:
        """Note the early rows of a group; `send_early` writes them once the state has their keys.

        `asked`: operators that gave their early rows already. Several results may show those of one.
        """
        if not self.shows_early(branch):
            return
        assert branch.groups is not None
        assert branch.early is not None
        output = f"{branch.groups.operator.name}_early"
        if output not in asked:
            asked.add(output)
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
        found = db.sql(f"SELECT * FROM {relation}")
        parts = [found.to_arrow_table()] if ordered else found.to_arrow_reader(ROWS_AT_ONCE)
        for rows in parts:
            if rows.num_rows:
                self._writer.put(partial(self._outgoing.rows, rows=rows, ordered=ordered))

    def _retract(self, db: duckdb.DuckDBPyConnection, branch: Branch, view: str) -> None:
        """Tombstones for groups that fulfilled HAVING before, and do not now."""
        assert branch.groups is not None
        assert branch.early is not None
        before = f"({branch.early(Groups.before(branch.groups.output), True)})"
        keys = f"{self._encoder.select_keys(before)} EXCEPT {self._encoder.select_keys(view)}"
        self._tombstones(db.execute(f"SELECT k FROM ({keys}) WHERE k IS NOT NULL").fetchall())

    def _bury(self, db: duckdb.DuckDBPyConnection, branch: Branch, closed: str) -> None:
        """Tombstones for early keys whose window is closed, or whose session has another start now."""
        if branch.groups is None:
            return  # of rows that are ranked there are no early ones
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
        (self._shown,) = only_row(db, f"SELECT count(*) FROM {self._early}")

    def _tombstones(self, found: list[Row]) -> None:
        keys = [key for (key,) in found]
        if keys:
            self._writer.put(lambda _db: self._outgoing.tombstones(keys))
