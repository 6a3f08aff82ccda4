"""What sequences tell of what arrived."""

import random

import pytest

from clickstream.collect.audit.sequences import HOUR_MS, MAX_GAP, OTHER_SITES, Sequences

SITE = "shop.example"


def taken(*numbers: int, from_zero: bool = True) -> tuple[int, int, int, int]:
    """Sent, received, missing and doubled after these numbers came."""
    sequences = Sequences()
    for number in numbers:
        sequences.take(SITE, "v", number, 0, from_zero=from_zero)
    (figures,) = sequences.figures.values()
    return figures.sent, figures.received, figures.missing, figures.doubled


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([0], (1, 1, 0, 0)),
        ([0, 1, 2], (3, 3, 0, 0)),
        ([0, 2], (3, 2, 1, 0)),
        ([2], (3, 1, 2, 0)),
        ([0, 0], (1, 1, 0, 1)),
        ([0, 3, 1, 2], (4, 4, 0, 0)),
        ([0, 5, 2, 2], (6, 3, 3, 1)),
        ([4, 0, 3, 3, 4], (5, 3, 2, 2)),
    ],
)
def test_a_sequence_that_begins_at_zero(numbers: list[int], found: tuple[int, int, int, int]) -> None:
    assert taken(*numbers) == found


@pytest.mark.parametrize(
    ("numbers", "found"),
    [([7], (1, 1, 0, 0)), ([7, 9], (3, 2, 1, 0)), ([7, 5], (3, 2, 1, 0)), ([7, 5, 6, 6], (3, 3, 0, 1))],
)
def test_one_that_began_before(numbers: list[int], found: tuple[int, int, int, int]) -> None:
    assert taken(*numbers, from_zero=False) == found


def test_every_order_tells_the_same() -> None:
    chance = random.Random(7)
    for _ in range(200):
        numbers = chance.sample(range(40), 30)
        doubled = chance.choices(numbers, k=5)
        came = numbers + doubled
        chance.shuffle(came)
        assert taken(*came) == (max(numbers) + 1, 30, max(numbers) + 1 - 30, 5)


def test_what_is_late_fills_the_gap_of_its_hour() -> None:
    sequences = Sequences()
    sequences.take(SITE, "v", 0, 10, from_zero=True)
    sequences.take(SITE, "v", 2, HOUR_MS + 10, from_zero=True)
    assert sequences.figures[SITE, HOUR_MS].missing == 1
    sequences.changed.clear()
    sequences.take(SITE, "v", 1, 20, from_zero=True)
    assert sequences.figures[SITE, HOUR_MS].missing == 0
    assert sequences.figures[SITE, 0].received == 2
    assert sequences.changed == {(SITE, 0), (SITE, HOUR_MS)}


def test_streams_and_sites_are_apart() -> None:
    sequences = Sequences()
    for site, stream in (("a", "v"), ("a", "w"), ("b", "v")):
        sequences.take(site, stream, 0, 0, from_zero=True)
    assert [(figures.received, figures.doubled) for figures in sequences.figures.values()] == [(2, 0), (1, 0)]


def test_memory_is_bounded() -> None:
    sequences = Sequences(max_streams=3, max_sites=2)
    for number in range(5):
        sequences.take(f"s{number}", f"v{number}", 0, 0, from_zero=True)
    assert sequences.forgotten == 2
    assert {site for site, _hour in sequences.figures} == {"s0", "s1", OTHER_SITES}


def test_once_streams_were_forgotten_none_is_said_to_begin_at_zero() -> None:
    sequences = Sequences(max_streams=3)
    for number in range(5):
        sequences.take(SITE, f"v{number}", 0, 0, from_zero=True)
    sequences.take(SITE, "v0", 1, 0, from_zero=True)
    sequences.take(SITE, "v0", 3, 0, from_zero=True)
    assert sequences.forgotten
    assert sequences.figures[SITE, 0].missing == 1


def test_a_jump_is_another_sequence() -> None:
    assert taken(0, MAX_GAP + 10, MAX_GAP + 11) == (3, 3, 0, 0)


def test_when_the_last_one_came() -> None:
    sequences = Sequences()
    for number, came_at in ((0, 50), (1, 90), (1, 95), (3, 70)):
        sequences.take(SITE, "v", number, 0, from_zero=True, came_at=came_at)
    assert sequences.figures[SITE, 0].last == 95


def test_old_hours_are_dropped() -> None:
    sequences = Sequences()
    sequences.take(SITE, "v", 0, 0, from_zero=True)
    sequences.take(SITE, "v", 2, HOUR_MS, from_zero=True)
    assert sequences.drop_before(HOUR_MS) == [(SITE, 0)]
    sequences.take(SITE, "v", 1, HOUR_MS, from_zero=True)
    assert list(sequences.figures) == [(SITE, HOUR_MS)]
    assert sequences.figures[SITE, HOUR_MS].missing == 0
