"""A visitor of the demo shop, in a real browser, and what the collector has of it on a real Kafka."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.tab import chromium_path
from clickstream.records import WebEvent, decode
from clickstream.serving.listening import listen
from clickstream.shop.goods import PRODUCTS
from clickstream.shop.shop import Shop
from clickstream.visit.plan import Arrival, Manner, Plan, Shopping, plans
from clickstream.visit.visits import Options, Visits
from tests.browser.tag.sites import Page, Site
from tests.integration.collectsupport import Collecting, collecting
from tests.integration.support import Part, records, run, running
from tests.support import PATIENCE, missing, wait_until

PACE = 0.1
NEWSLETTER = Arrival(query="utm_source=newsletter&utm_medium=email&utm_campaign=autumn")
PRICES = {product.name: product.price / 100 for product in PRODUCTS}


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    if chromium_path() is None:
        missing("Chromium is needed: apt-get install chromium, or CHROMIUM=/path/to/it")


@pytest.fixture(scope="module")
def collector(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(kafka, "visited-collector", tmp_path_factory.mktemp("collector")) as found:
        yield found


@contextmanager
def shop(collector: str) -> Iterator[str]:
    """The address of one that tells this collector."""
    stop, ready = threading.Event(), threading.Event()
    with closing(listen("127.0.0.1", 0)) as listening:
        served = Shop(listening, collector, ready.set)
        thread = threading.Thread(target=served.run, args=(stop,))
        thread.start()
        try:
            assert ready.wait(10 * PATIENCE)
            yield served.address
        finally:
            stop.set()
            thread.join(10 * PATIENCE)


def plan(manner: Manner, *, phone: bool = False) -> Plan:
    """A visitor with that in mind; the rest follows from a seed."""
    found = next(one for one in plans(7) if one.agent.phone == phone)
    return replace(found, number=1, manner=manner, pages=1, shopping=None)


def visit(address: str, plan: Plan, *, as_people: bool) -> Visits:
    visits = Visits(address, [plan], Options(as_people=as_people, pace=PACE))
    visits.run(threading.Event())
    return visits


def events_on(collector: Collecting, site: str) -> list[WebEvent]:
    """Those that happened on a shop, by their sequence."""
    every = [decode(record.value(), WebEvent) for record in records(collector.kafka, collector.events)]
    return sorted((one for one in every if one.url.startswith(site)), key=lambda one: one.sequence or 0)


def test_a_customer_is_in_kafka_from_the_first_page_to_the_purchase(collector: Collecting) -> None:
    bought = Shopping(products=2, takes_one_out=True, pays=True)
    with shop(f"http://127.0.0.1:{collector.port}") as address:
        customer = replace(plan(Manner.BUY), arrival=NEWSLETTER, shopping=bought)
        seen = visit(address, customer, as_people=True).seen
        assert (seen.visitors, seen.left_early, seen.problems) == (1, 0, [])

        def all_there() -> list[WebEvent] | None:
            found = events_on(collector, address)
            told = {(one.event, one.url) for one in found}
            bought = ("pageview", f"{address}thanks") in told and "purchase" in {event for event, _url in told}
            return found if bought and len(found) > (found[-1].sequence or 0) else None  # requests overtake each other

        found = wait_until(all_there, 20, lambda: f"all of it: {[one.event for one in events_on(collector, address)]}")
    assert {(one.visitor, one.session, one.site, one.bot) for one in found} == {
        (found[0].visitor, found[0].session, "shop", None)
    }
    assert found[0].session is not None
    assert [one.sequence for one in found] == list(range(len(found)))
    assert [one.new_session for one in found] == [True, *[False] * (len(found) - 1)]
    assert found[0].campaign_source == "newsletter"
    assert {one.language for one in found} == {customer.home.languages.split(",")[0]}
    assert {one.viewport_width for one in found} == {customer.size.width}
    assert {one.device for one in found} == {"desktop"}

    views = [one.url.removeprefix(address).partition("?")[0] for one in found if one.event == "pageview"]
    assert [views[0], *views[3:]] == ["", "basket", "checkout", "thanks"]
    products = [view.removeprefix("products/") for view in views[1:3]]
    added = [one.properties for one in found if one.event == "addtobasket"]
    assert [one["product"] for one in added] == products
    assert [one["price"] for one in added] == [PRICES[product] for product in products]
    (removed,) = [one.properties for one in found if one.event == "removefrombasket"]
    assert removed in added
    (kept,) = [one for one in added if one != removed]
    (purchase,) = [one.properties for one in found if one.event == "purchase"]
    assert purchase["value"] == kept["price"] * kept["quantity"]
    assert (purchase["items"], purchase["products"], purchase["currency"]) == (
        kept["quantity"],
        kept["product"],
        "EUR",
    )
    assert "visitor@example.com" not in str(found), "what is typed stays on its page"


def test_visitors_are_robots_unless_they_are_to_count_as_people(collector: Collecting) -> None:
    with shop(f"http://127.0.0.1:{collector.port}") as address:
        visit(address, plan(Manner.BOUNCE, phone=True), as_people=False)

        def both() -> list[WebEvent] | None:
            found = events_on(collector, address)
            return found if len(found) >= 2 else None

        found = wait_until(both, 90, "the page view, and how long it was looked at")
    # The last event is sent as the page is left, past what tells the browser of another agent.
    assert {one.bot for one in found} == {"webdriver"}
    assert {one.browser for one in found} == {"Chrome Mobile"}


def test_no_page_of_another_site_is_opened() -> None:
    with closing(Site()) as other, closing(Site()) as site:
        by_script = f"<script>setTimeout(() => location = '{other.url}/script', 100)</script>"
        site.pages["/"] = Page(
            f'<!doctype html><a href="/next">next</a> <a href="{other.url}/link">other</a>{by_script}'
        )
        site.pages["/next"] = Page(f'<!doctype html><meta http-equiv="refresh" content="0;url={other.url}/refresh">')
        visits = visit(f"{site.url}/", replace(plan(Manner.WANDER), pages=4, arrival=Arrival()), as_people=True)
        assert (visits.seen.visitors, visits.seen.pages) == (1, 2)
        assert other.requests == []


# --- as commands


def test_the_shop_says_where_it_is_and_ends_when_told_to(tmp_path: Path) -> None:
    with running("shop", "--port", "0", "--collector", "http://127.0.0.1:9", "--state-dir", str(tmp_path)) as part:
        wait_until(lambda: "Nobody listens at http://127.0.0.1:9" in part.said(), 30, part.said)
        assert part.said().startswith("Shop: http://127.0.0.1:")
        part.process.send_signal(signal.SIGINT)
        assert part.wait() == 0
        assert part.printed() == ""


def test_a_taken_port_says_by_whom() -> None:
    with closing(listen("127.0.0.1", 0)) as taken:
        done = run("shop", "--port", str(taken.getsockname()[1]))
    assert done.code == 2
    assert f"is in use by process {os.getpid()}" in done.said


def test_ctrl_c_has_visitors_leave() -> None:
    with (
        shop("http://127.0.0.1:9") as address,
        running("visit", address, "--duration", "2m", "--seed", "1", "-v") as part,
    ):
        wait_until(lambda: "Visitor 1" in part.said(), 60, part.said)
        part.process.send_signal(signal.SIGINT)
        assert part.wait() == 0, part.said()
        assert " visitors, " in last_line(part)


def last_line(part: Part) -> str:
    return part.said().strip().splitlines()[-1]
