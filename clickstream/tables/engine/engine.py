"""Runs one program: batches from Kafka, through the flow, back to Kafka, until stopped or at the end.

One transaction of the state file takes in some batches, with their offsets; its rows are acknowledged by the broker
before it commits. See `results` for why nothing is lost or written twice.
"""

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Iterator

import duckdb

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import partitions_of, watermarks
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.fetching.fetcher import Batch
from clickstream.tables.engine.fetching.process import Batches, ReadingProcess
from clickstream.tables.engine.flow import Flow
from clickstream.tables.engine.intake import Intake
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.report import ResultReport, SourceReport
from clickstream.tables.engine.state import State, naming, refuse
from clickstream.tables.engine.writing.lateness import LateRows
from clickstream.tables.engine.writing.results import Result
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.outputs import output
from clickstream.tables.sql.model import Program, Table
from clickstream.topics import ensure

log = logging.getLogger(__name__)

# Batches that are waiting go into one transaction for up to this long.
COMMIT_EVERY_S = 0.25
# Nobody waits for the rows of a read to the end.
COMMIT_EVERY_S_BOUNDED = 1.0
# What batches need is let go with the commit.
BATCHES_PER_COMMIT = 4
# Closing windows costs some 10 ms for each result, however few there are: while batches wait, it is done less often
# than commits are.
CLOSE_EVERY_S = 1.0
CLOSE_EVERY_S_BOUNDED = 3.0
# While nothing comes, the wall clock may close windows.
TICK_S = 0.2
BATCHES_AHEAD = 1
# librdkafka's own waiting is the least: rows should be visible soon, and batches fill by themselves.
PRODUCER = {"linger.ms": 5}


class Engine:
    """One file's program at work. `statements` name its statements for people: they must fit the state."""

    kind = "tables"

    def __init__(self, cluster: Cluster, program: Program, statements: dict[str, str], options: EngineOptions) -> None:
        self._cluster = cluster
        self._program = program
        self._options = options
        self._statements = statements
        self._flow = Flow(program, changes=options.changes)
        streams = [program.tables[name] for name in self._flow.needs.streams]
        self._bounded = options.exit_at_end or (bool(streams) and all(table.bounded for table in streams))
        self._ended = threading.Event()  # what cannot be sent soon is given up
        self._sender = Sender(cluster.producer(PRODUCER), self._ended)
        self._writer = Writer(self._sender)
        self._dead_letters = DeadLetters(self._sender, options.dead_letter_topic, f"tables {options.name}")
        self._results = [
            Result(
                program,
                insert,
                [one for one in self._flow.branches if one.number == number],
                self._sender,
                self._writer,
            )
            for number, insert in enumerate(program.inserts)
        ]
        self._flow.shown_early = {
            branch.groups.operator.name
            for result in self._results
            for branch in result.branches
            if branch.groups is not None and result.shows_early(branch)
        }
        self._late = LateRows(self._sender, options.late_topic, self._names())
        self._batches: Batches = queue.Queue(BATCHES_AHEAD)
        self._process = ReadingProcess(options.name, cluster, self._batches)
        self._lookup = cluster.consumer(options.group)
        self._numbers = itertools.count()
        self._intakes = {table.name: self._intake(table) for table in streams}
        self._references = {name: self._intake(reference.table) for name, reference in self._flow.references.items()}
        everything = [*self._references.values(), *self._intakes.values()]
        self._by_number = {intake.source.number: intake for intake in everything}
        self._partitions: dict[str, list[int]] = {}
        self._begun: float | None = None
        self._taken = 0  # batches in the transaction
        self._close_at = 0.0
        self._early_at = 0.0
        self._changed = False  # rows came since the last early rows
        self.topics = [table.topic for table in streams]

    def _intake(self, table: Table) -> Intake:
        reference = self._flow.references.get(table.name)
        used = reference.wanted if reference is not None else self._flow.needs.tables[table.name]
        idle = self._options.idle_timeout
        if idle is None:
            given = table.idle_timeout_ms if table.idle_timeout_ms is not None else self._program.idle_timeout_ms
            idle = given / 1000 if given is not None else DEFAULT_IDLE_S
        return Intake(
            self._cluster,
            self._lookup,
            table,
            next(self._numbers),
            used,
            self._dead_letters,
            idle_timeout=idle or None,
            bounded=self._bounded,
            max_ahead_ms=int(self._options.max_ahead * 1000),
            reference=reference,
        )

    # --- what people see

    def totals(self) -> dict[str, int]:
        """Counts since the start, for rates and metrics."""
        intakes = self._intakes.values()
        return {
            "rows": sum(intake.rows for intake in intakes),
            "dead_letters": self._dead_letters.count,
            "late": self._late.count,
            "nulled": sum(intake.nulled for intake in intakes),
            "written": sum(result.written for result in self._results),
            "early": sum(result.early_rows for result in self._results),
            "dropped": sum(result.dropped for result in self._results),
        }

    def gauges(self) -> dict[str, float]:
        delays = [intake.delay for intake in self._intakes.values() if intake.delay is not None]
        return {"watermark_delay_s": round(max(delays), 1)} if delays else {}

    def sources(self) -> list[SourceReport]:
        """How each source does."""
        return [intake.report() for intake in self._intakes.values()]

    def results(self) -> list[ResultReport]:
        """How each result does."""
        return [
            ResultReport(
                result.name,
                result.target.topic,
                result.written,
                result.early_rows,
                result.dropped,
                sum(self._late.by_operator[name] for name in self._operators_of(result)),
            )
            for result in self._results
        ]

    def _names(self) -> dict[str, str]:
        """For people: the results that each operator's rows are for."""
        found: dict[str, list[str]] = {}
        for result in self._results:
            for name in self._operators_of(result):
                found.setdefault(name, []).append(result.name)
        return {name: ", ".join(results) for name, results in found.items()}

    def _operators_of(self, result: Result) -> set[str]:
        outputs = frozenset().union(*(branch.outputs for branch in result.branches))
        return {placed.operator.name for placed in self._flow.operators if placed.output in outputs}

    # --- running

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, or to the end. Raises ClickstreamError with what went wrong."""
        options = self._options
        state = State(options.state_dir, self._statements, memory_limit=options.memory_limit, threads=options.threads)
        try:
            self._writer.start()
            self._process.start()  # it takes half a second; meanwhile the tables are made
            with _explained(state):
                self._prepare(state)
                if self._open(state, stop):
                    self._loop(state, stop)
        finally:
            self._ended.set()
            self._process.close()
            self._lookup.close()
            self._writer.close()
            self._sender.close()
            with contextlib.suppress(duckdb.Error):
                state.close()

    def _prepare(self, state: State) -> None:
        ensure(self._cluster, [output(result.target) for result in self._results])
        extra = [self._options.late_topic] if self._options.late_topic else []
        ensure(self._cluster, [self._options.dead_letter_topic, *extra])
        db = state.db
        db.execute("BEGIN")
        for reference in self._flow.references.values():
            reference.create(db)
        self._flow.prepare(db)
        for result in self._results:
            result.prepare(db)
        db.execute("COMMIT")
        # Rows that wait in joins since an earlier run may be behind their watermarks.
        self._flow.behind = self._flow.waiting(db)
        for result in self._results:
            result.read_back(self._cluster, state)

    def _open(self, state: State, stop: threading.Event) -> bool:
        """Read the references to their end, then start reading streams; False when stopped meanwhile."""
        for name, intake in [*self._references.items(), *self._intakes.items()]:
            if not intake.source.wait_for_topic(stop):
                return False
            intake.open(state.progress(name))
        self._mark_ends(state)
        for intake in self._references.values():
            intake.start(self._process, self._options.group)
        while not all(intake.read_once for intake in self._references.values()):
            if stop.is_set():
                return False
            batch = self._next()
            if batch is not None:
                self._begin(state)
                self._take(state, batch)
                self._commit(state)
        for intake in self._intakes.values():
            intake.start(self._process, self._options.group)
        return True

    def _mark_ends(self, state: State) -> None:
        """Before the first row: from here on a restart reads back what was written."""
        missing = [result for result in self._results if result.appends and not state.written(result.name)]
        for result in missing:
            state.save_written(result.name, self._ends(result.target.topic), {})

    def _loop(self, state: State, stop: threading.Event) -> None:
        while not stop.is_set():
            batch = self._next()
            if batch is not None:
                self._begin(state)
                self._take(state, batch)
            elif self._moved():
                self._begin(state)
                self._absorb_nothing(state)
            if self._begun is not None and (self._idle() or self._due(self._begun)):
                self._finish(state)
            if self._bounded and self._batches.empty() and all(one.ended for one in self._intakes.values()):
                self._end(state)
                return
        if self._begun is not None:
            self._finish(state)

    def _idle(self) -> bool:
        """Whether somebody would rather see what there is than wait for more rows."""
        return not self._bounded and self._batches.empty()

    def _due(self, begun: float) -> bool:
        return self._taken >= BATCHES_PER_COMMIT or time.monotonic() - begun > (
            COMMIT_EVERY_S_BOUNDED if self._bounded else COMMIT_EVERY_S
        )

    def _next(self) -> Batch | None:
        try:
            item = self._batches.get(timeout=TICK_S)
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            raise item
        return item

    def _begin(self, state: State) -> None:
        if self._begun is None:
            state.db.execute("BEGIN")
            self._begun, self._taken = time.monotonic(), 0

    def _take(self, state: State, batch: Batch) -> None:
        self._taken += 1
        self._process.taken(batch.source)
        intake = self._by_number[batch.source]
        name = intake.table.name
        if intake is self._references.get(name):
            intake.take_reference(state.db, batch)
            return
        if intake.take(state.db, batch):
            self._absorb(state)
            self._changed = True
            if len(self._intakes) > 1:
                self._empty(state, name)

    def _empty(self, state: State, name: str) -> None:
        self._flow.empty(state.db, name)
        self._intakes[name].emptied()

    def _absorb(self, state: State) -> None:
        now = time.monotonic()
        # Rows that were behind may wait in joins for long.
        self._flow.behind = self._flow.behind or any(intake.behind for intake in self._intakes.values())
        watermarks = {name: intake.clock.advance(now) for name, intake in self._intakes.items()}
        self._flow.relate(state.db, watermarks)
        for result in self._results:
            result.stream(state.db)  # it is written while the operators work
        self._flow.absorb(state.db, watermarks)
        self._late.take(state.db)

    def _moved(self) -> bool:
        """Whether a watermark goes on although nothing comes."""
        now = time.monotonic()
        before = [intake.clock.watermark for intake in self._intakes.values()]
        after = [intake.clock.advance(now) for intake in self._intakes.values()]
        waiting = any(intake.clock.waiting for intake in self._intakes.values())
        return before != after or waiting or self._early_due()

    def _absorb_nothing(self, state: State) -> None:
        """What waits for the watermark in joins goes on."""
        for name in self._intakes:
            self._empty(state, name)
        self._absorb(state)

    def _finish(self, state: State) -> None:
        """Close what the watermark has passed, if it is time for it; have all rows acknowledged, commit."""
        if self._flow.unwindowed or self._idle() or time.monotonic() >= self._close_at:
            self._close_at = time.monotonic() + (CLOSE_EVERY_S_BOUNDED if self._bounded else CLOSE_EVERY_S)
            # The watermark of the last batch: joins have let go what it passed, and no more.
            self._close(state, {name: intake.clock.watermark for name, intake in self._intakes.items()})
        early = self._early_due()
        if early:
            self._early_at, self._changed = time.monotonic() + self._options.early_interval, False
            asked: set[str] = set()
            for result in self._results:
                for branch in result.branches:
                    with naming(result.insert.described):
                        result.early(state.db, branch, asked)
        self._commit(state)
        if early:
            for result in self._results:
                result.send_early()

    def _early_due(self) -> bool:
        return self._options.changes and self._changed and time.monotonic() >= self._early_at

    def _close(self, state: State, watermarks: dict[str, int]) -> None:
        closed = self._flow.close(state.db, watermarks)
        self._late.take(state.db)  # sessions judge rows then
        for result in self._results:
            for branch in result.branches:
                if branch in closed:
                    placed = branch.groups
                    with naming(result.insert.described):
                        result.final(state.db, branch, placed.watermark(watermarks) if placed else 0)

    def _commit(self, state: State) -> None:
        self._writer.flush()
        for result in self._results:
            result.save_ends(state, self._ends)
        for name, intake in [*self._references.items(), *self._intakes.items()]:
            state.save(name, intake.progress())
        state.db.execute("COMMIT")
        self._begun = None
        for intake in self._intakes.values():
            intake.clock.stored()
            intake.source.commit()

    def _ends(self, topic: str) -> dict[int, int]:
        """Where each partition ends now; results keep their partitions while the engine runs."""
        address = self._cluster.address
        if topic not in self._partitions:
            self._partitions[topic] = partitions_of(self._lookup, topic, address)
        return {
            partition: watermarks(self._lookup, topic, partition, address)[1] for partition in self._partitions[topic]
        }

    def _end(self, state: State) -> None:
        """Everything is read: close all windows. What they closed at is stored first, so that it holds for good."""
        self._begin(state)
        before = {name: intake.clock.watermark for name, intake in self._intakes.items()}
        self._go_on(self._flow.horizon(state.db))
        self._absorb_nothing(state)
        # Joins may have let go rows that opened windows.
        self._go_on(self._flow.horizon(state.db))
        # Nothing is committed that groups without a window have not taken in.
        self._close(state, before)
        self._commit(state)
        self._begin(state)
        self._close(state, {name: intake.clock.watermark for name, intake in self._intakes.items()})
        self._commit(state)

    def _go_on(self, horizon: int | None) -> None:
        """Put all clocks to the end of the last open window, and past the last row of any table."""
        clocks = [intake.clock for intake in self._intakes.values()]
        last = max([clock.highest + 1 for clock in clocks] + [horizon if horizon is not None else BEGINNING])
        for clock in clocks:
            clock.finish(last)


DEFAULT_IDLE_S = 10.0


@contextlib.contextmanager
def _explained(state: State) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise refuse(error, state.directory) from error
