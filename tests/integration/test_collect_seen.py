"""Somebody opens the demo shop, and sees the own clicks on the dashboard: a real browser, collector and Kafka."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.tab import chromium
from clickstream.errors import ClickstreamError
from clickstream.records import WebClick, decode
from tests.integration.collectsupport import AGENT, collecting
from tests.integration.support import records, running, value
from tests.integration.test_tag import served_at
from tests.integration.uisupport import address_of
from tests.support import PATIENCE, missing, wait_until
from tests.unit.enrich.test_places import GERMANY, database


@pytest.fixture
def browser() -> Iterator[Any]:
    try:
        # Without these it says that it is remote-controlled, which makes it a bot.
        with chromium(more=["--disable-blink-features=AutomationControlled", f"--user-agent={AGENT}"]) as found:
            yield found
    except ClickstreamError as without:
        missing(str(without))


def test_own_clicks_with_country_and_session(kafka: str, topic_name: str, tmp_path: Path, browser: Any) -> None:
    places = str(database(tmp_path / "places.mmdb", GERMANY, {}))
    with (
        collecting(kafka, topic_name, tmp_path, "--geo-db", places, "--explain") as collector,
        running("shop", "--port", "0", "--collector", f"http://127.0.0.1:{collector.port}") as shop,
        running(
            *("ui", "-b", kafka, "--port", "0", "--state-dir", str(tmp_path), "--geo-db", places),
            CLICKSTREAM_GENERATE_WEB_TOPIC=collector.clicks,
            CLICKSTREAM_COLLECT_LOSS_TOPIC=f"{topic_name}-loss",
        ) as ui,
    ):
        site, dashboard = served_at(shop), address_of(ui)
        visitor = browser.new_page(user_agent=AGENT)
        looking = browser.new_page(viewport={"width": 1280, "height": 1400})
        for page in (visitor, looking):
            page.set_default_timeout(60_000 * PATIENCE)
        visitor.goto(site)
        visitor.goto(f"{site}/products")
        visitor.click("text=Harbour lantern")

        def clicks() -> list[WebClick] | None:
            found = [decode(value(one), WebClick) for one in records(kafka, collector.clicks)]
            return found if len(found) == 3 else None

        seen = wait_until(clicks, 90, "three page views are clicks")
        assert len({one.userid for one in seen}) == 1
        sees(looking, f"{dashboard}/#/overview", "Germany", "/products/lantern")
        sees(looking, f"{dashboard}/#/sessions", str(seen[0].userid), "/products/lantern")
        sees(looking, f"{dashboard}/#/sources", "Collected", "POST /e")


def sees(page: Any, address: str, *words: str) -> None:
    """On one of the dashboard's pages."""
    page.goto(address)

    def shown() -> bool:
        text = page.inner_text("main")
        return all(word in text for word in words)

    wait_until(shown, 30, lambda: f"{words}: {page.inner_text('main')}", 0.2)
