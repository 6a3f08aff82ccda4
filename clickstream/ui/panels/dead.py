"""Dead letters as they come, or as they were at a past instant: why, whence, and whether they were sent again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.inspect import letters, tail
from clickstream.inspect.instant import extent_at
from clickstream.inspect.letters import Letter, Place
from clickstream.inspect.refreshed import Refreshed
from clickstream.inspect.render import timestamp_of
from clickstream.inspect.search import Bounds, End, newest_first
from clickstream.inspect.topicreader import Stage
from clickstream.kafka.deadletter import found_letter
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from clickstream.ui.wire import Instant

MAX_LETTERS = 300
# What looking at a past instant may cost, and when it is tried again where Kafka did not answer.
LOOK = Bounds(seconds=20.0, records=2_000_000)
TRY_EVERY_S = 5.0
# A tab may ask for many instants; each search reads as fast as it can.
AT_ONCE = 2
LOOK_AT_STOP_EVERY_S = 0.2
REASON_CHARACTERS = 500

_turns = threading.BoundedSemaphore(AT_ONCE)


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`at` (epoch ms): as it was at that instant; None is now."""

    at: Instant | None = None


class Row(msgspec.Struct, frozen=True):
    """A letter in the list. `bytes` is the length of the whole value, None of a record that is no letter.

    `refusal` says why it cannot be sent again; empty when it can.
    """

    partition: int
    offset: str
    time: int | None
    reason: str
    part: str
    origin: str
    bytes: int | None
    retried: bool
    refusal: str

    @property
    def place(self) -> Place:
        return self.partition, int(self.offset)


class Dead(msgspec.Struct, frozen=True):
    """The last letters, newest first; `records` is how many records the topic holds (None: unknown)."""

    topic: TopicState
    records: int | None
    rows: list[Row]


class DeadPanel:
    """The latest dead letters; see contract.StatePanel."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._topic: str = services.settings["dead-letter-topic"]
        self._watching = services.watching
        self._listener = services.hub.recent(self._topic)
        # Rows, not letters, which may have 900 kB each.
        self._letters: dict[Place, tuple[Row, Row]] = {}
        self._marks: set[Place] = set()

    def state(self, _now: int) -> Dead:
        news = self._listener.take()
        if news.anew:
            self._letters, self._marks = {}, set()
        for message in reversed(newest_first(news.records)):
            self._take(message)
        while len(self._letters) > MAX_LETTERS:
            place = next(iter(self._letters))
            del self._letters[place]
            self._marks.discard(place)
        rows = [pair[place in self._marks] for place, pair in reversed(self._letters.items())]
        return Dead(self._services.topic_state(self._listener), self._records(), rows)

    def _take(self, message: Message) -> None:
        partition = message.partition() or 0
        marked = letters.mark_of(message)
        if marked is not None:
            self._marks.add((partition, marked))
        else:
            rows = _rows(message)
            self._letters[rows[0].place] = rows

    def _records(self) -> int | None:
        found = self._watching.topics.get(0.0).answer
        return next((one.records for one in found.lines if one.name == self._topic), None) if found else None

    def close(self) -> None:
        self._listener.close()


class PastLetters:
    """The dead letters that had come by an instant, and whether they had been sent again; see contract.StatePanel.

    They are looked for once: the past does not change.
    """

    def __init__(self, services: Services, instant: int) -> None:
        """`instant`: epoch ms, included."""
        self._services = services
        self._instant = instant
        self._topic: str = services.settings["dead-letter-topic"]
        self._listener = services.hub.recent(self._topic)  # for what is to be said of the topic
        self._stop = threading.Event()
        self._known: _Known | None = None
        self._looks = Refreshed(self._look, TRY_EVERY_S, f"letters at {instant}")

    def state(self, _now: int) -> Dead:
        topic = self._services.topic_state(self._listener)
        if topic.stage == Stage.MISSING:
            return Dead(topic, None, [])
        seen = self._looks.get(0.0)
        known = seen.answer
        if known is not None:
            return Dead(
                msgspec.structs.replace(topic, stage=Stage.LIVE.value, words=known.words), known.records, known.rows
            )
        stage, words = (Stage.AWAY, seen.problem) if seen.problem else (Stage.CATCHING_UP, "")
        return Dead(msgspec.structs.replace(topic, stage=stage.value, words=words), None, [])

    def _look(self) -> "_Known":
        if self._known is None:
            with _turn(self._stop):
                self._known = self._search()
        return self._known

    def _search(self) -> "_Known":
        cluster = self._services.cluster
        found, marks = letters.look(
            cluster, self._topic, MAX_LETTERS, self._stop, _rows, instant=self._instant, bounds=LOOK
        )
        if self._stop.is_set():
            raise ClickstreamError("Given up.")
        there = tail.find(cluster, cluster.admin(), [self._topic])
        records = extent_at(cluster, cluster.admin(), there, self._instant).records
        rows = [both[both[0].place in marks] for both in found.found]
        return _Known(records, rows, _incomplete(found.end, rows))

    def close(self) -> None:
        self._stop.set()
        self._looks.close()
        self._listener.close()


class _Known(msgspec.Struct, frozen=True):
    """`words`: why there may be more."""

    records: int
    rows: list[Row]
    words: str


@contextmanager
def _turn(stop: threading.Event) -> Iterator[None]:
    """Waits until fewer than AT_ONCE others search. Raises ClickstreamError when `stop` is set before."""
    while not _turns.acquire(timeout=LOOK_AT_STOP_EVERY_S):
        if stop.is_set():
            raise ClickstreamError("Given up.")
    try:
        yield
    finally:
        _turns.release()


def _incomplete(end: End, rows: list[Row]) -> str:
    if end not in (End.TIME, End.RECORDS):
        return ""
    bound = f"{LOOK.seconds:g} s" if end is End.TIME else f"{LOOK.records:,} records"
    found = "these were found" if rows else "none was found"
    return f"Not all letters of then were looked at within {bound}; {found}."


def _rows(message: Message) -> tuple[Row, Row]:
    """A letter as it is, and as it is once it was sent again."""
    place, time, found = (message.partition() or 0, message.offset() or 0), timestamp_of(message), found_letter(message)
    return _row(time, Letter(*place, found, False)), _row(time, Letter(*place, found, True))


def _row(time: int | None, letter: Letter) -> Row:
    found = letter.found
    return Row(
        partition=letter.partition,
        offset=str(letter.offset),
        time=time,
        reason="no dead letter" if found is None else found.reason[:REASON_CHARACTERS],
        part="" if found is None else found.part,
        origin="" if found is None else str(found.origin),
        bytes=None if found is None else found.length,
        retried=letter.retried,
        refusal=letters.why_not(letter),
    )


def _make(services: Services, params: Any) -> DeadPanel | PastLetters:
    return DeadPanel(services) if params.at is None else PastLetters(services, params.at)


KIND = StateKind(Params, _make)
