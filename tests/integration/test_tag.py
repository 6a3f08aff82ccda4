"""The tag in a real browser, a real collector, a real Kafka: what visitors of the demo shop do is on the topic."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.tab import chromium
from clickstream.errors import ClickstreamError
from clickstream.records import WebClick, WebEvent, decode
from tests.integration.collectsupport import Collecting, collecting
from tests.integration.support import Part, dead_letters, records, running, value
from tests.support import PATIENCE, missing, wait_until

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
# Without these the browser says that it is remote-controlled, and a beacon has the browser's own agent.
ARGUMENTS = ["--disable-blink-features=AutomationControlled", f"--user-agent={AGENT}"]


@pytest.fixture(scope="module")
def collector(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(kafka, "tag", tmp_path_factory.mktemp("collector")) as found:
        yield found


@pytest.fixture(scope="module")
def shop(collector: Collecting) -> Iterator[str]:
    """The address of the demo shop."""
    with running("shop", "--port", "0", "--collector", f"http://127.0.0.1:{collector.port}") as part:
        yield served_at(part)


def served_at(part: Part) -> str:
    def found() -> str | None:
        assert part.running, part.said()
        return next((word.rstrip("/") for word in part.said().split() if word.startswith("http://127")), None)

    return wait_until(found, 30, lambda: f"the shop serves; it said: {part.said()}")


@pytest.fixture
def page() -> Iterator[Any]:
    try:
        with chromium(more=ARGUMENTS) as browser:
            found = browser.new_page(viewport={"width": 1000, "height": 700}, locale="de-AT", user_agent=AGENT)
            found.set_default_timeout(60_000 * PATIENCE)
            yield found
    except ClickstreamError as without:
        missing(str(without))


def events(collector: Collecting, visitor: str | None = None) -> list[WebEvent]:
    """What is on the topic, by when it happened."""
    found: list[WebEvent] = [decode(value(one), WebEvent) for one in records(collector.kafka, collector.events)]
    return sorted((one for one in found if visitor in (None, one.visitor)), key=lambda one: one.created_at or 0)


def wait_for(collector: Collecting, what: Callable[[list[WebEvent]], Any]) -> list[WebEvent]:
    def found() -> list[WebEvent] | None:
        there = events(collector)
        return there if what(there) else None

    return wait_until(found, 30, lambda: f"events: {[(one.event, one.url) for one in events(collector)]}", poll=0.2)


def test_page_views_are_clicks_and_what_is_typed_stays_on_its_page(collector: Collecting, shop: str, page: Any) -> None:
    page.goto(f"{shop}/products?utm_source=letter&utm_medium=email", referer="https://www.google.com/search?q=rope")
    page.click("text=Harbour lantern")
    page.wait_for_url("**/products/lantern")  # and until its scripts are there
    page.click("text=Add to basket")
    page.click("text=See the basket")
    page.wait_for_url("**/basket")
    page.goto(f"{shop}/checkout")
    for field in page.locator("form input:not([type=radio]):not([type=checkbox])").all():
        field.fill("never.told@example.com" if field.get_attribute("type") == "email" else "never told")
    page.goto(f"{shop}/?left")
    page.goto("about:blank")

    def all_there(there: list[WebEvent]) -> bool:
        """Requests overtake each other, and clicks are on a topic of their own."""
        views = sum(one.event == "pageview" for one in there)
        clicks = len(records(collector.kafka, collector.clicks))
        return {"addtobasket", "engagement"} <= {one.event for one in there} and min(views, clicks) >= 5

    found = wait_for(collector, all_there)

    views = [one for one in found if one.event == "pageview"]
    first = views[0]
    assert (first.referrer, first.referrer_class) == ("https://www.google.com/search?q=rope", "campaign")
    assert (first.campaign_source, first.campaign_medium) == ("letter", "email")
    assert (first.browser, first.os, first.device, first.bot) == ("Firefox", "Linux", "desktop", None)
    assert (first.language, first.viewport_width, first.viewport_height) == ("de-AT", 1000, 700)
    assert first.address == "127.0.0.0"
    named = {one.event: one for one in found}
    assert named["addtobasket"].page == views[1].id
    assert sum(one.properties["engaged_ms"] for one in found if one.event == "engagement") > 0
    assert all(one.bot is None and abs(one.time - one.received_at) < 60_000 for one in found)
    every = [*records(collector.kafka, collector.events), *records(collector.kafka, collector.clicks)]
    assert b"never" not in b"".join(value(one) for one in every)
    assert dead_letters(collector.kafka, collector.dead) == []

    clicks: list[WebClick] = [decode(value(one), WebClick) for one in records(collector.kafka, collector.clicks)]
    asked = [one.request for one in sorted(clicks, key=lambda one: one.time_ms)]
    assert asked[1:4] == ["GET /products/lantern HTTP/1.1", "GET /basket HTTP/1.1", "GET /checkout HTTP/1.1"]
    assert len(asked) == len(views)


def test_who_opts_out_in_the_shop_is_on_no_topic(collector: Collecting, shop: str, page: Any) -> None:
    page.goto(shop)
    told = wait_for(collector, lambda there: there and there[-1].url == f"{shop}/")
    page.click("[data-opt-out]")
    page.goto(f"{shop}/products")
    page.goto(f"{shop}/basket")
    assert page.evaluate("() => Object.keys(localStorage).sort()") == ["clickstream.opted-out"]
    page.click("[data-opt-out]")
    page.goto(f"{shop}/?back")

    after = wait_for(collector, lambda there: there[-1].url == f"{shop}/?back")
    news = [one for one in after if one.id not in {old.id for old in told}]
    assert {one.url for one in news} <= {f"{shop}/basket", f"{shop}/?back"}
    assert not {one.visitor for one in news} & {one.visitor for one in told}


def test_a_collector_that_was_away_gets_what_was_tracked_meanwhile(
    kafka: str, tmp_path: Path, page: Any, shop: str
) -> None:
    with collecting(kafka, "tag-away", tmp_path) as first:
        port = first.port
        with running("shop", "--port", "0", "--collector", f"http://127.0.0.1:{port}") as part:
            site = served_at(part)
            page.goto(site)
            wait_for(first, lambda there: len(there) == 1)
            assert first.part.stop() == 0
            page.evaluate("() => { for (let n = 0; n < 50; n++) clickstream.track('kept', { n }); }")
            page.wait_for_function(
                "() => Object.keys(localStorage).some((name) => name.startsWith('clickstream.queue.'))"
            )
            with collecting(kafka, "tag-away", tmp_path, port=port) as second:
                page.goto(f"{site}/icon.svg")
                page.goto(f"{site}/products")
                found = wait_for(second, lambda there: len({one.id for one in there if one.event == "kept"}) == 50)
    assert sorted(one.properties["n"] for one in {one.id: one for one in found if one.event == "kept"}.values()) == [
        *range(50)
    ]
