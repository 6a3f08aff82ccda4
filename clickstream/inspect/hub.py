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
from types import TracebackType
from typing import Self

from confluent_kafka import Message

from clickstream.inspect.read import Open
from clickstream.inspect.recent import Found, Latest, Place, Recent, Shared
from clickstream.inspect.topicreader import Begin, State, TopicReader, all_of_it
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits

log = logging.getLogger(__name__)

ENDS_WITHIN_S = 10.0


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


def _last(records: int) -> Begin:
    """About so many records."""

    def begin(logs: Mapping[int, Limits]) -> Mapping[int, int]:
        each = -(-records // max(1, len(logs)))
        return {partition: max(log.low, log.high - each) for partition, log in logs.items()}

    return begin


class _Topic(TopicReader):
    """One topic of a hub, with what its listeners share. `listeners` is replaced, never changed in place."""

    def __init__(self, cluster: Cluster, topic: str, shared: Shared, begin: Begin, opened: Open | None) -> None:
        super().__init__(cluster, topic, shared, begin, opened=opened)
        self.shared = shared
        self.changed = threading.Condition()
        self.listeners: tuple[Listener, ...] = ()

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()
        for listener in self.listeners:
            listener._tell()
