import pytest

from clickstream.inspect.reached import Reached


class Clock:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reached(clock: Clock) -> Reached:
    """Of two partitions that were read to their ends."""
    reached = Reached(clock)
    reached.begin([0, 1])
    seen = [reached.until]
    for partition in (0, 1):
        reached.end(partition)
        seen.append(reached.until)
    assert seen == [0, 0, None]
    return reached


def test_a_record_that_came_at_once_is_not_behind(reached: Reached, clock: Clock) -> None:
    clock.now += 60_000
    reached.record(0, clock.now - 5)
    assert reached.until == clock.now - 5
    reached.end(0)
    assert reached.until is None


def test_the_partition_that_is_furthest_behind_counts(reached: Reached, clock: Clock) -> None:
    clock.now += 60_000
    reached.record(0, clock.now - 5)
    reached.record(1, clock.now - 20_000)
    assert reached.until == clock.now - 20_000
    reached.end(1)
    assert reached.until == clock.now - 5


def test_records_of_long_ago_that_come_now_are_not_behind_by_years(reached: Reached, clock: Clock) -> None:
    seen = clock.now
    clock.now += 2_000
    reached.record(0, 1_000)
    assert reached.until == seen, "the end was seen then"


def test_a_timestamp_of_the_future_is_of_now(reached: Reached, clock: Clock) -> None:
    reached.record(0, clock.now + 10**9)
    reached.record(0, clock.now - 10_000)
    assert reached.until == clock.now


def test_what_was_written_while_kafka_was_away_is_not_read_yet(reached: Reached, clock: Clock) -> None:
    reached.still_at_end()
    away = clock.now
    clock.now += 300_000
    reached.leave_end([1])
    reached.still_at_end()
    assert reached.until == away
    reached.record(1, away + 100_000)
    assert reached.until == away + 100_000
    reached.end(1)
    assert reached.until is None


def test_the_same_partitions_assigned_again_are_where_they_were(reached: Reached, clock: Clock) -> None:
    seen = clock.now
    clock.now += 9_000
    reached.begin([0, 1, 2])
    assert reached.until == seen
    reached.end(0)
    reached.end(1)
    reached.end(2)
    assert reached.until is None


def test_a_recreated_topic_is_read_anew(reached: Reached) -> None:
    reached.forget()
    reached.begin([0])
    assert reached.until == 0
