import pytest

from clickstream import stop as module
from clickstream.stop import Stop
from tests.unit.fakes import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_nobody_has_asked(clock: Clock) -> None:
    stop = Stop(5.0)
    assert (stop.is_set(), stop.drain_time_left()) == (False, float("inf"))


def test_the_time_to_drain_begins_with_the_request(clock: Clock) -> None:
    stop = Stop(5.0)
    clock.now += 100
    stop.set()
    clock.now += 2
    assert (stop.is_set(), stop.drain_time_left()) == (True, 3.0)
    clock.now += 4
    assert stop.drain_time_left() == 0.0


def test_asking_again_can_only_shorten_it(clock: Clock) -> None:
    stop = Stop(20.0)
    stop.set()
    clock.now += 1
    stop.set_for(8.0)
    assert stop.drain_time_left() == 8.0
    clock.now += 1
    stop.set()
    assert stop.drain_time_left() == 7.0
