"""What charts over time read at the cursor: the bucket that is drawn under it, as it is drawn."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.browser import peoplestates, querystates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer
from tests.browser.test_people import column

BUCKET = 5_000  # of five minutes
BEGIN = int(datetime(2026, 3, 25, 14, 0, tzinfo=UTC).timestamp() * 1000)
NEWEST = BEGIN + 5 * 60_000  # the bucket that has not passed yet, the last of 61
# Address, what the cursor is over, and where the time of its bucket is read.
CHARTS = [
    ("overview?range=5", ".h-main", ".traffic .read b"),
    ("overview?range=5", ".h-sub", ".traffic .read b"),
    ("errors?range=5", ".h-err", ".sec.plain .read b"),
    ("products?range=5", ".h-prod", ".p-chart .read b"),
    ("products?range=5", ".h-sub", ".p-chart .read b"),
    ("query?view=chart", ".q-plot", ".q-keys .note:last-child"),
]


@pytest.fixture(autouse=True)
def _states(server: FakeServer) -> None:
    server.clock = lambda: NEWEST + BUCKET // 2
    server.states |= {**peoplestates.STATES, "vip": lambda _params, _now: None}
    rows = [[clock(place, "%Y-%m-%d %H:%M:%S"), place] for place in range(61)]
    server.answers |= querystates.answers(querystates.answer([["time", "TIMESTAMP"], ["n", "BIGINT"]], rows))


def clock(place: int, form: str = "%H:%M:%S") -> str:
    """When the bucket of that place begins."""
    return datetime.fromtimestamp((BEGIN + place * BUCKET) / 1000, UTC).strftime(form)


def point(tab: Opened, chart: str, place: float) -> None:
    """Moves the pointer to the middle of the chart's height, `place` buckets from the left."""
    over = tab.page.locator(f"{chart} .u-over")
    over.wait_for()
    box = over.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * place / 61, box["y"] + box["height"] / 2)


@pytest.mark.parametrize(("address", "chart", "reading"), CHARTS)
def test_it_is_the_bucket_under_the_pointer_in_all_of_its_width(
    open_page: Open, address: str, chart: str, reading: str
) -> None:
    tab = open_page(f"#/{address}", timezone_id="UTC")
    for place in (0, 20, 60):
        for part in (0.1, 0.9):
            point(tab, chart, place + part)
            tab.wait_text(reading, clock(place))


@pytest.mark.parametrize(("address", "chart", "reading"), [one for one in CHARTS if one[1] != ".h-sub"])
def test_keys_move_it_by_buckets_and_not_beyond_the_last(
    open_page: Open, address: str, chart: str, reading: str
) -> None:
    tab = open_page(f"#/{address}", timezone_id="UTC")
    tab.page.locator(f"{chart} .u-over").wait_for()
    tab.page.locator(chart).focus()
    for key, place in [("ArrowLeft", 60), ("ArrowRight", 60), ("PageUp", 50), ("ArrowLeft", 49), ("ArrowRight", 50)]:
        tab.page.keyboard.press(key)
        tab.wait_text(reading, clock(place))


def test_of_rows_that_are_narrower_than_a_pixel_the_nearest_is_read(open_page: Open, server: FakeServer) -> None:
    times = [BEGIN, BEGIN + 1, BEGIN + 200_000, BEGIN + 305_000]  # two of them a ms apart: so wide is each
    rows = [
        [datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], place]
        for place, at in enumerate(times)
    ]
    server.answers |= querystates.answers(querystates.answer([["time", "TIMESTAMP"], ["n", "BIGINT"]], rows))
    tab = open_page("#/query?view=chart", timezone_id="UTC")
    for place in (39, 41, 45):  # of 61 parts of 5 s: the third row is at the 40th
        point(tab, ".q-plot", place)
        tab.wait_text(".q-keys .note:last-child", clock(40))
    tab.page.locator(".q-plot").focus()
    for _ in rows:
        tab.page.keyboard.press("ArrowLeft")
        tab.page.keyboard.press("ArrowLeft")  # rows are apart by what has none
    tab.wait_text(".q-keys .note:last-child", clock(0))


# --- the newest bucket is divided by the time that has passed of it, as its line is


@pytest.mark.parametrize("passed", [0.1, 0.5])
def test_the_newest_bucket_of_errors_is_read_as_it_is_drawn(open_page: Open, server: FakeServer, passed: float) -> None:
    server.clock = lambda: NEWEST + int(BUCKET * passed)
    server.states["errors"] = counting("errors", {"404": 6, "407": 2})
    tab = open_page("#/errors?range=5", timezone_id="UTC")
    point(tab, ".h-err", 60.5)
    tab.wait_text(".sec.plain .read b", clock(60))
    shown = ["144", "48"] if passed == 0.5 else ["\u2013", "\u2013"]
    tab.wait_for(lambda: column(tab, ".codes", "cursor")[:2] == shown, str(shown))
    assert tab.text(".sec.plain .read .value") == ("192" if passed == 0.5 else "\u2013")


@pytest.mark.parametrize("passed", [0.1, 0.5])
def test_the_newest_bucket_of_events_is_read_as_it_is_drawn(open_page: Open, server: FakeServer, passed: float) -> None:
    server.clock = lambda: NEWEST + int(BUCKET * passed)
    server.states["products"] = counting("products", {"purchase": 50, "productview": 75})
    tab = open_page("#/products?range=5", timezone_id="UTC")
    point(tab, ".h-prod", 60.5)
    tab.wait_text(".p-chart .read b", clock(60))
    for name, rate in [("purchase", "20"), ("productview", "30")]:
        tab.wait_text(f".p-chart .key:has-text('{name}')", rate if passed == 0.5 else "\u2013")


def counting(panel: str, counts: dict[str, int], **more: Any) -> Any:
    """The panel's state, with so many of these in each bucket, and of no others."""

    def state(params: dict[str, Any], now: int) -> dict[str, Any]:
        found = peoplestates.STATES[panel](params, now)
        series = {name: [count] * len(found["times"]) for name, count in counts.items()}
        own = {"names": list(counts)} if panel == "products" else {}
        return {**found, "series": series, **own, **more}

    return state


def test_what_is_not_known_is_not_read_either(open_page: Open, server: FakeServer) -> None:
    for panel, counts in [("errors", {"404": 6}), ("products", {"purchase": 50})]:
        server.states[panel] = counting(panel, counts, read_until=NEWEST - 20 * BUCKET)
    tab = open_page("#/errors?range=5", timezone_id="UTC")
    point(tab, ".h-err", 50.5)
    tab.wait_text(".sec.plain .read b", clock(50))
    tab.wait_for(lambda: column(tab, ".codes", "cursor")[0] == "\u2013", "nothing is known of the status")
    tab = open_page("#/products?range=5", timezone_id="UTC")
    point(tab, ".h-prod", 50.5)
    tab.wait_text(".p-chart .read b", clock(50))
    assert tab.text(".p-chart .key b") == "\u2013"
    assert tab.text(".p-chart .subhead .read") == "\u2013"
