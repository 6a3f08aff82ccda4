"""Runs one program: batches from Kafka, through the pipeline, back to Kafka, until stopped or at the end.

One transaction of the state file takes in some batches, with their offsets; its rows are acknowledged by the broker
before it commits. See `writing.results` for why nothing is lost or written twice.
"""

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import cluster_id
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.offsets import ends
from clickstream.kafka.patience import Stopped, TopicGone
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.records import Position
from clickstream.stop import Stop
from clickstream.tables.engine.added import begin_added
from clickstream.tables.engine.fetching.fetcher import SMALL, Batch
from clickstream.tables.engine.fetching.process import Reading, ReadingProcess
from clickstream.tables.engine.needs import Needs
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.pace import Pace
from clickstream.tables.engine.pipeline import TOTALS, Pipeline
from clickstream.tables.engine.report import ResultReport, SourceReport
from clickstream.tables.engine.rest import Rest
from clickstream.tables.engine.sources.source import Source
from clickstream.tables.engine.state.failures import refuse
from clickstream.tables.engine.state.statements import Statements
from clickstream.tables.engine.state.store import Progress, State
from clickstream.tables.engine.watermarks import Moment, TableWatermarks
from clickstream.tables.engine.writing.topics import ResultTopics
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.sql.explain import as_json
from clickstream.tables.sql.model import Program, Table

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
# While nothing comes, silence may close windows.
TICK_S = 0.2
# librdkafka's own waiting is the least: rows should be visible soon, and batches fill by themselves.
# Rows do not time out: an outage of any length is waited for.
PRODUCER = {"linger.ms": 5, "message.timeout.ms": 0}
DEFAULT_IDLE_S = 10.0
POSITIONS_EVERY_S = 1.0
# What is on its way already may arrive.
CLOSES_WITHIN_S = 5.0


@dataclass(frozen=True)
class Parts:
    """What an engine is made of beside its cluster: a test brings its own (see `rig`). `clock` gives s."""

    reading: Callable[[str, Cluster], Reading] = ReadingProcess
    state: Callable[..., State] = State
    clock: Callable[[], float] = time.monotonic


class Engine(Part):
    """One file's program at work. `statements` is what its state belongs to.

    `run` is all that a command needs. It is made of `start`, then `turn` again and again, `drain` and `close`.
    """

    kind = "tables"

    def __init__(
        self,
        cluster: Cluster,
        program: Program,
        statements: Statements,
        options: EngineOptions,
        parts: Parts | None = None,
    ) -> None:
        self._parts = parts or Parts()
        self._cluster = cluster
        self._program = program
        self._options = options
        self._statements = statements
        self._needs = Needs(program)
        streams = [program.tables[name] for name in self._needs.streams]
        self._bounded = options.exit_at_end or (bool(streams) and all(table.bounded for table in streams))
        self._ended = Stop()  # what cannot be sent soon is given up
        self._sender = Sender(cluster.producer(PRODUCER), self._ended)
        self._writer = Writer(self._sender)
        self._dead_letters = DeadLetters(self._sender, options.dead_letter_topic, f"tables {options.name}")
        self._process = self._parts.reading(options.name, cluster)
        self._admin = cluster.admin()
        targets = [insert.target for insert in program.inserts]
        extra = [options.late_topic] if options.late_topic else []
        self._topics = ResultTopics(cluster, self._admin, targets, [options.dead_letter_topic, *extra])
        self._numbers = itertools.count()
        self._tables = {
            name: Reference(program.tables[name], self._needs.tables[name]) for name in self._needs.references
        }
        self._streams = {table.name: self._source(table) for table in streams}
        self._references = {name: self._source(one.table, one) for name, one in self._tables.items()}
        self._by_number = {one.number: one for one in [*self._references.values(), *self._streams.values()]}
        self._state: State | None = None
        self._pipeline: Pipeline | None = None  # none before the state says what is in it
        self._watermarks: TableWatermarks
        self._rest: Rest
        self._stop: threading.Event = self._ended
        self._pace = Pace()
        self._owed: list[int] = []  # sources that may send more once the pause is over
        self._closed_at = Moment({}, {})
        self._begun: float | None = None
        self._taken = 0  # batches in the transaction
        self._saved: dict[str, Progress] = {}
        self._close_at = 0.0
        self._early_at = 0.0
        self._changed = False  # rows came since the last early rows
        read = [*streams, *(one.table for one in self._tables.values())]
        self.topics = list(dict.fromkeys(table.topic for table in [*read, *targets]))
        self.name = options.name
        self.group = options.group
        self._last_success: float | None = None
        self._positions: list[Position] = []
        self._positions_at = float("-inf")

    def _source(self, table: Table, reference: Reference | None = None) -> Source:
        used = reference.wanted if reference is not None else self._needs.tables[table.name]
        idle = self._options.idle_timeout
        if idle is None:
            given = table.idle_timeout_ms if table.idle_timeout_ms is not None else self._program.idle_timeout_ms
            idle = given / 1000 if given is not None else DEFAULT_IDLE_S
        return Source(
            self._cluster,
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
        sources = self._streams.values()
        return {
            "rows": sum(one.rows for one in sources),
            "dead_letters": self._dead_letters.count,
            "nulled": sum(one.nulled for one in sources),
            "untimed": sum(one.untimed for one in sources),
            **(self._pipeline.totals() if self._pipeline is not None else dict.fromkeys(TOTALS, 0)),
        }

    def gauges(self) -> dict[str, float]:
        delays = [one.delay for one in self._streams.values() if one.delay is not None]
        return {"watermark_delay_seconds": round(max(delays), 1)} if delays else {}

    def last_success(self) -> float | None:
        return self._last_success

    def positions(self) -> list[Position]:
        return self._positions

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        return self._options.text, as_json(self._program)

    def sources(self) -> list[SourceReport]:
        """Rows, dead letters and watermark of each source."""
        return [one.report() for one in self._streams.values()]

    def results(self) -> list[ResultReport]:
        """Rows written, early, dropped and late of each result."""
        if self._pipeline is not None:
            return self._pipeline.reports()
        return [ResultReport(one.target.name, one.target.topic, 0, 0, 0, 0) for one in self._program.inserts]

    # --- running

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, or to the end. Raises ClickstreamError with what went wrong."""
        try:
            if self._started(stop):
                while not stop.is_set() and self.turn():
                    pass
                self.drain()
        except Stopped as stopped:
            self._ended.set_for(0.0)
            raise ClickstreamError(
                f"Kafka at {self._cluster.address} is away: the latest rows are not written. Nothing is lost: the next "
                "start computes them again."
            ) from stopped
        finally:
            self.close()

    def _started(self, stop: threading.Event) -> bool:
        try:
            return self.start(stop)
        except Stopped:
            return False  # nothing was taken in yet

    def start(self, stop: threading.Event) -> bool:
        """Open the state, read the references to their end, begin to read streams; False when stopped meanwhile.

        Raises ClickstreamError, as all of the following.
        """
        options = self._options
        self._stop = stop
        state = self._state = self._parts.state(
            options.state_dir,
            self._statements,
            cluster_id=cluster_id(self._cluster, self._admin, stop=stop),
            memory_limit=options.memory_limit,
            threads=options.threads,
        )
        self._writer.start(stop)
        self._process.start()  # it takes half a second; meanwhile the tables are made
        with _explained(state):
            self._prepare(state, stop)
            if not self._open(state, stop):
                return False
            if self._pipeline is not None and self._pipeline.owes:  # no record may come for a long time
                self._begin(state)
                self._commit(state)
            return True

    def turn(self) -> bool:
        """Take the next batch, or find within TICK_S that there is none; commit if it is time for it.

        False once everything was read, in a bounded run: all windows are closed then.
        """
        state = self._opened
        self._note_positions()
        with _explained(state):
            self._topics.look()
            self._ask_for_more()
            batch = self._process.next(min(TICK_S, self._pace.left) if self._owed else TICK_S)
            if batch is not None:
                self._take(state, batch)
            # Confirmations of silence may come faster than turns without any batch.
            if self._begun is None and self._something_is_due(state):
                self._begin(state)
                self._absorb_nothing(state)
            if self._begun is not None and (self._idle() or self._due(self._begun)):
                self._finish(state)
            if self._bounded and not self._process.waiting and all(map(_is_read, self._streams.values())):
                self._end(state)
                return False
            return True

    def flush(self) -> None:
        """Wait until all that was handed over is acknowledged; a turn may leave rows on their way."""
        self._writer.flush()

    def drain(self) -> None:
        """Commit what was taken in; have the state forget what was handed over after the last commit."""
        state, pipeline = self._opened, self._pipeline
        assert pipeline is not None
        with _explained(state):
            if self._begun is not None:
                self._finish(state)
            if not pipeline.settled:
                self._begin(state)
                self._commit(state)

    def close(self) -> None:
        """End all parts, however far they are; what is not committed is not in the state."""
        self._ended.set_for(CLOSES_WITHIN_S)
        self._process.close()
        self._writer.close()
        self._sender.close()
        if self._state is not None:
            with contextlib.suppress(duckdb.Error):
                self._state.close()

    @property
    def _opened(self) -> State:
        assert self._state is not None, "start() comes first"
        return self._state

    def _prepare(self, state: State, stop: threading.Event) -> None:
        options = self._options
        self._topics.prepare(state, stop)
        state.begin()
        begin_added(state, self._program.inserts, self._statements)
        pipeline = self._pipeline = Pipeline(
            self._program,
            state.memberships(),
            self._tables,
            self._sender,
            self._writer,
            late_topic=options.late_topic,
            changes=options.changes,
        )
        for reference in self._tables.values():
            if reference.create(state.db):
                state.forget_source(reference.table.name)
        for source in self._streams.values():
            source.show_nothing(state.db)
        pipeline.prepare(state.db)
        state.commit()
        clocks = {name: source.clock for name, source in self._streams.items()}
        self._watermarks = TableWatermarks(clocks, pipeline.tables())
        self._watermarks.restore(state.floors())
        self._rest = Rest(pipeline)
        pipeline.read_back(self._cluster, state)

    def _open(self, state: State, stop: threading.Event) -> bool:
        """Read the references to their end, then start reading streams; False when stopped meanwhile."""
        try:
            for name, source in [*self._references.items(), *self._streams.items()]:
                if not source.wait_for_topic(stop):
                    return False
                source.restore(state.progress(name), stop)
        except Stopped:
            return False
        self._mark_ends(state)
        for source in self._references.values():
            source.expect_ends(self._ends(source.table.topic))
            source.start_reading(self._process, self._options.group)
        while not all(source.read_to_end for source in self._references.values()):
            if stop.is_set():
                return False
            batch = self._process.next(TICK_S)
            if batch is not None:
                self._take(state, batch)
            if self._begun is not None:
                self._commit(state)
        for source in self._streams.values():
            source.start_reading(self._process, self._options.group)
        return True

    def _mark_ends(self, state: State) -> None:
        """Before the first row: from here on a restart reads back what was written."""
        assert self._pipeline is not None
        missing = [one for one in self._pipeline.results if one.is_read_back and not state.written(one.name)]
        if missing:
            state.begin()
            for result in missing:
                state.save_written(result.name, self._ends(result.target.topic), {})
            state.commit()

    def _idle(self) -> bool:
        """Whether somebody would rather see what there is than wait for more rows."""
        return not self._bounded and not self._process.waiting

    def _due(self, begun: float) -> bool:
        return self._taken >= BATCHES_PER_COMMIT or self._parts.clock() - begun > (
            COMMIT_EVERY_S_BOUNDED if self._bounded else COMMIT_EVERY_S
        )

    def _ask_for_more(self) -> None:
        """Let the sources go on whose rows were taken, if the pause after them is over."""
        if self._owed and (self._bounded or not self._pace.left):
            for number in self._owed:
                self._process.taken(number)
            self._owed = []

    def _begin(self, state: State) -> None:
        if self._begun is None:
            state.begin()
            self._begun, self._taken = self._parts.clock(), 0
            self._pace.began()

    def _take(self, state: State, batch: Batch) -> None:
        source = self._by_number[batch.source]
        rows = batch.rows.num_rows if batch.rows is not None else 0
        if source.changes_state(batch):
            self._begin(state)
            self._taken += 1
            self._pace.took(rows)
        if source.take(state.db, batch):
            self._absorb(state)
            self._changed = True
            if len(self._streams) > 1:
                source.show_nothing(state.db)
        if 0 < rows < SMALL and source.table.name in self._streams:
            self._owed.append(batch.source)  # those that come during the pause are taken together
        else:
            self._process.taken(batch.source)

    def _absorb(self, state: State) -> None:
        assert self._pipeline is not None
        behind = any(source.behind for source in self._streams.values())
        self._pipeline.take(state.db, self._watermarks.advance(), behind=behind)
        self._rest.disturb()

    def _something_is_due(self, state: State) -> bool:
        """Whether a watermark has gone on so far, although nothing comes, that something closes; or early rows."""
        self._watermarks.advance()
        prospects = self._watermarks.prospects()
        moved = prospects.is_ahead_of(self._closed_at)
        return self._early_due() or (moved and self._rest.is_over(state.db, prospects))

    def _absorb_nothing(self, state: State) -> None:
        """Have joins let go the rows that the watermark has passed meanwhile."""
        for source in self._streams.values():
            source.show_nothing(state.db)
        self._absorb(state)

    def _finish(self, state: State) -> None:
        """Close what the watermark has passed, if it is time for it; have all rows acknowledged, commit."""
        assert self._pipeline is not None
        if self._pipeline.updates or self._idle() or self._parts.clock() >= self._close_at:
            self._close_at = self._parts.clock() + (CLOSE_EVERY_S_BOUNDED if self._bounded else CLOSE_EVERY_S)
            # The watermark of the last batch: joins have let go what it passed, and no more.
            self._closed_at = self._watermarks.now()
            self._pipeline.close(state.db, self._closed_at)
        if self._early_due():
            self._early_at, self._changed = self._parts.clock() + self._options.early_interval, False
            self._pipeline.note_early(state.db)
        self._commit(state)

    def _early_due(self) -> bool:
        return self._options.changes and self._changed and self._parts.clock() >= self._early_at

    def _commit(self, state: State) -> None:
        assert self._pipeline is not None
        self._acknowledge()
        self._pipeline.before_commit(state, self._ends)
        for name, source in [*self._references.items(), *self._streams.items()]:
            progress = source.progress()
            if progress != self._saved.get(name):
                state.save(name, progress)
                self._saved[name] = progress
        state.save_floors(self._watermarks.floors())
        state.commit()
        self._last_success = time.time()
        self._begun = None
        self._watermarks.stored()
        for source in self._streams.values():
            source.show_lag()
        self._pipeline.after_commit(state.db)
        self._rest.disturb()
        self._pace.ended()

    def _note_positions(self) -> None:
        """Now and then, for who asks on another thread: what is stored, and which partitions are idle."""
        now = self._parts.clock()
        if now < self._positions_at:
            return
        self._positions_at = now + POSITIONS_EVERY_S
        saved = [(source, self._saved.get(source.table.name)) for source in self._by_number.values()]
        self._positions = [place for source, progress in saved if progress for place in source.positions(progress)]

    def _acknowledge(self) -> None:
        """Wait until all that was sent is acknowledged. Raises ClickstreamError when something cannot be written."""
        try:
            self._writer.flush()
        except Stopped:
            raise
        except ClickstreamError as problem:
            raise self._topics.why(problem) from problem

    def _ends(self, topic: str) -> dict[int, int]:
        """Where each partition ends now, those included that were added while the engine runs."""
        try:
            return ends(self._cluster, topic, self._admin, stop=self._stop)
        except TopicGone as problem:
            raise self._topics.why(problem) from problem

    def _end(self, state: State) -> None:
        """Everything is read: close all windows. What they closed at is stored first, so that it holds for good."""
        pipeline, watermarks = self._pipeline, self._watermarks
        assert pipeline is not None
        self._begin(state)
        before: Moment = watermarks.now()
        watermarks.finish(pipeline.horizon(state.db))
        self._absorb_nothing(state)
        # Joins may have let go rows that opened windows.
        watermarks.finish(pipeline.horizon(state.db))
        # Nothing is committed that groups without a window have not taken in.
        pipeline.close(state.db, before)
        self._commit(state)
        self._begin(state)
        pipeline.close(state.db, watermarks.now())
        self._commit(state)


def _is_read(source: Source) -> bool:
    return source.read_to_end


@contextlib.contextmanager
def _explained(state: State) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise refuse(error, state.directory) from error
