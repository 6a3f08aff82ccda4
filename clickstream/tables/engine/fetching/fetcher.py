"""Fetching the topic of a table: batches of its records, read as rows. This runs in the reading process."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaException, Message, TopicPartition

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, OutOfRange, TopicGone, split
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.patience import Stopped
from clickstream.tables.engine.decoding.rows import Records, RowReader, Rows, Wanted
from clickstream.tables.engine.fetching.fieldcheck import FieldCheck
from clickstream.tables.engine.fetching.logwatch import LogWatch, now
from clickstream.tables.engine.fetching.silence import Silence, SilenceWatch

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

# Messages at once: with their texts they stay in the processor's cache (1.4 us a click; 2.5 with 50,000).
CHUNK = 2_000
# How long a batch grows after its first record: the latency of a live run. One that fills is handed over at once.
WAIT_S = 0.05
# How long nothing is waited for; a record is taken as soon as it comes.
REST_S = 0.5
# Batches of a topic on their way to the engine. Small ones go one by one, so that an engine that is slower than they
# come, or that rests between them, gets larger ones, not more: a pipe holds hundreds of small ones.
AHEAD = 3
SMALL = CHUNK


@dataclass(frozen=True)
class Order:
    """What is to be read from where: `places` are the first offsets, `records` the most of a batch.

    The consumer `group` only shows the lag. `bounded`: an end that was reached is the end. `confirm_every_s`: how
    often silent partitions are confirmed (None: never), `longest_gap_s`: after which a silence begins again.
    `unknown_waits`: as in RowReader.
    """

    source: int
    wanted: Wanted
    topic_id: str
    group: str
    places: dict[int, int]
    bounded: bool
    records: int
    look_every_s: float  # for new partitions
    confirm_every_s: float | None
    longest_gap_s: float
    end_within_ms: int  # the broker says that a log is at its end
    unknown_waits: bool = True


@dataclass(frozen=True)
class Refused:
    """A record that is no row, and why, for people."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str


@dataclass
class Batch:
    """Rows of one source in the order of their arrival, ends of partitions that were reached, new partitions.

    `passed` and `added`: the next, and the first, offset by partition. `silent`: partitions whose log ended, at the
    end of their silence, behind the rows of this batch. `nulled`: as in rows.Rows. `read_at`: s of logwatch.now.
    `log_ends`: where partitions end, as of the last answer that the client got for each.
    """

    source: int
    rows: pa.Table | None = None
    refused: list[Refused] = field(default_factory=list)
    nulled: Counter[str] = field(default_factory=Counter)
    passed: dict[int, int] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    added: dict[int, int] = field(default_factory=dict)
    silent: dict[int, Silence] = field(default_factory=dict)
    read_at: float = 0.0
    log_ends: dict[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.rows is not None or bool(self.ends or self.added or self.silent)


def read_into(batch: Batch, reader: RowReader, messages: Sequence[Message]) -> tuple[Records, Rows]:
    """The rows of messages without errors; what else is to be said of them goes into the batch."""
    records = Records.of(messages, keys=reader.needs_keys, headers=reader.needs_headers)
    rows = reader.read(records)
    for index, reason in sorted(rows.bad.items()):
        message = messages[index]
        place = int(records.partitions[index]), int(records.offsets[index])
        batch.refused.append(Refused(*place, message.key(), message.value(), reason))
    batch.nulled.update(rows.nulled)
    for partition in np.unique(records.partitions).tolist():
        batch.passed[partition] = int(records.offsets[records.partitions == partition][-1]) + 1
    return records, rows


class Room:
    """Counts the batches that the engine has not taken yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ahead = 0
        self._small = False

    def wait(self, timeout: float) -> bool:
        """Whether there is room for another batch, within `timeout` s."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ahead < (1 if self._small else AHEAD), timeout)

    def handed_over(self, *, small: bool) -> None:
        """A batch is on its way to the engine; after a `small` one the next waits until it is taken."""
        with self._changed:
            self._ahead += 1
            self._small = small

    def taken(self) -> None:
        """The engine has taken a batch."""
        with self._changed:
            self._ahead -= 1
            self._changed.notify()


class Fetcher:
    """Reads all partitions of one topic by itself, in a thread.

    What is handed over is of the log that was ordered: its topic's id is asked for after the records were fetched.
    """

    def __init__(self, cluster: Cluster, order: Order, hand_over: Callable[[Batch | BaseException], None]) -> None:
        """`hand_over` takes each batch, or what went wrong in the end; while it waits, nothing is fetched."""
        self._cluster = cluster
        self._order = order
        self._topic = order.wanted.table.topic
        self._hand_over = hand_over
        self._closing = threading.Event()
        self._reader = RowReader(order.wanted, self._closing, unknown_waits=order.unknown_waits)
        table = order.wanted.table
        in_values = [one for one in order.wanted.columns if table.key_in_value or one.name not in table.key_fields]
        self._check = FieldCheck(table.name, table.topic, {one.name: one.type for one in in_values})
        # However the time-outs of others are set. A broker holds a fetch at the end of a log back for so long, and
        # only its empty answer tells that it is the end; records it sends at once.
        wait = {"fetch.wait.max.ms": order.end_within_ms}
        self._consumer = cluster.consumer(order.group, {**wait, "queued.min.messages": 20_000})
        self._watch = LogWatch(cluster, LogIdentity(self._topic, order.topic_id))
        every = order.confirm_every_s
        self._silence = SilenceWatch(self._watch, every, order.longest_gap_s) if every is not None else None
        self._positions = dict(order.places)
        self._at_end: set[int] = set()
        self._known_ends: set[int] = set()  # partitions whose end was reached once
        self._ended: set[int] = set()  # in a bounded read there is nothing more to take of these
        self._looked: Future[frozenset[int]] | None = None  # for new partitions
        self._look_at = time.monotonic() + order.look_every_s
        self._committed: dict[int, int] | None = None
        self._room = Room()
        self._thread = threading.Thread(target=self._run, name=f"fetch {self._topic}", daemon=True)

    def start(self) -> None:
        """Fetch until `close`."""
        self._thread.start()

    def commit(self, places: dict[int, int]) -> None:
        """Show the group's lag; nothing is ever read from here."""
        # The thread does it: while it fetches, a call on the same consumer would wait.
        self._committed = places

    def taken(self) -> None:
        """The engine has taken a batch, and wants another."""
        self._room.taken()

    def close(self) -> None:
        """End the thread, commit the last offsets for the group's lag, and close the consumer."""
        self._closing.set()
        self._thread.join()
        self._watch.close()
        self._commit()
        self._consumer.close()

    def _run(self) -> None:
        silent: dict[int, Silence] = {}
        try:
            self._assign(self._order.places)
            while not self._closing.is_set():
                self._commit()
                if self._silence is not None:
                    silent |= self._silence.look(self._positions, self._at_end)
                if not self._room.wait(0.1):
                    continue
                batch = self._fetch(rest=not silent)
                batch.added = self._new_partitions()
                self._check.speak(last=self._order.bounded and len(self._ended) == len(self._positions))
                # The silence of a partition ends with its records, however late before them it was confirmed.
                batch.silent = {partition: one for partition, one in silent.items() if partition not in batch.passed}
                silent = {}
                if batch:
                    batch.log_ends = self._log_ends()
                    self._room.handed_over(small=batch.rows is None or batch.rows.num_rows < SMALL)
                    self._hand_over(batch)
        except Stopped as problem:
            log.debug("%s", problem)
        except BaseException as problem:  # noqa: BLE001 - the engine raises it
            self._hand_over(problem)

    def _assign(self, places: dict[int, int]) -> None:
        self._consumer.incremental_assign([TopicPartition(self._topic, *place) for place in places.items()])

    def _fetch(self, *, rest: bool) -> Batch:
        """What there is; if there is nothing and `rest` allows it, what comes first."""
        batch = Batch(self._order.source)
        tables: list[pa.Table] = []
        left = self._order.records
        first = self._consumer.poll(self._rest() if rest else 0.0)
        found = [first] if first is not None else []
        deadline = time.monotonic() + WAIT_S
        while found:
            size = min(CHUNK, left)
            found += self._consumer.consume(size - len(found), max(0.0, deadline - time.monotonic()))
            left -= size
            full = len(found) == size
            ends: list[End] = []
            if any(map(Message.error, found)) or self._ended:
                found, ends = self._sorted_out(found)
            if found:
                tables.append(self._read(found, batch))
            self._note_ends(ends, batch)
            if not full or batch.ends or not left:
                break
            first = self._consumer.poll(max(0.0, deadline - time.monotonic()))
            found = [first] if first is not None else []
        batch.read_at = now()
        if tables:
            sure = self._watch.is_same()
            # In one piece: DuckDB takes 0.1 us a record more for the pieces.
            batch.rows = pa.concat_tables(tables).combine_chunks()
            self._wait(sure)
        return batch

    def _log_ends(self) -> dict[int, int]:
        """Known without asking: each fetch brings them along. Before the first one there is none."""
        ends = {
            partition: self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)[1]
            for partition in self._positions
        }
        return {partition: end for partition, end in ends.items() if end >= 0}

    def _rest(self) -> float:
        return REST_S if self._silence is None or not self._at_end else min(REST_S, self._silence.due_in)

    def _wait(self, answer: "Future[Answer]") -> Answer:
        """The answer of the watch; however long Kafka is away. Raises Stopped when closed meanwhile."""
        while not self._closing.is_set():
            try:
                return answer.result(0.1)
            except TimeoutError:
                if answer.done():
                    raise
        raise Stopped(f"Reading {self._topic} was ended while Kafka was away.")

    def _sorted_out(self, messages: list[Message]) -> tuple[list[Message], list[End]]:
        """The records among the messages, and the ends of partitions."""
        records: list[Message] = []
        ends: list[End] = []
        for message in messages:
            if message.partition() in self._ended:
                continue
            if message.error() is None:
                records.append(message)
            elif (end := self._end(message, records)) is not None:
                ends.append(end)
                if self._order.bounded:
                    self._ended.add(end.partition)
        return records, ends

    def _note_ends(self, ends: list[End], batch: Batch) -> None:
        """Call it after the records that came with the ends were read."""
        for end in ends:
            if end.offset < self._positions.get(end.partition, 0):
                continue  # more records came behind it
            # An end that is known already is not reported again: a live topic is at its end after every few records.
            if end.partition not in self._known_ends or end.offset > self._positions.get(end.partition, 0):
                batch.ends.append(end)
            self._positions[end.partition] = end.offset
            self._known_ends.add(end.partition)
            self._at_end.add(end.partition)

    def _end(self, message: Message, records: list[Message]) -> End | None:
        """The end of a partition, if that is what the message says, which came after some records.

        Raises ClickstreamError for what does not pass.
        """
        try:
            return next((part for part in split([message], self._cluster.address) if isinstance(part, End)), None)
        except TopicGone:
            # Clients say so for a moment while a broker restarts, too. If it is true, this says what happened:
            self._wait(self._watch.is_same())
        except OutOfRange:
            partition = message.partition() or 0
            read = (one.offset() for one in records if one.partition() == partition)
            place = {
                partition: max(
                    (offset + 1 for offset in read if offset is not None), default=self._positions[partition]
                )
            }
            self._wait(self._watch.check(place))
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])
            self._assign(place)
        return None

    def _read(self, messages: list[Message], batch: Batch) -> pa.Table:
        records, rows = read_into(batch, self._reader, messages)
        self._check.look(records.values, rows.table, rows.nulled)
        passed = {int(partition): batch.passed[partition] for partition in np.unique(records.partitions).tolist()}
        self._positions |= passed
        self._at_end -= passed.keys()
        if self._silence is not None:
            self._silence.break_off(passed)
        return rows.table

    def _commit(self) -> None:
        places, self._committed = self._committed, None
        if not places:
            return
        try:
            offsets = [TopicPartition(self._topic, *place) for place in places.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as problem:
            log.debug("The group's offsets were not committed: %s", problem)

    def _new_partitions(self) -> dict[int, int]:
        """The first offsets of partitions that were added to the topic."""
        if self._looked is not None and self._looked.done():
            found, self._looked = self._looked.result(), None
            added = dict.fromkeys(sorted(found - self._positions.keys()), 0)
            if added:
                self._assign(added)
                self._positions |= added
            return added
        if self._looked is None and not self._order.bounded and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + self._order.look_every_s
            self._looked = self._watch.partitions()
        return {}
