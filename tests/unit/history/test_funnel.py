"""The funnel equals a computation of each user by itself that tries every way through the events."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.history.decode import ProductEvent
from clickstream.history.funnel import funnel
from clickstream.history.model import EVENTS
from clickstream.history.store import Limits, Store
from clickstream.history.tally import tally
from clickstream.records import utc_text

BASE = 1_600_000_200
STEPS = ("productview", "addtobasket", "purchase")
Short = tuple[int, str, str]
"""Seconds after BASE, name, user."""

events = st.lists(
    st.tuples(
        st.integers(0, 100), st.sampled_from([*STEPS, "removefrombasket"]), st.sampled_from(["ann", "bob", "cy"])
    ),
    max_size=40,
)


def filled(*batches: Sequence[Short]) -> Store:
    store = Store(Limits(), clock=lambda: (BASE + 1_000) * 1_000)
    store.begin(EVENTS, 0)
    for batch in batches:
        store.add_events([ProductEvent(utc_text(BASE + second), name, "p", user) for second, name, user in batch])
    return store


def ways(own: Sequence[tuple[int, str]], steps: Sequence[str], begun: int, at: int, window: int) -> list[list[int]]:
    """All ways through the steps from `at` on, each as far as it gets."""
    if not steps:
        return [[]]
    found = [
        [second, *way]
        for second, name in own
        if name == steps[0] and at <= second <= begun + window
        for way in ways(own, steps[1:], begun, second, window)
    ]
    return found or [[]]


def best_way(came: Sequence[Short], user: str, steps: Sequence[str], window: int) -> list[int]:
    """Of the ways that get furthest the one that begins first, and from there is the first at each step."""
    own = [(second, name) for second, name, who in came if who == user]
    everything = [
        [second, *way]
        for second, name in own
        if name == steps[0]
        for way in ways(own, steps[1:], second, second, window)
    ]
    return min(everything, key=lambda way: (-len(way), way), default=[])


@settings(max_examples=20, deadline=None)
@given(
    came=events,
    steps=st.permutations([*STEPS, "never"]).flatmap(lambda names: st.integers(1, 4).map(lambda n: names[:n])),
    window=st.sampled_from([0, 5, 30, 1_000]),
)
def test_a_funnel_is_that_of_each_user_by_itself(came: list[Short], steps: list[str], window: int) -> None:
    store = filled(came[::2], came[1::2])
    found = funnel(store, BASE * 1_000, (BASE + 101) * 1_000, steps, window * 1_000)
    best = [best_way(came, user, steps, window) for user in ("ann", "bob", "cy")]
    assert [one.name for one in found.steps] == steps
    assert [one.users for one in found.steps] == [sum(len(way) > n for way in best) for n in range(len(steps))]
    assert found.users == len({user for _second, _name, user in came})
    for number, one in enumerate(found.steps):
        took = sorted(
            1_000 * (later - earlier)
            for way in best
            if len(way) > number > 0
            for earlier, later in list(pairwise(way))[number - 1 : number]
        )
        assert one.median_ms == (took[(len(took) - 1) // 2] if took else None)
        first, before = found.steps[0].users, found.steps[number - 1].users if number else 0
        assert one.overall == (one.users / first if first else None)
        assert one.conversion == (one.users / before if before else None)


def counts(*came: Short, window: int = 60_000, steps: Sequence[str] = STEPS) -> list[int]:
    found = funnel(filled(came), BASE * 1_000, (BASE + 101) * 1_000, steps, window)
    return [one.users for one in found.steps]


def test_steps_in_the_wrong_order_count_for_nothing() -> None:
    assert counts((1, "purchase", "ann"), (2, "addtobasket", "ann"), (3, "productview", "ann")) == [1, 0, 0]


def test_steps_outside_of_the_window_count_for_nothing() -> None:
    came = ((1, "productview", "ann"), (2, "addtobasket", "ann"), (63, "purchase", "ann"))
    assert counts(*came) == [1, 1, 0]
    assert counts(*came, window=62_000) == [1, 1, 1]


def test_a_later_beginning_may_get_further() -> None:
    came = ((1, "productview", "ann"), (70, "productview", "ann"), (71, "addtobasket", "ann"), (72, "purchase", "ann"))
    assert counts(*came) == [1, 1, 1]


def test_users_do_not_help_each_other() -> None:
    assert counts((1, "productview", "ann"), (2, "addtobasket", "bob"), (3, "purchase", "ann")) == [1, 0, 0]


@pytest.mark.parametrize("steps", [[], ["a", "a"], [str(number) for number in range(9)]])
def test_a_funnel_without_sense_is_refused(steps: list[str]) -> None:
    with pytest.raises(ValueError, match="1 to 8 steps, each of them once"):
        funnel(filled(), 0, 1, steps, 1)


@settings(max_examples=10, deadline=None)
@given(came=events, bucket=st.sampled_from([1, 7, 60]))
def test_the_tally_of_events(came: list[Short], bucket: int) -> None:
    store = filled(came)
    found = tally(store, BASE * 1_000, (BASE + 101) * 1_000, bucket * 1_000)
    for number, start in enumerate(found.times):
        inside = [(name, user) for second, name, user in came if 0 <= (BASE + second) * 1_000 - start < bucket * 1_000]
        assert found.users[number] == len({user for _name, user in inside})
        for name, values in found.names.items():
            assert values[number] == sum(own == name for own, _user in inside)
    assert sum(found.totals.values()) == len(came)
