import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.generate.pace import MAX_DEBT_S, SLICE_S, Pace


class Clock:
    """Time that passes only while somebody waits for a stop that does not come, or is told to."""

    def __init__(self) -> None:
        self.now = 500.0
        self.stop = threading.Event()
        self.stop.wait = self._wait  # type: ignore[method-assign]
        self.on_wait: Callable[[], None] = lambda: None

    def _wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert timeout >= 0
        self.on_wait()
        if not self.stop.is_set():
            self.now += timeout
        return self.stop.is_set()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def handed_out(pace: Pace, items: range, clock: Clock) -> list[tuple[float, list[int]]]:
    """Each piece, and how long after the start it came."""
    start = clock.now
    return [(round(clock.now - start, 6), list(piece)) for piece in pace.slices(items, clock.stop)]


def test_items_come_in_slices_of_20_ms(clock: Clock) -> None:
    assert SLICE_S == 0.02
    assert handed_out(Pace(200, clock), range(10), clock) == [
        (0.0, [0, 1, 2, 3]),
        (0.02, [4, 5, 6, 7]),
        (0.04, [8, 9]),
    ]


def test_below_50_per_second_they_come_one_by_one(clock: Clock) -> None:
    assert handed_out(Pace(2, clock), range(3), clock) == [(0.0, [0]), (0.5, [1]), (1.0, [2])]


def test_the_next_items_continue_where_the_last_ended(clock: Clock) -> None:
    pace = Pace(100, clock)
    first = handed_out(pace, range(3), clock)
    second = handed_out(pace, range(2), clock)
    assert [at for at, _ in first] == [0.0, 0.02]
    # The third item was due at 0.02 s and takes until 0.03 s.
    assert [at for at, _ in second] == [0.01]


@given(rate=st.floats(0.1, 1e6), sizes=st.lists(st.integers(1, 1_000), min_size=1, max_size=5))
def test_the_rate_is_that_of_all_who_share_it(rate: float, sizes: list[int]) -> None:
    clock = Clock()
    start = clock.now
    pace = Pace(rate, clock)
    sharing = [pace.slices(range(size), clock.stop) for size in sizes]
    total = 0
    while sharing:
        for pieces in list(sharing):
            piece = next(pieces, None)
            if piece is None:
                sharing.remove(pieces)
                continue
            total += len(piece)
            # Never more than was due, but for the slice that is handed out at its beginning.
            assert total <= (clock.now - start) * rate * 1.001 + max(1, round(rate * SLICE_S))
    assert total == sum(sizes)
    assert clock.now - start <= total / rate * 1.001


def test_without_a_limit_all_comes_at_once(clock: Clock) -> None:
    assert handed_out(Pace(float("inf"), clock), range(3_000), clock) == [(0.0, list(range(3_000)))]


def test_a_stop_ends_the_wait(clock: Clock) -> None:
    pace = Pace(10, clock)
    pieces = pace.slices(range(10), clock.stop)
    assert list(next(pieces)) == [0]
    clock.on_wait = clock.stop.set
    assert list(pieces) == []


@pytest.mark.parametrize("rate", [10, float("inf")])
def test_after_a_stop_nothing_comes(clock: Clock, rate: float) -> None:
    clock.stop.set()
    assert handed_out(Pace(rate, clock), range(10), clock) == []


def test_after_an_outage_only_the_last_second_is_made_up(clock: Clock) -> None:
    pace = Pace(100, clock)
    pieces = pace.slices(range(1_000), clock.stop)
    next(pieces)
    clock.now += 60.0
    resumed = clock.now
    at_once = 0
    for piece in pieces:
        if clock.now > resumed:
            break
        at_once += len(piece)
    assert at_once == pytest.approx(100 * MAX_DEBT_S, abs=2)


def test_a_short_delay_is_made_up(clock: Clock) -> None:
    pace = Pace(100, clock)
    pieces = pace.slices(range(100), clock.stop)
    start = clock.now
    next(pieces)
    clock.now += 0.5
    for _ in pieces:
        pass
    assert clock.now - start == pytest.approx(0.98)


# --- another rate


def test_another_rate_holds_from_the_next_slice_on(clock: Clock) -> None:
    pace = Pace(2, clock)
    start = clock.now

    def turn() -> None:
        if clock.now >= start + 0.6:
            clock.on_wait = lambda: None
            pace.rate = 10

    clock.on_wait = turn
    found = [at for at, _ in handed_out(pace, range(6), clock)]
    assert found[:2] == [0.0, 0.5]
    assert found[2] == pytest.approx(0.7, abs=0.25)
    # Two at 10 per second were due while the clock went on by a look.
    assert found[5] - found[2] == pytest.approx(0.2, abs=0.11)


def test_another_rate_does_not_wait_for_what_is_due_much_later(clock: Clock) -> None:
    pace = Pace(0.001, clock)
    start = clock.now
    clock.on_wait = lambda: setattr(pace, "rate", float("inf"))
    assert [list(piece) for piece in pace.slices(range(5), clock.stop)] == [[0], [1, 2, 3, 4]]
    assert clock.now - start < 1.0


def test_after_a_pause_nothing_is_made_up(clock: Clock) -> None:
    pace = Pace(100, clock)
    pieces = pace.slices(range(1_000), clock.stop)
    next(pieces)
    clock.now += 60.0
    pace.delay()
    resumed = clock.now
    at_once = 0
    for piece in pieces:
        if clock.now > resumed:
            break
        at_once += len(piece)
    assert at_once <= 4
