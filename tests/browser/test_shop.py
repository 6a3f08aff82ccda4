"""The demo shop in a real browser: its basket, and who may be told of."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from clickstream.serving.listening import listen
from clickstream.shop.shop import Shop
from tests.browser.tag.sites import StandIn, standing_in
from tests.support import PATIENCE

TELLING = "[data-telling]"
Open = Callable[..., Any]


@pytest.fixture
def collector() -> Iterator[StandIn]:
    with standing_in() as server:
        yield server


@pytest.fixture
def open_shop(browser: Any, collector: StandIn) -> Iterator[Open]:
    """Opens a page of a shop that tells the stand-in; afterwards no page may have had a problem."""
    stop, ready = threading.Event(), threading.Event()
    problems: list[str] = []
    with closing(listen("127.0.0.1", 0)) as listening, closing(browser.new_context()) as context:
        context.set_default_timeout(60_000 * PATIENCE)
        shop = Shop(listening, collector.url, ready.set)
        thread = threading.Thread(target=shop.run, args=(stop,))
        thread.start()
        assert ready.wait(10 * PATIENCE)

        def open_(path: str = "", script: str = "") -> Any:
            page = context.new_page()
            if script:
                page.add_init_script(script)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.extend([said.text] if said.type in ("error", "warning") else []))
            page.goto(shop.address + path)
            return page

        try:
            yield open_
        finally:
            stop.set()
            thread.join(10 * PATIENCE)
    assert not [problem for problem in problems if "ERR_CONNECTION_REFUSED" not in problem]


def test_the_basket_lasts_from_page_to_page_and_is_told(open_shop: Open, collector: StandIn) -> None:
    page = open_shop("products/mug")
    page.select_option("#quantity", "3")
    page.click("[data-add] button")
    page.click("[data-said] a")
    assert page.inner_text("[data-line=mug] [data-sum]") == "€ 43.50"
    assert page.inner_text("header [data-count]") == "3"
    assert page.locator("[data-line]:visible").count() == 1
    page.click("[data-remove=mug]")
    assert page.is_visible("[data-empty]")
    assert not page.is_visible("header [data-count]")
    told = {"product": "mug", "quantity": 3, "price": 14.5, "currency": "EUR"}
    assert collector.wait_named("addtobasket")[0]["properties"] == told
    assert collector.wait_named("removefrombasket")[0]["properties"] == told


def test_who_takes_consent_back_is_not_told_of_until_it_is_given_again(open_shop: Open, collector: StandIn) -> None:
    page = open_shop()
    collector.wait_named("pageview")
    page.uncheck("#consent")
    assert page.inner_text(TELLING) == "You do not agree: the collector is told nothing."
    page.click("header nav a")
    page.wait_for_url("**/products")
    assert not page.is_checked("#consent")
    page.check("#consent")
    page.click('main a[href="/products/mug"]')
    page.wait_for_url("**/mug")
    collector.wait(lambda found: {"/", "/products", "/products/mug"} <= set(found.urls()))
    # From the page on which it is given again, as if the shop was entered there.
    # What a page that is left hands over may come once more from the next one.
    assert list(dict.fromkeys(collector.urls())) == ["/", "/products", "/products/mug"]


def test_who_takes_consent_back_in_one_tab_sees_so_in_the_other(open_shop: Open, collector: StandIn) -> None:
    page, other = open_shop(), open_shop("products")
    collector.wait_named("pageview", 2)
    other.uncheck("#consent")
    page.wait_for_function("() => !document.getElementById('consent').checked")
    assert page.inner_text(TELLING) == "You do not agree: the collector is told nothing."


def test_who_takes_an_opt_out_back_in_one_tab_is_told_of_in_the_other(open_shop: Open, collector: StandIn) -> None:
    page, other = open_shop(), open_shop("products")
    collector.wait_named("pageview", 2)
    page.check("#opt-out")
    other.wait_for_function("() => document.getElementById('opt-out').checked")
    other.uncheck("#opt-out")
    page.wait_for_function("() => !document.getElementById('opt-out').checked")
    assert page.inner_text(TELLING) == "The collector is told what you do here."
    collector.wait_named("pageview", 4)


def test_what_cannot_be_stored_holds_on_a_page_that_comes_back(open_shop: Open, collector: StandIn) -> None:
    page = open_shop()
    collector.wait_named("pageview")
    page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    )
    page.uncheck("#consent")
    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert not page.is_checked("#consent")
    assert page.inner_text(TELLING) == "You do not agree: the collector is told nothing."


def test_who_opted_out_is_not_told_of_on_any_page(open_shop: Open, collector: StandIn) -> None:
    page = open_shop()
    collector.wait_named("pageview")
    page.check("#opt-out")
    assert page.inner_text(TELLING) == "You opted out: the collector is told nothing."
    page.click("header nav a")
    page.wait_for_url("**/products")
    assert page.is_checked("#opt-out")
    page.uncheck("#opt-out")
    collector.wait_named("pageview", 2)
    assert list(dict.fromkeys(collector.urls())) == ["/", "/products"]


def test_a_browser_that_asks_not_to_be_tracked_is_left_alone(open_shop: Open, collector: StandIn) -> None:
    page = open_shop(
        "products/mug", script="Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true })"
    )
    page.click("[data-add] button")
    page.goto("about:blank")
    other = open_shop()
    collector.wait_named("pageview")
    assert collector.urls() == ["/"]
    assert other.inner_text(TELLING) == "The collector is told what you do here."


def test_without_a_collector_it_is_a_shop_nevertheless(open_shop: Open, collector: StandIn) -> None:
    collector.close()
    page = open_shop("products/mug")
    page.wait_for_function(f"() => document.querySelector('{TELLING}').textContent.includes('does not answer')")
    page.click("[data-add] button")
    assert page.inner_text("header [data-count]") == "1"
    collector.listen()
