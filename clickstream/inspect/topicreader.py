"""A topic read on and on: over restarts of the broker, before there is such a topic, and after it was recreated."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.inspect.reached import Reached
from clickstream.inspect.read import Open, reader
from clickstream.inspect.recent import Sink
from clickstream.inspect.render import timestamp_of
from clickstream.kafka import patience
from clickstream.kafka.admin import ask_description
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster, client_for
from clickstream.kafka.consume import End, Run, TopicGone, split
from clickstream.kafka.errors import explain, is_missing, is_transient
from clickstream.kafka.offsets import Limits, ends, limits
from clickstream.kafka.patience import Stopped

log = logging.getLogger(__name__)

BATCH = 1_000
READING = {
    "queued.max.messages.kbytes": 4_096,  # many topics may be read at once
    # A topic that is written all the time would answer hundreds of times a second, a few records each: a third of what
    # reading it costs. So answers are at most 10 a second (read.reader: 100 ms each), or have so many bytes.
    "fetch.min.bytes": 65_536,
}
POLL_S = 0.5
# How often it is asked whether the topic is still the same, has more partitions, and whether anybody answers.
LOOK_EVERY_S = 2.0
AGAIN_AFTER_S = 1.0


class Stage(StrEnum):
    """What the reader of a topic is at."""

    CONNECTING = "connecting"
    CATCHING_UP = "catching up"  # it reads what was there before
    LIVE = "live"  # all partitions were read to their end: what comes is new
    AWAY = "away"  # Kafka does not answer; it is waited for
    MISSING = "missing"  # there is no such topic; it is waited for
    REFUSED = "refused"  # Kafka refuses, or something else failed; it is tried again


@dataclass(frozen=True)
class State:
    """`since` is in epoch seconds, `words` say why for AWAY, MISSING and REFUSED."""

    stage: Stage
    since: float
    words: str = ""


Begin = Callable[[Mapping[int, Limits]], Mapping[int, int]]
"""The first offsets to read of the partitions that are there at first. May raise KafkaException, ClickstreamError."""


def all_of_it(logs: Mapping[int, Limits]) -> Mapping[int, int]:
    """From the beginning of every partition."""
    return {partition: log.low for partition, log in logs.items()}


class TopicReader(threading.Thread):
    """Reads a topic into a sink, on and on, until `stop` is set: over restarts of the broker, from when the topic is
    there, and from the beginning of one that is recreated.

    `state` says what it is at, `reached` how far it is; they may be read, and `stop` set, from any thread.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        sink: Sink,
        begin: Begin,
        properties: Mapping[str, Any] | None = None,
        *,
        opened: Open | None = None,
    ) -> None:
        """`begin` says where to read at first; what is added or recreated later is read from its beginning.

        `properties` are the consumer's, and win over those for many topics at once. Records are `opened` before the
        sink gets them; while that fails they are read again and again.
        """
        super().__init__(name=f"listen to {topic}", daemon=True)
        self._cluster = cluster
        self._begin = begin
        self._properties = {**READING, **(properties or {})}
        self._opened = opened
        self.topic = topic
        self._sink = sink
        self.stop = threading.Event()
        self.state = State(Stage.CONNECTING, time.time())
        self._topic_id: str | None = None
        self._next: dict[int, int] = {}  # offsets, by partition
        self._behind: set[int] = set()  # partitions whose end was not seen yet
        self.reached = Reached()
        self._look_at = 0.0
        self._was_away = False
        self._missing_since: float | None = None

    def run(self) -> None:
        admin: Admin | None = None
        while not self.stop.is_set():
            try:
                # One for all tries: it may be hours until there is such a topic.
                admin = client_for(self._cluster, admin)
                self._read(admin)
            except TopicGone as gone:
                self._say_missing(str(gone))
            except KafkaException as problem:
                self._say_problem(problem)
            except Stopped:
                return
            except ClickstreamError as refusal:
                self._say(Stage.REFUSED, str(refusal))
            except Exception as fault:
                words = f"Listening to {self.topic} failed: {fault}."
                if words != self.state.words:  # it is tried every second
                    log.exception("Listening to %s failed.", self.topic)
                self._say(Stage.REFUSED, words)
            self.stop.wait(AGAIN_AFTER_S)

    def _read(self, admin: Admin) -> None:
        """Read until the stop; raises what keeps from it."""
        self._look(admin)
        consumer = reader(self._cluster, self._properties)
        try:
            self._assign(consumer)
            while not self.stop.is_set():
                first = consumer.poll(POLL_S)
                # One poll, then what is there: a consume() of a batch would wait out its time at the end of a topic.
                self._take(consumer, [] if first is None else [first, *consumer.consume(BATCH - 1, 0)])
                if time.monotonic() >= self._look_at:
                    self._look_again(admin, consumer)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> None:
        self.reached.begin(self._next)
        consumer.assign([TopicPartition(self.topic, *place) for place in self._next.items()])

    def _take(self, consumer: Consumer, batch: list[Message]) -> None:
        parts = list(split(batch, self._cluster.address))
        came = [message for part in parts if isinstance(part, Run) for message in part.messages]
        if self._opened is not None:
            for message in came:
                self._opened(message)
        if came:
            self._sink.add(came)
        # Only now does any place move on: what the sink did not take is read again.
        for part in parts:
            if isinstance(part, End):
                # What ends a transaction has an offset as well, and is no record.
                self._next[part.partition] = max(part.offset, self._next.get(part.partition, 0))
                self._see_end(part.partition)
                continue
            self._next[part.partition] = after = (part.messages[-1].offset() or 0) + 1
            # Only an answer without records tells of an end, and a topic that is written all the time has none.
            if 0 <= consumer.get_watermark_offsets(TopicPartition(self.topic, part.partition), cached=True)[1] <= after:
                self._see_end(part.partition)
            else:
                self.reached.record(part.partition, timestamp_of(part.messages[-1]))
        if parts and self._was_away:
            self._look_at = 0.0  # other partitions may have missed more
        if parts:
            self._say(Stage.CATCHING_UP if self._behind else Stage.LIVE, news=bool(came))

    def _see_end(self, partition: int) -> None:
        self._behind.discard(partition)
        self.reached.end(partition)

    def _look_again(self, admin: Admin, consumer: Consumer) -> None:
        try:
            changed = self._look(admin)
            if self._was_away and not changed:
                self._see_what_was_missed(admin)
        except KafkaException as problem:
            if not is_transient(problem):
                raise
            self._say_problem(problem)  # and read on
            return
        if changed:
            self._assign(consumer)
        self._was_away = False
        self.reached.still_at_end()
        self._say(Stage.CATCHING_UP if self._behind else Stage.LIVE)

    def _see_what_was_missed(self, admin: Admin) -> None:
        """Kafka answers again: until what was written meanwhile is read, nobody may think that there was nothing."""
        known = ends(self._cluster, self.topic, admin, partitions=self._next.keys(), stop=self.stop)
        missed = {partition for partition, end in known.items() if end > self._next[partition]}
        self._behind |= missed
        self.reached.leave_end(missed)

    def _look(self, admin: Admin) -> bool:
        """Which topic that is, and how many partitions it has; whether it is to be read otherwise than before.

        Raises KafkaException, ClickstreamError.
        """
        self._look_at = time.monotonic() + LOOK_EVERY_S
        found = ask_description(admin, self.topic)
        first = self._topic_id is None
        if found.topic_id != self._topic_id:
            if not first:
                self._sink.forget()
            self._next = {}
            self.reached.forget()
        new = found.partitions.keys() - self._next.keys()
        if new:
            known = limits(self._cluster, self.topic, admin, partitions=new, stop=self.stop)
            # What comes after the first look is new from its beginning on.
            self._next |= self._begin(known) if first else all_of_it(known)
            self._behind = (self._behind & self._next.keys()) | new
        self._topic_id = found.topic_id
        self._missing_since = None
        self._look_at = time.monotonic() + LOOK_EVERY_S
        return bool(new)

    def _say_problem(self, problem: KafkaException) -> None:
        words = str(explain(problem, f"Reading {self.topic}", self._cluster.address))
        if is_missing(problem):
            self._say_missing(words)
        else:
            self._missing_since = None
            self._was_away = True
            self._say(Stage.AWAY if is_transient(problem) else Stage.REFUSED, words)

    def _say_missing(self, words: str) -> None:
        """Brokers and clients say so for a moment when a broker has just started: it must last to be believed."""
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        known = self._topic_id is not None
        within = patience.SURELY_KNOWS_TOPICS_WITHIN_S if known else patience.KNOWS_TOPICS_WITHIN_S
        if now - self._missing_since >= within:
            self._say(Stage.MISSING, words)

    def _say(self, stage: Stage, words: str = "", *, news: bool = False) -> None:
        """Tell, if there is something to tell."""
        if (self.state.stage, self.state.words) != (stage, words):
            self.state = State(stage, time.time(), words)
        elif not news:
            return
        self._tell()

    def _tell(self) -> None:
        """Called on the thread when records came or the state is another: for those who do not look by themselves."""
