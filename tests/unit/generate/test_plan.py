from typing import Any

import pytest

from clickstream.errors import ConfigError
from clickstream.generate.cue import AT_ONCE
from clickstream.generate.plan import MAX, Plan, timing
from clickstream.generate.timeline import Phase, Timeline


def timed(rate: float, **options: Any) -> tuple[list[int] | None, float]:
    """The times of the first four events, and the stretch."""
    options = {"rate_given": True, "start_given": False} | options
    timeline, stretch = timing(rate, **options)
    return None if timeline is None else timeline.offsets(0, 4), round(stretch, 9)


def test_clicks_happen_at_the_rate_at_which_they_are_sent() -> None:
    assert timed(50) == ([0, 20, 40, 60], 1.0)


def test_at_max_they_happen_when_they_are_sent() -> None:
    assert timed(MAX) == (None, AT_ONCE)


def test_at_max_with_a_start_they_are_1000_per_second() -> None:
    assert timed(MAX, start_given=True) == ([0, 1, 2, 3], AT_ONCE)


def test_an_event_rate_of_their_own() -> None:
    assert timed(MAX, event_rate=10.0) == ([0, 100, 200, 300], AT_ONCE)
    # An hour of events in six minutes.
    assert timed(100, event_rate=10.0) == ([0, 100, 200, 300], 0.1)


def test_sessions_are_activity_and_silence() -> None:
    assert timed(1, sessions=(2_000, 35_000)) == ([0, 1_000, 37_000, 38_000], 1.0)
    assert timed(MAX, sessions=(2, 35_000)) == ([0, 1, 35_002, 35_003], AT_ONCE)


def test_a_schedule() -> None:
    phases = [Phase(1, 2_000), Phase(2, 1_000)]
    assert timed(50, schedule=phases, rate_given=False) == ([0, 1_000, 2_000, 2_500], 1.0)
    assert timed(MAX, schedule=phases) == ([0, 1_000, 2_000, 2_500], AT_ONCE)


@pytest.mark.parametrize(
    ("rate", "options", "says"),
    [
        (50, {"schedule": [Phase(1, 1_000)]}, "--rate can only be max"),
        (MAX, {"schedule": [Phase(1, 1_000)], "event_rate": 5.0}, "the schedule says the rates"),
        (MAX, {"schedule": [Phase(1, 1_000)], "sessions": (1, 1)}, "write the pause as 0x35s"),
    ],
)
def test_what_contradicts_each_other(rate: float, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        timed(rate, **options)


@pytest.mark.parametrize(
    ("start_ms", "stretch", "follows"), [(None, 1.0, True), (0, 1.0, False), (None, 0.5, False), (None, AT_ONCE, False)]
)
def test_a_live_run_without_a_start_follows_the_clock(start_ms: int | None, stretch: float, follows: bool) -> None:
    assert Plan(1, Timeline([Phase(1)]), stretch, start_ms).follows_clock is follows


@pytest.mark.parametrize(
    ("count", "duration_ms", "stretch", "expected"),
    [
        (None, None, 1.0, None),
        (100, None, 1.0, 100),
        (None, 10_000, 1.0, 500),
        (None, 10_000, 0.5, 1_000),
        (100, 10_000, 1.0, 100),
        (1_000, 10_000, 1.0, 500),
        (None, 10_000, AT_ONCE, None),
    ],
)
def test_how_many_are_expected(
    count: int | None, duration_ms: int | None, stretch: float, expected: int | None
) -> None:
    assert Plan(1, Timeline([Phase(50)]), stretch, count=count).expected(duration_ms) == expected


# --- at another rate


def at(asked: Plan, rate: float) -> tuple[list[int] | None, float]:
    found = asked.at_rate(rate)
    return None if found.timeline is None else found.timeline.offsets(0, 3), found.stretch


LIVE = Plan(1, Timeline([Phase(50)]), 1.0)
SESSIONS = Plan(1, Timeline([Phase(50, 1_000), Phase(0.0, 35_000)]), 1.0)
SCHEDULE = Plan(1, Timeline([Phase(50, 1_000), Phase(5, 1_000)]), 1.0)


def test_the_rate_of_a_plan_is_that_of_sending() -> None:
    assert (LIVE.rate, SESSIONS.rate, SCHEDULE.rate) == (50, 50, None)
    assert Plan(1, Timeline([Phase(50)]), 0.5).rate == 100
    assert Plan(1, None, AT_ONCE).rate == Plan(1, Timeline([Phase(50)]), AT_ONCE).rate == MAX


def test_clicks_that_follow_the_clock_happen_at_the_new_rate() -> None:
    assert at(LIVE, 100) == ([0, 10, 20], 1.0)
    assert at(LIVE, MAX) == (None, AT_ONCE)
    assert at(Plan(1, None, AT_ONCE), 100) == ([0, 10, 20], 1.0)
    assert at(Plan(1, None, AT_ONCE), MAX) == (None, AT_ONCE)


def test_sessions_keep_their_pauses() -> None:
    assert at(SESSIONS, 2) == ([0, 500, 36_000], 1.0)


def test_a_time_of_their_own_stays_and_is_only_sent_faster_or_slower() -> None:
    own = Plan(1, Timeline([Phase(50)]), 2.0, start_ms=86_400_000)
    assert at(own, 100) == ([0, 20, 40], 0.5)
    assert at(own, MAX) == ([0, 20, 40], AT_ONCE)


@pytest.mark.parametrize(
    ("asked", "rate", "words"),
    [
        (SCHEDULE, 10, "schedule of several rates"),
        (Plan(1, SCHEDULE.timeline, AT_ONCE), 10, "schedule of several rates"),
        (SESSIONS, MAX, "with pauses between"),
    ],
    ids=["schedule", "schedule at once", "pauses at once"],
)
def test_a_rate_that_makes_no_sense_is_refused(asked: Plan, rate: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        asked.at_rate(rate)
