"""Lists of the most frequent values, and tables: what they show while they stand still, and what holds them."""

from typing import Any

import pytest

from tests.browser import states, topicstates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer

AHEAD = """
window.ahead = 0;
const now = performance.now.bind(performance);
performance.now = () => now() + window.ahead;
"""
LEAVES, COMES = "/cart.html", "/new.html"
LIST = ".l-page .barlist"


def leave(server: FakeServer, *, more: int = 3) -> None:
    """One value leaves the top rows, of which the server tells, and another one comes to their head."""
    pages = [(COMES, 200), *((page, hits) for page, hits in states.PAGES if page != LEAVES)]

    def later(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = states.overview(params, now)
        return {**state, "tops": {**state["tops"], "page": {**states.top(pages, 40), "more": more}}}

    server.states["overview"] = later


def row(tab: Opened, value: str) -> Any:
    return tab.page.locator(f"{LIST} li[data-value='{value}']")


def numbers(tab: Opened, value: str) -> list[str]:
    return [row(tab, value).locator(part).inner_text().replace("\u202f", " ") for part in ("b", ".sh")]


def pass_seconds(tab: Opened, seconds: int) -> None:
    tab.page.evaluate("ms => { window.ahead += ms; }", seconds * 1000)


@pytest.mark.parametrize(("more", "shown"), [(3, ["\u2013", "\u2013"]), (0, ["0", "0.0 %"])])
def test_of_a_value_that_left_the_top_only_what_is_known_is_told(
    open_page: Open, server: FakeServer, more: int, shown: list[str]
) -> None:
    tab = open_page(scripts=(AHEAD,))
    tab.page.locator(LIST).hover()
    assert numbers(tab, LEAVES)[0] == "3,360"
    leave(server, more=more)
    tab.wait_for(lambda: numbers(tab, LEAVES) == shown, f"{numbers(tab, LEAVES)} of {more} more")
    assert tab.text(".l-page .under") == f"{3 + more + (more == 0)} more"


def test_pointing_holds_the_order_as_long_as_it_lasts(open_page: Open, server: FakeServer) -> None:
    tab = open_page(scripts=(AHEAD,))
    tab.page.locator(LIST).hover()
    leave(server)
    pass_seconds(tab, 3600)
    tab.wait_for(lambda: numbers(tab, LEAVES)[0] == "\u2013", "the next numbers")
    assert row(tab, COMES).count() == 0
    tab.page.locator("h1").hover()
    tab.wait_for(lambda: row(tab, COMES).count() and not row(tab, LEAVES).count(), "the next order")


def test_the_focus_puts_the_order_off_and_its_row_stays(open_page: Open, server: FakeServer) -> None:
    tab = open_page(scripts=(AHEAD,))
    row(tab, "/index.html").get_by_role("button").focus()
    pass_seconds(tab, 4)
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Tab")
    leave(server)
    pass_seconds(tab, 4)
    tab.wait_for(lambda: numbers(tab, LEAVES)[0] == "\u2013", "the next numbers")
    assert row(tab, COMES).count() == 0, "whoever moves through it has a list that stands still"
    pass_seconds(tab, 4)
    tab.wait_for(lambda: row(tab, COMES).count(), "the next order")
    assert row(tab, LEAVES).get_by_role("button").evaluate("one => one === document.activeElement")
    assert tab.page.locator(f"{LIST} li").count() == 9
    tab.page.locator("h1").click()
    pass_seconds(tab, 6)
    tab.wait_for(lambda: not row(tab, LEAVES).count(), "nobody is there any more")


def test_a_row_that_is_moved_keeps_the_focus(open_page: Open, server: FakeServer) -> None:
    tab = open_page(scripts=(AHEAD,))
    last = row(tab, states.PAGES[1][0])
    last.get_by_role("button").focus()
    pages = [states.PAGES[1], states.PAGES[0], *states.PAGES[2:]]
    server.states["overview"] = lambda params, now: {
        **states.overview(params, now),
        "tops": {**states.tops(), "page": states.top(pages, 40)},
    }
    pass_seconds(tab, 6)
    first = tab.page.locator(f"{LIST} li").first
    tab.wait_for(lambda: first.get_attribute("data-value") == pages[0][0], "the next order")
    assert last.get_by_role("button").evaluate("one => one === document.activeElement")


def test_where_nothing_can_point_a_touch_holds_nothing(open_page: Open, server: FakeServer) -> None:
    tab = open_page(scripts=(AHEAD,), has_touch=True, is_mobile=True)
    row(tab, LEAVES).get_by_role("button").tap()
    tab.wait_for(lambda: f"page={LEAVES}" in tab.hash(), "the filter")
    assert tab.page.locator(LIST).evaluate("one => one.matches(':hover')"), "it looks as if it pointed there"
    leave(server)
    pass_seconds(tab, 6)
    tab.wait_for(lambda: row(tab, COMES).count(), "the next order")


def partition(server: FakeServer, counts: dict[str, int]) -> None:
    """There are these topics, with so many partitions."""

    def made(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topics(params, now)
        one = state["topics"][0]
        return {**state, "topics": [{**one, "name": name, "partitions": number} for name, number in counts.items()]}

    server.states["topics"] = made


def test_a_table_that_was_sorted_by_a_click_goes_on_to_follow(open_page: Open, server: FakeServer) -> None:
    partition(server, {"a": 1, "b": 2})
    tab = open_page("#/topics", ready=False, scripts=(AHEAD,))
    tab.wait_for(lambda: tab.page.locator(".topics tbody tr").count() == 2, "the list")
    tab.page.locator(".topics th").get_by_role("button", name="partitions").click()
    links = tab.page.locator(".topics tbody a")
    assert links.all_inner_texts() == ["b", "a"]
    tab.page.locator("h1").hover()
    partition(server, {"a": 3, "b": 2})
    pass_seconds(tab, 6)
    tab.wait_for(lambda: links.all_inner_texts() == ["a", "b"], "the order of the newest numbers")
    links.last.focus()
    partition(server, {"a": 3, "b": 4})
    pass_seconds(tab, 6)
    tab.wait_for(lambda: links.all_inner_texts() == ["b", "a"], "the next order")
    assert links.first.evaluate("one => one === document.activeElement"), "it is moved and keeps the focus"
