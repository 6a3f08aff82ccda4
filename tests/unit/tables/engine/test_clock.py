"""Event time: what is late, and how far windows may close."""

import numpy as np
import pytest

from clickstream.tables.engine.clock import Clock, Lane
from clickstream.tables.engine.operators.operator import BEGINNING


def clock(**lanes: int) -> Clock:
    made = Clock(delay=5_000, idle_timeout=10.0)
    for number, _ in enumerate(lanes):
        made.lanes[number] = Lane()
    for number, highest in enumerate(lanes.values()):
        made.lanes[number].highest = highest
    return made


def before(made: Clock, *rows: tuple[int, int]) -> list[int] | None:
    """Watermarks before rows of (partition, time)."""
    partitions, times = np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], np.int64)
    found = made.before(partitions, times)
    return None if found is None else found.tolist()


def test_rows_in_order_need_no_watermarks() -> None:
    assert before(clock(a=BEGINNING), (0, 10_000), (0, 11_000), (0, 10_500)) is None


def test_a_row_is_judged_by_the_earlier_rows_of_its_own_partition() -> None:
    made = clock(a=BEGINNING, b=BEGINNING)
    assert before(made, (0, 50_000), (1, 10_000), (0, 30_000), (1, 11_000)) == [
        BEGINNING,
        BEGINNING,
        45_000,
        5_000,
    ]
    assert (made.lanes[0].highest, made.lanes[1].highest) == (50_000, 11_000)


def test_rows_without_a_time_change_nothing() -> None:
    made = clock(a=20_000)
    assert before(made, (0, BEGINNING), (0, 21_000)) is None
    assert made.lanes[0].highest == 21_000


def test_it_does_not_matter_how_batches_are_cut() -> None:
    times = np.random.default_rng(7).integers(0, 100_000, 500)
    rows = [(int(number % 3), int(time)) for number, time in enumerate(times)]
    whole, cut = clock(a=BEGINNING, b=BEGINNING, c=BEGINNING), clock(a=BEGINNING, b=BEGINNING, c=BEGINNING)
    pieces = [before(cut, *rows[start : start + 7]) for start in range(0, 500, 7)]
    marks = [mark for piece in pieces if piece is not None for mark in piece]
    assert marks == before(whole, *rows)


def test_the_slowest_partition_holds_the_watermark() -> None:
    made = clock(a=50_000, b=20_000)
    assert made.advance(0.0) == 15_000
    made.lanes[1].highest = 70_000
    assert made.advance(0.0) == 45_000


def test_a_partition_without_rows_holds_everything() -> None:
    assert clock(a=50_000, b=BEGINNING).advance(0.0) == BEGINNING


def test_an_idle_partition_leaves_the_minimum_once_that_is_stored() -> None:
    made = clock(a=50_000, b=20_000)
    made.at_end(1, now=100.0)
    assert made.advance(109.9) == 15_000, "not idle for long enough"
    assert made.advance(110.0) == 15_000, "the floor is not stored yet"
    assert made.waiting
    made.stored()
    assert made.advance(110.0) == 45_000
    assert before(made, (1, 30_000)) == [45_000], "what it sends now is late for what closed without it"


def test_a_row_ends_the_silence() -> None:
    made = clock(a=50_000, b=20_000)
    made.at_end(1, now=100.0)
    before(made, (1, 21_000))
    made.advance(200.0)
    assert not made.waiting


def test_when_all_are_silent_the_wall_clock_goes_on() -> None:
    made = clock(a=50_000, b=20_000)
    made.at_end(0, now=100.0)
    made.at_end(1, now=90.0)
    made.advance(115.0)
    made.stored()
    assert made.advance(115.0) == 45_000 + 15_000


def test_the_wall_clock_goes_on_from_where_it_stood_before_a_restart() -> None:
    made = clock(a=50_000)
    made.watermark = made.floor = made.next_floor = 3_000_000  # it had been silent for long
    made.at_end(0, now=5.0)
    made.advance(20.0)
    made.stored()
    assert made.advance(20.0) == 3_015_000
    made.stored()
    assert made.advance(25.0) == 3_015_000, "the floor is not stored yet"
    made.stored()
    assert made.advance(25.0) == 3_020_000, "seconds count once"
    before(made, (0, 60_000))
    made.at_end(0, now=30.0)
    made.advance(30.0)
    made.advance(41.0)
    made.stored()
    assert made.advance(41.0) == 3_031_000


def test_a_bounded_read_knows_no_wall_clock() -> None:
    made = clock(a=50_000, b=20_000)
    made.bounded = True
    made.at_end(1, now=0.0)
    made.advance(0.0)
    made.stored()
    assert made.advance(0.0) == 45_000
    made.at_end(0, now=0.0)
    made.advance(1_000.0)
    made.stored()
    assert made.advance(1_000.0) == 45_000


def test_a_new_partition_cannot_reopen_windows() -> None:
    made = clock(a=50_000)
    assert made.advance(0.0) == 45_000
    made.add(1)
    assert before(made, (1, 10_000)) == [45_000]
    assert made.advance(0.0) == 45_000, "it never goes back"


@pytest.mark.parametrize(("horizon", "wanted"), [(None, 50_000), (60_000, 59_999), (40_000, 50_000)])
def test_the_end_passes_the_last_window_and_the_last_row(horizon: int | None, wanted: int) -> None:
    made = clock(a=50_000)
    made.finish(horizon)
    assert made.watermark == wanted
    made.stored()
    assert made.floor == wanted
