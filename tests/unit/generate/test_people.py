import pytest

from clickstream.generate import people
from clickstream.generate.people import crowd_size, person, user_number


def test_a_person_is_always_the_same() -> None:
    before = [person(n) for n in range(1, 50)]
    people._pools.cache_clear()
    assert [person(n) for n in range(1, 50)] == before


def test_people_differ() -> None:
    found = [person(n) for n in range(1, 1_001)]
    assert len({(who.first_name, who.last_name) for who in found}) > 950
    assert len({who.city for who in found}) > 100
    assert len({who.registered_at for who in found}) > 990


def test_everybody_registered_in_the_five_years_before_2024() -> None:
    times = [person(n).registered_at for n in range(1, 10_000)]
    assert min(times) >= 1_546_300_800_000
    assert max(times) <= 1_704_067_200_000


@pytest.mark.parametrize(("users", "visitors"), [(1, 1), (9, 9), (10, 11), (100, 110), (109, 119)])
def test_the_visitors_are_the_users_and_a_stranger_for_each_ten(users: int, visitors: int) -> None:
    assert crowd_size(users) == visitors
    numbers = [user_number(visitor) for visitor in range(visitors)]
    assert [number for number in numbers if number is not None] == list(range(1, users + 1))
