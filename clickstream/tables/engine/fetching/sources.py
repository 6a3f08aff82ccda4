"""The topic of a table: whether it is there, where reading begins, how far it has come."""

import logging
import threading
from dataclasses import replace

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import partitions_of, watermarks
from clickstream.kafka.errors import explain
from clickstream.tables.engine.decoding.rows import Wanted
from clickstream.tables.engine.fetching.fetcher import Order
from clickstream.tables.engine.fetching.process import ReadingProcess
from clickstream.tables.engine.options import RESET
from clickstream.tables.engine.state.store import Progress
from clickstream.tables.sql.model import Table
from clickstream.topics import existing, topic_id

log = logging.getLogger(__name__)

# Rows that go through the engine's queries together: each query costs about a millisecond however few they are.
BATCH_RECORDS = 40_000
LOOK_FOR_PARTITIONS_EVERY_S = 10.0
LOOK_FOR_TOPIC_EVERY_S = 0.5


class Source:
    """What a table is read from. `next` is the next offset of each partition, for the state."""

    def __init__(self, cluster: Cluster, lookup: Consumer, table: Table, number: int, *, bounded: bool) -> None:
        """`lookup` is asked where partitions begin and end; `number` is the source's for the reading process."""
        self.table = table
        self.number = number
        self.next: dict[int, int] = {}
        self._cluster = cluster
        self._lookup = lookup
        self._bounded = bounded
        self.topic_id = ""
        self._process: ReadingProcess | None = None

    def wait_for_topic(self, stop: threading.Event) -> bool:
        """Whether the topic is there; waits for it, and says so, unless the read is bounded.

        Raises ClickstreamError when it does not exist and the read is bounded.
        """
        said = False
        while self.table.topic not in existing(self._cluster):
            if self._bounded:
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
        for partition in partitions_of(self._lookup, table.topic, address):
            saved = progress.lanes.get(partition) if progress is not None else None
            if saved:
                self.next[partition] = self._checked(partition, saved[0])
            else:
                # A partition that came while nobody read is read whole, as one that comes while we read.
                self.next[partition] = self._start(partition) if progress is None else self._low(partition)

    def start(self, process: ReadingProcess, wanted: Wanted, group: str) -> None:
        """Have the topic read from here on; the consumer group only shows the lag."""
        self._process = process
        # What is computed of columns is the engine's.
        wanted = replace(wanted, table=replace(wanted.table, columns=()))
        process.read(
            Order(
                self.number,
                wanted,
                self.topic_id,
                group,
                dict(self.next),
                self._bounded,
                BATCH_RECORDS,
                LOOK_FOR_PARTITIONS_EVERY_S,
            )
        )

    def commit(self) -> None:
        """Show the group's lag; nothing is ever read from here."""
        if self._process is not None:
            self._process.commit(self.number, dict(self.next))

    # --- where to begin

    def _checked(self, partition: int, offset: int) -> int:
        low, high = watermarks(self._lookup, self.table.topic, partition, self._cluster.address)
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

    def _low(self, partition: int) -> int:
        return watermarks(self._lookup, self.table.topic, partition, self._cluster.address)[0]

    def _start(self, partition: int) -> int:
        low, high = watermarks(self._lookup, self.table.topic, partition, self._cluster.address)
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
            found = self._lookup.offsets_for_times([place], timeout=15)[0].offset
        except KafkaException as problem:
            raise explain(problem, f"Looking for a time in {self.table.topic}", self._cluster.address) from problem
        return found if found >= 0 else high
