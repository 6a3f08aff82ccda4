"""What the first view costs, from the dashboard on a real Kafka. Its exact times are `bench ui`'s to measure."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.tab import NOTE_FIRST_CHART, Tab, opened
from bench.ui_server import wait_for_clicks
from clickstream.enrich.places import MadeUpPlaces
from clickstream.history.history import History, Topics
from clickstream.kafka.clients import Cluster
from clickstream.records import utc_text
from tests.integration.conftest import broker_java, kafka, kafka_data_dir  # noqa: F401 - fixtures
from tests.integration.support import run_well
from tests.integration.uisupport import dashboard
from tests.support import PATIENCE, wait_until

FIRST_VIEW_BYTES = 150_000
MAP = "/vendor/countries-110m.json"
FIRST_CHART_MS = 5_000 * PATIENCE  # the budget is a second; machines that run tests do much else
CLICKS = 20_000


@pytest.fixture(scope="module")
def view(browser: Any, kafka: str) -> Iterator[Tab]:  # noqa: F811
    """The Overview, opened for the first time, on a history of almost an hour."""
    names = {"--topic": "budgets", "--codes-topic": "budgets-codes", "--users-topic": "budgets-users"}
    start = utc_text(time.time() - 3_300).removesuffix("UTC") + "Z"
    how = ("--count", str(CLICKS), "--rate", "max", "--event-rate", f"{CLICKS / 3_300}", "--start", start)
    topics = [word for pair in names.items() for word in pair]
    run_well("generate", "web", "-b", kafka, "--quiet", *how, *topics, timeout=120)

    def history(_statuses: object) -> History:
        return History(Cluster(kafka), Topics(clicks="budgets"), places=MadeUpPlaces())

    with dashboard(Cluster(kafka), history=history) as address:
        wait_for_clicks(address.removeprefix("http://"), CLICKS)
        with opened(browser, address, NOTE_FIRST_CHART) as tab:
            tab.page.set_default_timeout(60_000 * PATIENCE)
            wait_until(lambda: tab.page.evaluate("() => window.firstChart > 0"), 60, "the first chart")
            tab.page.wait_for_load_state("networkidle")
            yield tab


def test_the_first_view_is_at_most_150_kb(view: Tab) -> None:
    sizes = view.transferred()
    assert sum(sizes.values()) <= FIRST_VIEW_BYTES, sorted(sizes.items(), key=lambda file: -file[1])
    assert MAP not in sizes, "it is below the first view"
    for part in ("/", "/js/app.js", "/css/parts.css", "/fonts/source-sans-3-latin-wght-normal.woff2"):
        assert sizes[part] > 0, part


def test_every_text_of_it_is_sent_compressed(view: Tab) -> None:
    assert len(view.answers) > 20
    assert view.not_compressed() == []


def test_the_first_chart_is_soon_there(view: Tab) -> None:
    assert view.first_chart_ms() < FIRST_CHART_MS


def test_the_map_is_loaded_when_it_comes_into_view(view: Tab) -> None:
    view.show_map()
    assert view.transferred()[MAP] > 0
