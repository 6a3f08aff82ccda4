"""When an event was sent, and when a tally first included it."""

import pytest

from bench.latency import NAMES, Arrivals, percentile, summary


def test_an_event_is_seen_with_the_first_tally_that_counts_it() -> None:
    first, second, _ = NAMES
    arrivals = Arrivals()
    for name, at in [(first, 1.0), (second, 2.0), (first, 3.0)]:
        arrivals.sent(name, at)
    arrivals.tally({first: 1}, 10.0)
    arrivals.tally({first: 1, second: 1}, 20.0)
    arrivals.tally({first: 2, second: 1}, 30.0)
    assert arrivals.latencies == [(1.0, 9.0), (2.0, 18.0), (3.0, 27.0)]
    assert arrivals.seen == 3


def test_a_tally_may_count_many_events_at_once_or_none_anew() -> None:
    arrivals = Arrivals()
    for at in (1.0, 2.0):
        arrivals.sent(NAMES[0], at)
    arrivals.tally({NAMES[0]: 2}, 5.0)
    arrivals.tally({NAMES[0]: 2}, 6.0)
    assert arrivals.latencies == [(1.0, 4.0), (2.0, 3.0)]


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 50), (90, 90), (99, 99), (100, 100)])
def test_percentiles_are_nearest_ranks(percent: float, value: float) -> None:
    assert percentile(list(range(1, 101)), percent) == value


def test_percentiles_of_a_single_value() -> None:
    assert [percentile([7.0], percent) for percent in (0, 50, 100)] == [7.0, 7.0, 7.0]


def test_the_summary_is_in_milliseconds() -> None:
    found = summary(5, [0.3, 0.1, 0.2])
    assert found.events == 3
    assert [found.p50, found.worst] == pytest.approx([200, 300])
