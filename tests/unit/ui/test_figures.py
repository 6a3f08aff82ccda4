"""Series and figures from counts."""

import pytest

from clickstream.ui.panels.figures import bucket_of, mean, rates, shares, spark
from clickstream.ui.panels.sliding import Sliding

MINUTE = 60_000


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(5, 5), (15, 10), (30, 15), (60, 30), (360, 60), (1440, 300), (7, 5), (2, 1)]
)
def test_buckets_follow_the_range(minutes: int, seconds: int) -> None:
    assert bucket_of(minutes * MINUTE) == seconds * 1000


@pytest.mark.parametrize("range_", [1_000, 61_000, 777_777, 3_599_999, 86_399_999])
def test_a_dragged_time_has_at_most_130_buckets(range_: int) -> None:
    assert range_ / bucket_of(range_) <= 130


def test_what_is_not_known_stays_unknown() -> None:
    assert rates([10, None], 5_000, MINUTE) == [120, None]
    assert shares([1, None, 0], [4, None, 0]) == [0.25, None, None]
    assert mean([None, 2, 4]) == 3
    assert mean([None]) is None


def test_a_spark_ends_at_the_last_final_bucket_and_has_at_most_sixty_points() -> None:
    times = list(range(0, 121 * 1_000, 1_000))
    values = [float(number) for number in range(121)]
    found = spark(values, times, 1_000, 120_500)
    assert found == [number * 2 + 0.5 for number in range(60)]
    assert spark(values, times, 1_000, None) == []


def test_what_is_final_is_asked_once_and_the_newest_first() -> None:
    asked: list[int] = []

    def ask(moment: int) -> int:
        asked.append(moment)
        return moment * 10

    sliding = Sliding(ask, at_most_s=60)
    assert sliding.values([1, 2, 3], final=2) == [10, 20, 30]
    assert asked == [3, 2, 1]
    assert sliding.values([2, 3], final=3) == [20, 30]
    assert sliding.values([2, 3], final=3) == [20, 30]
    assert asked == [3, 2, 1, 3]
    sliding.forget_before(3)
    sliding.values([2, 3], final=3)
    assert asked == [3, 2, 1, 3, 2]


def test_without_time_a_few_are_asked_at_once_and_the_others_later() -> None:
    sliding = Sliding(lambda moment: moment, at_most_s=0)
    assert sliding.values([1, 2, 3], final=9) == [None, None, 3]
    assert sliding.values([1, 2, 3], final=9) == [None, 2, 3]


def test_moments_are_asked_again_when_clicks_come_that_count_in_them() -> None:
    asked: list[int] = []

    def ask(moment: int) -> int:
        asked.append(moment)
        return len(asked)

    sliding = Sliding(ask, at_most_s=60)
    moments = [1_000_000, 1_000_001, 1_300_000, 1_300_001]
    sliding.values(moments, final=1_300_001)
    sliding.touch([(1_000_000, 1_000_000)])
    assert sliding.values(moments, final=1_300_001) == [4, 6, 5, 1]
    assert asked[4:] == [1_300_000, 1_000_001]


def test_until_they_are_asked_again_they_are_what_they_were() -> None:
    values = iter(range(10))
    sliding = Sliding(lambda moment: next(values), at_most_s=0)
    for _ in range(2):
        sliding.values([1, 2], final=9)
    sliding.touch([(0, 5)])
    assert sliding.values([1, 2], final=9) == [1, 2]
    assert sliding.values([1, 2], final=9) == [3, 2]


def test_of_moments_that_are_asked_for_again_the_one_that_waits_for_longest_is_first() -> None:
    asked: list[int] = []

    def ask(moment: int) -> int:
        asked.append(moment)
        return 1

    sliding = Sliding(ask, at_most_s=0)
    moments = [10, 20, 30]
    for _ in moments:
        sliding.values(moments, final=30)
    asked.clear()
    for _ in moments:  # late clicks come each time
        sliding.touch([(0, 30)])
        sliding.values(moments, final=30)
    assert sorted(asked) == moments
