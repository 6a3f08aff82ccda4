"""Fetching the topic of a table: batches of its records, read as rows. This runs in the reading process."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaException, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, TopicGone, partitions_of, split
from clickstream.tables.engine.decoding.rows import Records, RowReader, Wanted
from clickstream.tables.engine.options import RESET
from clickstream.topics import topic_id

log = logging.getLogger(__name__)

# Messages at once: with their texts they stay in the processor's cache (1.4 us a click; 2.5 with 50,000).
CHUNK = 2_000
# How long a batch is waited for: the latency of a live run. A batch that fills is handed over at once.
WAIT_S = 0.05
# Batches of a topic on their way to the engine. An engine that is slower than they come gets larger ones, not more:
# a pipe holds hundreds of small ones.
AHEAD = 3


@dataclass(frozen=True)
class Order:
    """What is to be read from where: `places` are the first offsets, `records` the most of a batch.

    The consumer `group` only shows the lag. `bounded`: an end that was reached is the end.
    """

    source: int
    wanted: Wanted
    topic_id: str
    group: str
    places: dict[int, int]
    bounded: bool
    records: int
    look_every_s: float  # for new partitions


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

    `passed` and `added`: the next, and the first, offset by partition. `nulled`: as in rows.Rows.
    """

    source: int
    rows: pa.Table | None = None
    refused: list[Refused] = field(default_factory=list)
    nulled: int = 0
    passed: dict[int, int] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    added: dict[int, int] = field(default_factory=dict)


class Fetcher:
    """Reads all partitions of one topic by itself, in a thread."""

    def __init__(self, cluster: Cluster, order: Order, hand_over: Callable[[Batch | BaseException], None]) -> None:
        """`hand_over` takes each batch, or what went wrong in the end; while it waits, nothing is fetched."""
        self._cluster = cluster
        self._order = order
        self._topic = order.wanted.table.topic
        self._hand_over = hand_over
        self._reader = RowReader(order.wanted)
        # The engine needs batches, however the time-outs of others are set; an empty fetch tells where the end is.
        self._consumer = cluster.consumer(order.group, {"fetch.wait.max.ms": 50, "queued.min.messages": 20_000})
        self._known = set(order.places)
        self._ended: set[int] = set()
        self._committed: dict[int, int] | None = None
        self._closing = threading.Event()
        self._room = threading.Semaphore(AHEAD)
        self._thread = threading.Thread(target=self._run, name=f"fetch {self._topic}", daemon=True)

    def start(self) -> None:
        """Fetch until `close`."""
        self._thread.start()

    def commit(self, places: dict[int, int]) -> None:
        """Show the group's lag; nothing is ever read from here."""
        # The thread does it: while it fetches, a call on the same consumer would wait.
        self._committed = places

    def taken(self) -> None:
        """The engine has taken a batch."""
        self._room.release()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._commit()
        self._consumer.close()

    def _run(self) -> None:
        look_at = time.monotonic() + self._order.look_every_s
        try:
            self._assign(self._order.places)
            while not self._closing.is_set():
                self._commit()
                if not self._room.acquire(timeout=0.1):
                    continue
                batch = self._fetch()
                if not self._order.bounded and time.monotonic() >= look_at:
                    look_at = time.monotonic() + self._order.look_every_s
                    batch.added = self._new_partitions()
                if batch.rows is not None or batch.ends or batch.added:
                    self._hand_over(batch)
                else:
                    self._room.release()
        except BaseException as problem:  # noqa: BLE001 - the engine raises it
            self._hand_over(problem)

    def _assign(self, places: dict[int, int]) -> None:
        self._consumer.incremental_assign([TopicPartition(self._topic, *place) for place in places.items()])

    def _fetch(self) -> Batch:
        batch = Batch(self._order.source)
        tables: list[pa.Table] = []
        left = self._order.records
        deadline = time.monotonic() + WAIT_S
        while left > 0:
            size = min(CHUNK, left)
            messages = self._consumer.consume(size, max(0.0, deadline - time.monotonic()))
            left -= size
            full = len(messages) == size
            if any(map(Message.error, messages)) or self._ended:
                messages = self._sorted_out(messages, batch)
            if messages:
                tables.append(self._read(messages, batch))
            if not full or batch.ends:
                break
        if tables:
            # In one piece: DuckDB takes 0.1 us a record more for the pieces.
            batch.rows = pa.concat_tables(tables).combine_chunks()
        return batch

    def _sorted_out(self, messages: list[Message], batch: Batch) -> list[Message]:
        """The records among the messages; ends of partitions go into the batch."""
        records: list[Message] = []
        for message in messages:
            if message.partition() in self._ended:
                continue
            if message.error() is None:
                records.append(message)
            elif (end := self._end(message)) is not None:
                batch.ends.append(end)
                if self._order.bounded:
                    self._ended.add(end.partition)
        return records

    def _end(self, message: Message) -> End | None:
        """The end of a partition, if that is what the message says. Raises ClickstreamError for what does not pass."""
        try:
            return next((part for part in split([message], self._cluster.address) if isinstance(part, End)), None)
        except TopicGone:
            # Clients say so for a moment while a broker restarts, too. If it is true, this says what happened:
            if topic_id(self._cluster, self._topic) != self._order.topic_id:
                raise ClickstreamError(f"Topic {self._topic} was made anew while it was read. {RESET}") from None
            return None

    def _read(self, messages: list[Message], batch: Batch) -> pa.Table:
        records = Records.of(messages, keys=self._reader.needs_keys, headers=self._reader.needs_headers)
        rows = self._reader.read(records)
        for index, reason in sorted(rows.bad.items()):
            message = messages[index]
            place = int(records.partitions[index]), int(records.offsets[index])
            batch.refused.append(Refused(*place, message.key(), message.value(), reason))
        batch.nulled += rows.nulled
        for partition in np.unique(records.partitions).tolist():
            batch.passed[partition] = int(records.offsets[records.partitions == partition][-1]) + 1
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
        found = partitions_of(self._consumer, self._topic, self._cluster.address)
        added = {partition: 0 for partition in found if partition not in self._known}
        if added:
            self._assign(added)
            self._known.update(added)
        return added
