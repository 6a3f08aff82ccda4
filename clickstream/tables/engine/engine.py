"""Runs one program: batches from Kafka, through the pipeline, back to Kafka, until stopped or at the end.

This is the loop; `transactions` has what happens to a batch, `opening` what comes before the first one.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import cluster_id
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.offsets import ends
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.records import LeftOut, Position
from clickstream.stop import Stop
from clickstream.tables.engine.fetching.fetcher import SMALL, Batch
from clickstream.tables.engine.fetching.process import Reading, ReadingProcess
from clickstream.tables.engine.opening import find_places, mark_ends, pipeline_of
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.pipeline import TOTALS, Pipeline
from clickstream.tables.engine.report import ResultReport, SourceReport, left_out
from clickstream.tables.engine.sources.sources import Sources
from clickstream.tables.engine.state.failures import told_as_refusals
from clickstream.tables.engine.state.statements import Statements
from clickstream.tables.engine.state.store import State
from clickstream.tables.engine.timetable import Timetable
from clickstream.tables.engine.transactions import Transactions
from clickstream.tables.engine.writing.form import form_of
from clickstream.tables.engine.writing.topics import ResultTopics
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.sql.explain import as_json
from clickstream.tables.sql.model import Program

# How long a turn waits when nothing comes, and so how long a stop may take to be seen. Batches, and confirmations of
# silence, are taken as they come.
TICK_S = 0.5
# librdkafka's own waiting is the least: rows should be visible soon, and batches fill by themselves.
# Rows do not time out: an outage of any length is waited for.
PRODUCER = {"linger.ms": 5, "message.timeout.ms": 0}
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
        self._statements = statements
        self._options = options
        self._ended = Stop()  # what cannot be sent soon is given up
        self._sender = Sender(cluster.producer(PRODUCER), self._ended)
        self._writer = Writer(self._sender)
        self._process = self._parts.reading(options.name, cluster)
        self._admin = cluster.admin()
        dead_letters = DeadLetters(self._writer, options.dead_letter_topic, f"tables {options.name}")
        self._sources = Sources(cluster, program, options, dead_letters)
        targets = [insert.target for insert in program.inserts]
        self._forms = {target.name: form_of(target) for target in targets}
        extra = [options.late_topic] if options.late_topic else []
        self._topics = ResultTopics(cluster, self._admin, targets, [options.dead_letter_topic, *extra])
        self._timetable = Timetable(
            self._parts.clock,
            bounded=self._sources.bounded,
            early_interval=options.early_interval if options.changes else None,
        )
        # None of them before the state says what is in it.
        self._state: State | None = None
        self._pipeline: Pipeline | None = None
        self._transactions: Transactions | None = None
        self._owed: list[int] = []  # sources that may send more once the pause is over
        self._positions: list[Position] = []
        self._positions_at = float("-inf")
        self.topics = list(dict.fromkeys([*self._sources.topics, *(table.topic for table in targets)]))
        self.name = options.name
        self.group = options.group

    # --- what people see

    def totals(self) -> dict[str, int]:
        """Counts since the start, for rates and metrics."""
        written = self._pipeline.totals() if self._pipeline is not None else dict.fromkeys(TOTALS, 0)
        return {**self._sources.totals(), **written}

    def gauges(self) -> dict[str, float]:
        """`lag`: records that the stored results lack; a topic that two tables read counts for each. Before the first
        batch neither is known."""
        delay, lags = self._sources.delay, [one.lag for one in self._positions if one.lag is not None]
        found = {} if delay is None else {"watermark_delay_seconds": round(delay, 1)}
        return {**found, "lag": float(sum(lags))} if lags else found

    def last_success(self) -> float | None:
        return self._transactions.last_commit if self._transactions is not None else None

    def positions(self) -> list[Position]:
        return self._positions

    def left_out(self) -> list[LeftOut]:
        return list(left_out(self.sources(), self.results()))

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        return self._options.text, as_json(self._program)

    def sources(self) -> list[SourceReport]:
        """Rows, dead letters and watermark of each source."""
        return self._sources.reports()

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

        Raises ClickstreamError, as all of the following, and Stopped when that ends a wait for Kafka.
        """
        options = self._options
        for form in self._forms.values():
            form.find_schemas(stop, register=options.auto_register, how=options.how_to_register)
        state = self._state = self._parts.state(
            options.state_dir,
            self._statements,
            cluster_id=cluster_id(self._cluster, self._admin, stop=stop),
            memory_limit=options.memory_limit,
            threads=options.threads,
        )
        self._writer.start(stop)
        self._process.start()  # it takes half a second; meanwhile the tables are made
        with told_as_refusals(state.directory):
            self._topics.prepare(state, stop)
            pipeline = self._pipeline = pipeline_of(
                *(self._program, self._statements, options, state, self._sources, self._forms),
                *(self._sender, self._writer),
            )
            transactions = self._transactions = Transactions(
                state, pipeline, self._sources, self._writer, self._topics, self._timetable
            )
            pipeline.read_back(self._cluster, state, stop)
            if not find_places(self._sources, state, stop):
                return False
            mark_ends(pipeline, state, self._topics)
            if not self._read_references(transactions, stop):
                return False
            for source in self._sources.streams.values():
                source.start_reading(self._process, options.group)
            transactions.resume()
            if pipeline.owes:  # no record may come for a long time
                transactions.begin()
                transactions.commit()
            return True

    def _read_references(self, transactions: Transactions, stop: threading.Event) -> bool:
        """Read them to where they end now; False when stopped meanwhile."""
        for source in self._sources.references.values():
            source.expect_ends(ends(self._cluster, source.table.topic, self._admin, stop=stop))
            source.start_reading(self._process, self._options.group)
        while not self._sources.references_read:
            if stop.is_set():
                return False
            batch = self._process.next(TICK_S)
            if batch is not None:
                self._take(transactions, batch)
            if transactions.is_open:
                transactions.commit()
        return True

    def turn(self) -> bool:
        """Take the next batch, or find within TICK_S that there is none; commit if it is time for it.

        False once everything was read, in a bounded run: all windows are closed then.
        """
        state, transactions = self._opened
        self._note_positions(transactions)
        self._sender.poll()  # also while there is nothing to write
        with told_as_refusals(state.directory):
            self._topics.look()
            self._ask_for_more(transactions)
            batch = self._process.next(self._patience(transactions))
            if batch is not None:
                self._take(transactions, batch)
            # Confirmations of silence may come faster than turns without any batch.
            if not transactions.is_open and transactions.something_is_due():
                transactions.take_nothing()
            if transactions.is_open and (self._idle or self._timetable.commit_is_due()):
                transactions.finish(idle=self._idle)
            if self._sources.bounded and not self._process.waiting and self._sources.streams_read:
                transactions.end()
                return False
            return True

    def flush(self) -> None:
        """Wait until all that was handed over is acknowledged; a turn may leave rows on their way."""
        self._writer.flush()

    def drain(self) -> None:
        """Commit what was taken in; have the state forget what was handed over after the last commit."""
        state, transactions = self._opened
        with told_as_refusals(state.directory):
            transactions.drain(idle=self._idle)

    def close(self) -> None:
        """End all parts, however far they are; what is not committed is not in the state."""
        self._ended.set_for(CLOSES_WITHIN_S)
        with contextlib.ExitStack() as closing:  # all of it, whatever becomes of one; the state when nobody uses it
            closing.callback(self._close_state)
            closing.callback(self._sender.close)
            closing.callback(self._writer.close)
            closing.callback(self._process.close)

    def _close_state(self) -> None:
        if self._state is not None:
            with contextlib.suppress(duckdb.Error):
                self._state.close()

    @property
    def _opened(self) -> tuple[State, Transactions]:
        assert self._state is not None, "start() comes first"
        assert self._transactions is not None, "start() comes first"
        return self._state, self._transactions

    @property
    def _idle(self) -> bool:
        """Whether somebody would rather see what there is than wait for more rows."""
        return not self._sources.bounded and not self._process.waiting

    # --- how much is taken, and when

    def _patience(self, transactions: Transactions) -> float:
        """How long (s) to wait for a batch: something else may be due before it comes."""
        patience = TICK_S
        if self._owed:
            patience = min(patience, transactions.pace.left)
        if (early := self._timetable.early_rows_in()) is not None:
            patience = min(patience, early)
        return max(0.0, patience)

    def _take(self, transactions: Transactions, batch: Batch) -> None:
        source = self._sources.numbered(batch.source)
        transactions.take(source, batch)
        rows = batch.rows.num_rows if batch.rows is not None else 0
        if 0 < rows < SMALL and self._sources.is_stream(source):
            self._owed.append(batch.source)  # those that come during the pause are taken together
        else:
            self._process.taken(batch.source)

    def _ask_for_more(self, transactions: Transactions) -> None:
        """Let the sources go on whose rows were taken, if the pause after them is over."""
        if self._owed and (self._sources.bounded or not transactions.pace.left):
            for number in self._owed:
                self._process.taken(number)
            self._owed = []

    def _note_positions(self, transactions: Transactions) -> None:
        """Now and then, for who asks on another thread: what is stored, and which partitions are idle."""
        now = self._parts.clock()
        if now >= self._positions_at:
            self._positions_at = now + POSITIONS_EVERY_S
            self._positions = self._sources.positions(transactions.saved)
