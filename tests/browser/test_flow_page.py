"""Flow and Sources in a real browser: states that the tests choose, and a pipeline on a real Kafka."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.parts.status import Reports
from tests.browser import flowstates
from tests.browser.conftest import Open, Opened, plain
from tests.browser.fakeserver import FakeServer, now_ms
from tests.browser.test_looks import AXE, AXE_SHA256, settle
from tests.integration.conftest import broker_java, kafka, kafka_data_dir, topic_name  # noqa: F401 - fixtures
from tests.integration.support import make_topic, produce, records, running
from tests.integration.tablesupport import MINUTES, click, command, script
from tests.integration.test_control import generating
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import PATIENCE, wait_until


@pytest.fixture
def server(server: FakeServer) -> FakeServer:
    server.states |= {"flow": flowstates.flow, "statement": flowstates.sql, "sources": flowstates.sources}
    server.states["collected"] = flowstates.collected
    return server


def texts(tab: Opened, selector: str) -> list[str]:
    return [plain(words) for words in tab.page.locator(selector).all_text_contents()]


def test_the_graph_shows_every_topic_its_rates_and_what_holds_it_back(open_page: Open) -> None:
    tab = open_page("#/flow")
    tab.wait_for(lambda: len(texts(tab, ".fnode.result")) == 13)
    # `user_clickstream` is drawn with its whole name as a title.
    assert any("pages_per_min" in words for words in texts(tab, ".fnode.result"))
    assert "153/s" in texts(tab, ".flab")
    source = next(words for words in texts(tab, ".fnode.source") if words.startswith("clickstream" * 2))
    assert "17/s, 12 behind, 0.4 s" in source
    assert "final 5.2 s ago" in source
    assert "37 could not be read" in source
    assert "clickstream-2 silent for 8 s, leaves the minimum in 2 s" in texts(tab, ".ffile.late")
    assert texts(tab, ".f-holds li") == ["clickstream-2 silent for 8 s, leaves the minimum in 2 s"]
    assert texts(tab, ".f-lost dd")[:2] == ["93", "111"]
    assert "12" not in texts(tab, ".fcell.late")


def test_a_click_leads_to_the_statement_and_to_the_topic(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/flow")
    tab.page.locator(".fnode.st").first.press("Enter")
    tab.wait_text(".f-sql .sql", "INSERT INTO traffic_per_min")
    asked = [params for panel, params in server.panels() if panel == "statement"]
    assert asked == [{"file": "tables-host-1-clickstream", "statement": "s0"}]
    assert "statement=s0" in tab.hash()
    tab.page.locator(".fnode.result").first.click()
    tab.wait_for(lambda: tab.hash().startswith("#/topics/"))
    tab.expected.append("no panel")


def test_links_keep_time_and_filters(open_page: Open) -> None:
    tab = open_page("#/flow?range=15&page=/cart.html")
    places = [".fnode.source", ".fnode.result", ".flowlist .src a", ".flowlist .op a", ".f-lost a"]

    def kept(part: str) -> list[str]:
        found = [tab.page.locator(place).first.get_attribute("href") or "" for place in places]
        return [place for place, href in zip(places, found, strict=True) if href.partition("?")[2] == part]

    tab.wait_for(lambda: tab.page.locator(".fnode.result").count() > 0)
    assert kept("range=15&page=/cart.html") == places
    assert tab.page.locator(".f-lost a").get_attribute("href") == "#/dead?range=15&page=/cart.html"
    tab.page.get_by_role("button", name="Remove filter page /cart.html").click()
    assert kept("range=15") == places, "they are made once, and go on to say what is shown"
    tab.page.evaluate("() => { location.hash = '#/sources?range=15'; }")
    tab.wait_for(lambda: tab.page.locator(".sources tbody a").count() > 0)
    href = "#/topics/clickstream?range=15"
    assert tab.page.locator(".sources tbody a").first.get_attribute("href") == href


def test_nothing_moves_while_rates_change(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/flow")
    settle(tab)
    where = "() => [...document.querySelectorAll('.flow .fnode')].map((one) => one.getAttribute('transform'))"
    before = tab.page.evaluate(where)
    tab.page.locator(".flow").evaluate("(el) => { el.querySelector('.fnode').dataset.kept = '1'; }")

    def faster(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = flowstates.flow(params, now)
        state["files"][0]["sources"][0]["rate"] = 90_000
        return state

    server.states["flow"] = faster
    tab.wait_for(lambda: any("90,000/s" in words for words in texts(tab, ".fnode.source")))
    assert tab.page.evaluate(where) == before
    assert tab.page.locator(".fnode[data-kept]").count() == 1


def test_narrow_screens_have_a_list_and_nothing_running_says_what_to_do(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/flow", viewport={"width": 360, "height": 800})
    assert not tab.page.locator(".flow").is_visible()
    tab.wait_for(lambda: "pages_per_min" in tab.text(".flowlist"))
    assert "153/s" in tab.text(".flowlist")
    server.states["flow"] = lambda params, now: flowstates.NOTHING
    tab.wait_text(".notices", "clickstream tables run clickstream")
    assert not tab.page.locator(".flowlist").is_visible()


def test_without_control_nothing_can_be_asked(open_page: Open) -> None:
    tab = open_page("#/sources")
    tab.wait_text(".modeline", "Read-only.")
    assert "--allow-control" in tab.text(".modeline")
    assert [words for words in texts(tab, ".sources tbody tr td:nth-child(2)") if "dead" in words]
    controls = "main .sheet :is(button, input, select)"
    visible = f"() => [...document.querySelectorAll('{controls}')].filter((one) => one.checkVisibility()).length"
    assert tab.page.evaluate(visible) == 0


def test_a_refusal_is_told_where_it_was_asked(open_page: Open, server: FakeServer) -> None:
    server.hello = {**server.hello, "control": True}
    server.answers["/api/control"] = lambda _params: (409, {"error": "No part generate-web-host-1 runs."})
    tab = open_page("#/sources")
    tab.expected.append("409")
    tab.page.get_by_role("button", name="Pause: generate-web-host-1").click()
    tab.wait_text(".did li", "not done: No part generate-web-host-1 runs.")
    assert any("a rate above 0 is expected" in words for words in texts(tab, ".did li"))


def test_with_control_the_last_column_is_whole_however_long_names_and_numbers_are(
    open_page: Open, server: FakeServer
) -> None:
    server.hello = {**server.hello, "control": True}

    def large(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = flowstates.sources(params, now)
        for one in state["parts"]:
            one["totals"] = {name: total * 98_765 for name, total in one["totals"].items()}
            one["topics"] = ["a-source-topic-of-mine", "another-source-topic", "x"]
        return state

    server.states["sources"] = large
    tab = open_page("#/sources")
    tab.wait_text(".sources", "needs --allow-control")
    assert tab.page.locator(".sources").first.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_a_part_whose_beginning_is_unknown_says_only_that_it_runs(open_page: Open, server: FakeServer) -> None:
    parts = [flowstates.part("generate-web", since=None)]
    server.states["sources"] = lambda params, now: {**flowstates.sources(params, now), "parts": parts}
    tab = open_page("#/sources")
    tab.wait_for(lambda: texts(tab, ".sources tbody tr td:nth-child(2)")[0].strip() == "running")


def test_what_was_collected_of_each_site(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/sources")
    tab.wait_text(".collected", "shop.example")
    cells = texts(tab, ".collected tbody tr:first-child td")
    assert [cells[0], cells[1], *cells[4:]] == ["shop.example", "3,346", "104", "3.0 %", "3"]
    assert re.fullmatch(r"[0-9]{2}:[0-9]{2}:[0-9]{2}", cells[3].split()[-1])
    assert texts(tab, ".collected tbody tr:last-child td")[3] == "\u2013"
    assert "\u202e" not in tab.text(".collected")
    server.states["collected"] = lambda params, now: flowstates.collected(params, now) | {"sites": []}
    tab.wait_for(lambda: not tab.page.locator(".collected").is_visible())


def test_what_came_of_the_last_requests(open_page: Open, server: FakeServer) -> None:
    now = now_ms()
    server.states["collected"] = lambda params, _now: flowstates.collected(params, now)
    tab = open_page("#/sources")
    tab.wait_text(".requests", "too many requests")
    rows = texts(tab, ".requests tbody tr td:last-child")
    assert "bot yes (headless)" in rows[0]
    assert "clock corrected (7200000 ms)" in rows[0]
    assert rows[1].endswith("event 3: protocol refused (not-an-event: url is missing), dead letter kafka; and 7 others")
    assert "consent opted out" in rows[2]
    tab.page.locator(".requests tbody tr").nth(1).click()
    tab.wait_text("div.steps", "location")
    assert "found: Leeds, GB" in tab.text("div.steps")
    server.states["collected"] = lambda params, _now: flowstates.collected(params, now) | {"requests": None}
    tab.wait_text("main", "collect --explain")


@pytest.mark.parametrize("page", ["flow", "sources"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    open_page: Open, server: FakeServer, page: str, theme: str, width: int
) -> None:
    axe = AXE.read_bytes()
    assert hashlib.sha256(axe).hexdigest() == AXE_SHA256
    server.hello = {**server.hello, "control": True}
    tab = open_page(
        f"#/{page}", query=f"?theme={theme}", scripts=(axe.decode(),), viewport={"width": width, "height": 900}
    )
    settle(tab)
    found = tab.page.evaluate("async () => (await axe.run(document)).violations")
    serious = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []
    assert tab.page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


# --- on a real Kafka


@pytest.fixture
def real(browser: Any) -> Iterator[Callable[[str, str], Any]]:
    made: list[Any] = []

    def open_(address: str, hash_: str) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(90_000 * PATIENCE)
        made.append(context)
        page = context.new_page()
        page.goto(f"{address}/#token={TOKEN}")
        page.wait_for_selector("main h1")
        page.evaluate("hash => { location.hash = hash; }", hash_)
        return page

    yield open_
    for context in made:
        context.close()


def words(page: Any, selector: str) -> list[str]:
    return [plain(found) for found in page.locator(selector).all_text_contents()]


def test_the_flow_is_that_of_the_running_tables(
    real: Callable[[str, str], Any],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    make_topic(kafka, topic_name, 2)
    path = script(tmp_path, topic_name, MINUTES)
    produce(kafka, topic_name, [*(click(second) for second in range(0, 130)), b"no click", b"\xff"], partition=0)
    produce(kafka, topic_name, [click(125), click(5)], partition=1)
    status_topic = f"{topic_name}-status"
    arguments = command(kafka, path, "--idle-timeout", "600")
    with (
        running(*arguments, CLICKSTREAM_STATUS_TOPIC=status_topic) as part,
        dashboard(Cluster(kafka), status_topic=status_topic) as address,
    ):
        reports = Reports(Cluster(kafka), status_topic)

        def settled() -> Any:
            found = [one.status for one in reports.look()]
            return found[0] if found and found[0].totals.get("dead_letters") == 2 and found[0].positions else None

        status = wait_until(settled, 90, part.said)
        page = real(address, "#/flow")
        [result] = [name for name in status.topics if name != topic_name]
        wait_until(lambda: any(result in found for found in words(page, ".fnode.result")), 90, "the result is drawn")
        wait_until(lambda: words(page, ".f-lost dd")[1] == "2", 90, lambda: str(words(page, ".f-lost dd")))
        ends = len(records(kafka, topic_name))

        def is_drawn() -> bool:
            """What it lost and how far it is, as it says now: the page may be a report behind, or one ahead."""
            now = settled()
            behind = ends - sum(one.next_offset for one in now.positions)
            place = "all read" if behind == 0 else f"{behind} behind"
            [source] = words(page, ".fnode.source") or [""]
            return (
                words(page, ".f-lost dd")[:2] == [str(now.totals["late"]), str(now.totals["dead_letters"])]
                and "2 could not be read" in source
                and place in source
            )

        wait_until(is_drawn, 90, lambda: f"{words(page, '.f-lost dd')}, {words(page, '.fnode.source')}, {settled()}")
        # Nobody writes, and it takes long until a silent partition leaves.
        wait_until(
            lambda: re.search(rf"{topic_name}-1 silent for \d+ s, leaves", str(words(page, ".f-holds li"))),
            90,
            lambda: str(words(page, ".f-holds li")),
        )
        page.locator(".fnode.st").first.click()
        wait_until(lambda: "INSERT INTO" in page.locator(".f-sql .sql").text_content(), 90, "the statement")
        assert page.locator(".f-sql .sql").text_content().strip() in path.read_text()
        assert part.stop() == 0, part.said()


def test_a_generator_is_paused_and_goes_on_from_the_page(
    real: Callable[[str, str], Any],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    with (
        generating(kafka, topic_name, "--allow-control", "--rate", "50") as web,
        dashboard(
            Cluster(kafka), status_topic=f"{topic_name}-status", control_topic=f"{topic_name}-control"
        ) as address,
    ):
        id_ = web.id()
        page = real(address, "#/sources")
        page.get_by_role("button", name=f"Pause: {id_}").click()
        button = page.get_by_role("button", name=f"Go on: {id_}")
        wait_until(lambda: button.count() == 1, 90, lambda: str(words(page, "main .sheet > *")))
        assert web.reports_more().paused
        wait_until(lambda: any(found.endswith("paused") for found in words(page, ".did li")), 90, "what came of it")
        acknowledged = web.statuses()[-1].totals["acknowledged"]  # no more: it is paused
        shown = ".sources tbody tr td:nth-child(5)"
        wait_until(
            lambda: words(page, shown)[:1] == [f"{acknowledged:,}"],
            90,
            lambda: f"{acknowledged:,}: {words(page, shown)}",
        )
        field = page.get_by_label(f"Wanted records per second of {id_}")
        field.fill("80")
        field.press("Enter")
        wait_until(lambda: web.statuses()[-1].wanted_rate == 80.0, 90, "the rate")
        page.get_by_role("button", name="Malformed records").click()
        wait_until(lambda: any("are malformed" in found for found in words(page, ".did li")), 90, "it is owed")
        page.get_by_role("button", name=f"Go on: {id_}").click()
        page.get_by_role("button", name=f"Pause: {id_}").wait_for()
        wait_until(lambda: web.statuses()[-1].totals["malformed"] == 10, 90, "they were sent")
