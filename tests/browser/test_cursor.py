"""What charts over time read at the cursor: the bucket that is drawn under it, as it is drawn."""

from datetime import UTC, datetime

import pytest

from tests.browser import peoplestates, querystates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer

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
