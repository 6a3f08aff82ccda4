"""By keyboard alone: every page is reached, and what it is for is done."""

import pytest

from tests.browser import allstates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer
from tests.browser.topicpage import come
from tests.browser.topicstates import row

MOST_TABS = 120
# The key of a page, its heading, its main control, the key that works it, and what the address has then.
PAGES = [
    ("1", "Overview", ".l-page .barlist button", "Enter", "page=/index.html"),
    ("2", "Sessions", "[role=slider]", "ArrowRight", "threshold=550000"),
    ("3", "Errors", ".codekey", "Enter", "status=404"),
    ("4", "Products", ".funnel [aria-label='Without productview']", "Enter", "steps=addtobasket"),
    ("6", "Dead letters", ".d-list tbody tr", "Enter", "letter=0:2"),
    ("7", "Flow", ".fnode.st", "Enter", "statement=s0"),
]


@pytest.fixture
def tab(server: FakeServer, open_page: Open) -> Opened:
    allstates.fill(server)
    return open_page("#/overview?range=15")


def open_by(tab: Opened, key: str, heading: str) -> None:
    tab.page.keyboard.press(key)
    tab.wait_text("h1", heading)
    tab.wait_for(lambda: tab.page.locator(".sheet").get_attribute("aria-busy") != "true")


def tab_to(tab: Opened, selector: str) -> None:
    """Presses Tab until the focus is there, and can be seen there."""
    tab.page.locator(f"main {selector}").first.wait_for(state="attached")
    for _ in range(MOST_TABS):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("selector => document.activeElement.matches(`main ${selector}`)", selector):
            break
    else:
        pytest.fail(f"Tab does not lead to {selector}")
    seen = (
        "() => { const one = document.activeElement; return one.matches(':focus-visible') && one.checkVisibility(); }"
    )
    assert tab.page.evaluate(seen)


def wait_address(tab: Opened, part: str) -> None:
    tab.wait_for(lambda: part in tab.hash(), f"{part} in the address")


def test_every_page_is_reached_and_its_control_works(tab: Opened) -> None:
    for key, heading, control, works, address in PAGES:
        open_by(tab, key, heading)
        tab_to(tab, control)
        tab.page.keyboard.press(works)
        wait_address(tab, address)


def test_a_topic_is_opened_filtered_and_its_record_read(tab: Opened) -> None:
    open_by(tab, "5", "Topics")
    tab_to(tab, ".topics tbody a")
    tab.page.keyboard.press("Enter")
    tab.wait_text("h1", "clickstream")
    tab_to(tab, ".t-tail .field.grow")
    tab.page.keyboard.type("n >= 1")
    tab.page.keyboard.press("Enter")
    wait_address(tab, "filter=")
    come(tab, [row(0, 5, 1_600_000_000_000, "7")], anew=True)
    tab_to(tab, ".records tbody tr")
    tab.page.keyboard.press("Enter")
    tab.wait_text(".inspector", "user-7")


def test_a_part_is_paused(tab: Opened, server: FakeServer) -> None:
    open_by(tab, "8", "Sources")
    tab_to(tab, ".sources .act button")
    tab.page.keyboard.press("Enter")
    tab.wait_for(lambda: "/api/control" in server.requests, "it is asked")


def test_a_question_is_typed_and_run_and_the_editor_is_left(tab: Opened) -> None:
    open_by(tab, "9", "Query")
    tab_to(tab, ".editor textarea")
    tab.page.keyboard.press("Control+a")
    tab.page.keyboard.type("SELECT 1")
    tab.page.keyboard.press("Control+Enter")
    wait_address(tab, "sql=SELECT%201")
    tab.wait_for(lambda: tab.page.locator(".q-out tbody tr").count() == len(allstates.ROWS), "its rows")
    tab_to(tab, ".q-out [data-value=chart]")
    tab.page.keyboard.press("Enter")
    tab.page.locator(".q-plot canvas").wait_for()
