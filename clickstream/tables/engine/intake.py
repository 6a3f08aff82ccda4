"""One source table at work: records to rows, dead letters, event time, offsets."""

import time
from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_again
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin
from clickstream.tables.engine.clock import Clock, Lane
from clickstream.tables.engine.decoding.decode import Decoder
from clickstream.tables.engine.fetching.fetcher import Batch
from clickstream.tables.engine.fetching.process import ReadingProcess
from clickstream.tables.engine.fetching.sources import Source
from clickstream.tables.engine.flow import batch_of
from clickstream.tables.engine.operators.operator import BEGINNING, quoted
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.report import SourceReport
from clickstream.tables.engine.state import Progress, naming
from clickstream.tables.sql.model import Table


class Intake:
    """`max_ahead_ms`: an event further ahead of its Kafka timestamp would close every window, and is refused."""

    def __init__(
        self,
        cluster: Cluster,
        lookup: Consumer,
        table: Table,
        number: int,
        used: set[str],
        dead_letters: DeadLetters,
        *,
        idle_timeout: float | None,
        bounded: bool,
        max_ahead_ms: int,
        reference: Reference | None = None,
    ) -> None:
        self.table = table
        self._cluster = cluster
        self.source = Source(cluster, lookup, table, number, bounded=bounded)
        mark = table.watermark
        self.clock = Clock(mark.delay_ms if mark is not None else 0, idle_timeout, bounded)
        self.rows = 0
        self.nulled = 0
        self.dead = 0
        self.ends: set[int] = set()
        self._timed = mark is not None and mark.constant_ms is None
        self._decoder = Decoder(table, used)
        self._dead_letters = dead_letters
        self._max_ahead = max_ahead_ms
        self._reference = reference
        self._decoded = f"decoded_{table.name}"
        self._marks = f"marks_{table.name}"
        self._marked: bool | None = None
        self.behind = False  # whether a row of the batch is behind its watermark

    def open(self, progress: Progress | None) -> None:
        """Go on where the state says."""
        self.source.open(progress)
        clock = self.clock
        if progress is not None:
            clock.floor = clock.next_floor = progress.floor
            clock.watermark = progress.watermark
        for partition in self.source.next:
            saved = progress.lanes.get(partition) if progress is not None else None
            if progress is not None and saved is None:
                clock.add(partition)
            else:
                clock.lanes[partition] = Lane(saved[1] if saved else BEGINNING)

    def start(self, process: ReadingProcess, group: str) -> None:
        """Have the topic read."""
        self.source.start(process, self._decoder.wanted, group)

    def progress(self) -> Progress:
        """What goes into the state with the results."""
        lanes = {
            partition: (place, self.clock.lanes[partition].highest) for partition, place in self.source.next.items()
        }
        return Progress(self.source.topic_id, max(self.clock.floor, self.clock.next_floor), self.clock.watermark, lanes)

    @property
    def read_once(self) -> bool:
        """Whether every partition's end was reached at least once."""
        return len(self.ends) >= len(self.source.next)

    @property
    def ended(self) -> bool:
        return self.read_once

    @property
    def delay(self) -> float | None:
        """How far (s) the watermark is behind the wall clock."""
        return time.time() - self.clock.watermark / 1000 if self.clock.watermark > BEGINNING else None

    def report(self) -> SourceReport:
        mark = self.clock.watermark
        return SourceReport(
            self.table.name,
            self.table.topic,
            self.rows,
            self.dead,
            self.nulled,
            mark if mark > BEGINNING else None,
            self.delay,
        )

    def take(self, db: duckdb.DuckDBPyConnection, batch: Batch) -> bool:
        """Make the table's batch; False when there is nothing in it."""
        for partition, offset in batch.added.items():
            self.source.next[partition] = offset
            self.clock.add(partition)
        if batch.rows is not None:
            self._load(db, batch, batch.rows)
            self._time(db, batch.rows)
        self._passed(batch)
        return batch.rows is not None

    def take_reference(self, db: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        """Take in versions of a reference."""
        assert self._reference is not None
        for partition, offset in batch.added.items():
            self.source.next[partition] = offset
            self.clock.lanes[partition] = Lane()
        if batch.rows is not None:
            self._load(db, batch, batch.rows)
            self._reference.apply(db, quoted(self._decoded))
        self._passed(batch)

    def _load(self, db: duckdb.DuckDBPyConnection, batch: Batch, rows: pa.Table) -> None:
        with naming(f"TABLE {self.table.name}"):
            self._decoder.load(db, rows, self._decoded)
        self.rows += rows.num_rows
        self.nulled += batch.nulled
        for refused in batch.refused:
            self._refuse(refused.partition, refused.offset, refused.key, refused.value, refused.reason)

    def _refuse(self, partition: int, offset: int, key: bytes | None, value: bytes | None, reason: str) -> None:
        self._dead_letters.send(DeadLetter(value, reason, Origin(self.table.topic, partition, offset)), key)
        self.dead += 1

    def _time(self, db: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
        """Judge the rows by the watermarks before them, and let the clock go on."""
        marks = None
        if self._timed:
            found = db.execute(f'SELECT coalesce("$t", {BEGINNING}) AS t FROM {quoted(self._decoded)}').fetchnumpy()
            times = np.asarray(found["t"], np.int64)
            partitions = rows["$p"].to_numpy()
            ahead = times > rows["$ts"].to_numpy() + self._max_ahead
            if ahead.any():
                self._refuse_ahead(db, rows.filter(pa.array(ahead)))
                times, partitions = times[~ahead], partitions[~ahead]
            marks = self.clock.before(partitions, times)
        self.behind = marks is not None
        if marks is not None:
            db.register("marks_now", {"wm": marks})
            db.execute(f'CREATE OR REPLACE TEMP TABLE {quoted(self._marks)} AS SELECT wm AS "$wm" FROM marks_now')
            db.unregister("marks_now")
        self._show(db, marks is not None)

    def _show(self, db: duckdb.DuckDBPyConnection, marked: bool) -> None:
        """The batch is what was decoded, with the watermarks beside it if any row is behind its own."""
        if self._marked is marked:
            return
        self._marked = marked
        beside = f"SELECT * FROM {quoted(self._decoded)} POSITIONAL JOIN {quoted(self._marks)}"
        alone = f'SELECT *, {BEGINNING}::BIGINT AS "$wm" FROM {quoted(self._decoded)}'
        db.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(batch_of(self.table.name))} AS {beside if marked else alone}")

    def emptied(self) -> None:
        """The batch was replaced by an empty one."""
        self._marked = None
        self.behind = False

    def _refuse_ahead(self, db: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
        """Dead-letter these rows' records, which the reading process has let go: they are read once more."""
        db.execute(f'DELETE FROM {quoted(self._decoded)} WHERE "$t" > "$ts" + {self._max_ahead}')
        self.rows -= rows.num_rows
        reason = f"event time more than {self._max_ahead / 86_400_000:g} days ahead of the record's timestamp"
        places = Counter(zip(rows["$p"].to_pylist(), rows["$o"].to_pylist(), strict=True))
        for message in read_again(self._cluster, self.table.topic, places):
            place = message.partition() or 0, message.offset() or 0
            for _ in range(places.pop(place)):
                self._refuse(*place, message.key(), message.value(), reason)
        for place, count in places.items():
            for _ in range(count):
                self._refuse(*place, None, None, f"{reason}; the record itself is gone from the log")

    def _passed(self, batch: Batch) -> None:
        self.source.next.update(batch.passed)
        now = time.monotonic()
        for end in batch.ends:
            self.source.next[end.partition] = max(self.source.next.get(end.partition, 0), end.offset)
            self.ends.add(end.partition)
            self.clock.at_end(end.partition, now)
