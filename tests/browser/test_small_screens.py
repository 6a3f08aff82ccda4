"""Every page with something in it, on a phone and on a wall: nothing is wider than the screen, and nothing moves for
those who want none of that."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import allstates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer

# An address, and what shows that there is something.
PLACES = [
    ("overview?range=15", ".l-page .barlist li"),
    ("sessions", ".s-table tbody tr"),
    ("errors", ".codes tbody tr"),
    ("products", ".funnel li"),
    ("topics", ".topics tbody tr"),
    ("topics/clickstream?group=slow&rec=0:5&cols=n,page", ".inspector .facts"),
    ("topics/clickstream?part=0&at=0&filter=n%20%3E%3D%201&cols=page", ".records tbody tr"),
    ("topics/clickstream?group=slow", ".lagparts tbody tr"),
    ("dead?letter=0:2", ".d-side .facts"),
    ("flow?statement=s0", ".f-sql .sql"),
    ("sources", ".sources tbody tr"),
    ("query", ".q-out tbody tr"),
    ("query?view=chart", ".q-plot canvas"),
    ("query?mode=check&sql=SELECT%20usrid", ".prob"),
]
PROVEN = PLACES[:4]
WIDTHS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
MOVES = """() => [...document.querySelectorAll('*')].filter((one) => {
  const { transitionDuration, animationName } = getComputedStyle(one);
  return animationName !== 'none' || !/^(0m?s)(, 0m?s)*$/.test(transitionDuration);
}).map((one) => one.className)"""


@pytest.fixture
def opened(server: FakeServer, open_page: Open) -> Callable[..., Opened]:
    def open_(**options: Any) -> Opened:
        allstates.fill(server)
        return open_page("#/overview?range=15", **options)

    return open_


def go(tab: Opened, place: str, shows: str) -> None:
    tab.page.evaluate("hash => { location.hash = hash; }", f"#/{place}")
    tab.page.locator(f"main {shows}").first.wait_for(state="attached")


def wait_fit(tab: Opened, place: str) -> None:
    def fits() -> bool:
        scroll, client = tab.page.evaluate(WIDTHS)
        return bool(scroll <= client)  # less, beside a scroll bar

    tab.wait_for(fits, f"{place} fits: {tab.page.evaluate(WIDTHS)}")


def check_dialog(tab: Opened, key: str, place: str) -> None:
    tab.page.keyboard.press(key)
    dialog = tab.page.locator("dialog[open]")
    dialog.wait_for()
    inside = "one => one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().right <= innerWidth"
    assert dialog.evaluate(inside), f"the dialog of {key} on {place}"
    wait_fit(tab, f"{place} with the dialog of {key}")
    tab.page.keyboard.press("Escape")


def test_on_a_phone_nothing_scrolls_sideways_and_nothing_moves(opened: Callable[..., Opened]) -> None:
    tab = opened(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    for place, shows in PLACES:
        go(tab, place, shows)
        wait_fit(tab, place)
        assert tab.page.evaluate(MOVES) == [], place


def test_on_a_phone_dialogs_and_menus_fit(opened: Callable[..., Opened]) -> None:
    tab = opened(viewport={"width": 360, "height": 740})
    check_dialog(tab, "?", "overview")
    for place, shows in PROVEN:
        go(tab, place, shows)
        check_dialog(tab, "i", place)
    go(tab, *PLACES[6])
    menus = [menu for menu in tab.page.locator("main summary").all() if menu.is_visible()]
    assert menus
    for menu in menus:
        menu.click()
        wait_fit(tab, f"the menu {menu.inner_text()}")
        menu.click()


def test_on_a_wall_every_page_is_only_to_be_read(opened: Callable[..., Opened]) -> None:
    tab = opened(query="?kiosk", viewport={"width": 1920, "height": 1080})
    for place, shows in PLACES:
        go(tab, place, shows)
        wait_fit(tab, place)
        hands = tab.page.locator(".rail, .head .btn, .head .seg, .info")
        assert not [one for one in hands.all() if one.is_visible()], place
        assert "Final until" in tab.text(".strip"), place
