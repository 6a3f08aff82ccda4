"""What is remembered every ten seconds, and what of it fails."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream.config import load
from clickstream.inspect.rates import TopicLine, TopicList
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import Seen
from clickstream.records import Status, Tally
from clickstream.ui.hints import Hints
from clickstream.ui.remembered.asof import EVERY_MS
from clickstream.ui.remembered.moment import Moment, Others
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.remembered.taking import Taking
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from tests.unit.ui.listeners import FakeHub

NOW = 1_795_900_000_000
TALLIES, LOSS, DEAD = "unique-event-topic", "web-events-loss", "clickstream-dead-letter"
PART = Seen(Status("tables-1", "tables", "h", "", "running", {}, []), NOW / 1000)


class Place:
    """A server whose topics a test names."""

    def __init__(self, *names: str) -> None:
        self.now = NOW
        self.hub = FakeHub()
        self.ring = Ring(3_600_000)
        self.names = list(names)
        self.parts: Callable[..., list[Seen]] = lambda _now=None: [PART]
        config = load(None, {})
        glances = SimpleNamespace(glance=lambda _wait_s: Looked(self._topics(), self.now / 1000))
        groups = SimpleNamespace(glance=lambda _wait_s: Looked([], self.now / 1000))
        statuses = SimpleNamespace(
            topic=lambda: TopicState("status", "live", 0, "", ""),
            parts=lambda now=None: self.parts(now),
            running_sql=dict,
            requests=dict,
        )
        services = Services(
            cluster=cast(Any, None),
            settings=config,
            hub=cast(Any, self.hub),
            statuses=cast(Any, statuses),
            watching=cast(Any, SimpleNamespace(topics=glances, groups=groups)),
            hints=Hints(config),
            clock=lambda: self.now,
        )
        self.taking = Taking(services, self.ring)

    def others(self) -> Others:
        """What the newest snapshot has."""
        newest = self.ring.at(self.now)
        assert newest is not None
        return Moment(newest).others

    def run_once(self) -> None:
        """As at the start: one snapshot, and the end."""
        stop = threading.Event()
        stop.set()
        self.taking.run(stop)

    def _topics(self) -> TopicList:
        lines = [TopicLine(name, False, 1, 1, 0, False, None, None, None, [], None, None) for name in self.names]
        return TopicList(lines, {}, {name: {} for name in self.names}, 0.0)


def test_a_topic_that_comes_later_has_a_reader_from_then_on() -> None:
    place = Place("clicks")
    place.taking.take()
    assert (place.hub.listeners, place.others().told, place.others().collected) == ({}, None, None)
    place.names += [TALLIES, LOSS, DEAD]
    place.hub.say(TALLIES, {"g": Tally({"purchase": 7}, "2026-01-01").encode()})
    place.now += EVERY_MS
    place.taking.take()
    found = place.others()
    assert found.told is not None
    assert (found.told.total, found.proof is None, found.collected is None) == (7, False, False)
    assert {page: number.n for page, number in found.numbers.items()} == {
        "sources": 1,
        "flow": 0,
        "topics": 4,
        "dead": 0,
    }


@pytest.mark.parametrize("broken", [TALLIES, LOSS, DEAD])
def test_a_piece_that_fails_takes_no_other_along_and_is_logged_once(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(TALLIES, LOSS, DEAD)
    place.hub.say(TALLIES, {"g": Tally({"purchase": 7}, "2026-01-01").encode()})
    listener = place.hub.latest(broken)
    works = listener.take
    cast(Any, listener).take = lambda: 1 / 0
    for _ in range(3):
        place.now += EVERY_MS
        place.taking.take()
    found = place.others()
    kept = {TALLIES: found.told is not None, LOSS: found.collected is not None, DEAD: bool(found.numbers)}
    assert kept == {TALLIES: True, LOSS: True, DEAD: True} | {broken: False}
    assert len(caplog.records) == 1
    cast(Any, listener).take = works
    place.taking.take()
    cast(Any, listener).take = lambda: 1 / 0
    place.taking.take()
    assert len(caplog.records) == 2, "it worked meanwhile"


def test_where_all_fails_it_goes_on_and_closes_its_readers_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    place = Place(TALLIES, LOSS, DEAD)
    place.taking.take()
    assert set(place.hub.listeners) == {TALLIES, LOSS, DEAD}
    place.parts = lambda _now=None: cast(Any, 1 / 0)
    place.run_once()
    assert len(caplog.records) == 1
    assert all(listener.closed for listener in place.hub.listeners.values())
