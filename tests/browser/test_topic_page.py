"""One topic in a real browser, and the list of topics, out of states that the tests choose."""

from typing import Any

import pytest

from tests.browser import topicstates
from tests.browser.conftest import VENDOR, Open
from tests.browser.fakeserver import FakeServer
from tests.browser.topicpage import AFTER, BEFORE, check_sorting, come, fits, opened, order

pytestmark = pytest.mark.usefixtures("one_topic")


def test_a_page_that_is_not_paused_goes_on_when_the_one_before_was(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.page.keyboard.press("p")
    tab.wait_text(".foot .state", "Paused")
    tab.page.evaluate("() => { location.hash = '#/topics/clickstream'; }")
    tab.wait_text(".kvs", "40,000")
    assert tab.text(".foot .state") == "Live"

    def later(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topic(params, now)
        return {**state, "topic": {**state["topic"], "records": 41_000}}

    server.states["topic"] = later
    tab.wait_text(".kvs", "41,000")


KEPT = "range=15&to=1795900000000&page=/cart.html"


def test_the_way_to_a_topic_and_back_keeps_time_and_filters(open_page: Open, server: FakeServer) -> None:
    server.states["topics"] = topicstates.topics
    tab = open_page(f"#/topics?{KEPT}", ready=False)
    tab.page.locator(".topics tbody a").click()
    tab.wait_text(".kvs", "40,000")
    assert tab.hash() == f"#/topics/clickstream?{KEPT}"
    tab.page.locator(".chip").filter(has_text="page").get_by_role("button", name="Remove").click()
    tab.page.locator("a.crumb").click()
    tab.wait_for(lambda: tab.page.locator(".topics tbody a").count() == 1)
    assert tab.hash() == "#/topics?range=15&to=1795900000000"
    link = tab.page.locator(".topics tbody a")
    assert link.get_attribute("href") == "#/topics/clickstream?range=15&to=1795900000000"
    tab.page.keyboard.press("Escape")
    assert link.get_attribute("href") == "#/topics/clickstream?range=15"
    assert tab.page.locator(".brand").get_attribute("href") == "#/overview?range=15"


MANY = {"a": (1, 3), "b": (12, 1), "c": (3, 2), "d": (2, 10)}  # partitions and replicas


def test_the_list_sorts_by_partitions_and_by_replicas(open_page: Open, server: FakeServer) -> None:
    def topics(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topics(params, now)
        one = state["topics"][0]
        rows = [
            {**one, "name": name, "partitions": parts, "replication": copies} for name, (parts, copies) in MANY.items()
        ]
        return {**state, "topics": rows}

    server.states["topics"] = topics
    tab = open_page("#/topics", ready=False)
    tab.wait_for(lambda: len(order(tab, ".topics")) == len(MANY), "the list")
    for title, place in (("partitions", 0), ("replicas", 1)):
        check_sorting(tab, ".topics", title, {name: numbers[place] for name, numbers in MANY.items()})
    assert "sort=replication%2B" in tab.hash()
    assert tab.page.locator(".topics td:nth-child(8)").first.is_visible()
    assert fits(tab, ".topics")
    tab.page.set_viewport_size({"width": 360, "height": 800})
    heads = tab.page.locator(".topics th:visible")
    tab.wait_for(lambda: len(heads.all()) == 3)
    assert [words.strip() for words in heads.all_inner_texts()] == ["topic", "messages/s in", "10 min"]


@pytest.mark.parametrize(("title", "column"), [("begin", 0), ("end", 1), ("size", 2), ("messages/s", 3)])
def test_every_number_of_partitions_sorts(open_page: Open, title: str, column: int) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    tab.wait_for(lambda: order(tab, ".t-part") == ["0", "1", "2"], "by number at first")
    values = {str(number): one[column] for number, one in enumerate(topicstates.PARTITIONS)}
    check_sorting(tab, ".t-part", title, values)


def test_settings_say_what_holds_who_set_it_and_the_default_in_the_same_unit(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    tab.wait_text(".t-cfg", "retention.ms")
    shown = {
        row.locator("dt").inner_text(): row.locator("dd").inner_text().replace("\u202f", " ")
        for row in tab.page.locator(".t-cfg .facts > div").all()
    }
    assert shown["retention.ms"] == "86,400,000 1 day, set on the topic, default 7 days"
    assert shown["min.insync.replicas"] == "2, set by the broker, default 1"
    assert shown["cleanup.policy"] == "delete"


def test_where_sizes_are_not_known_it_says_why(open_page: Open, server: FakeServer) -> None:
    why = "The size on the disk is known of the embedded Kafka only."

    def foreign(state: dict[str, Any]) -> dict[str, Any]:
        return state | {"no_size": why}

    def topic(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topic(params, now)
        return foreign(state) | {"bytes_per_s": None, "topic": state["topic"] | {"size": None}}

    def topics(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = topicstates.topics(params, now)
        return foreign(state) | {"topics": [one | {"size": None} for one in state["topics"]]}

    server.states |= {"topic": topic, "topics": topics}
    tab = opened(open_page, "#/topics/clickstream")
    for label in ("on disk", "bytes/s in"):
        figure = tab.page.locator(f".kv[title='{why}']", has_text=label)
        figure.wait_for()
        assert figure.locator("b").inner_text() == "\u2013"
    tab.page.locator("a.crumb").click()
    size = tab.page.locator(".topics tbody td[title]").filter(has_text="\u2013")
    tab.wait_for(lambda: size.count() == 1, "the list")
    assert size.get_attribute("title") == why


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, scheme: str) -> None:
    script = (VENDOR / "axe.min.js").read_text("utf-8")
    tab = opened(open_page, "#/topics/clickstream?group=slow&sort=size-", scripts=(script,), color_scheme=scheme)
    come(tab, BEFORE + AFTER, anew=True)
    found = tab.page.evaluate("async () => (await axe.run()).violations")
    told = [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
    assert not told


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_list_of_topics(open_page: Open, server: FakeServer, scheme: str) -> None:
    server.states["topics"] = topicstates.topics
    script = (VENDOR / "axe.min.js").read_text("utf-8")
    tab = open_page("#/topics", ready=False, scripts=(script,), color_scheme=scheme)
    tab.wait_for(lambda: tab.page.locator(".topics tbody a").count() == 1, "the list")
    found = tab.page.evaluate("async () => (await axe.run()).violations")
    told = [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
    assert not told
