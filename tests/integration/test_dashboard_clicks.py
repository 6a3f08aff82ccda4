"""The panels of the clicks dashboard, on tables that a real sink filled from real topics."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dashboards import INTERVAL_S, Target, targets
from tests.integration.dashboardsupport import Filled, fill, plain

pytestmark = pytest.mark.slow

PANELS = targets("clicks")


@pytest.fixture(scope="module")
def filled(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with fill(kafka, tmp_path_factory.mktemp("tables"), "grafana") as one:
        yield one


# --- what the panels are to show, by the topics alone


def slot(at: datetime) -> float:
    return float(int(at.timestamp()) // INTERVAL_S * INTERVAL_S)


def clicks_per_minute(filled: Filled) -> list[tuple[Any, ...]]:
    rows = filled.rows("traffic_per_min")
    return sorted((slot(row["window_start"]), float(row["hits"]), float(row["visitors"])) for row in rows)


def share_of_failed(filled: Filled) -> list[tuple[Any, ...]]:
    rows = filled.rows("traffic_per_min")
    return sorted((slot(row["window_start"]), row["errors"] / row["hits"]) for row in rows)


def errors_by_status(filled: Filled) -> list[tuple[Any, ...]]:
    most: dict[tuple[float, str], float] = defaultdict(float)
    for row in filled.rows("errors_per_min"):
        key = slot(row["window_end"]), str(row["status"])
        most[key] = max(most[key], float(row["errors"]))
    return sorted((*key, errors) for key, errors in most.items())


def many_errors(filled: Filled) -> list[tuple[Any, ...]]:
    rows = filled.rows("errors_per_min_alert")
    found = [(row["window_end"], float(row["status"]), float(row["errors"])) for row in rows]
    return sorted(found, key=lambda row: (-row[0].timestamp(), -row[2], row[1]))[:100]


def sessions(filled: Filled) -> list[tuple[Any, ...]]:
    return sorted(Counter(slot(row["window_end"]) for row in filled.rows("click_user_sessions")).items())


def suspicious(filled: Filled) -> list[tuple[Any, ...]]:
    names = ("username", "ip", "hits", "bytes", "window_start", "window_end")
    found = [tuple(plain(row[name]) for name in names) for row in filled.rows("malicious_user_sessions")]
    return sorted(found, key=lambda row: (-row[3], row[0], row[1], row[4]))[:100]


def cities(filled: Filled) -> list[tuple[Any, ...]]:
    return ten(Counter(row["city"] or "unknown" for row in filled.stream("user_clickstream")))


def pages(filled: Filled) -> list[tuple[Any, ...]]:
    views: Counter[str] = Counter()
    for row in filled.rows("web_pages_per_min"):
        views[row["site"] + row["page"]] += row["page_views"]
    return ten(views)


def countries(filled: Filled) -> list[tuple[Any, ...]]:
    return ten(Counter(row["country"] or "unknown" for row in filled.rows("web_sessions")))


def views_by_site(filled: Filled) -> list[tuple[Any, ...]]:
    rows = filled.rows("web_traffic_per_min")
    return sorted((slot(row["window_start"]), row["site"], float(row["page_views"])) for row in rows)


def product_events(filled: Filled) -> list[tuple[Any, ...]]:
    rows = filled.rows("events-per-name")
    return sorted((slot(row["window_start"]), row["event_name"], float(row["events"])) for row in rows)


def ten(counts: Counter[str]) -> list[tuple[Any, ...]]:
    """The ten that are most, in the order of a panel."""
    return [(name, float(count)) for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:10]]


EXPECTED: dict[str, Callable[[Filled], list[tuple[Any, ...]]]] = {
    "Clicks per minute": clicks_per_minute,
    "Share of requests that failed": share_of_failed,
    "Errors within a minute, by status": errors_by_status,
    "Alerts: many errors": many_errors,
    "User sessions that ended": sessions,
    "Suspicious sessions": suspicious,
    "Requests, by city": cities,
    "Top pages": pages,
    "Visits, by country": countries,
    "Page views per minute, by site": views_by_site,
    "Product events per minute": product_events,
}


@pytest.mark.parametrize("panel", [one for one in PANELS if one.panel in EXPECTED], ids=lambda one: one.panel)
def test_a_panel_shows_what_the_topics_hold(filled: Filled, panel: Target) -> None:
    shown, expected = filled.shown(panel), EXPECTED[panel.panel](filled)
    assert shown
    assert shown == expected


def test_the_age_is_that_of_the_newest_minute(filled: Filled) -> None:
    [panel] = [one for one in PANELS if one.panel not in EXPECTED]
    newest = max(row["window_end"] for row in filled.rows("traffic_per_min"))

    [(age,)] = filled.shown(panel)

    assert age == pytest.approx((datetime.now(UTC) - newest).total_seconds(), abs=60)
