"""Reading the topic of a table: a thread that fetches batches ahead of the engine."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster, explain
from clickstream.kafka.consume import End, TopicGone, partitions_of, split, watermarks
from clickstream.tables.engine.rows import Records, Rows
from clickstream.tables.engine.state import RESET, Progress
from clickstream.tables.sql.model import Table
from clickstream.topics import existing, topic_id

log = logging.getLogger(__name__)

Content = tuple[Records, Rows]

BATCH_RECORDS = 50_000
# How long a batch is waited for: the latency of a live run. A batch that fills is taken at once.
WAIT_S = 0.05
LOOK_FOR_PARTITIONS_EVERY_S = 10.0
LOOK_FOR_TOPIC_EVERY_S = 0.5


@dataclass
class Batch:
    """Records of one table in the order of their arrival, ends of partitions that were reached, new partitions."""

    source: "Source"
    messages: list[Message] = field(default_factory=list)
    content: Content | None = None  # what `messages` were read as
    ends: list[End] = field(default_factory=list)
    added: dict[int, int] = field(default_factory=dict)  # partition: first offset


class Source:
    """One table's reader. It reads all partitions by itself; the consumer group only shows the lag."""

    def __init__(
        self, cluster: Cluster, table: Table, group: str, read: Callable[[list[Message]], Content], *, bounded: bool
    ) -> None:
        """`read` is called in the reader's thread, beside the engine's work on the batch before."""
        self._read = read
        self.table = table
        self.bounded = bounded
        self.topic_id = ""
        self.next: dict[int, int] = {}
        self._cluster = cluster
        # The engine needs batches, however the time-outs of others are set; an empty fetch tells where the end is.
        self.consumer = cluster.consumer(group, {"fetch.wait.max.ms": 50})
        self._ended: set[int] = set()
        self._committed: dict[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def wait_for_topic(self, stop: threading.Event) -> bool:
        """Whether the topic is there; waits for it, and says so, unless the read is bounded.

        Raises ClickstreamError when it does not exist and the read is bounded.
        """
        said = False
        while self.table.topic not in existing(self._cluster):
            if self.bounded:
                raise ClickstreamError(
                    f"Topic {self.table.topic}, which table {self.table.name} reads, does not exist at "
                    f"{self._cluster.address}. Create it with: clickstream topics create {self.table.topic}"
                )
            if not said:
                log.warning(
                    "Topic %s (table %s) does not exist yet; waiting for it.", self.table.topic, self.table.name
                )
                said = True
            if stop.wait(LOOK_FOR_TOPIC_EVERY_S):
                return False
        return True

    def open(self, progress: Progress | None) -> None:
        """Go to where the state says, or to where the table says that reading starts.

        Raises ClickstreamError when the log contradicts the state.
        """
        table, address = self.table, self._cluster.address
        self.topic_id = topic_id(self._cluster, table.topic)
        if progress is not None and progress.topic_id != self.topic_id:
            raise ClickstreamError(f"Topic {table.topic} was made anew since its records were read. {RESET}")
        for partition in partitions_of(self.consumer, table.topic, address):
            saved = progress.lanes.get(partition) if progress is not None else None
            self.next[partition] = self._checked(partition, saved[0]) if saved else self._start(partition)
        self.consumer.assign([TopicPartition(table.topic, *place) for place in self.next.items()])

    def start(self, batches: "queue.Queue[Batch | BaseException]") -> None:
        """Fetch into the queue until `close`."""
        self._thread = threading.Thread(target=self._run, args=(batches,), name=f"read {self.table.name}", daemon=True)
        self._thread.start()

    def commit(self) -> None:
        """Show the group's lag; nothing is ever read from here."""
        # The thread does it: while it fetches, a call on the same consumer would wait.
        self._committed = dict(self.next)

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._commit()
        self.consumer.close()

    # --- where to begin

    def _checked(self, partition: int, offset: int) -> int:
        low, high = watermarks(self.consumer, self.table.topic, partition, self._cluster.address)
        place = f"{self.table.topic} partition {partition}"
        if offset < low:
            raise ClickstreamError(
                f"{place}: the state stands at offset {offset}, but the log now begins at {low}: records were deleted "
                f"before they were read. {RESET}"
            )
        if offset > high:
            raise ClickstreamError(
                f"{place}: the state stands at offset {offset}, but the log ends at {high}: records were lost. {RESET}"
            )
        return offset

    def _start(self, partition: int) -> int:
        low, high = watermarks(self.consumer, self.table.topic, partition, self._cluster.address)
        match self.table.options.get("scan.startup.mode"):
            case "latest-offset":
                return high
            case "timestamp":
                return self._at_time(partition, int(self.table.options["scan.startup.timestamp-millis"]), high)
            case _:
                return low

    def _at_time(self, partition: int, timestamp: int, high: int) -> int:
        place = TopicPartition(self.table.topic, partition, timestamp)
        try:
            found = self.consumer.offsets_for_times([place], timeout=15)[0].offset
        except KafkaException as problem:
            raise explain(problem, f"Looking for a time in {self.table.topic}", self._cluster.address) from problem
        return found if found >= 0 else high

    # --- the thread

    def _run(self, batches: "queue.Queue[Batch | BaseException]") -> None:
        look_at = time.monotonic() + LOOK_FOR_PARTITIONS_EVERY_S
        try:
            while not self._closing.is_set():
                batch = self._fetch()
                self._commit()
                if not self.bounded and time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_FOR_PARTITIONS_EVERY_S
                    batch.added = self._new_partitions()
                if batch.messages:
                    batch.content = self._read(batch.messages)
                    batch.messages = []
                if batch.content or batch.ends or batch.added:
                    self._put(batches, batch)
        except BaseException as problem:  # noqa: BLE001 - handed to the engine, which raises it
            self._put(batches, problem)

    def _put(self, batches: "queue.Queue[Batch | BaseException]", item: Batch | BaseException) -> None:
        while not self._closing.is_set():
            try:
                batches.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def _fetch(self) -> Batch:
        messages = self.consumer.consume(BATCH_RECORDS, WAIT_S)
        batch = Batch(self)
        if not any(map(Message.error, messages)) and not self._ended:
            batch.messages = messages
            return batch
        try:
            for part in split(messages, self._cluster.address):
                if part.partition in self._ended:
                    continue
                if isinstance(part, End):
                    batch.ends.append(part)
                    if self.bounded:
                        self._ended.add(part.partition)
                else:
                    batch.messages += part.messages
        except TopicGone:
            # Clients say so for a moment while a broker restarts, too. If it is true, this says what happened:
            if topic_id(self._cluster, self.table.topic) != self.topic_id:
                raise ClickstreamError(f"Topic {self.table.topic} was made anew while it was read. {RESET}") from None
        return batch

    def _commit(self) -> None:
        committed, self._committed = self._committed, None
        if not committed:
            return
        places = [TopicPartition(self.table.topic, *place) for place in committed.items()]
        try:
            self.consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as problem:
            log.debug("The group's offsets were not committed: %s", problem)

    def _new_partitions(self) -> dict[int, int]:
        found = partitions_of(self.consumer, self.table.topic, self._cluster.address)
        added = {partition: 0 for partition in found if partition not in self.next}
        if added:
            self.consumer.incremental_assign([TopicPartition(self.table.topic, *place) for place in added.items()])
        return added
