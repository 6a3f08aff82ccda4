"""The rate limit: a bucket for each address, in bounded memory."""

import pytest

from clickstream.collect.http.limits import BURST_S, RateLimit
from tests.unit.fakes import Clock


def limit(rate: float, clock: Clock, max_addresses: int = 1_000) -> RateLimit:
    return RateLimit(rate, max_addresses=max_addresses, clock=clock.monotonic)


def admitted(limit: RateLimit, address: str, number: int) -> int:
    return sum(limit.admits(address) for _ in range(number))


def test_an_address_may_send_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    one = limit(10, clock)
    assert admitted(one, "192.0.2.1", 100) == 10 * BURST_S
    assert admitted(one, "192.0.2.2", 100) == 10 * BURST_S
    clock.now += 0.5
    assert admitted(one, "192.0.2.1", 100) == 5


def test_zero_is_no_limit() -> None:
    assert admitted(limit(0, Clock()), "192.0.2.1", 10_000) == 10_000


def test_who_keeps_knocking_gets_no_more_than_the_rate() -> None:
    clock = Clock()
    one = limit(10, clock)
    admitted(one, "192.0.2.1", 100)
    total = 0
    for _ in range(600):  # a minute
        clock.now += 0.1
        total += admitted(one, "192.0.2.1", 5)
    assert total == pytest.approx(600, abs=1)


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    one = limit(1, Clock())
    assert admitted(one, "2001:db8:1:2:aaaa::1", 10) == BURST_S
    assert admitted(one, "2001:db8:1:2:bbbb::2", 10) == 0
    assert admitted(one, "2001:db8:1:3::1", 10) == BURST_S


def test_memory_is_bounded_however_many_addresses_there_are() -> None:
    one = limit(1, Clock(), max_addresses=100)
    for number in range(10_000):
        one.admits(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(one._latest) + len(one._before) <= 202


@pytest.mark.parametrize(("rate", "seconds"), [(100.0, 1), (0.1, 10)])
def test_says_when_to_come_again(rate: float, seconds: int) -> None:
    assert RateLimit(rate).retry_after == seconds
