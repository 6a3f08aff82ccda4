"""Lists that prove themselves in a real browser, on a real Kafka: both counts against one of the topic's records."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clickstream.enrich.places import MadeUpPlaces
from clickstream.history.history import History
from clickstream.history.model import CLICKS
from clickstream.history.rollups import SUMMED
from clickstream.history.store import Limits
from clickstream.kafka.clients import Cluster
from tests.browser.conftest import page_at, plain
from tests.integration.conftest import broker_java, kafka, kafka_data_dir  # noqa: F401 - fixtures
from tests.integration.support import make_topic, records
from tests.integration.test_history import MINUTE, click, now, send, topics_of
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import wait_until

TOPICS = topics_of("proven")
# The buckets of a chart begin where it does.
END = now() // 10_000 * 10_000 - 30_000
START = END - 10 * MINUTE
# More pages than a list shows, of which each has another number of clicks.
PAGES = [f"/page-{number}.html" for number in range(30)]
Line = tuple[str, str, str, str]
# What stands there is of the range, and not of what was shown before.
PAINTED = """([name, to]) => {
  const panel = window.clickstream.app.live.panels.get(name);
  return panel && !panel.fresh && panel.state?.to === to && document.querySelector('.barlist li');
}"""


def came() -> list[bytes]:
    """In the range and around it; the last one makes all of the range final."""
    pages = [page for number, page in enumerate(PAGES) for _ in range(5 + number * 3)]
    random.Random(3).shuffle(pages)
    step = 12 * MINUTE / len(pages)
    clicks = [
        click(START - MINUTE + int(number * step), number, request=f"GET {page} HTTP/1.1")
        for number, page in enumerate(pages)
    ]
    return [*clicks, click(END + 20_000)]


@pytest.fixture(scope="module")
def history(kafka: str) -> History:  # noqa: F811
    for topic in (TOPICS.clicks, TOPICS.events, TOPICS.vip):
        make_topic(kafka, topic, 3)
    send(kafka, TOPICS.clicks, came())
    return History(Cluster(kafka), TOPICS, Limits(), places=MadeUpPlaces())


@pytest.fixture(scope="module")
def address(kafka: str, history: History) -> Iterator[str]:  # noqa: F811
    with dashboard(Cluster(kafka), history=lambda _statuses: history) as found:
        wait_until(lambda: history.store.rows[CLICKS].rows == len(came()), 90, lambda: str(history.status()))
        wait_until(lambda: history.read_until(CLICKS) is None, 60, lambda: str(history.status()))
        yield found


@pytest.fixture
def go(browser: Any, address: str) -> Iterator[Callable[[str], Any]]:
    with page_at(browser, f"{address}/#token={TOKEN}") as page:

        def open_(hash_: str) -> Any:
            page.evaluate("hash => { location.hash = hash; }", f"{hash_}?from={START}&to={END}")
            page.wait_for_function(PAINTED, arg=[hash_.removeprefix("#/"), END])
            return page

        yield open_


def recounted(page: Any, name: str) -> tuple[list[Line], str]:
    """The lines of the list's proof, and what it says below them."""
    page.get_by_role("button", name=f"How {name} comes about").click()
    page.get_by_role("button", name="Recount from the topic").click()
    said = page.locator(".recount")
    wait_until(lambda: "records were read" in said.inner_text(), 90, said.inner_text)
    lines = [[plain(one) for one in row.locator("td").all_inner_texts()] for row in said.locator("tbody tr").all()]
    words = plain(said.locator("p").last.inner_text())
    page.get_by_role("button", name="Close").click()
    return [(value, mine, its, differs) for value, mine, its, differs in lines], words


def shown(kafka: str) -> list[dict[str, Any]]:  # noqa: F811
    """The records of the range, read and counted with nothing of the dashboard's."""
    every = [json.loads(one.value() or b"") for one in records(kafka, TOPICS.clicks)]
    found = [one for one in every if START <= one["_time"] < END]
    assert 0 < len(found) < len(every) - 1
    return found


def counts(values: list[Any]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values if value is not None))


def page_of(record: dict[str, Any]) -> str:
    return str(record["request"]).split(" ")[1]


def numbers(lines: list[Line]) -> dict[str, int]:
    """Both counts, which are the same."""
    assert all(mine == its and not differs for _value, mine, its, differs in lines)
    return {value: int(mine.replace(",", "")) for value, mine, _its, _differs in lines}


def test_a_list_proves_itself_by_the_records_of_its_topic(go: Callable[[str], Any], kafka: str) -> None:  # noqa: F811
    in_range = shown(kafka)
    wanted = Counter(counts([page_of(one) for one in in_range]))
    page = go("#/overview")
    lines, words = recounted(page, "Pages")
    assert words.startswith("They are equal.")
    found = numbers(lines)
    # As many one by one as stood on the page when it was asked.
    told = len(found) - 1
    assert found.pop(f"{len(wanted) - told} more") == sum(number for _page, number in wanted.most_common()[told:])
    assert sorted(found.values(), reverse=True) == [number for _page, number in wanted.most_common(told)]
    assert found.items() <= wanted.items()

    lines, _words = recounted(page, "Status")
    assert numbers(lines) == counts([one["status"] for one in in_range])
    places = MadeUpPlaces()
    visitors = {(one["userid"] or one["ip"], places.place(one["ip"]).country) for one in in_range}
    lines, _words = recounted(page, "Countries")
    assert sorted(numbers(lines).values()) == sorted(counts([country for _who, country in visitors]).values())

    errors = [one for one in in_range if one["status"] >= 400]
    page = go("#/errors")
    page.get_by_role("button", name="Addresses").click()
    lines, words = recounted(page, "Where")
    assert words.startswith("They are equal.")
    assert numbers(lines) == counts([one["ip"] for one in errors])


def test_a_history_that_is_wrong_shows_two_numbers(
    go: Callable[[str], Any],
    kafka: str,  # noqa: F811
    history: History,
) -> None:
    page = go("#/overview")
    wanted = Counter(counts([page_of(one) for one in shown(kafka)]))
    first, right = wanted.most_common(1)[0]
    code = history.store.clicks.codes["page"].find(first)
    sums = [table for level in history.store.rollups.levels for table in level.segments.tables()]
    gone = {"code": code, "end": START + 5 * MINUTE}
    with history.store.lock:
        for table in sums:
            of_page = f"dim = {SUMMED.index('page')} AND code = $code"
            history.store.db.execute(f"DELETE FROM {table} WHERE {of_page} AND time < $end", gone)
        for table in history.store.rows[CLICKS].tables():
            history.store.db.execute(f"DELETE FROM {table} WHERE page = $code AND time < $end", gone)
        history.store.changes += 1
    lines, words = recounted(page, "Pages")
    assert words.startswith("They differ.")
    found = {value: (mine, its, differs) for value, mine, its, differs in lines}
    mine, its, differs = found.pop(first)
    assert (its, differs) == (f"{right:,}", "differs")
    assert int(mine.replace(",", "")) < right
    assert all(mine == its and not differs for mine, its, differs in found.values())
