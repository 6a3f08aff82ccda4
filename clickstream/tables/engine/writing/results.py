"""Writing the rows of one INSERT: streams, final rows, early ones, tombstones; and none twice.

Rows are produced and acknowledged before the transaction that accounts for them commits, so a crash repeats rows
and loses none.
- In tables a repeat is the same row of the same key again. Groups without a window are the exception: what they are
  after a crash depends on how the batches are cut. So what was written since the last commit is read back, and put
  right to what the state says before anything else is done.
- In append-only topics a repeat would be a second row: rows of streams are read back, too, and what is there is
  skipped. Rows of joins may be others then, and are stored first, as those of windows are, unless they carry their
  origin (see `outbox`).

Rows of windows leave in the order of their windows' ends, over all branches: another file may read them by their
event time, and find none of them late. After a crash a table has some of them twice, which who reads it as a stream
would count twice; to store the rows of tables as well would double what a window of many keys costs.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import duckdb
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.offsets import beginnings
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.compile.compiled import Branch
from clickstream.tables.engine.flow import Flow
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.state.failures import naming
from clickstream.tables.engine.state.store import Identity, State
from clickstream.tables.engine.writing.early import EarlyRows, early_branches
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.form import Form
from clickstream.tables.engine.writing.outbox import ROWS_AT_ONCE, Outbox
from clickstream.tables.engine.writing.sending import Outgoing, time_and_headers
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.names import identifier, relation
from clickstream.tables.sql.model import Insert, Program

log = logging.getLogger(__name__)


class Result:
    """One INSERT's topic. `early` has the rows that are not final."""

    def __init__(
        self, program: Program, insert: Insert, flow: Flow, form: Form, sender: Sender, writer: Writer
    ) -> None:
        self.insert = insert
        self.target = insert.target
        self.branches = [one for one in flow.branches if one.insert is insert]
        self.shown_early = early_branches(insert, self.branches)
        self._flow = flow
        self._encoder = Encoder(insert.target, insert.plan.fields, insert.columns)
        self._form = form
        self._writer = writer
        self._outgoing = Outgoing(insert, self._encoder, form, sender, drops=program.drops_null_keys)
        self._outbox = Outbox(self.name, self._encoder)
        self.early = EarlyRows(self.name, insert.target.topic, self._encoder, form, sender, writer)

    @property
    def name(self) -> str:
        """Of the table that is written."""
        return self.target.name

    @property
    def written(self) -> int:
        """Final rows handed over since the start."""
        return self._outgoing.written

    @property
    def dropped(self) -> int:
        """Rows left out since the start: a part of their key was NULL."""
        return self._outgoing.dropped

    @property
    def appends(self) -> bool:
        """Whether every row is a record of its own, and none replaces another."""
        return not self.target.upsert

    @property
    def is_read_back(self) -> bool:
        """Whether a restart needs to know where the topic ended at the last commit."""
        return self.appends or any(branch.updates for branch in self.branches)

    @property
    def _keeps_streams(self) -> bool:
        """Whether rows that leave with their batch are in the outbox before they are sent: those of a join, which may
        have found another version after a crash, and have nothing else to be told by.
        """
        joined = any(branch.stream and branch.joined for branch in self.branches)
        return joined and self.appends and not self._outgoing.knows_origins

    # --- between runs

    def prepare(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the views that rows are read from; the flow's tables are there already."""
        for branch in self.branches:
            db.execute(f"CREATE OR REPLACE TEMP VIEW {self._rows_of(branch)} AS {branch.sql}")
        self.early.create(db)
        if self.appends:
            self._outbox.create(db)

    def read_back(self, cluster: Cluster, state: State, stop: threading.Event) -> None:
        """After a crash: what was written since the state's last commit is not written again, or put right.

        Waits while Kafka is away. Raises Stopped once `stop` is set.
        """
        ends = state.written(self.name)
        if not self.is_read_back or not ends:
            return
        found: Counter[Identity] = Counter()
        last: dict[bytes, tuple[bytes | None, Message]] = {}

        def note(message: Message) -> None:
            texts = self._form.unpacked(message.key(), message.value())
            if texts is None:
                return  # somebody else's
            key, value = texts
            last[key or b""] = value, message
            found[self._outgoing.written_rows.identity(key, value)] += 1

        # Partitions that came after the last commit have nothing that was written before it. Others may begin behind
        # the mark: the topic's retention has deleted what was written since.
        lows = beginnings(cluster, self.target.topic, stop=stop)
        start = {partition: max(low, ends.get(partition, low)) for partition, low in lows.items()}
        deleted = sum(start[partition] - end for partition, end in ends.items() if partition in start)
        if deleted:
            log.warning(
                "INSERT INTO %s: %s records that topic %s got after the last commit were deleted before they were read "
                "back. Rows among them are written again.",
                *(self.name, f"{deleted:,}", self.target.topic),
            )
        read = read_to_end(cluster, self.target.topic, note, start=start, stop=stop)
        # One transaction: a start that ends before its first commit must not have the next one read the same rows once
        # more, and take those that the outbox has forgotten for others.
        state.begin()
        if self.appends:
            found = self._outbox.forget_written(state.db, found)
            self._outgoing.written_rows.add(found)
            self._outgoing.written_rows.add(state.there(self.name))
            state.save_written(self.name, read, self._outgoing.written_rows.left())
        state.commit()
        if last and not self.appends:
            self._put_right(state.db, last)
        self._outgoing.unmarked = True

    def _put_right(self, db: duckdb.DuckDBPyConnection, written: dict[bytes, tuple[bytes | None, Message]]) -> None:
        """Have the keys that were written since the last commit say what the state says, or nothing."""
        made = self._encoder
        right: dict[bytes, tuple[Any, ...]] = {}
        for branch in self.branches:
            if not branch.updates:
                continue  # its rows will be written again
            assert branch.placed is not None
            assert isinstance(branch.placed.operator, Groups)
            assert branch.early is not None
            table = relation("all", branch.name)
            branch.placed.operator.present_rows(db, table)
            rows = f"({branch.early(table, True)})"
            items = ", ".join([made.not_null(rows) or "FALSE", made.key, made.value, *made.extras])
            for empty, *row in db.execute(f"SELECT {items} FROM {rows}").fetchall():
                key = row[0].encode() if row[0] is not None else None
                if key not in written:
                    continue
                if empty:  # it is not written, whatever is there
                    del written[key]
                else:
                    right[key] = tuple(row)
        changed = [row for key, row in right.items() if not self._says(*written[key], row)]
        gone = [key.decode() for key, (value, _) in written.items() if value is not None and key not in right]
        self._writer.put(lambda _db: self._outgoing.send(changed, each=bool(made.extras)))
        self._bury(gone)

    def _says(self, value: bytes | None, message: Message, row: tuple[Any, ...]) -> bool:
        """Whether a record, the text of whose value is given, is that of a row. Headers are none of groups' columns."""
        kind, there = message.timestamp()
        timestamp, _ = time_and_headers(self._encoder, row)
        # What a row without a time was given, or a broker that gives all of them, says nothing.
        same_time = not timestamp or kind != TIMESTAMP_CREATE_TIME or there == timestamp
        return value == row[1].encode() and same_time

    def before_commit(self, state: State, ends: Callable[[str], dict[int, int]]) -> None:
        """All is acknowledged: note from where a restart reads back. `ends` asks where a topic's partitions end."""
        if self.appends:
            self._outbox.forget_sent(state.db)
        if self.is_read_back and self._outgoing.unmarked:
            state.save_written(self.name, ends(self.target.topic), self._outgoing.written_rows.left())
        self._outgoing.unmarked = False

    def after_commit(self, db: duckdb.DuckDBPyConnection) -> None:
        """Hand over what had to be in the state first."""
        while self.appends and (rows := self._outbox.unsent(db, ROWS_AT_ONCE)):
            each = self._encoder.timestamp is not None or self._encoder.headers is not None
            extras = [self._encoder.timestamp is not None, self._encoder.headers is not None]
            kept = [(*row[:2], *(one for one, there in zip(row[2:], extras, strict=True) if there)) for row in rows]
            self._writer.put(partial(self._send, rows=kept, each=each))
        if self.early.send(db, ROWS_AT_ONCE):
            self._outgoing.unmarked = True

    @property
    def owes(self) -> bool:
        """Whether a former run committed rows and could not hand them over."""
        return self.appends and self._outbox.owes

    @property
    def settled(self) -> bool:
        """Whether nothing was handed over that the state still has to forget."""
        return not (self.appends and self._outbox.holds)

    # --- rows

    def write_streams(self, db: duckdb.DuckDBPyConnection) -> None:
        """Write the rows that leave with their batch."""
        for branch in self.branches:
            if branch.stream:
                with naming(self.insert.described):
                    if self._keeps_streams:
                        self._store(db, f"SELECT * FROM {self._rows_of(branch)}", '"$p", "$o"')
                        self._leave_out_written(db)
                    else:
                        self._write(db, f"SELECT * FROM {self._rows_of(branch)}", ordered=True)

    def write_closed(self, db: duckdb.DuckDBPyConnection, moved: Collection[str], watermark: int) -> None:
        """Write the rows of outputs that `moved`: final ones, and groups that changed; bury what holds no more.

        `watermark` (ms) is that by which the result's windows were closed.
        """
        branches = [branch for branch in self.branches if not branch.outputs.isdisjoint(moved)]
        with naming(self.insert.described):
            for branch in branches:
                if branch.updates:
                    self._write(db, f"SELECT * FROM {self._rows_of(branch)}")
                    self._retract(db, branch)
            final = [branch for branch in branches if not branch.updates]
            if final:
                self._write_final(db, final, watermark)

    def _write_final(self, db: duckdb.DuckDBPyConnection, branches: list[Branch], watermark: int) -> None:
        relations = {branch.name: self._rows_of(branch) for branch in branches}
        any_shown = self.early.any_shown
        for branch in branches:
            if any_shown:  # views are computed once more for each use
                relations[branch.name] = identifier(relation("final", branch.name))
                db.execute(
                    f"CREATE OR REPLACE TEMP TABLE {relations[branch.name]} AS SELECT * FROM {self._rows_of(branch)}"
                )
        union = " UNION ALL ".join(f"SELECT * FROM {relation}" for relation in relations.values())
        if self.appends:
            self._store(db, union, '"$t"')
        else:
            self._write(db, f'{union} ORDER BY "$t"')
        if any_shown:
            for final in relations.values():
                self.early.replaced(db, final)
        for branch in branches:
            if self.early.shown(branch):
                self._bury(self.early.closed(db, branch, watermark))

    def note_early(self, db: duckdb.DuckDBPyConnection, present: dict[str, str]) -> bool:
        """Take up early rows of all branches; `after_commit` writes them. Returns whether there are any.

        `present`: tables of them, by operator. Several results may show those of one operator, which gives them once.
        """
        for branch in self.shown_early:
            assert branch.placed is not None
            name = branch.placed.operator.name
            with naming(self.insert.described):
                if name not in present:
                    present[name] = relation("present", name)
                    self._flow.early(db, branch.placed, present[name])
                self._bury(self.early.note(db, branch, present[name]))
        return self.early.waits

    # --- helpers

    def _rows_of(self, branch: Branch) -> str:
        return identifier(relation("result", branch.name))

    def _write(self, db: duckdb.DuckDBPyConnection, sql: str, *, ordered: bool = False) -> None:
        db.complete()  # what was asked before may have more rows than were fetched
        found = db.sql(sql)
        parts = [found.to_arrow_table()] if ordered else found.to_arrow_reader(ROWS_AT_ONCE)
        for rows in parts:
            if rows.num_rows:
                self._writer.put(partial(self._outgoing.rows, rows=rows, ordered=ordered))

    def _leave_out_written(self, db: duckdb.DuckDBPyConnection) -> None:
        if self._outgoing.written_rows:
            self._outbox.leave_out(db, self._outgoing.written_rows)
            self._outgoing.unmarked = True  # each of them is left out once

    def _send(self, _db: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]], *, each: bool) -> None:
        self._outgoing.send(rows, each=each)

    def _store(self, db: duckdb.DuckDBPyConnection, union: str, order: str) -> None:
        """Keep rows until they are committed; without NULLs where none may be."""
        rows = identifier(relation("final", self.name))
        db.execute(f"CREATE OR REPLACE TEMP TABLE {rows} AS {union}")
        self._outgoing.leave_out_nulls(db, rows)
        self._outbox.store(db, rows, order)

    def _retract(self, db: duckdb.DuckDBPyConnection, branch: Branch) -> None:
        """Tombstones for groups that fulfilled HAVING before, and do not now."""
        assert branch.placed is not None
        assert branch.early is not None
        before = f"({branch.early(Groups.before(branch.placed.output), True)})"
        empty = self._encoder.not_null(before)
        if empty:  # such rows were never written
            before = f"(SELECT * FROM {before} WHERE NOT ({empty}))"
        keys = f"{self._encoder.select_keys(before)} EXCEPT {self._encoder.select_keys(self._rows_of(branch))}"
        self._bury([key for (key,) in db.execute(keys).fetchall()])

    def _bury(self, keys: list[str]) -> None:
        if keys:
            self._writer.put(lambda _db: self._outgoing.tombstones(keys))
