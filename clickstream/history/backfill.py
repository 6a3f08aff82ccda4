"""The period before the history, for the sums: read back after the history is live, the newest hours first."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from confluent_kafka import KafkaException, Message

from clickstream.errors import ClickstreamError
from clickstream.history.decode import Click
from clickstream.history.feed import Intake
from clickstream.history.rollups import KEPT_MS
from clickstream.history.store import Store
from clickstream.inspect.read import Open, Span, read, reader
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity, identify
from clickstream.kafka.offsets import at_times, beginnings

log = logging.getLogger(__name__)

SLICE_MS = 3_600_000
# It is worth so much and no more: 20 s of a core.
MAX_RECORDS = 5_000_000
# After each batch it rests as long as that took: what is live goes first.
REST_SHARE = 1.0


class Older(Protocol):
    """Where records are that the topic holds no more."""

    def hours(
        self, topic: LogIdentity, ends: Mapping[int, int], since: int
    ) -> Iterator[tuple[int, Iterator[list[Message]]]]:
        """The records before the offsets `ends`, each once, by hour: the latest first, back to that of `since` (ms).

        With the records of an hour comes the time (ms) to which all are there once these are taken. Raises
        ClickstreamError when records before `ends` are missing, or it is of another topic.
        """
        ...


class Backfill:
    """Of the topic of clicks. Gives up quietly when the topic is recreated; the sums then begin with that."""

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        intake: Intake[Click],
        store: Store,
        clock: Callable[[], int],
        *,
        older: Older | None = None,
        opened: Open | None = None,
        max_records: int = MAX_RECORDS,
    ) -> None:
        """`older` is read where the topic ends, if it has lost what it began with; `opened` makes JSON of records."""
        self._cluster = cluster
        self._topic = topic
        self._intake = intake
        self._store = store
        self._clock = clock
        self._older = older
        self._opened = opened
        self._max_records = max_records
        self.records = 0

    def run(self, stop: threading.Event) -> None:
        """Read back until a day is summed up, the topic's beginning or the limit is reached, or `stop` is set."""
        generation, ends = self._intake.generation, dict(self._intake.begins)
        coverage = self._store.coverage()
        if not any(ends.values()) or coverage.rollups_from is None:
            return
        if coverage.rows_from is not None and coverage.rows_from > coverage.rollups_from:
            return
        try:
            self._run(stop, generation, ends, coverage.rollups_from)
        except (ClickstreamError, KafkaException) as problem:
            log.info("The period before the history is not summed up: %s", problem)

    def _run(self, stop: threading.Event, generation: int, ends: dict[int, int], until: int) -> None:
        lows = beginnings(self._cluster, self._topic, partitions=ends, stop=stop)
        oldest = self._clock() - KEPT_MS["minutes"]
        while until > oldest and not stop.is_set():
            since = max(oldest, until - SLICE_MS)
            begins = self._begins(since, ends, lows, stop)
            number = sum(ends[partition] - begin for partition, begin in begins.items())
            if self.records + number > self._max_records:
                log.info("Sums of the period before reach back to %d only: %d records are enough.", until, self.records)
                return
            spans = {partition: Span(begin, ends[partition]) for partition, begin in begins.items()}
            first = self._read(spans, generation, stop)
            if first is None:
                return
            if not any(begins.values()):
                self._store.extend(0)  # the whole topic
                return
            # Of a partition that was read from its first record on, there may have been older ones.
            cut = [first[one] or until for one, begin in begins.items() if begin == lows[one] and begin]
            until, ends = max([since, *cut]), begins
            self._store.extend(until)
            if cut:
                self._read_older(ends, oldest, generation, stop)
                return

    def _read_older(self, ends: Mapping[int, int], oldest: int, generation: int, stop: threading.Event) -> None:
        """What was before the topic's first records, from where it is kept."""
        if self._older is None:
            return
        topic = identify(self._cluster, self._topic, stop=stop)
        for hour, batches in self._older.hours(topic, ends, oldest):
            for batch in self._resting(batches, stop):
                if self._opened is not None:
                    for message in batch:
                        self._opened(message)
                if stop.is_set() or self.records > self._max_records or not self._intake.add_earlier(batch, generation):
                    return
                self.records += len(batch)
            if stop.is_set():
                return
            self._store.extend(hour)

    def _begins(
        self, since: int, ends: Mapping[int, int], lows: Mapping[int, int], stop: threading.Event
    ) -> dict[int, int]:
        found = at_times(self._cluster, self._topic, dict.fromkeys(ends, since), stop=stop)
        return {
            partition: min(end, max(lows[partition], found[partition])) if found[partition] >= 0 else end
            for partition, end in ends.items()
        }

    def _read(self, spans: Mapping[int, Span], generation: int, stop: threading.Event) -> dict[int, int] | None:
        """The time of each partition's first record (0: it has none); None unless all is read and summed up."""
        first = dict.fromkeys(spans, 0)
        consumer = reader(self._cluster, {"queued.max.messages.kbytes": 4_096})
        try:
            places = {(self._topic, partition): span for partition, span in spans.items()}
            batches = read(consumer, places, self._cluster.address, stop, opened=self._opened)
            for batch in self._resting(batches, stop):
                for message in batch:
                    first[message.partition() or 0] = first[message.partition() or 0] or timestamp_of(message) or 0
                if not self._intake.add_earlier(batch, generation):
                    return None
                self.records += len(batch)
        finally:
            consumer.close()
        return None if stop.is_set() else first

    def _resting(self, batches: Iterator[list[Message]], stop: threading.Event) -> Iterator[list[Message]]:
        for batch in batches:
            begun = time.monotonic()
            if batch:
                yield batch
                stop.wait(REST_SHARE * (time.monotonic() - begun))
