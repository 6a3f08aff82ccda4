"""How the demo ends: what its outcome says, and when."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream import stop as stopping
from clickstream.demo import demo as module
from clickstream.demo.demo import Demo, Outcome, Snapshot, explain_outcome
from clickstream.demo.tables import Beside
from clickstream.stop import Stop
from tests.support import PATIENCE
from tests.unit.fakes import Clock

EVENTS = 5
WAIT_S = 60 * PATIENCE


class Counter:
    """Has counted some events of before; those of the producer are counted when a test says so."""

    failure = None

    def __init__(self) -> None:
        self.settled = True
        self.tally = {"purchase": 100}
        self.at_the_end: Callable[[], None] = lambda: None

    @property
    def now(self) -> "Counter":
        """As of parts.renewed.Renewed."""
        return self

    def run(self, stop: threading.Event) -> None:
        assert stop.wait(WAIT_S)
        self.at_the_end()

    def count(self) -> None:
        self.tally = {"purchase": 100 + EVENTS}

    def totals(self) -> dict[str, int]:
        return {"counted": 0}

    def gauges(self) -> dict[str, float]:
        return {"lag": 0.0}


class Producer:
    failure = None

    def __init__(self) -> None:
        self.ran = False
        self.drain: Callable[[], object] = lambda: None
        self.sender = SimpleNamespace(sent=EVENTS, acknowledged=EVENTS, failed=0, unconfirmed=0, first_failure=None)

    def run(self, stop: threading.Event) -> None:
        self.ran = True
        assert stop.wait(WAIT_S)
        self.drain()

    def totals(self) -> dict[str, int]:
        return {"acknowledged": EVENTS}


class World:
    """A demo whose parts are these, and whose time goes on by a quarter of a second whenever it looks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.producer, self.counter, self.stop = Producer(), Counter(), Stop()
        self.when: dict[str, Callable[[], None]] = {}  # by phase: what happens whenever the demo shows it
        self.ending: Callable[[], None] = lambda: None

    def show(self, view: Snapshot) -> None:
        self.when.get(view.phase, lambda: None)()
        self.clock.now += 0.25

    def count_after(self, seconds: float) -> None:
        """The counter does, once the demo has drained for so long."""
        looks = iter(range(1_000))
        self.when["draining"] = lambda: self.counter.count() if next(looks) >= 4 * seconds else None

    def run(self, duration: float | None = None) -> Outcome:
        producer, counter = cast(Any, self.producer), cast(Any, self.counter)
        demo = Demo("host:1", producer, counter, ending=lambda: self.ending())
        return demo.run(self.stop, self.show, duration)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()
    for one in (module, stopping):
        monkeypatch.setattr(one, "time", clock)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.001)
    return World(clock)


def test_what_is_counted_before_the_producer_begins_is_not_of_this_run(world: World) -> None:
    world.counter.settled = False
    world.counter.at_the_end = world.counter.count
    world.when["counting what was there"] = world.stop.set
    outcome = world.run()
    assert (outcome, world.producer.ran) == (Outcome(0, 0), False)
    assert explain_outcome(outcome, "events").endswith("Nothing was produced yet.")


@pytest.mark.parametrize("seconds", [8.0, 20.0])
def test_a_signal_bounds_how_long_counting_may_take(world: World, seconds: float) -> None:
    world.when["running"] = lambda: world.stop.set_for(seconds)
    begun = world.clock.now
    outcome = world.run()
    assert (outcome.acknowledged, outcome.counted) == (EVENTS, 0)
    assert world.clock.now - begun <= seconds + 5


def test_a_signal_while_it_drains_does_too(world: World) -> None:
    world.when["draining"] = lambda: world.stop.set_for(3.0)
    begun = world.clock.now
    world.run(duration=1.0)
    assert world.clock.now - begun <= 10


def test_the_counter_has_a_moment_though_confirmations_took_all_the_time(world: World) -> None:
    world.when["running"] = lambda: world.stop.set_for(5.0)
    world.count_after(0.5)
    world.producer.drain = lambda: setattr(world.clock, "now", world.clock.now + 100)
    assert world.run().equal


def test_without_a_signal_there_is_a_minute(world: World) -> None:
    world.count_after(40.0)
    assert world.run(duration=1.0).equal


def test_what_runs_beside_ends_while_the_producer_does(world: World) -> None:
    ended = threading.Event()
    world.ending = ended.set
    world.producer.drain = lambda: ended.wait(WAIT_S) or pytest.fail("it waits for the producer")
    world.when["running"] = world.stop.set
    world.count_after(0.0)
    assert world.run().equal


def test_feeds_and_tables_end_at_the_same_time() -> None:
    ends = threading.Barrier(3, timeout=WAIT_S)

    def run(stop: threading.Event) -> None:
        assert stop.wait(WAIT_S)
        ends.wait()

    part: Any = SimpleNamespace(run=run, failure=None)
    beside = Beside([part], part, Stop(), cast(Any, part))
    beside.start()
    beside.stop()
    assert beside.problem is None
