"""Early rows of one INSERT: which keys have one, and when it is taken back.

An early row is written after the transaction that notes its key: a crash may leave a noted key without a row, never
a row that nobody knows of. A final row takes its place; where none comes, because HAVING does not hold any more, the
window stayed without a row, or a session got another start, a tombstone does.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import duckdb

from clickstream.kafka.produce import Headers, Sender
from clickstream.tables.engine.compile.compiled import WINDOW_END, Branch
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.form import Form
from clickstream.tables.engine.writing.sending import time_and_headers
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.names import identifier, relation, string
from clickstream.tables.sql.branches import told_apart
from clickstream.tables.sql.model import Insert
from clickstream.tables.sql.plans import split_union

EARLY: Headers = [("final", b"0")]


def early_branches(insert: Insert, branches: Sequence[Branch]) -> list[Branch]:
    """Those of an INSERT's branches whose rows can be shown before they are final.

    An early row must never take the place of another branch's final one: if its window stayed without a row, that one
    would be gone.
    """
    if not insert.target.upsert:
        return []
    keys = [insert.columns.index(name) for name in insert.target.primary_key]
    plans = [part.plan for part in split_union(insert.plan)]
    return [
        branch
        for number, branch in enumerate(branches)
        if branch.placed is not None
        and not isinstance(branch.placed.operator, Groups)
        and all(told_apart(plans[number], plan, keys) for place, plan in enumerate(plans) if place != number)
    ]


class EarlyRows:
    """Of one INSERT. `count` is of rows since the start."""

    def __init__(self, name: str, topic: str, encoder: Encoder, form: Form, sender: Sender, writer: Writer) -> None:
        self.count = 0
        self._topic = topic
        self._encoder = encoder
        self._form = form
        self._sender = sender
        self._writer = writer
        self._noted = identifier(relation("early", name))
        self._waiting = identifier(relation("early_waiting", name))
        self._name = name
        self._pending = 0
        self._shown: dict[str, int] = {}  # how many keys of each branch are noted

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make its table if it is not there, and learn what it holds."""
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._noted} (branch VARCHAR, k VARCHAR, until BIGINT)")
        found = db.execute(f"SELECT branch, count(*) FROM {self._noted} GROUP BY branch").fetchall()
        self._shown = dict(found)
        db.execute(f"DROP TABLE IF EXISTS {self._waiting}")

    def shown(self, branch: Branch) -> bool:
        """Whether any key of the branch has an early row."""
        return self._shown.get(branch.name, 0) > 0

    @property
    def waits(self) -> bool:
        """Whether rows were noted that were not sent yet."""
        return self._pending > 0

    @property
    def any_shown(self) -> bool:
        """Whether any key of any branch has an early row."""
        return bool(self._shown)

    def note(self, db: duckdb.DuckDBPyConnection, branch: Branch, present: str) -> list[str]:
        """Take up the rows of `present`, a table of the operator's rows that changed; `send` writes them later.

        Returns the keys to bury: of rows for which HAVING does not hold any more, and of sessions with another start.
        """
        assert branch.early is not None
        made, rows = self._encoder, identifier(relation("early_rows", self._name))
        db.execute(f"CREATE OR REPLACE TEMP TABLE {rows} AS SELECT * FROM ({branch.early(present, True)})")
        empty = made.not_null(rows)
        where = f" WHERE NOT ({empty})" if empty else ""
        items = ", ".join(f"{item} AS c{number}" for number, item in enumerate([made.key, made.value, *made.extras]))
        noted = f"SELECT {items} FROM {rows}{where}"
        # Not in Python's memory: after a start these are the rows of all open windows.
        db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {self._waiting} AS {noted} LIMIT 0")
        [(found,)] = db.execute(f"INSERT INTO {self._waiting} {noted}").fetchall()
        self._pending += found
        buried: list[str] = []
        if self.shown(branch):
            kept = f"SELECT {made.key} FROM {rows}{where}"
            changed = made.select_keys(f"({branch.early(present, False)})")
            buried = self._forget(db, branch, f"k IN ({changed}) AND k NOT IN ({kept})")
        if found:
            keys = f"SELECT {string(branch.name)} AS branch, {made.key} AS k, {WINDOW_END} AS until FROM {rows}{where}"
            db.execute(
                f"DELETE FROM {self._noted} WHERE branch = {string(branch.name)} AND k IN (SELECT k FROM ({keys}))"
            )
            db.execute(f"INSERT INTO {self._noted} {keys}")
            self._count(db)
        return [*buried, *self._moved_sessions(db, branch)]

    def send(self, db: duckdb.DuckDBPyConnection, at_once: int) -> int:
        """Write the rows that were noted, so many `at_once`; their keys are in the state. Returns how many."""
        sent, self._pending = self._pending, 0
        if not sent:
            return 0
        last = -1
        while some := db.execute(
            f"SELECT rowid, * FROM {self._waiting} WHERE rowid > {last} ORDER BY rowid LIMIT {at_once}"
        ).fetchall():
            last = some[-1][0]
            # Behind the final rows of before.
            self._writer.put(partial(self._hand_over, rows=[row[1:] for row in some]))
        db.execute(f"DROP TABLE {self._waiting}")
        self.count += sent
        return sent

    def _hand_over(self, _db: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]]) -> None:
        for row in self._form.packed(rows):
            timestamp, headers = time_and_headers(self._encoder, row)
            self._sender.send(self._topic, row[1], row[0], headers=[*headers, *EARLY], timestamp=timestamp)

    def replaced(self, db: duckdb.DuckDBPyConnection, final: str) -> None:
        """Final rows, in table `final`, take the place of early ones of their keys, whichever branch these are of:
        a tombstone for one would be one for the final row.
        """
        db.execute(f"DELETE FROM {self._noted} WHERE k IN ({self._encoder.select_keys(final)})")
        self._count(db)

    def closed(self, db: duckdb.DuckDBPyConnection, branch: Branch, watermark: int) -> list[str]:
        """The keys of the branch's early rows to bury: those whose windows have closed without a final row."""
        assert branch.placed is not None
        if isinstance(branch.placed.operator, Sessions):
            return self._moved_sessions(db, branch)
        return self._forget(db, branch, f"until <= {watermark + 1}")

    def _moved_sessions(self, db: duckdb.DuckDBPyConnection, branch: Branch) -> list[str]:
        """The keys of sessions that are not open with that start any more."""
        assert branch.placed is not None
        assert branch.early is not None
        operator = branch.placed.operator
        if not isinstance(operator, Sessions) or not self.shown(branch):
            return []
        opened = relation("open", operator.name)
        operator.open_rows(db, opened)
        return self._forget(db, branch, f"k NOT IN ({self._encoder.select_keys(f'({branch.early(opened, False)})')})")

    def _forget(self, db: duckdb.DuckDBPyConnection, branch: Branch, condition: str) -> list[str]:
        where = f"branch = {string(branch.name)} AND {condition}"
        keys = db.execute(f"SELECT k FROM {self._noted} WHERE {where}").fetchall()
        if not keys:
            return []
        if len(self._shown) > 1:
            # No tombstone where another branch has an early row with the same key.
            others = f"SELECT k FROM {self._noted} WHERE branch <> {string(branch.name)}"
            keys = db.execute(f"SELECT k FROM {self._noted} WHERE {where} AND k NOT IN ({others})").fetchall()
        db.execute(f"DELETE FROM {self._noted} WHERE {where}")
        self._count(db)
        return [key for (key,) in keys]

    def _count(self, db: duckdb.DuckDBPyConnection) -> None:
        self._shown = dict(db.execute(f"SELECT branch, count(*) FROM {self._noted} GROUP BY branch").fetchall())
