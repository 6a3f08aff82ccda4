"""Funnels, on a history without Kafka."""

from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.history.history import History
from clickstream.ui.panels import funnel
from clickstream.ui.services import Services
from tests.unit.ui.visitors import MINUTE, NOW, event, state


def test_a_funnel_with_removals(services: Services, history: History) -> None:
    at = NOW - 5 * MINUTE
    history.store.add_events(
        [
            *(event(at, "productview", user) for user in "abcd"),
            *(event(at + 10_000, "addtobasket", user) for user in "abc"),
            event(at + 20_000, "purchase", "a"),
            event(at - 20_000, "purchase", "d"),
            event(at + 30_000, "removefrombasket", "b"),
            event(at - 5_000, "removefrombasket", "c"),
        ]
    )
    found = state(services, funnel, range=10 * MINUTE)
    assert [(step.name, step.users) for step in found.steps] == [
        ("productview", 4),
        ("addtobasket", 3),
        ("purchase", 1),
    ]
    assert found.steps[1].median_ms == 10_000
    assert (found.removed.users, found.removed.conversion) == (1, 1 / 3)
    short = state(services, funnel, range=10 * MINUTE, window=5_000)
    assert [step.users for step in short.steps] == [4, 0, 0]
    other = state(services, funnel, range=10 * MINUTE, steps=["purchase", "productview"])
    assert [step.users for step in other.steps] == [2, 1]
    assert other.removed is None


@pytest.mark.parametrize("params", [{"steps": []}, {"steps": ["a", "a"]}, {"steps": list("abcdefghi")}, {"window": 1}])
def test_a_funnel_that_is_none_is_refused(services: Services, params: dict[str, Any]) -> None:
    with pytest.raises(ClickstreamError):
        state(services, funnel, **params)
