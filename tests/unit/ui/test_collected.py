"""The panel of what the collector got."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream.parts.status import DEAD_AFTER_S, Seen
from clickstream.records import Requests, Status, WebLoss, encode
from clickstream.ui.panels.collected import HOUR_MS, HOURS, MAX_SITES, CollectedPanel, Site, last_requests
from clickstream.ui.services import Services
from tests.unit.ui.listeners import FakeHub

NOW = 500 * HOUR_MS + 7
TOPIC = "loss"


@pytest.fixture
def statuses() -> SimpleNamespace:
    return SimpleNamespace(parts=lambda _now: [], requests=dict)


@pytest.fixture
def panel(hub: FakeHub, statuses: SimpleNamespace) -> CollectedPanel:
    services: Any = SimpleNamespace(
        hub=hub, topic_state=lambda listener: listener.state, statuses=statuses, settings={"collect.loss-topic": TOPIC}
    )
    return CollectedPanel(cast(Services, services))


def loss(
    site: str, hour: int, received: int = 10, missing: int = 0, doubled: int = 0, last: int | None = None
) -> bytes:
    return encode(WebLoss(site, hour * HOUR_MS, received + missing, received, missing, doubled, last))


def test_hours_of_a_site_add_up(hub: FakeHub, panel: CollectedPanel) -> None:
    hub.say(TOPIC, {"1": loss("a", 500, 10, 2, 1), "2": loss("a", 499, 5), "3": loss("b", 500, 30)}, anew=True)
    assert panel.state(NOW).sites == [
        Site("b", 30, 30, 0, 0, [0] * 23 + [30]),
        Site("a", 17, 15, 2, 1, [0] * 22 + [5, 10]),
    ]
    hub.say(TOPIC, {"1": loss("a", 500, 11, 1, 1), "3": None})
    assert panel.state(NOW).sites == [Site("a", 17, 16, 1, 1, [0] * 22 + [5, 11])]


def test_the_last_event_of_all_hours(hub: FakeHub, panel: CollectedPanel) -> None:
    first, second = loss("a", 500, last=7_000), loss("a", 499, last=9_000)
    hub.say(TOPIC, {"1": first, "2": second, "3": loss("a", 498), "4": loss("b", 500)}, anew=True)
    assert [(site.site, site.last) for site in panel.state(NOW).sites] == [("a", 9_000), ("b", None)]


def test_only_a_day_is_looked_at(hub: FakeHub, panel: CollectedPanel) -> None:
    hours = {str(hour): loss("a", hour, 1) for hour in (476, 477, 500, 501)}
    hub.say(TOPIC, {**hours, "odd": b"{"}, anew=True)
    assert panel.state(NOW).sites == [Site("a", 2, 2, 0, 0, [1] + [0] * (HOURS - 2) + [1])]
    assert set(panel._hours) == {b"477", b"500", b"501"}, "older ones are forgotten"


def test_the_largest_sites_are_shown(hub: FakeHub, panel: CollectedPanel) -> None:
    hub.say(TOPIC, {str(n): loss(f"s{n}", 500, n + 1) for n in range(MAX_SITES + 3)}, anew=True)
    state = panel.state(NOW)
    assert (len(state.sites), state.more, state.sites[0].site) == (MAX_SITES, 3, f"s{MAX_SITES + 2}")


@pytest.mark.parametrize(("silent_s", "collects"), [(0.0, True), (DEAD_AFTER_S + 1, False)])
def test_a_collector_that_was_killed_collects_no_more(
    panel: CollectedPanel, statuses: SimpleNamespace, silent_s: float, collects: bool
) -> None:
    statuses.parts = lambda now: [Seen(Status("c", "collect", "h", "", "running", {}, []), now - silent_s)]
    assert panel.state(NOW).collects == collects


def test_the_last_requests_of_all_collectors_newest_first() -> None:
    assert last_requests([]) is None
    one = Requests("a", [{"received_at": 5, "endpoint": "POST /e"}, {"received_at": 9}])
    other = Requests("b", [{"received_at": 7}, {"odd": True}])
    found = last_requests([one, other])
    assert found is not None
    assert [request.get("received_at") for request in found] == [9, 7, 5, None]
    assert len(last_requests([Requests("c", [{"received_at": n} for n in range(150)])]) or []) == 100
