"""Topics read once for many listeners: tabs of a page, for example.

One thread reads a topic for all who listen to it, from the first listener on until the last has left. It hands over to
nobody: it writes what came to a place of bounded size (recent.py), and listeners take from there when they come. So a
slow one holds up neither the reading nor the others, and is told how much it has missed.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.inspect.reached import Reached
from clickstream.inspect.read import Open, reader
from clickstream.inspect.recent import Found, Latest, Place, Recent, Shared, Sink
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
ENDS_WITHIN_S = 10.0


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


@dataclass(frozen=True)
class News:
    """What a listener gets: `records` in the order in which they came, and how many others it missed.

    `anew`: what it got before means nothing any more (its first news, a snapshot, or the topic was recreated).
    """

    records: list[Message]
    skipped: int
    anew: bool
    state: State


class Listener:
    """One who listens to a topic. Its methods never wait, but for `wait`; each may be called from any thread."""

    def __init__(
        self, topic: "_Topic", leave: Callable[["Listener"], None], on_news: Callable[[], None] | None
    ) -> None:
        self.topic = topic
        self._leave = leave
        self._on_news = on_news
        self._place: Place | None = None
        self._state: State | None = None  # as last taken
        self._told = False  # of news that were not taken yet

    @property
    def state(self) -> State:
        """What the reader is at, now."""
        return self.topic.state

    def take(self, limit: int | None = None) -> News:
        """What came since the last time, at most the newest `limit` of it; the first time, what is there."""
        self._told = False
        self._state = self.topic.state
        found: Found = self.topic.shared.since(self._place, limit)
        self._place = found.place
        return News(found.records, found.skipped, found.anew, self._state)

    def snapshot(self, limit: int | None = None) -> News:
        """All that is there, for one that comes back after a while; `take` goes on from here."""
        self._place = None
        return self.take(limit)

    def wait(self, timeout: float) -> bool:
        """Wait until there is something to take or the state is another, up to `timeout` seconds; whether it is so."""
        with self.topic.changed:
            return self.topic.changed.wait_for(self._has_news, timeout)

    def close(self) -> None:
        """Listen no more. The topic's thread ends after its last listener; it is not waited for."""
        self._leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _has_news(self) -> bool:
        return self._state != self.topic.state or self.topic.shared.has_news(self._place)

    def _tell(self) -> None:
        if self._on_news is None or self._told:
            return
        self._told = True
        try:
            self._on_news()
        except Exception:
            # Others must not suffer: an event loop that is closed, for example.
            log.warning("A listener to %s cannot be told of news.", self.topic.topic, exc_info=True)
            self._on_news = None


class Hub:
    """Topics for any number of listeners. May be used from any thread."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        recent: Callable[[], Recent] = Recent,
        latest: Callable[[], Latest] = Latest,
        opened: Open | None = None,
    ) -> None:
        """`recent` and `latest` make what the listeners of one topic share: there are their bounds. `opened`: see
        TopicReader."""
        self._cluster = cluster
        self._opened = opened
        self._recent = recent
        self._latest = latest
        self._lock = threading.Lock()
        self._topics: dict[tuple[str, bool], _Topic] = {}
        self._ending: list[_Topic] = []

    def recent(self, topic: str, on_news: Callable[[], None] | None = None) -> Listener:
        """Listen to the records of a topic as they come, beginning with the last ones: take them first.

        `on_news` is called on the reader's thread when there is something to take, once until it was taken; it must
        not wait (an event loop's `call_soon_threadsafe`, for example).
        """
        return self._listen(topic, False, on_news)

    def latest(self, topic: str, on_news: Callable[[], None] | None = None) -> Listener:
        """Listen to the latest record of every key, of a whole topic: a table of results, for example."""
        return self._listen(topic, True, on_news)

    def stop(self) -> None:
        """Have all reading end, without waiting for it. Who listens hears nothing more."""
        with self._lock:
            self._ending += self._topics.values()
            self._topics = {}
            for topic in self._ending:
                topic.stop.set()

    def close(self, within_s: float = ENDS_WITHIN_S) -> None:
        """End all reading, and wait for it."""
        self.stop()
        with self._lock:
            topics, self._ending = self._ending, []
        deadline = time.monotonic() + within_s
        for topic in topics:
            topic.join(max(0.0, deadline - time.monotonic()))

    def _listen(self, name: str, whole: bool, on_news: Callable[[], None] | None) -> Listener:
        with self._lock:
            topic = self._topics.get((name, whole)) or self._start(name, whole)
            listener = Listener(topic, self._leave, on_news)
            topic.listeners = (*topic.listeners, listener)
        return listener

    def _start(self, name: str, whole: bool) -> "_Topic":
        if whole:
            topic = _Topic(self._cluster, name, self._latest(), all_of_it, self._opened)
        else:
            recent = self._recent()
            topic = _Topic(self._cluster, name, recent, _last(recent.max_records), self._opened)
        self._topics[name, whole] = topic
        topic.start()
        return topic

    def _leave(self, listener: Listener) -> None:
        topic = listener.topic
        with self._lock:
            topic.listeners = tuple(one for one in topic.listeners if one is not listener)
            if topic.listeners or topic.stop.is_set():
                return
            topic.stop.set()
            self._topics = {key: one for key, one in self._topics.items() if one is not topic}
            self._ending = [one for one in self._ending if one.is_alive()] + [topic]


Begin = Callable[[Mapping[int, Limits]], Mapping[int, int]]
"""The first offsets to read of the partitions that are there at first. May raise KafkaException, ClickstreamError."""


def all_of_it(logs: Mapping[int, Limits]) -> Mapping[int, int]:
    """From the beginning of every partition."""
    return {partition: log.low for partition, log in logs.items()}


def _last(records: int) -> Begin:
    """About so many records."""

    def begin(logs: Mapping[int, Limits]) -> Mapping[int, int]:
        each = -(-records // max(1, len(logs)))
        return {partition: max(log.low, log.high - each) for partition, log in logs.items()}

    return begin


class TopicReader(threading.Thread):
    """Reads a topic into a sink, on and on, until `stop` is set: over restarts of the broker, from when the topic is
    there, and from the beginning of one that is recreated.

    `state` says what it is at, `reached` how far it is; they may be read, and `stop` set, from any thread. `listeners`
    is replaced, never changed in place.
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
        self.changed = threading.Condition()
        self.listeners: tuple[Listener, ...] = ()
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
        """Tell the listeners, if there is something to tell."""
        if (self.state.stage, self.state.words) != (stage, words):
            self.state = State(stage, time.time(), words)
        elif not news:
            return
        with self.changed:
            self.changed.notify_all()
        for listener in self.listeners:
            listener._tell()


class _Topic(TopicReader):
    """One topic of a hub, with what its listeners share."""

    def __init__(self, cluster: Cluster, topic: str, shared: Shared, begin: Begin, opened: Open | None) -> None:
        super().__init__(cluster, topic, shared, begin, opened=opened)
        self.shared = shared
