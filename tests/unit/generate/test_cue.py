import pytest

from clickstream.generate.cue import AT_ONCE, Cue
from clickstream.generate.pace import LOOK_EVERY_S, MAX_DEBT_S
from tests.unit.generate.test_pace import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def handed_out(cue: Cue, due_ms: list[int], clock: Clock) -> list[tuple[float, list[int]]]:
    """Each slice as its due times, and how long after the start it came."""
    start = clock.now
    return [(round(clock.now - start, 6), due_ms[piece]) for piece in cue.slices(due_ms, clock.stop)]


def test_every_event_comes_when_it_is_due(clock: Clock) -> None:
    assert handed_out(Cue(1, clock=clock), [0, 500, 40_000], clock) == [(0.0, [0]), (0.5, [500]), (40.0, [40_000])]


def test_events_20_ms_apart_and_closer_come_together_and_never_too_early(clock: Clock) -> None:
    cue = Cue(1, clock=clock)
    assert handed_out(cue, [0, 10, 20, 30, 40, 60], clock) == [
        (0.02, [0, 10, 20]),
        (0.04, [30, 40]),
        (0.06, [60]),
    ]


def test_time_goes_on_from_list_to_list(clock: Clock) -> None:
    cue = Cue(1, clock=clock)
    handed_out(cue, [0, 1_000], clock)
    assert handed_out(cue, [3_000], clock) == [(2.0, [3_000])]


def test_stretched_time(clock: Clock) -> None:
    assert handed_out(Cue(0.1, clock=clock), [0, 100, 1_000], clock) == [(0.01, [0, 100]), (0.1, [1_000])]
    slow = Clock()
    assert handed_out(Cue(2, clock=slow), [0, 100], slow) == [(0.0, [0]), (0.2, [100])]


def test_at_once_nothing_is_waited_for(clock: Clock) -> None:
    assert handed_out(Cue(AT_ONCE, clock=clock), [0, 10**9], clock) == [(0.0, [0, 10**9])]


@pytest.mark.parametrize("stretch", [1, AT_ONCE])
def test_nothing_due_is_nothing(clock: Clock, stretch: float) -> None:
    assert handed_out(Cue(stretch, clock=clock), [], clock) == []


def test_in_a_long_silence_delivery_reports_are_served(clock: Clock) -> None:
    served = []
    cue = Cue(1, lambda: served.append(clock.now), clock)
    handed_out(cue, [0, 35_000], clock)
    assert len(served) == pytest.approx(35 / LOOK_EVERY_S, abs=2)


@pytest.mark.parametrize("stretch", [1, AT_ONCE])
def test_after_a_stop_nothing_comes(clock: Clock, stretch: float) -> None:
    clock.stop.set()
    assert handed_out(Cue(stretch, clock=clock), [0, 1], clock) == []


def test_a_stop_ends_the_wait(clock: Clock) -> None:
    pieces = Cue(1, clock=clock).slices([0, 35_000], clock.stop)
    assert next(pieces) == slice(0, 1)
    clock.on_wait = clock.stop.set
    assert list(pieces) == []


def test_a_stop_during_an_outage_ends_it(clock: Clock) -> None:
    pieces = Cue(1, clock=clock).slices([0, 100], clock.stop)
    next(pieces)
    clock.now += 60.0
    clock.stop.set()
    assert list(pieces) == []


def test_a_short_delay_is_made_up(clock: Clock) -> None:
    cue = Cue(1, clock=clock)
    pieces = cue.slices([0, 100, 200, 1_000], clock.stop)
    next(pieces)
    start = clock.now
    clock.now += 0.5
    assert [(piece.start, round(clock.now - start, 6)) for piece in pieces] == [(1, 0.5), (2, 0.5), (3, 1.0)]
    assert cue.slipped_ms == 0


def test_after_an_outage_only_the_last_second_is_made_up_and_the_rest_is_told(clock: Clock) -> None:
    due_ms = list(range(0, 100_000, 100))
    cue = Cue(1, clock=clock)
    pieces = cue.slices(due_ms, clock.stop)
    next(pieces)
    clock.now += 60.0
    resumed = clock.now
    at_once = sum(1 for _ in iter(lambda: clock.now == resumed and next(pieces), False)) - 1
    assert at_once == pytest.approx(10 * MAX_DEBT_S, abs=2)
    assert cue.slipped_ms == pytest.approx(60_000 - 1_000 * MAX_DEBT_S, abs=150)
