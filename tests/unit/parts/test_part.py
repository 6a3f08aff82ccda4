"""Rates: by how much the totals of a part grow in a second."""

import pytest

from clickstream.parts import part as part_module
from clickstream.parts.part import Rates
from tests.unit.fakes import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(part_module, "time", found)
    return found


def test_rates_are_per_second_since_the_last_time(clock: Clock) -> None:
    rates = Rates()
    clock.now += 2
    assert rates.of({"counted": 10, "failed": 0}) == {"counted": 5.0, "failed": 0.0}
    clock.now += 4
    assert rates.of({"counted": 11, "failed": 0}) == {"counted": 0.2, "failed": 0.0}


def test_a_total_that_comes_later_began_at_0(clock: Clock) -> None:
    rates = Rates()
    rates.of({})
    clock.now += 2
    assert rates.of({"counted": 8}) == {"counted": 4.0}


def test_a_rate_is_never_below_0_and_no_time_is_no_trouble(clock: Clock) -> None:
    rates = Rates()
    rates.of({"counted": 10})
    assert rates.of({"counted": 10}) == {"counted": 0.0}
    assert rates.of({"counted": 9}) == {"counted": 0.0}
