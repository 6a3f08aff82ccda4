import pytest

from clickstream.errors import ClickstreamError
from clickstream.sinks.webhook import sent as module
from clickstream.sinks.webhook.sent import Sent, key_hash
from clickstream.sinks.webhook.target import Budget

PLACE = ("t", 0)
DAY = 86_400.0
NOW_S = 1_700_000_000.0


def sent() -> Sent:
    return Sent(DAY, clock=lambda: NOW_S)


def ms(seconds_ago: float) -> int:
    return round((NOW_S - seconds_ago) * 1000)


def test_what_was_told_is_known_also_to_another_process() -> None:
    first, second = sent(), sent()
    first.add(PLACE, key_hash({"a": 1}), ms(0))
    second.load({PLACE: first.text(PLACE)})
    assert second.has(PLACE, key_hash({"a": 1}))
    assert not second.has(PLACE, key_hash({"a": 2}))
    assert not second.has(("t", 1), key_hash({"a": 1}))


def test_a_hash_is_of_names_and_values_whatever_their_order() -> None:
    assert key_hash({"a": 1, "b": None}) == key_hash({"b": None, "a": 1})
    assert len({key_hash(one) for one in ({"a": 1}, {"a": "1"}, {"b": 1}, {"a": None}, {})}) == 5


def test_a_key_is_forgotten_when_its_window_is_a_day_older_than_the_newest() -> None:
    one = sent()
    one.add(PLACE, "a", ms(10 * DAY))
    one.add(PLACE, "b", ms(9.5 * DAY))
    assert one.has(PLACE, "a")
    one.add(PLACE, "c", ms(8.5 * DAY))
    assert not one.has(PLACE, "a")
    assert one.has(PLACE, "b")


def test_a_window_in_the_future_makes_no_other_one_old() -> None:
    one = sent()
    one.add(PLACE, "a", ms(60))
    one.add(PLACE, "year 9999", 253_402_300_799_000)
    assert one.has(PLACE, "a")
    assert one.has(PLACE, "year 9999")


def test_there_is_a_bound_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEYS", 3)
    one = sent()
    for number in range(5):
        one.add(PLACE, f"k{number}", ms(100 - number))
    assert [one.has(PLACE, f"k{number}") for number in range(5)] == [False, False, True, True, True]


def test_what_is_no_list_of_keys_is_said() -> None:
    with pytest.raises(ClickstreamError, match=r"is not understood .* --reset"):
        sent().load({PLACE: "nonsense"})


def test_a_budget_is_for_any_minute() -> None:
    now = [0.0]
    budget = Budget(2, clock=lambda: now[0])
    assert budget.wait() == 0
    budget.spend()
    now[0] = 30.0
    budget.spend()
    assert budget.wait() == 30.0
    now[0] = 60.0
    assert budget.wait() == 0
    budget.spend()
    assert budget.wait() == 30.0


def test_a_budget_of_0_is_without_bound() -> None:
    budget = Budget(0)
    for _ in range(100):
        assert budget.wait() == 0
        budget.spend()
