from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.generate.timeline import Phase, Timeline, duration_ms, moment_ms, schedule, sessions

phases = st.lists(
    st.builds(Phase, st.sampled_from([0.0, 0.07, 0.5, 1.0, 3.0, 7.5, 1000.0]), st.integers(1, 200_000)),
    min_size=1,
    max_size=4,
).filter(lambda found: sum(phase.events for phase in found) > 0)


def test_a_constant_rate_is_one_event_every_so_many_milliseconds() -> None:
    assert Timeline([Phase(50)]).offsets(0, 4) == [0, 20, 40, 60]


def test_times_are_exact_where_they_are_whole_even_far_out() -> None:
    assert Timeline([Phase(300)]).offsets(3 * 10**12, 4) == [10**13, 10**13 + 3, 10**13 + 6, 10**13 + 10]


@given(st.integers(1, 10_000), st.integers(0, 10**6))
def test_whole_seconds_are_whole_whatever_the_rate(rate: int, second: int) -> None:
    assert Timeline([Phase(rate)]).offsets(rate * second, 1) == [1_000 * second]


def test_phases_follow_each_other_and_repeat() -> None:
    timeline = Timeline([Phase(2, 1_000), Phase(4, 500)])
    assert timeline.offsets(0, 9) == [0, 500, 1_000, 1_250, 1_500, 2_000, 2_500, 2_750, 3_000]


def test_a_rate_of_0_is_a_silence() -> None:
    assert Timeline([Phase(1, 2_000), Phase(0, 35_000)]).offsets(0, 5) == [0, 1_000, 37_000, 38_000, 74_000]


def test_a_phase_has_as_many_events_as_its_rate_says_whatever_floats_say() -> None:
    assert 0.07 * 100_000 > 7_000  # the trap
    assert 7_000 / 0.07 < 100_000
    assert Phase(0.07, 100_000).events == 7
    assert Timeline([Phase(0.07)]).offsets(7, 1) == [100_000]


@given(phases, st.integers(0, 10**6), st.integers(0, 300))
def test_a_time_depends_on_the_number_of_the_event_alone(found: list[Phase], first: int, count: int) -> None:
    timeline = Timeline(found)
    assert timeline.offsets(first, count) == [timeline.offsets(first + n, 1)[0] for n in range(count)]


@given(phases, st.integers(0, 10**6))
def test_time_never_goes_back(found: list[Phase], first: int) -> None:
    assert all(one <= other for one, other in pairwise(Timeline(found).offsets(first, 500)))


@given(phases, st.integers(0, 2_000))
def test_before_counts_the_events_that_are_earlier(found: list[Phase], number: int) -> None:
    timeline = Timeline(found)
    (at,) = timeline.offsets(number, 1)
    assert timeline.before(at) <= number < timeline.before(at + 1)


def test_before_of_a_constant_rate() -> None:
    timeline = Timeline([Phase(50)])
    assert [timeline.before(ms) for ms in (0, 1, 20, 21, 10_000)] == [0, 1, 1, 2, 500]


# --- how people write them


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90s", 90_000), ("90", 90_000), ("2m", 120_000), ("1h", 3_600_000), ("500ms", 500), ("1.5s", 1_500)],
)
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "s", "-1s", "0", "0.1ms", "nan", "1e3", "9999h", "1 m", "٣s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="500ms, 90s, 2m or 1h"):
        duration_ms(text)


def test_sessions() -> None:
    assert sessions("90s/35s") == (90_000, 35_000)


@pytest.mark.parametrize("text", ["90s", "90s/", "/35s", "90s/35s/1s", "0/35s"])
def test_no_sessions(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        sessions(text)


def test_a_schedule() -> None:
    assert schedule("100x60s,0x500ms,0.5x1m") == [Phase(100, 60_000), Phase(0, 500), Phase(0.5, 60_000)]


@pytest.mark.parametrize("text", ["100", "x60s", "100x", "100x60s,", "-1x60s", "nanx60s", "infx1s", "maxx60s", "0x60s"])
def test_no_schedules(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no phase"):
        schedule(text)


@pytest.mark.parametrize(
    "text", ["2026-03-25T19:05:49Z", "2026-03-25T19:05:49", "2026-03-25T21:05:49+02:00", "20260325T190549Z"]
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert moment_ms(text) == 1_774_465_549_000


def test_a_moment_may_have_milliseconds_or_be_a_day() -> None:
    assert moment_ms("2026-01-01T00:00:00.007Z") - moment_ms("2026-01-01") == 7


@pytest.mark.parametrize("text", ["now", "2026-02-30", "1774465549000", "0000-01-01"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match="without a zone: UTC"):
        moment_ms(text)
