import threading

import pytest

from clickstream.generate.dial import MAX_FLAWS, Dial
from clickstream.generate.plan import MAX
from clickstream.records import Action
from tests.unit.generate.test_pace import Clock


def test_it_begins_at_its_rate_and_not_paused() -> None:
    dial = Dial(50.0)
    assert (dial.paused, dial.wanted_rate) == (False, 50.0)
    assert Dial(MAX).wanted_rate is None


def test_pausing_twice_and_resuming_once_is_to_go_on() -> None:
    dial = Dial(50.0)
    assert [dial.obey(action, None) for action in ("pause", "pause")] == ["paused", "paused"]
    assert dial.paused
    assert dial.obey("resume", None) == "goes on"
    assert not dial.paused


def test_waiting_lasts_until_it_is_resumed() -> None:
    clock = Clock()
    dial = Dial(50.0, clock=clock)
    assert dial.wait(clock.stop) == 0.0
    dial.obey("pause", None)

    def resume_later() -> None:
        if clock.now >= 530.0:
            dial.obey("resume", None)

    assert dial.wait(clock.stop, resume_later) == pytest.approx(30.0, abs=0.5)


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    stop.set()
    dial = Dial(50.0)
    dial.obey("pause", None)
    dial.wait(stop)
    assert dial.paused


def test_another_rate() -> None:
    told: list[float] = []
    dial = Dial(50.0, on_rate=told.append)
    said = [(dial.obey("rate", rate), dial.wanted_rate) for rate in (1_500.0, None)]
    assert said == [("1,500 records per second", 1_500.0), ("as fast as it can", None)]
    assert told == [1_500.0, MAX]


@pytest.mark.parametrize("rate", [0.0, -1.0, 2e9, float("nan")])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    dial = Dial(50.0)
    with pytest.raises(ValueError, match="a rate above 0"):
        dial.obey("rate", rate)
    assert dial.wanted_rate == 50.0


def test_a_rate_that_the_generator_cannot_have_is_refused_in_its_words() -> None:
    def refuse(_rate: float) -> object:
        raise ValueError("it follows a schedule")

    dial = Dial(None, on_rate=refuse)
    with pytest.raises(ValueError, match="it follows a schedule"):
        dial.obey("rate", 5.0)
    assert dial.wanted_rate is None


def test_flaws_are_owed_until_they_are_taken() -> None:
    dial = Dial(50.0, late_by_ms=90_000)
    assert dial.obey("late", 5.0) == "5 of the next records are late by 90 s"
    assert dial.obey("malformed", 1_000.0) == "1,000 of the next records are malformed"
    assert [dial.take("late", 3), dial.take("late", 3), dial.take("late", 3)] == [3, 2, 0]
    assert dial.take("malformed", 10_000) == 1_000


@pytest.mark.parametrize("action", ["late", "malformed"])
@pytest.mark.parametrize("number", [None, 0.0, -1.0, 1.5, MAX_FLAWS + 1.0, float("inf"), float("nan")])
def test_an_impossible_number_of_flaws_is_refused(action: Action, number: float | None) -> None:
    with pytest.raises(ValueError, match="a whole number of records"):
        Dial(50.0).obey(action, number)
