"""Event time: what is late, and how far windows may close."""

import numpy as np
import pytest

from clickstream.tables.engine.clock import Clock, CombinedWatermark, Lane
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
    assert made.advance() == 15_000
    made.lanes[1].highest = 70_000
    assert made.advance() == 45_000


def test_a_partition_without_rows_holds_everything() -> None:
    assert clock(a=50_000, b=BEGINNING).advance() == BEGINNING


def silent(made: Clock, *partitions: int, since: float, until: float) -> None:
    """The ends of some partitions (all without any) are confirmed from `since` to `until`."""
    for partition in partitions or made.lanes:
        made.confirm_silence(partition, since, until)


def settle(made: Clock) -> int:
    """The watermark once the floor is stored."""
    made.advance()
    made.stored()
    return made.advance()


def test_an_idle_partition_leaves_the_minimum_once_that_is_stored() -> None:
    made = clock(a=50_000, b=20_000)
    silent(made, 1, since=100.0, until=109.9)
    assert settle(made) == 15_000, "not idle for long enough"
    silent(made, 1, since=100.0, until=110.0)
    assert made.advance() == 15_000, "the floor is not stored yet"
    assert made.waiting
    assert made.prospect == 45_000
    made.stored()
    assert made.advance() == 45_000
    assert before(made, (1, 30_000)) == [45_000], "what it sends now is late for what closed without it"


def test_a_row_ends_the_silence() -> None:
    made = clock(a=50_000, b=20_000)
    silent(made, 1, since=100.0, until=109.0)
    before(made, (1, 21_000))
    silent(made, 1, since=109.5, until=119.0)
    made.advance()
    assert not made.waiting


def test_a_partition_whose_end_nobody_confirms_is_not_silent() -> None:
    made = clock(a=50_000, b=20_000)
    made.confirm_silence(1, 100.0, 100.0)
    made.read_until(200.0)
    assert settle(made) == 15_000


def test_a_silence_that_begins_anew_counts_from_there() -> None:
    made = clock(a=50_000, b=20_000)
    silent(made, 1, since=100.0, until=109.0)
    silent(made, 1, since=134.0, until=143.9)
    assert settle(made) == 15_000
    silent(made, 1, since=134.0, until=144.0)
    assert settle(made) == 45_000


@pytest.mark.parametrize(("timeout", "gap"), [(None, 1.0), (0.5, 1.0), (4.0, 2.0), (10.0, 3.0), (3600.0, 3.0)])
def test_the_longest_gap_of_a_silence(timeout: float | None, gap: float) -> None:
    assert Clock(0, timeout).longest_gap == gap


def test_an_idle_partition_counts_again_when_others_are_read_after_a_gap() -> None:
    made = clock(a=50_000, b=20_000)
    silent(made, 1, since=100.0, until=120.0)
    assert settle(made) == 45_000
    # The broker was away; rows of the other partition happen to be fetched first.
    made.read_until(145.0)
    before(made, (0, 90_000))
    assert settle(made) == 45_000
    assert before(made, (1, 60_000)) is None, "it was not late: nothing closed without it"


def test_an_idle_partition_stays_idle_while_others_are_read() -> None:
    made = clock(a=50_000, b=20_000)
    silent(made, 1, since=100.0, until=120.0)
    made.read_until(121.0)
    before(made, (0, 90_000))
    assert settle(made) == 85_000


def test_when_all_are_silent_the_wall_clock_goes_on() -> None:
    made = clock(a=50_000, b=20_000)
    silent(made, 1, since=90.0, until=115.0)
    silent(made, 0, since=100.0, until=115.0)
    assert settle(made) == 45_000 + 15_000


def test_the_wall_clock_stands_still_through_an_outage() -> None:
    made = clock(a=50_000)
    silent(made, since=100.0, until=120.0)
    assert settle(made) == 45_000 + 20_000
    silent(made, since=150.0, until=159.0)
    assert settle(made) == 65_000, "the silence begins anew"
    silent(made, since=150.0, until=165.0)
    assert settle(made) == 65_000 + 15_000


def test_rows_that_end_a_silence_drop_a_floor_that_was_not_stored() -> None:
    made = clock(a=50_000)
    silent(made, since=100.0, until=4_000.0)
    made.advance()
    assert made.next_floor == 45_000 + 3_900_000
    before(made, (0, 60_000))  # while nothing was open the engine had no reason to store it
    assert made.advance() == 55_000
    assert not made.waiting


def test_the_wall_clock_goes_on_from_where_it_stood_before_a_restart() -> None:
    made = clock(a=50_000)
    made.restore(floor=3_000_000, watermark=3_000_000)  # it had been silent for long
    silent(made, since=5.0, until=20.0)
    made.advance()
    made.stored()
    assert made.advance() == 3_015_000
    silent(made, since=5.0, until=25.0)
    assert made.advance() == 3_015_000, "the floor is not stored yet"
    made.stored()
    assert made.advance() == 3_020_000, "seconds count once"
    before(made, (0, 60_000))
    silent(made, since=30.0, until=41.0)
    assert settle(made) == 3_031_000


def test_a_bounded_read_knows_no_wall_clock() -> None:
    made = clock(a=50_000, b=20_000)
    made.bounded = True
    made.end_reading(1)
    assert settle(made) == 45_000
    assert not made.idle
    made.end_reading(0)
    assert settle(made) == 50_000, "nothing comes any more: joins let their rows go"
    assert made.settled


def test_a_new_partition_cannot_reopen_windows() -> None:
    made = clock(a=50_000)
    assert made.advance() == 45_000
    made.add(1)
    assert before(made, (1, 10_000)) == [45_000]
    assert made.advance() == 45_000, "it never goes back"


def test_the_end_passes_the_last_row_and_stays_the_floor() -> None:
    made = clock(a=50_000)
    made.finish()
    assert made.watermark == 50_000
    made.advance()
    made.stored()
    assert made.floor == 50_000


# --- several tables


def settle_all(combined: CombinedWatermark) -> int:
    """The watermark once all floors are stored, as often as it takes."""
    for _ in range(3):
        for one in combined.clocks:
            settle(one)
        combined.advance()
        combined.stored()
    return combined.advance()


def test_the_slowest_table_holds_an_operator() -> None:
    combined = CombinedWatermark([clock(a=50_000), clock(a=20_000)])
    assert settle_all(combined) == 15_000
    assert combined.floor == BEGINNING


def test_a_table_that_never_had_a_row_holds_an_operator_until_it_is_idle() -> None:
    busy, empty = clock(a=50_000), clock(a=BEGINNING)
    combined = CombinedWatermark([busy, empty])
    assert settle_all(combined) == BEGINNING
    silent(empty, since=0.0, until=10.0)
    empty.advance()
    busy.advance()
    assert combined.advance() == BEGINNING, "the floor is not stored yet"
    assert combined.waiting
    assert combined.prospect == 45_000
    combined.stored()
    assert combined.advance() == combined.floor == 45_000


def test_a_table_whose_rows_are_old_leaves_when_it_is_idle() -> None:
    busy, old = clock(a=5_000_000), clock(a=20_000)
    combined = CombinedWatermark([busy, old])
    silent(old, since=0.0, until=10.0)
    assert combined.prospect == BEGINNING
    assert settle_all(combined) == 4_995_000
    before(old, (0, 21_000))
    before(busy, (0, 6_000_000))
    assert settle_all(combined) == 4_995_000, "it is heard of again, and holds what is open"


def test_a_table_leaves_only_when_no_row_of_it_waits_in_a_join() -> None:
    busy, old = clock(a=5_000_000), clock(a=20_000)
    old.delay = 60_000
    combined = CombinedWatermark([busy, old])
    silent(old, since=0.0, until=59.0)
    assert settle_all(combined) == 19_000
    silent(old, since=0.0, until=60.0)
    assert settle_all(combined) == 4_995_000


def test_what_will_hold_is_known_before_anything_is_stored() -> None:
    """Else an engine that waits for something to do would never store the first floor."""
    combined = CombinedWatermark([clock(a=5_000_000), clock(a=20_000)])
    silent(combined.clocks[1], since=0.0, until=10.0)
    for one in combined.clocks:
        one.advance()
    combined.advance()
    assert combined.prospect == 4_995_000


def test_when_all_tables_are_silent_the_latest_goes_on() -> None:
    combined = CombinedWatermark([clock(a=5_000_000), clock(a=20_000)])
    for one in combined.clocks:
        silent(one, since=0.0, until=20.0)
    assert settle_all(combined) == 4_995_000 + 20_000


def test_a_table_read_to_its_end_does_not_hold_a_bounded_read() -> None:
    first, second = clock(a=20_000), clock(a=50_000)
    first.bounded = second.bounded = True
    combined = CombinedWatermark([first, second])
    assert settle_all(combined) == 15_000
    first.end_reading(0)
    assert settle_all(combined) == 45_000
    assert before(second, (0, 46_000)) is None, "no row to come is judged by more than its own partition"


def test_with_one_table_it_is_its_watermark() -> None:
    made = clock(a=50_000)
    combined = CombinedWatermark([made])
    silent(made, since=0.0, until=20.0)
    made.advance()
    assert combined.advance() == 45_000
    made.stored()
    made.advance()
    assert combined.advance() == 65_000
    assert combined.floor == BEGINNING


def test_what_closed_without_a_table_holds_after_a_restart() -> None:
    combined = CombinedWatermark([clock(a=50_000), clock(a=20_000)])
    combined.restore(floor=40_000)
    for one in combined.clocks:
        one.advance()
    assert combined.advance() == 15_000, "nothing more closes by the floor alone"
    assert combined.floor == 40_000, "but rows below it are late"
