import itertools
from collections import Counter
from zoneinfo import ZoneInfo

from clickstream.visit.plan import ARRIVALS, HOMES, MANNERS, Manner, Plan, plans

A_THOUSAND = 1_000


def first(count: int, seed: int) -> list[Plan]:
    return list(itertools.islice(plans(seed), count))


def test_the_same_seed_has_the_same_visitors() -> None:
    assert first(50, 7) == first(50, 7)
    assert first(50, 7) != first(50, 8)


def test_a_visitor_does_not_depend_on_how_many_came_before() -> None:
    assert next(itertools.islice(plans(7), 20, None)) == first(30, 7)[20]


def test_visitors_are_numbered_and_each_chooses_by_itself() -> None:
    found = first(50, 7)
    assert [plan.number for plan in found] == list(range(1, 51))
    assert len({plan.seed for plan in found}) == 50


def test_all_kinds_of_visitors_come_about_as_often_as_they_should() -> None:
    found = first(A_THOUSAND, 1)
    manners = Counter(plan.manner for plan in found)
    for share, manner in MANNERS:
        assert abs(manners[manner] / A_THOUSAND - share / 100) < 0.05
    assert {plan.home for plan in found} == set(HOMES)
    assert {plan.arrival for plan in found} == {arrival for _, arrival in ARRIVALS}
    phones = sum(plan.agent.phone for plan in found) / A_THOUSAND
    assert 0.28 < phones < 0.38


def test_what_visitors_do_fits_what_they_have_in_mind() -> None:
    for plan in first(A_THOUSAND, 2):
        assert plan.size in plan.agent.sizes
        assert (plan.shopping is not None) == (plan.manner is Manner.BUY)
        assert plan.pages == 1 or plan.manner is not Manner.BOUNCE
        assert plan.after_s >= 0


def test_homes_are_places_of_this_world() -> None:
    for home in HOMES:
        assert ZoneInfo(home.time_zone)
        assert home.languages.split(",")[0].split("-")[0] in home.languages.split(",")
