"""Topics to one target: read, write in batches, and go on after whatever happens to the target."""

import itertools
import logging
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, TypeVar

from confluent_kafka import Consumer, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka import log as kafka_log
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import COMMITTED, EARLIEST, End, OutOfRange, Run, TopicGone, split
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import Partition, at_times, ends
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.records import Position
from clickstream.sinks.buffer import Buffer
from clickstream.sinks.letters import SinkLetters
from clickstream.sinks.model import Batch, Claim, Input, Rows, Stored, Written
from clickstream.sinks.originals import OTHER_TYPE, TellsCleaned, changed_records
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Away, Refused, RefusedRows, Target, TellsMore, Tended
from clickstream.stop import Stop

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

POLL_S = 0.2
LOOK_FOR_PARTITIONS_EVERY_S = 10.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
SAY_EVERY_S = 30.0

RESET = "--reset deletes what the sink wrote of it, and begins from the start."


class _WentBack(Exception):
    """The target is behind what it had committed."""


@dataclass(frozen=True)
class Options:
    """How a sink works. `name` tells apart sinks of the same topics in one target."""

    name: str = "clickstream"
    early: bool = False
    exit_at_end: bool = False
    begin: Literal["start", "end"] | int = "start"  # of topics that the target has no place of; or at epoch ms
    batch_rows: int = 20_000
    batch_bytes: int = 32 * 2**20  # of values: memory stays bounded however large they are
    interval_s: float = 0.5  # rows wait no longer than this for others
    refused_per_minute: int = 1_000  # with more, it is not the rows that are wrong: it stops
    keep_originals: bool = False  # records with a changed value are dead letters, too


class Sink(Part):
    """One target, filled from topics. The offsets are in the target, with the rows: a crash loses and doubles nothing
    where the target commits both together."""

    def __init__(
        self, cluster: Cluster, target: Target, inputs: Sequence[Input], letters: DeadLetters, sender: Sender,
        options: Options,
    ) -> None:  # fmt: skip
        """`sender` is that of `letters`, and its records do not time out: a batch waits until they are acknowledged.
        With `run` it is closed."""
        self.kind = f"sink-{target.kind}"
        self.name = options.name
        self.topics = [one.topic for one in inputs]
        self._cluster = cluster
        self._target = target
        self._inputs = inputs
        self._options = options
        self._letters = SinkLetters(letters, sender, target, options.refused_per_minute)
        self._buffer = Buffer(options.batch_rows, options.batch_bytes, options.interval_s)
        self._readers: dict[str, RecordReader] = {}
        self._identities: dict[str, LogIdentity] = {}
        self._owner = f"{socket.gethostname()} pid {os.getpid()}"
        self._epoch: int | None = None
        self._stop: threading.Event = Stop()
        self._admin = cluster.admin()
        self._consumer: Consumer | None = None
        self._read: dict[Partition, int] = {}  # the offset to read next
        self._stored: dict[Partition, int] = {}
        self._ended: set[Partition] = set()
        self._looked_at = 0.0
        self._connected = False
        self._said_away_at = float("-inf")
        self._last_success: float | None = None
        self._lag = 0
        self.written = Written()
        self.ignored = 0  # early rows
        self.nulled: Counter[tuple[str, str]] = Counter()  # by topic and column
        self.changed: Counter[tuple[str, str]] = Counter()  # by `topic.column` and rule

    # --- what a part tells

    @property
    def kept(self) -> int:
        """Records with changed values whose originals are dead letters."""
        return self._letters.kept

    def totals(self) -> dict[str, int]:
        """Rows by what became of them, and records without a row."""
        written = self.written
        return {
            "written": written.upserted + written.appended + written.deleted,
            "upserted": written.upserted,
            "deleted": written.deleted,
            "appended": written.appended,
            "cleaned": written.cleaned.total(),
            "dead_lettered": self._letters.unreadable + self._letters.refused,
            "early_ignored": self.ignored,
            "kept": self.kept,
        }

    def gauges(self) -> dict[str, float]:
        """`target_away`: 1 while the target does not answer or takes nothing; `lag`: records that the target lacks, as
        of before it was away; `registry_away`: 1 while it waits for a schema of Avro; and what the target tells."""
        more = self._target.gauges() if isinstance(self._target, TellsMore) else {}
        waits = any(reader.waiting for reader in self._readers.values())
        return {
            "lag": float(self._lag),
            "target_away": 0.0 if self._connected else 1.0,
            "registry_away": 1.0 if waits else 0.0,
            **more,
        }

    def changed_values(self) -> Mapping[tuple[str, str], int]:
        """By column and rule. Of what was so when it was read, for any target, the topic is named as well."""
        nulled = {(f"{topic}.{column}", OTHER_TYPE): count for (topic, column), count in dict(self.nulled).items()}
        return {**self.written.cleaned, **nulled, **self.changed}

    def last_success(self) -> float | None:
        """When the target last committed a batch."""
        return self._last_success

    def positions(self) -> list[Position]:
        """What the target has."""
        return [Position(topic, number, offset) for (topic, number), offset in sorted(self._stored.items())]

    # --- its work

    def run(self, stop: threading.Event) -> None:
        """Fill the target until `stop` is set, or with `exit_at_end` until the topics' ends.

        Raises Fenced when a newer process has taken over, ClickstreamError for what does not pass.
        """
        self._stop = stop
        self._readers = {one.topic: RecordReader(one, early=self._options.early, stop=stop) for one in self._inputs}
        try:
            while not self._fill():
                self._forget_reading()
        except Stopped as stopped:
            # What was read and not written is read again: the offsets are in the target.
            log.info("%s", stopped)
        finally:
            with ExitStack() as closing:  # all of it, whatever becomes of one
                closing.callback(self._letters.close)
                if self._consumer is not None:
                    closing.callback(self._consumer.close)
                closing.callback(self._target.close)

    def _fill(self) -> bool:
        """Fill the target from where it is; returns whether that is done. If not, it went back, and is begun again."""
        try:
            self._begin()
            while not self._stop.is_set() and not self._at_end():
                self._take()
                if self._buffer.is_due(time.monotonic()):
                    self._write()
            self._write()
            return True
        except _WentBack as back:
            log.warning("%s", back)
            return False

    def _forget_reading(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None
        self._buffer.drain()
        self._read, self._stored, self._ended = {}, {}, set()

    def _begin(self) -> None:
        self._identities = {
            topic: kafka_log.identify(self._cluster, topic, self._admin, stop=self._stop) for topic in self.topics
        }
        stored = self._patiently(self._connect)
        self._consumer = self._cluster.consumer(f"clickstream-sink-{self._options.name}", COMMITTED)
        for topic, identity in self._identities.items():
            self._check(identity, stored)
            for number, begin in self._beginnings(topic).items():
                place = stored.places.get((topic, number))
                if place is not None:
                    self._stored[topic, number] = place.offset
                elif begin != EARLIEST:
                    # Kept at once: what comes while nobody reads is of the next start.
                    self._buffer.start_linger(time.monotonic())
                self._read[topic, number] = begin if place is None else place.offset
        self._assign()
        self._looked_at = time.monotonic()

    def _assign(self) -> None:
        assert self._consumer is not None
        self._consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in self._read.items()])

    def _beginnings(self, topic: str) -> dict[int, int]:
        """Where to begin in each partition of which the target has no place."""
        begin = self._options.begin
        last = ends(self._cluster, topic, self._admin, stop=self._stop)
        if begin == "start":
            return dict.fromkeys(last, EARLIEST)
        if begin == "end":
            return last
        found = at_times(self._cluster, topic, dict.fromkeys(last, begin), self._admin, stop=self._stop)
        return {number: at if at >= 0 else last[number] for number, at in found.items()}

    def _connect(self) -> Stored:
        self._target.connect()
        self._target.prepare(self._inputs)
        claim = Claim(self._options.name, self._owner, list(self._identities.values()), self._epoch)
        stored = self._target.claim(claim)
        self._epoch = stored.epoch
        for (topic, number), at in self._stored.items():
            place = stored.places.get((topic, number))
            if place is None or place.offset < at:
                # A standby that became the primary may lack the last commits.
                raise _WentBack(
                    f"{self._target.where} lost what was committed of {topic} partition {number}, which was at {at}; "
                    f"it is at {place.offset if place else 'its start'}. Its rows are written again from there."
                )
        return stored

    def _check(self, identity: LogIdentity, stored: Stored) -> None:
        places = {number: place for (topic, number), place in stored.places.items() if topic == identity.topic}
        for place in places.values():
            if place.topic_id != identity.topic_id:
                raise kafka_log.Recreated(
                    f"Topic {identity.topic} was recreated: {self._target.where} has rows of the one with id "
                    f"{place.topic_id}, now it is {identity.topic_id}. {RESET}"
                )
        offsets = {number: place.offset for number, place in places.items()}
        kafka_log.check(self._cluster, identity, offsets, self._admin, remedy=RESET, stop=self._stop)

    def _take(self) -> None:
        assert self._consumer is not None
        messages = self._consumer.consume(self._buffer.room(), POLL_S)
        now = time.monotonic()
        try:
            for part in split(messages, self._cluster.address, topics=len(self.topics)):
                self._sort(part, now)
        except (TopicGone, OutOfRange):
            # Clients say so for a moment while a broker restarts, too; if it is true, this says what happened. What
            # followed in this batch was not taken, and is read again.
            self._look_at_logs()
            self._assign()
        self._lag = self._behind()
        if now > self._looked_at + LOOK_FOR_PARTITIONS_EVERY_S:
            self._looked_at = now
            self._look_for_partitions()
            self._letters.poll()
            if isinstance(self._target, Tended):
                self._target.tend()

    def _sort(self, part: Run | End, now: float) -> None:
        place = (part.topic, part.partition)
        if isinstance(part, Run):
            self._buffer.add(part.topic, part.messages, now)
            self._read[place] = (part.messages[-1].offset() or 0) + 1
            self._ended.discard(place)
        else:
            self._ended.add(place)
            if self._read.get(place, -1) != part.offset:
                self._read[place] = part.offset
                self._buffer.start_linger(now)

    def _look_at_logs(self) -> None:
        """Raises LogChanged when one of the topics is gone or another one, or lacks what comes next."""
        for topic, identity in self._identities.items():
            self._make_sure(identity)
            places = {number: at for (name, number), at in self._read.items() if name == topic and at >= 0}
            kafka_log.check(self._cluster, identity, places, self._admin, remedy=RESET, stop=self._stop)

    def _behind(self) -> int:
        """Records that are not in the target, as far as the client knows the ends; markers of transactions count."""
        assert self._consumer is not None
        lag = 0
        for topic, number in self._read:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
            lag += max(0, high - max(low, self._stored.get((topic, number), 0))) if high >= 0 else 0
        return lag

    def _look_for_partitions(self) -> None:
        assert self._consumer is not None
        added = []
        for topic in self.topics:
            found = ends(self._cluster, topic, self._admin, stop=self._stop)
            added += [(topic, number) for number in found if (topic, number) not in self._read]
        if added:
            log.info("%d new partitions.", len(added))
            self._consumer.incremental_assign([TopicPartition(topic, number, EARLIEST) for topic, number in added])
            self._read |= dict.fromkeys(added, EARLIEST)

    def _at_end(self) -> bool:
        return self._options.exit_at_end and len(self._ended) == len(self._read)

    # --- writing

    def _write(self) -> None:
        """Write what was read, with the places after it."""
        messages_by_topic = self._buffer.drain()
        places = {place: at for place, at in self._read.items() if at >= 0 and at != self._stored.get(place)}
        if not places:
            return
        rows: list[Rows] = []
        for topic, messages in messages_by_topic.items():
            found = self._readers[topic].read(messages)
            rows += [found.rows] if len(found.rows) else []
            self.ignored += found.early
            self.nulled.update({(topic, column): count for column, count in found.nulled.items()})
            self.changed.update({(f"{topic}.{column}", rule): count for (column, rule), count in found.changed.items()})
            for message, reason in found.bad:
                self._letters.send_unreadable(message, reason)
        if self._options.keep_originals:
            for one in rows:
                self._keep_originals(one)
        for topic in sorted({topic for topic, _number in places}):
            self._make_sure(self._identities[topic])
        self._letters.deliver(self._stop)
        self._put(Batch(tuple(rows), places))

    def _keep_originals(self, rows: Rows) -> None:
        target = self._target
        cleaned = target.cleaned if isinstance(target, TellsCleaned) else lambda _rows: Counter()
        for message, changes in changed_records(rows, self._readers[rows.input.topic], cleaned):
            self._letters.send_changed(message, changes)

    def _make_sure(self, identity: LogIdentity) -> None:
        """That what was read is of the log that the places are of."""
        while not kafka_log.is_same(self._cluster, identity, self._admin, remedy=RESET, stop=self._stop):
            if self._stop.is_set():
                raise Stopped(f"Stopped while Kafka at {self._cluster.address} was away: nothing of it was written.")

    def _put(self, batch: Batch) -> None:
        """Write it in one piece, or, when the target refuses something in it, in two: down to the row it refuses."""
        try:
            self._add(batch, self._patiently(self._target.write, batch))
        except Refused as refused:
            if len(batch) == 0:
                raise ClickstreamError(f"{self._target.where} refuses the offsets of a batch: {refused}.") from refused
            if len(batch) > 1:
                for half in batch.halves():
                    self._put(half)
                return
            self._letters.send_refused(next(batch.messages()), refused)
            self._letters.deliver(self._stop)
            self._put(Batch((), batch.places))
        except RefusedRows as several:
            for message, why in several.rows:
                self._letters.send_refused(message, why)
            self._letters.deliver(self._stop)
            self._put(batch.without([message for message, _ in several.rows]))

    def _add(self, batch: Batch, written: Written) -> None:
        own = self.written
        own.upserted += written.upserted
        own.deleted += written.deleted
        own.appended += written.appended
        own.cleaned.update(written.cleaned)
        self._stored |= batch.places
        self._last_success = time.time()

    def _patiently(self, work: "Callable[..., Answer]", *given: Batch) -> Answer:
        """What `work` returns; while the target is away it is tried again, each time over a new connection.

        Of a batch that is stored already, since only the answer was lost, nothing is written again.
        """
        for attempt in itertools.count():
            try:
                if attempt and given:
                    self._connected = False
                    stored = self._connect()
                    given = tuple(batch.after(stored.places) for batch in given)
                result = work(*given)
                self._note_connected()
                return result
            except Away as away:
                self._connected = False
                self._target.close()
                self._say_away(away)
                pause = min(FIRST_PAUSE_S * 2 ** min(attempt, 10), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
                if self._stop.wait(pause):
                    raise Stopped(
                        f"Stopped while {self._target.where} was away: what it lacks is read again at the next start."
                    ) from away
        raise AssertionError  # count() does not end

    def _note_connected(self) -> None:
        if self._said_away_at != float("-inf"):
            self._said_away_at = float("-inf")
            log.info("%s is back.", self._target.where)
        self._connected = True

    def _say_away(self, away: Away) -> None:
        if time.monotonic() > self._said_away_at + SAY_EVERY_S:
            self._said_away_at = time.monotonic()
            log.warning("%s; waiting for it.", str(away).rstrip("."))
