"""What the page shows is in its address."""

import time
from typing import Any

import pytest

from tests.browser import peoplestates, states
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer


def asked(server: FakeServer) -> dict[str, Any]:
    """The parameters of the Overview that is open."""
    return next((params for panel, params in server.panels() if panel == "overview"), {"to": None})


def wait_asked(tab: Opened, **expected: Any) -> dict[str, Any]:
    def fits() -> bool:
        params = [params for panel, params in tab.server.panels() if panel == "overview"]
        return len(params) == 1 and expected.items() <= params[0].items()

    tab.wait_for(fits, f"{expected}, but {tab.server.panels()}")
    return asked(tab.server)


def test_a_click_includes_a_value_and_another_one_takes_its_place(open_page: Open) -> None:
    tab = open_page()
    tab.page.get_by_role("button", name="/cart.html").click()
    wait_asked(tab, filters=[["page", "=", "/cart.html"]])
    assert tab.hash() == "#/overview?page=/cart.html"
    tab.page.get_by_role("button", name="/search.html").click()
    wait_asked(tab, filters=[["page", "=", "/search.html"]])
    tab.page.get_by_role("button", name="Remove filter page /search.html").click()
    wait_asked(tab, filters=[])
    assert tab.hash() == "#/overview"


def test_an_alt_click_excludes_a_value_and_the_chip_turns_it_round(open_page: Open) -> None:
    tab = open_page()
    tab.page.locator(".l-status .barlist button").filter(has_text="404").click(modifiers=["Alt"])
    wait_asked(tab, filters=[["status", "!=", "404"]])
    assert tab.hash() == "#/overview?status!=404"
    assert "status not" in tab.text(".chip")
    tab.page.locator(".chip .name").click()
    wait_asked(tab, filters=[["status", "=", "404"]])


def test_an_address_that_was_sent_opens_the_same(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/overview?range=15&page=/cart.html&country!=DE&metric=bytes&agent=os")
    wait_asked(tab, range=900_000, filters=[["page", "=", "/cart.html"], ["country", "!=", "DE"]], to=None)
    assert tab.text(".traffic h2") == "Bandwidth, bytes per second"
    assert "Windows" in tab.text(".l-agent")
    assert "Germany" in tab.text(".filters")


@pytest.mark.parametrize(
    ("to", "at"), [("1600000000000.4", 1_600_000_000_000), ("1e300", None), ("253402300800000", None), ("0.3", None)]
)
def test_an_instant_is_a_whole_number_that_can_be_a_time(open_page: Open, to: str, at: int | None) -> None:
    wait_asked(open_page(f"#/overview?range=15&to={to}"), to=at)


@pytest.mark.parametrize("value", ["/a b?c=d&e#f", "100%", "ä/日本", "<img src=x onerror=alert(1)>", "a!=b", ""])
def test_any_value_survives_the_way_through_the_address(open_page: Open, value: str) -> None:
    tab = open_page()
    tab.page.evaluate("(value) => window.clickstream.app.page.setFilter('page', value)", value)
    wait_asked(tab, filters=[["page", "=", value]])
    tab.page.reload()
    wait_asked(tab, filters=[["page", "=", value]])


def test_back_goes_one_filter_back(open_page: Open) -> None:
    tab = open_page()
    tab.page.get_by_role("button", name="/cart.html").click()
    wait_asked(tab, filters=[["page", "=", "/cart.html"]])
    tab.page.go_back()
    wait_asked(tab, filters=[])


def test_longer_ranges_are_without_filters(open_page: Open) -> None:
    tab = open_page()
    tab.page.locator(".head .seg button").filter(has_text="24").click()
    wait_asked(tab, range=86_400_000)
    tab.page.get_by_role("button", name="/cart.html").click()
    wait_asked(tab, range=3_600_000, filters=[["page", "=", "/cart.html"]])
    assert tab.page.locator(".head .seg button").filter(has_text="24").is_disabled()


def test_a_dragged_time_is_shown_as_a_whole_and_esc_goes_live(open_page: Open) -> None:
    tab = open_page()
    box = tab.page.locator(".h-main .u-over").bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    tab.page.mouse.up()
    params = wait_asked(tab, whole=True)
    assert params["range"] == pytest.approx(15 * states.MINUTE, rel=0.05)
    assert params["to"] == pytest.approx(time.time() * 1000 - 30 * states.MINUTE, abs=2 * states.MINUTE)
    assert "time" in tab.text(".chip")
    assert "mean" in tab.text(".fig >> nth=1")
    tab.page.keyboard.press("Escape")
    wait_asked(tab, to=None, range=3_600_000)


def test_the_clock_can_be_dragged_back_and_the_address_has_the_instant(open_page: Open) -> None:
    tab = open_page("#/overview?range=15")
    box = tab.page.locator(".strip .until").bounding_box()
    tab.page.mouse.move(box["x"] + 50, box["y"] + 10)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] - 150, box["y"] + 10, steps=5)
    tab.page.mouse.up()
    tab.wait_text(".strip.warned", "As of")
    then = pytest.approx(time.time() * 1000 - 600_000, abs=60_000)
    tab.wait_for(lambda: asked(tab.server)["to"] == then, "200 px are ten minutes")
    params = wait_asked(tab, range=900_000)
    assert f"to={params['to']}" in tab.hash()
    assert tab.text(".foot .state") == "Past"
    tab.page.keyboard.press("Escape")
    wait_asked(tab, to=None)
    assert tab.hash() == "#/overview?range=15"


def test_the_slider_and_the_keys_move_the_instant(open_page: Open) -> None:
    tab = open_page()
    tab.page.locator(".strip .until").click()
    slider = tab.page.locator(".rewind input")
    assert slider.is_visible()
    tab.page.keyboard.press("Home")
    first = tab.wait_for(lambda: asked(tab.server)["to"])
    assert first == pytest.approx(time.time() * 1000 - 3_600_000, abs=60_000)
    tab.page.locator("h1").click()
    tab.page.keyboard.press(".")
    wait_asked(tab, to=first + states.MINUTE)


def test_a_changed_filter_never_shows_nothing_while_it_is_asked(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.page.evaluate(
        """() => {
          window.flashes = [];
          const look = () => {
            const words = document.querySelector('.l-page').innerText;
            if (/Nothing|None/.test(words) || !document.querySelectorAll('.l-page li').length) {
              window.flashes.push(words);
            }
          };
          new MutationObserver(look).observe(document.querySelector('.sheet'), { childList: true, subtree: true });
        }"""
    )
    server.muted = True
    tab.page.get_by_role("button", name="/cart.html").click()
    wait_asked(tab, filters=[["page", "=", "/cart.html"]])
    assert tab.page.locator(".l-page li").count() > 3
    server.muted = False
    tab.wait_for(lambda: "1,655" in tab.text(".l-ref"), "the filtered numbers")
    assert tab.page.evaluate("() => window.flashes") == []


def test_an_answer_to_the_question_before_is_not_painted(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    old = next(message for message in server.tabs[0].sent if message.get("id", "").startswith("overview"))
    server.muted = True
    tab.page.get_by_role("button", name="/cart.html").click()
    wait_asked(tab, filters=[["page", "=", "/cart.html"]])
    server.muted = False
    tab.wait_for(lambda: "1,655" in tab.text(".l-ref"))
    server.say(old)
    server.push()
    assert "1,655" in tab.text(".l-ref")


def test_filters_are_pale_on_a_page_that_does_not_look_at_them(open_page: Open, server: FakeServer) -> None:
    server.states |= peoplestates.STATES
    tab = open_page("#/products?page=/cart.html&country!=DE")
    assert tab.page.locator(".chip.off").count() == 2
    assert "not on this page" in tab.text(".filters")
    tab.page.get_by_role("button", name="Remove filter country not Germany").click()
    tab.page.click(".nav a[href^='#/errors']")
    tab.wait_text("h1", "Errors")
    assert (tab.page.locator(".chip").count(), tab.page.locator(".chip.off").count()) == (1, 0)
    assert "not on this page" not in tab.text(".filters")
