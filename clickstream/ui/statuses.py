"""The latest word of every part, for all panels."""

import threading
import time
from typing import Protocol

import msgspec

from clickstream.inspect.hub import Hub, Listener
from clickstream.inspect.topicreader import Stage, State
from clickstream.parts.status import Heard, Seen
from clickstream.records import Requests, RunningSql
from clickstream.ui.hints import Hints


class TopicState(msgspec.Struct, frozen=True):
    """What the reader of a topic is at (inspect/topicreader.py), since when (epoch ms), why (`words`), and which
    command would create the topic and fill it."""

    name: str
    stage: str
    since: int
    words: str
    command: str


def topic_state(name: str, state: State, hints: Hints) -> TopicState:
    """How the reading of a topic is going, for pages."""
    return TopicState(name, state.stage.value, int(state.since * 1000), state.words, hints.command(name))


class Said(Protocol):
    """What parts say of themselves: Statuses, or what they said at a past instant."""

    def topic(self) -> TopicState: ...

    def parts(self, now: float | None = None) -> list[Seen]: ...

    def running_sql(self) -> dict[str, RunningSql]: ...

    def requests(self) -> dict[str, Requests]: ...


class Statuses:
    """Listens to the status topic from the first question on. May be used from any thread."""

    def __init__(self, hub: Hub, topic: str, hints: Hints) -> None:
        self._hub = hub
        self._topic = topic
        self._hints = hints
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._heard = Heard()

    def topic(self) -> TopicState:
        with self._lock:
            return topic_state(self._topic, self._listening().state, self._hints)

    def parts(self, now: float | None = None) -> list[Seen]:
        """The parts that have not said goodbye, oldest first. `now` is in epoch seconds."""
        with self._lock:
            self._take()
            return self._heard.parts(time.time() if now is None else now)

    def running_sql(self) -> dict[str, RunningSql]:
        """What the parts run that run a file of SQL, by their ids."""
        with self._lock:
            self._take()
            return self._heard.running_sql()

    def requests(self) -> dict[str, Requests]:
        """The last requests of the collectors that explain them, by their ids."""
        with self._lock:
            self._take()
            return self._heard.requests()

    def _listening(self) -> Listener:
        if self._listener is None:
            self._listener = self._hub.latest(self._topic)
        return self._listener

    def _take(self) -> None:
        listener = self._listening()
        live = listener.state.stage is Stage.LIVE  # before it is asked for news: those are of that time, or later
        news = listener.take()
        if news.anew:
            self._heard = Heard()
        for record in news.records:
            self._heard.take(record, live=live and not news.anew)
