"""Numbers of topics, dead letters and the flow in the rail."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Message

from clickstream.inspect import letters
from clickstream.inspect.hub import News
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.inspect.topicreader import Stage, State
from clickstream.parts.status import DEAD_AFTER_S, Seen
from clickstream.records import FAILED, RUNNING, Status
from clickstream.ui.panels.rail import LETTERS_OF_MS, RailNumbers, flow
from clickstream.ui.services import Services
from tests.unit.inspect.records import record

NOW = 1_600_000_000_000


class Listener:
    def __init__(self) -> None:
        self.coming: list[News] = []
        self.closed = False

    def take(self) -> News:
        return self.coming.pop(0) if self.coming else news()

    def close(self) -> None:
        self.closed = True


def news(*records: Message, skipped: int = 0, anew: bool = False) -> News:
    return News(list(records), skipped, anew, State(Stage.LIVE, 1.0))


def letter(ago_s: float) -> Message:
    return record(1, timestamp=NOW - int(ago_s * 1000))


def part(kind: str, state: str = RUNNING, **rates: float) -> Seen:
    status = Status(id=kind, kind=kind, host="h", since="", state=state, rates=rates, topics=[], error="no room")
    return Seen(status, NOW / 1000)


class Place:
    """Services with these topics, and one listener."""

    def __init__(self, *names: str) -> None:
        self.names: list[str] | None = list(names)
        self.parts = [part("ui")]
        self.listener = Listener()
        self.listened: list[str] = []
        hub = SimpleNamespace(recent=self._listen)
        watching = SimpleNamespace(names=SimpleNamespace(get=lambda _wait_s: Looked(self.names, 1.0)))
        found = SimpleNamespace(
            hub=hub,
            watching=watching,
            statuses=SimpleNamespace(parts=lambda now: self.parts),
            settings={"dead-letter-topic": "dead"},
        )
        self.rail = RailNumbers(cast(Services, found))

    def _listen(self, topic: str) -> Listener:
        self.listened.append(topic)
        return self.listener

    def of(self, page: str, now: int = NOW) -> Any:
        found = self.rail.numbers(now, self.names).get(page)
        return None if found is None else (found.n, found.bad)


def test_topics_are_counted_without_kafkas_own() -> None:
    assert Place("a", "b", "__consumer_offsets").of("topics") == (2, False)


def test_what_is_not_known_yet_has_no_number() -> None:
    place = Place()
    assert place.rail.numbers(NOW, None).keys() == {"sources"}


def test_parts_that_report_are_those_that_run() -> None:
    place = Place()
    place.parts = [part("ui"), part("tables", FAILED), Seen(part("counter").status, NOW / 1000 - DEAD_AFTER_S - 1)]
    assert place.of("sources") == (1, False)


def test_a_dead_letter_topic_that_is_not_there_is_not_listened_to() -> None:
    place = Place("a")
    assert place.of("dead") is None
    assert place.listened == []


def test_dead_letters_of_the_last_minutes_are_counted_and_marks_are_not() -> None:
    place = Place("dead")
    place.listener.coming = [news(letter(400), letter(200), letter(1), anew=True)]
    assert place.of("dead") == (2, True)
    place.listener.coming = [news(letter(0), record(3, None, headers=[(letters.RETRIED_OFFSET, b"1")]))]
    assert place.of("dead") == (3, True)
    assert place.of("dead", NOW + LETTERS_OF_MS - 100_000) == (2, True)
    assert place.of("dead", NOW + 2 * LETTERS_OF_MS) == (0, False)
    assert place.listened == ["dead"]


def test_letters_that_came_too_fast_to_be_looked_at_count_and_a_topic_made_again_begins_at_none() -> None:
    place = Place("dead")
    place.listener.coming = [news(letter(0), anew=True), news(letter(0), skipped=9_000), news(anew=True)]
    assert [place.of("dead")[0] for _turn in range(3)] == [1, 9_002, 0]
    place.rail.close()
    assert place.listener.closed


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], None),
        ([part("producer", acknowledged=9.0)], None),
        ([part("tables", rows=15.0, written=4.0), part("counter", counted=10.0)], (25.0, False)),
        ([part("tables", FAILED, rows=15.0), part("counter", counted=10.0)], (10.0, True)),
    ],
)
def test_the_flow_is_what_tables_and_counters_take_in(parts: list[Seen], expected: tuple[float, bool] | None) -> None:
    found = flow(parts, NOW).get("flow")
    assert (None if found is None else (found.n, found.bad)) == expected
