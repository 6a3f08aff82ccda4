"""When an engine commits, closes windows and writes early rows."""

from dataclasses import dataclass

import pytest

from clickstream.tables.engine.timetable import (
    BATCHES_PER_COMMIT,
    CLOSE_EVERY_S,
    CLOSE_EVERY_S_BOUNDED,
    COMMIT_EVERY_S,
    COMMIT_EVERY_S_BOUNDED,
    Timetable,
)


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_transaction_with_many_batches_is_committed(clock: Clock) -> None:
    times = Timetable(clock, bounded=False, early_interval=None)
    for _ in range(2):
        times.began()
        for _ in range(BATCHES_PER_COMMIT):
            assert not times.commit_is_due()
            times.took_batch()
        assert times.commit_is_due()


@pytest.mark.parametrize(("bounded", "seconds"), [(False, COMMIT_EVERY_S), (True, COMMIT_EVERY_S_BOUNDED)])
def test_an_old_transaction_is_committed(clock: Clock, bounded: bool, seconds: float) -> None:
    times = Timetable(clock, bounded=bounded, early_interval=None)
    times.began()
    clock.now += seconds
    assert not times.commit_is_due()
    clock.now += 0.125
    assert times.commit_is_due()
    times.began()
    assert not times.commit_is_due()


@pytest.mark.parametrize(("bounded", "seconds"), [(False, CLOSE_EVERY_S), (True, CLOSE_EVERY_S_BOUNDED)])
def test_windows_are_closed_now_and_then(clock: Clock, bounded: bool, seconds: float) -> None:
    times = Timetable(clock, bounded=bounded, early_interval=None)
    assert times.closing_is_due()
    times.closed()
    assert not times.closing_is_due()
    clock.now += seconds
    assert times.closing_is_due()


def test_early_rows_are_due_when_there_is_something_to_show_and_the_last_are_old_enough(clock: Clock) -> None:
    times = Timetable(clock, bounded=False, early_interval=2.0)
    assert not times.early_rows_are_due()
    times.changed()
    assert times.early_rows_are_due()
    times.showed(anything=False)
    assert not times.early_rows_are_due()
    times.changed()
    assert times.early_rows_are_due(), "nothing was shown before"
    times.showed(anything=True)
    assert not times.early_rows_are_due()
    assert times.early_rows_in() is None
    times.changed()
    assert (times.early_rows_are_due(), times.early_rows_in()) == (False, 2.0)
    clock.now += 2.0
    assert (times.early_rows_are_due(), times.early_rows_in()) == (True, 0.0)


def test_without_an_interval_there_are_no_early_rows(clock: Clock) -> None:
    times = Timetable(clock, bounded=False, early_interval=None)
    times.changed()
    assert not times.early_rows_are_due()
    assert times.early_rows_in() is None
