"""From Kafka into the history: one topic's records, read and handed over in batches.

A record is known by its topic's id, partition and offset. Each partition is read once, in order, so what lies before
the next offset is a repetition: it is left out. The reader (inspect/topicreader.py) says when the topic was recreated.
A batch is added as a whole or not at all: if not, it goes on waiting, and nothing more is taken until it is in.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

from confluent_kafka import Message

from clickstream.history.decode import Reader, Record
from clickstream.history.store import Store
from clickstream.inspect.render import timestamp_of
from clickstream.inspect.topicreader import Begin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits, at_times

# A batch costs some milliseconds however small it is.
FLUSH_EVERY_S = 0.4
FLUSH_ROWS = 10_000

Add = Callable[[Sequence[Record]], None]


class Intake(Generic[Record]):
    """Takes the records of one topic. `flush_if_due` is to be called a few times a second, by any thread."""

    def __init__(self, store: Store, kind: str, record: type[Record], add: Add[Record]) -> None:
        self._store = store
        self._kind = kind
        self._add: Add[Record] = add
        self._lock = threading.Lock()
        self._waiting: list[Record] = []
        self._flushed_at = 0.0
        self._failed = False  # the last time
        self._next: dict[int, int] = {}
        self._unsure: set[int] = set()  # partitions of which something was left out, or deleted, before the first
        self._since = 0
        self.reader: Reader[Record] = Reader(record)
        self.begins: dict[int, int] = {}
        self.empty: dict[int, int] = {}  # partitions without records at the beginning, and where theirs will begin
        self.generation = 0
        self.last_success: float | None = None

    def begin(
        self, since: int, offsets: Mapping[int, int], unsure: set[int], empty: Mapping[int, int] | None = None
    ) -> None:
        """The topic is read from `offsets` on, which have all that happened from `since` (ms) on.

        Of `unsure` partitions only what happened after their first record. `empty` ones have none yet.
        """
        with self._lock:
            self.empty = dict(empty or {})
            self.begins, self._next, self._unsure, self._since = dict(offsets), dict(offsets), set(unsure), since
            self._store.begin(self._kind, since)

    def add(self, records: Sequence[Message]) -> None:
        """Records of any partitions, in the order of each. What is raised loses nothing: they may come again."""
        with self._lock:
            if self._failed:
                self._flush()
            new, after = self._new(records)
            self._waiting += self.reader.read(map(Message.value, new))
            # Only now: a batch that could not be read comes again.
            self._next |= after
            if len(self._waiting) >= FLUSH_ROWS or self._is_due():
                self._flush()

    def forget(self) -> None:
        """The topic was recreated, and is read from its beginning."""
        with self._lock:
            self._waiting, self._next, self.begins, self._unsure, self.empty = [], {}, {}, set(), {}
            self._failed = False
            self.generation += 1
            self._store.forget(self._kind)
            self._store.begin(self._kind, 0)

    def add_earlier(self, records: Sequence[Message], generation: int) -> bool:
        """Records from before the beginning, each once; False when the topic was recreated meanwhile."""
        found = self.reader.read(map(Message.value, records))
        with self._lock:
            if generation != self.generation:
                return False
            self._add(found)
        return True

    def flush_if_due(self) -> None:
        """Hand over what waits, unless that was done just now: each time costs the same, however few there are."""
        with self._lock:
            if self._waiting and self._is_due():
                self._flush()

    def _is_due(self) -> bool:
        return time.monotonic() >= self._flushed_at + FLUSH_EVERY_S

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        if not self._waiting:
            return
        self._failed = True
        self._add(self._waiting)
        self._waiting, self._failed = [], False
        self.last_success = time.time()

    def _new(self, records: Sequence[Message]) -> tuple[list[Message], dict[int, int]]:
        """Those that were not taken before, and the next offset of each of their partitions after them."""
        new: list[Message] = []
        after: dict[int, int] = {}
        for record in records:
            partition, offset = record.partition() or 0, record.offset() or 0
            if offset < after.get(partition, self._next.get(partition, 0)):
                continue
            if partition in self._unsure:
                self._unsure.discard(partition)
                self._since = max(self._since, timestamp_of(record) or 0)
                self._store.begin(self._kind, self._since)
            after[partition] = offset + 1
            new.append(record)
        return new, after


def recent_past(
    cluster: Cluster,
    topic: str,
    intake: Intake[Any],
    *,
    history_ms: int,
    max_rows: int,
    clock: Callable[[], int],
    stop: threading.Event,
) -> Begin:
    """Begin `history_ms` ago, or as late as `max_rows` records ago; `intake` is told."""

    def begin(logs: Mapping[int, Limits]) -> Mapping[int, int]:
        since = clock() - history_ms
        found = at_times(cluster, topic, dict.fromkeys(logs, since), stop=stop)
        wanted = {
            partition: log.high if found[partition] < 0 else max(log.low, found[partition])
            for partition, log in logs.items()
        }
        there = sum(logs[partition].high - offset for partition, offset in wanted.items())
        offsets = wanted
        if there > max_rows:
            offsets = {
                partition: logs[partition].high - (logs[partition].high - offset) * max_rows // there
                for partition, offset in wanted.items()
            }
        unsure = {
            partition
            for partition, offset in offsets.items()
            if offset < logs[partition].high and (offset > wanted[partition] or 0 < offset == logs[partition].low)
        }
        empty = {partition: log.high for partition, log in logs.items() if log.low == log.high}
        intake.begin(since if any(offsets.values()) else 0, offsets, unsure, empty)
        return offsets

    return begin
