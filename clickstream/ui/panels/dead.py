"""Dead letters as they come: why, whence, and whether they were sent again."""

from typing import Any

import msgspec
from confluent_kafka import Message

from clickstream.inspect import letters
from clickstream.inspect.letters import Letter
from clickstream.inspect.render import timestamp_of
from clickstream.inspect.search import newest_first
from clickstream.kafka.deadletter import found_letter
from clickstream.ui.panels.contract import NoParams, StateKind
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

MAX_LETTERS = 300
REASON_CHARACTERS = 500

Place = tuple[int, int]


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
        # Rows, not letters, which may have 900 kB each: as it is, and as it is once it was sent again.
        self._letters: dict[Place, tuple[Row, Row]] = {}
        self._marks: set[Place] = set()

    def state(self, now: int) -> Dead:
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
            place, time, found = (partition, message.offset() or 0), timestamp_of(message), found_letter(message)
            self._letters[place] = _row(time, Letter(*place, found, False)), _row(time, Letter(*place, found, True))

    def _records(self) -> int | None:
        found = self._watching.topics.get(0.0).answer
        return next((one.records for one in found.lines if one.name == self._topic), None) if found else None

    def close(self) -> None:
        self._listener.close()


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


def _make(services: Services, _params: Any) -> DeadPanel:
    return DeadPanel(services)


KIND = StateKind(NoParams, _make)
