"""Reading topics in memory, batch by batch as a test wants it. Records are read as in the reading process."""

from collections import deque
from collections.abc import Collection

import pyarrow as pa

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End
from clickstream.tables.engine.decoding.rows import RowReader
from clickstream.tables.engine.fetching.fetcher import Batch, Order, read_into
from clickstream.tables.engine.fetching.silence import Silences
from clickstream.tables.engine.rig.topics import Record, Topics

CONFIRM_EVERY_S = 1.0


class Clock:
    """What the engine and its reading take for the time (s), each its own."""

    def __init__(self) -> None:
        self.of_engine = 0.0
        self.of_reading = 0.0

    def engine(self) -> float:
        """For the engine's intervals: of commits, closings, early rows."""
        return self.of_engine


class _Topic:
    """One topic that was ordered, and how far it was read."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.table = order.wanted.table.name
        self.name = order.wanted.table.topic
        self.places = dict(order.places)
        self.reader = RowReader(order.wanted, unknown_waits=order.unknown_waits)
        self.silences = Silences(order.longest_gap_s)
        self.whole = order.wanted.table.upsert  # a reference


class MemoryReading:
    """Gives the engine what `read_on`, `confirm` and `see_ends` have made ready.

    While the engine starts, what it wants to be read to the end comes by itself. After a batch that did not come its
    clock has gone on so far that all intervals are over.
    """

    def __init__(self, topics: Topics, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._read: dict[str, _Topic] = {}
        self._ready: deque[Batch] = deque()
        self._unseen: list[_Topic] = []  # ordered while the engine starts
        self._starting = True
        self._shown: dict[int, dict[int, int]] = {}  # offsets by number of the source and partition

    # --- what the engine does

    def start(self) -> None:
        """Nothing has to be started."""

    def read(self, order: Order) -> None:
        """Have it read a topic."""
        self._read[order.wanted.table.name] = topic = _Topic(order)
        self._unseen.append(topic)

    def commit(self, source: int, places: dict[int, int]) -> None:
        """Keep what a consumer group would show."""
        self._shown[source] = places

    def taken(self, source: int) -> None:
        """There is always room."""

    def next(self, timeout: float) -> Batch | None:
        """The next batch, None if there is none."""
        if self._starting and not self._ready and self._unseen:
            for topic in self._unseen:
                self._give(topic, self._records(topic), ends=True)
            self._unseen = []
        if self._ready:
            return self._ready.popleft()
        self._clock.of_engine += 3600.0
        return None

    @property
    def waiting(self) -> bool:
        """Whether a batch waits to be taken."""
        return bool(self._ready)

    def close(self) -> None:
        """Nothing has to be ended."""

    # --- what a test does

    def shown_of(self, table: str) -> dict[int, int]:
        """What was kept for a consumer group last: the next offset by partition."""
        return self._shown.get(self._read[table].order.source, {})

    def started(self) -> None:
        """From here on only what is asked for is read."""
        self._starting, self._unseen = False, []

    def read_on(self, tables: Collection[str], records: int | None, *, ends: bool) -> bool:
        """Make ready what these tables' topics hold, one batch for each: all records, or so many; whether any.

        `ends`: say which partitions' ends were reached.
        """
        chosen = [topic for name, topic in self._read.items() if name in tables]
        given = [self._give(one, self._records(one)[: None if one.whole else records], ends=ends) for one in chosen]
        return any(given)

    def confirm(self, tables: Collection[str]) -> None:
        """Make ready what the broker says now: which partitions of these tables end where they were read to."""
        for name, topic in self._read.items():
            if name in tables and topic.order.confirm_every_s is not None:
                ends = self._topics.ends(topic.name)
                quiet = [partition for partition, place in topic.places.items() if ends[partition] == place]
                silent = topic.silences.confirm(quiet, self._clock.of_reading)
                self._ready.append(Batch(topic.order.source, silent=silent, read_at=self._clock.of_reading))

    def _records(self, topic: _Topic) -> list[Record]:
        found = self._topics.records(topic.name)
        return [one for one in found if one.offset >= topic.places.get(one.partition, 0)]

    def _give(self, topic: _Topic, records: list[Record], *, ends: bool) -> bool:
        known = self._topics.ends(topic.name)
        batch = Batch(topic.order.source, read_at=self._clock.of_reading, log_ends=known)
        batch.added = {partition: 0 for partition in known if partition not in topic.places}
        topic.places |= batch.added
        if records:
            _, rows = read_into(batch, topic.reader, [one.message() for one in records])
            batch.rows = pa.concat_tables([rows.table]).combine_chunks()
            topic.places |= batch.passed
            topic.silences.break_off(batch.passed)
        if ends:
            reached = [partition for partition, end in known.items() if topic.places[partition] == end]
            batch.ends = [End(topic.name, partition, known[partition]) for partition in reached]
        if batch:
            self._ready.append(batch)
        return bool(records)


class Readings:
    """Makes the reading of each run; `now` is that of the latest."""

    def __init__(self, topics: Topics, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self.now = MemoryReading(topics, clock)

    def __call__(self, _name: str, _cluster: Cluster) -> MemoryReading:
        self.now = MemoryReading(self._topics, self._clock)
        return self.now
