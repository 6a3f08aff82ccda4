"""One topic that a table is read from, at work: its offsets, its rows, its time."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import duckdb

from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin
from clickstream.records import Position
from clickstream.tables.engine.clock import Clock, Lane
from clickstream.tables.engine.decoding.decode import Decoder
from clickstream.tables.engine.fetching.fetcher import Batch, Order
from clickstream.tables.engine.fetching.process import Reading
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.report import Mistyped, SourceReport
from clickstream.tables.engine.sources import beginning
from clickstream.tables.engine.sources.stream import StreamRows
from clickstream.tables.engine.state.failures import naming
from clickstream.tables.engine.state.store import Progress
from clickstream.tables.names import identifier, relation
from clickstream.tables.sql.model import Table

# Rows that go through the engine's queries together: each query costs about a millisecond however few they are.
BATCH_RECORDS = 40_000
LOOK_FOR_PARTITIONS_EVERY_S = 10.0
CONFIRM_SILENCE_EVERY_S = 1.0
# How long a broker may hold back the word that a log is at its end. Asking costs CPU time, and only the start of a live
# run waits for the answer: references are read to their end first.
END_WITHIN_MS = 500
END_WITHIN_MS_READ_TO_END = 50


class Source:
    """`number` is the source's for the reading process. With a `reference` its rows are versions of that.

    `next_offsets` are those of the state: all that comes before them has been taken in.
    """

    def __init__(
        self,
        cluster: Cluster,
        table: Table,
        number: int,
        used: set[str],
        dead_letters: DeadLetters,
        *,
        idle_timeout: float | None,
        bounded: bool,
        max_ahead_ms: int,
        reference: Reference | None = None,
        unknown_waits: bool = True,
    ) -> None:
        self.table = table
        self.number = number
        self.next_offsets: dict[int, int] = {}
        mark = table.watermark
        self.clock = Clock(mark.delay_ms if mark is not None else 0, idle_timeout, bounded)
        self.rows = 0
        self._nulled: Counter[str] = Counter()
        self.dead = 0
        self._cluster = cluster
        self._bounded = bounded
        self._reference = reference
        self._unknown_waits = unknown_waits
        self._stream = StreamRows(cluster, table, used, self.clock, max_ahead_ms, self._refuse)
        self._decoder = Decoder(table, used)
        self._decoded = relation("decoded", table.name)
        self._dead_letters = dead_letters
        self._topic_id = ""
        self._known_ends: set[int] = set()
        self._first_ends: dict[int, int] = {}
        self._log_ends: dict[int, int] = {}
        self._process: Reading | None = None

    # --- before reading

    def wait_for_topic(self, stop: threading.Event) -> bool:
        """As beginning.wait_for_topic."""
        return beginning.wait_for_topic(self._cluster, self.table, stop, bounded=self._bounded)

    def restore(self, progress: Progress | None, stop: threading.Event) -> None:
        """Go on where the state says. Raises as beginning.first_offsets, as do later waits for Kafka."""
        self._stream.stop = stop
        identity, self.next_offsets = beginning.first_offsets(self._cluster, self.table, progress, stop)
        self._topic_id = identity.topic_id
        if progress is not None:
            self.clock.restore(progress.floor, progress.watermark)
        for partition in self.next_offsets:
            saved = progress.lanes.get(partition) if progress is not None else None
            if progress is not None and saved is None:
                self.clock.add(partition)
            else:
                self.clock.lanes[partition] = Lane(saved[1] if saved else BEGINNING)

    def start_reading(self, process: Reading, group: str) -> None:
        """Have the topic read from here on; the consumer group only shows the lag."""
        self._process = process
        # What is computed of columns is the engine's.
        wanted = self._decoder.wanted
        wanted = replace(wanted, table=replace(wanted.table, columns=()))
        end_within_ms = END_WITHIN_MS_READ_TO_END if self._bounded else END_WITHIN_MS
        process.read(
            Order(
                self.number,
                wanted,
                self._topic_id,
                group,
                dict(self.next_offsets),
                self._bounded,
                BATCH_RECORDS,
                LOOK_FOR_PARTITIONS_EVERY_S,
                self._confirm_every,
                self.clock.longest_gap,
                end_within_ms,
                self._unknown_waits,
            )
        )

    @property
    def _confirm_every(self) -> float | None:
        timeout = self.clock.idle_timeout
        if timeout is None or self._bounded or self._reference is not None:
            return None
        return min(CONFIRM_SILENCE_EVERY_S, timeout / 4)

    # --- batches

    def take(self, db: duckdb.DuckDBPyConnection, batch: Batch) -> bool:
        """Take in what was read: a stream's rows are its batch then. False when there are none to go on with."""
        for partition, offset in batch.added.items():
            self.next_offsets[partition] = offset
            self.clock.add(partition)
        if batch.rows is not None:
            with naming(f"TABLE {self.table.name}"):
                self._decoder.load(db, batch.rows, self._decoded)
            self._nulled.update(batch.nulled)
            for one in batch.refused:
                self._refuse(one.partition, one.offset, one.key, one.value, one.reason)
            refused = 0
            if self._reference is not None:
                self._reference.apply(db, identifier(self._decoded))
            else:
                refused = self._stream.show(db, self._decoded, batch.rows)
            self.rows += batch.rows.num_rows - refused  # in one step: others read it meanwhile
        self.next_offsets.update(batch.passed)
        self._log_ends.update(batch.log_ends)
        self._known_ends |= {
            partition for partition, end in self._first_ends.items() if self.next_offsets.get(partition, 0) >= end
        }
        self._note_ends_and_silence(batch)
        self._stream.notice.speak(last=self._bounded and self.read_to_end)
        return batch.rows is not None and self._reference is None

    def expect_ends(self, ends: Mapping[int, int]) -> None:
        """The log ends there now, by partition: once that is read, the end was reached.

        Kafka tells of an end only when nothing comes for a while, which never is in a topic that is always written.
        """
        self._first_ends = dict(ends)

    def changes_state(self, batch: Batch) -> bool:
        """Whether taking the batch has to be followed by a commit."""
        moved = (end.offset > self.next_offsets.get(end.partition, 0) for end in batch.ends)
        return batch.rows is not None or bool(batch.added) or any(moved)

    def show_nothing(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the stream's batch one without rows."""
        self._stream.show_nothing(db)

    def _note_ends_and_silence(self, batch: Batch) -> None:
        clock = self.clock
        clock.read_until(batch.read_at)
        for end in batch.ends:
            self.next_offsets[end.partition] = max(self.next_offsets.get(end.partition, 0), end.offset)
            self._known_ends.add(end.partition)
            if self._bounded:
                clock.end_reading(end.partition)
        for partition, silence in batch.silent.items():
            clock.confirm_silence(partition, silence.since, silence.until)

    def _refuse(self, partition: int, offset: int, key: bytes | None, value: bytes | None, reason: str) -> None:
        self._dead_letters.send(DeadLetter(value, reason, Origin(self.table.topic, partition, offset)), key)
        self.dead += 1

    # --- how far it is

    def progress(self) -> Progress:
        """What goes into the state with the results."""
        clock = self.clock
        lanes = {partition: (place, clock.lanes[partition].highest) for partition, place in self.next_offsets.items()}
        return Progress(self._topic_id, max(clock.floor, clock.next_floor), clock.watermark, lanes)

    def positions(self, stored: Progress) -> list[Position]:
        """How far the partitions are by what is `stored`, what they lack, and which are idle now."""
        table, idle, marks = self.table, self.clock.idle_partitions(), self._marks(stored)
        return [
            Position(
                table.topic,
                partition,
                offset,
                table.name,
                marks.get(partition),
                partition in idle,
                round(self.clock.lanes[partition].silent_for, 1),
                self.clock.idle_timeout,
                max(0, self._log_ends[partition] - offset) if partition in self._log_ends else None,
            )
            for partition, (offset, _highest) in sorted(stored.lanes.items())
        ]

    def _marks(self, stored: Progress) -> dict[int, int]:
        """The watermark (ms) of each partition that has one."""
        timed = {partition: highest for partition, (_, highest) in stored.lanes.items() if highest > BEGINNING}
        return {partition: highest - self.clock.delay for partition, highest in timed.items()}

    def show_lag(self) -> None:
        """Commit the offsets to the consumer group; nothing is ever read from there."""
        if self._process is not None:
            self._process.commit(self.number, dict(self.next_offsets))

    @property
    def read_to_end(self) -> bool:
        """Whether every partition's end was reached at least once."""
        return len(self._known_ends) >= len(self.next_offsets)

    @property
    def behind(self) -> bool:
        """Whether a row of the batch is behind its watermark."""
        return self._stream.behind

    @property
    def nulled(self) -> int:
        """Fields of another type."""
        return self._nulled.total()

    @property
    def untimed(self) -> int:
        """Rows without an event time: they are in no window."""
        return self._stream.notice.untimed

    @property
    def delay(self) -> float | None:
        """How far (s) the watermark is behind the wall clock."""
        return time.time() - self.clock.watermark / 1000 if self.clock.watermark > BEGINNING else None

    def report(self) -> SourceReport:
        """How it does, for the live view."""
        mark = self.clock.watermark
        return SourceReport(
            self.table.name,
            self.table.topic,
            self.rows,
            self.dead,
            self.nulled,
            mark if mark > BEGINNING else None,
            self.delay,
            self.untimed,
            self._mistyped(),
        )

    def _mistyped(self) -> tuple[Mistyped, ...]:
        types = {column.name: column.type for column in self.table.columns}
        return tuple(Mistyped(name, str(types[name]), count) for name, count in sorted(self._nulled.items()))
