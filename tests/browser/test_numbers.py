"""Every number proves itself: what the dialog says, asks and shows, and that its query gives the number."""

import json
from collections.abc import Iterator
from typing import Any, cast

import duckdb
import pytest

from clickstream.history.copies import HistoryTables
from clickstream.history.model import Filter, Question
from clickstream.ui.numbers import NUMBERS, Of
from clickstream.ui.panels.figures import mean
from tests.browser import peoplestates
from tests.browser.conftest import Open, Opened, plain
from tests.browser.fakeserver import FakeServer
from tests.unit.ui.test_numbers import END, START, STEPS, Kept, clicks, events

FILTERS = [["page", "!=", "/b"], ["status", "!=", "500"], ["ip", "=", "10.0.0.1"], ["ip", "=", "10.0.0.2"]]


@pytest.fixture(autouse=True)
def _people(server: FakeServer) -> None:
    server.states |= peoplestates.STATES


@pytest.fixture
def asked(server: FakeServer) -> list[dict[str, str]]:
    """What is asked of /api/recount; the answer is that both are 7."""
    found: list[dict[str, str]] = []

    def recount(query: dict[str, str]) -> tuple[int, Any]:
        found.append(query)
        both: Any = [[7, None, None]] if query["figure"] == "funnel" else 7
        if "dimension" in query:
            both = {"rows": [["a", 9], [None, 2]], "more": 3, "rest": 4}
        counted = {"history": both, "topic": both, "differing": 0, "topic_name": "clickstream"}
        counted |= {"records": 12_034, "seconds": 0.8}
        return 200, {"from": int(query["from"]), "to": int(query["to"]), **counted}

    server.answers["/api/recount"] = recount
    return found


@pytest.fixture(scope="module")
def history() -> Iterator[Kept]:
    kept = Kept(clicks(), events())
    yield kept
    kept.close()


def dialog(tab: Opened) -> str:
    return tab.text("dialog[open]")


def prove(tab: Opened, asked: list[dict[str, str]], name: str, number: int = 0) -> dict[str, str]:
    """Opens the proof of that button, counts again, and says what was asked."""
    before = len(asked)
    tab.page.get_by_role("button", name=name).nth(number).click()
    tab.page.get_by_role("button", name="Recount from the topic").click()
    tab.wait_text(".recount", "They are equal.")
    tab.page.get_by_role("button", name="Close").click()
    assert len(asked) == before + 1
    return asked[-1]


def span(query: dict[str, str]) -> int:
    return int(query["to"]) - int(query["from"])


def test_numbers_of_sessions(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/sessions?range=10&threshold=90000&page=/cart.html")
    for name, figure in [
        ("How Open sessions comes about", "open_sessions"),
        ("How Sessions comes about", "sessions"),
        ("How Users comes about", "users"),
        ("How High-bandwidth sessions comes about", "large_sessions"),
    ]:
        query = prove(tab, asked, name)
        assert (query["figure"], span(query)) == (figure, 600_000)
        assert json.loads(query["filters"]) == [["page", "=", "/cart.html"]]
    assert query["threshold"] == "90000"
    tab.page.keyboard.press("i")
    assert "none is more than 30 s after the one before" in dialog(tab)
    assert "page is /cart.html" in dialog(tab)


def test_numbers_of_errors(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/errors?range=15&status!=500&page=/cart.html")
    rate = prove(tab, asked, "How Error rate comes about")
    assert (rate["figure"], span(rate)) == ("errors", 60_000)
    assert prove(tab, asked, "How Errors per minute comes about")["figure"] == "errors_per_minute"
    met = prove(tab, asked, "How Visitors who met one comes about")
    assert (met["figure"], met["from"]) == ("met", str(int(met["to"]) - span(met)))
    assert span(met) >= 15 * 60_000
    assert prove(tab, asked, "How Errors comes about")["figure"] == "error_clicks"
    code = prove(tab, asked, "404 in all")
    assert code["figure"] == "clicks"
    assert json.loads(code["filters"]) == [["page", "=", "/cart.html"], ["status", "=", "404"]]
    tab.page.get_by_role("button", name="How Alerts comes about").click()
    assert "It is not from the history" in dialog(tab)
    assert tab.page.get_by_role("button", name="Recount from the topic").count() == 0


def test_numbers_of_products(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/products?range=30&window=5")
    tab.wait_text(".funnel", "2,000")
    funnel = prove(tab, asked, "Product views: 2,000")
    assert (funnel["figure"], funnel["steps"], funnel["window"]) == (
        "funnel",
        json.dumps(STEPS, separators=(",", ":")),
        "300000",
    )
    removed = prove(tab, asked, "Taken out again: ")
    assert json.loads(removed["steps"]) == ["addtobasket", "removefrombasket"]
    users = prove(tab, asked, "How Users of the funnel comes about")
    assert (users["figure"], span(users)) == ("event_users", 1_800_000)
    minute = prove(tab, asked, "How Users per minute comes about")
    assert (minute["figure"], span(minute), int(minute["from"]) % 60_000) == ("event_users", 60_000, 0)
    rate = prove(tab, asked, "Purchases per second")
    assert (rate["figure"], rate["event"], span(rate)) == ("event_rate", "purchase", 10_000)
    tab.page.get_by_role("button", name="How Purchases comes about").click()
    assert "how many of these events the counter has ever counted" in dialog(tab)
    tab.page.get_by_role("button", name="Close").click()
    tab.page.keyboard.press("i")
    assert "2,000, 600 (41 s, 3 min 10 s), 390" in dialog(tab)


def test_the_figures_of_a_dragged_time_are_of_all_of_it(open_page: Open, asked: list[dict[str, str]]) -> None:
    to = 1_795_900_000_000
    tab = open_page(f"#/overview?from={to - 600_000}&to={to}&page=/cart.html")
    tab.wait_for(lambda: "in all" in tab.text(".figures"), "it is summed up")
    said = [one.get_attribute("title") for one in tab.page.locator("button.fig").all()] + [tab.text(".defs")]
    assert all(one and "time shown" in one and "60 seconds" not in one and "5 minutes" not in one for one in said)
    for name, figure in [
        ("How Visitors now comes about", "visitors"),
        ("How Hits per minute comes about", "hits"),
        ("How Bandwidth comes about", "bytes"),
        ("How Error rate comes about", "errors"),
    ]:
        query = prove(tab, asked, name)
        assert (query["figure"], int(query["from"]), int(query["to"])) == (figure, to - 600_000, to)
    tab.page.get_by_role("button", name="How Active sessions comes about").click()
    assert "the mean of the time shown" in dialog(tab)
    assert "It is not counted again" in dialog(tab)
    assert tab.page.get_by_role("button", name="Recount from the topic").count() == 0


def test_lists_of_the_overview(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/overview?range=15&page=/cart.html&referrer!=www.google.com&agent=os")
    left_out = ["referrer", "!=", "www.google.com"]
    included = ["page", "=", "/cart.html"]
    for name, dimension, filters in [
        ("Pages", "page", [left_out]),
        ("Referrers", "referrer", [included, left_out]),
        ("Agents", "os", [included, left_out]),
        ("Status", "status", [included, left_out]),
        ("Countries", "country", [included, left_out]),
        ("Where from", "country", [included, left_out]),
    ]:
        query = prove(tab, asked, f"How {name} comes about")
        assert (query["figure"], query["dimension"], json.loads(query["filters"])) == ("values", dimension, filters)
        assert 15 * 60_000 <= span(query) < 16 * 60_000
        shown = tab.page.locator(f".l-{'map' if name == 'Where from' else 'page'} .barlist li").count()
        assert int(query["rows"]) == (shown if name == "Pages" else int(query["rows"])) > 0
    assert int(query["rows"]) > shown, "the map has all"


def test_where_errors_come_from(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/errors?range=15&page=/cart.html&where=user")
    query = prove(tab, asked, "How Where comes about")
    assert (query["figure"], query["dimension"], query["rows"]) == ("error_values", "user", "2")
    assert json.loads(query["filters"]) == [["page", "=", "/cart.html"]]


def test_each_value_of_a_list_has_both_counts(open_page: Open, server: FakeServer) -> None:
    history = {"rows": [["US", 1_900], ["DE", 7], [None, 2]], "more": 3, "rest": 4}
    topic = {"rows": [["US", 1_900], ["DE", 8], [None, 2]], "more": 3, "rest": 4}
    both = {"from": 1, "to": 2, "records": 1, "seconds": 0.1, "topic_name": "clickstream", "differing": 2}
    server.answers["/api/recount"] = lambda _query: (200, {**both, "history": history, "topic": topic})
    tab = open_page("#/overview")
    tab.page.get_by_role("button", name="How Countries comes about").click()
    assert "who clicked from two is in both" in dialog(tab)
    tab.page.get_by_role("button", name="Recount from the topic").click()
    tab.wait_text(".recount", "They differ.")

    def line(number: int) -> list[str]:
        return [plain(one) for one in tab.page.locator(".recount tbody tr").nth(number).locator("td").all_inner_texts()]

    assert line(0) == ["United States", "1,900", "1,900", ""]
    assert line(1) == ["Germany", "7", "8", "differs"]
    assert line(2) == ["no value", "2", "2", ""]
    assert line(3) == ["3 more", "4", "4", "1 differ"], "two of them make up for each other"
    history = {"rows": [["<b>", 1]], "more": 0, "rest": 0}
    server.answers["/api/recount"] = lambda _query: (200, {**both, "history": None, "topic": history, "differing": 1})
    tab.page.get_by_role("button", name="Recount from the topic").click()
    tab.wait_text(".recount", "The history does not reach so far: it has nothing to compare.")
    assert line(0) == ["<b>", "not known", "1", ""]


def test_clicks_of_one_user_and_one_session(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/sessions?range=10&page=/cart.html")
    for name, figure in [(", clicks", "clicks"), (", bytes", "clicks_bytes")]:
        query = prove(tab, asked, name)
        assert query["figure"] == figure
        first, (dimension, sign, user) = json.loads(query["filters"])
        assert (first, dimension, sign, user.isdecimal()) == (["page", "=", "/cart.html"], "user", "=", True)
        assert 1 <= span(query) < 600_000, "from its first to its last click"
    users = tab.page.locator(".s-users")
    for column, length in [(4, 600_000), (6, 60_000)]:
        users.locator(f"tbody tr:first-child td:nth-child({column}) button").click()
        tab.page.get_by_role("button", name="Recount from the topic").click()
        tab.wait_text(".recount", "They are equal.")
        tab.page.get_by_role("button", name="Close").click()
        assert (asked[-1]["figure"], span(asked[-1])) == ("clicks", length)
        assert json.loads(asked[-1]["filters"])[1][:2] == ["user", "="]


def test_clicks_of_a_status_in_other_times(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = open_page("#/errors?range=15")
    for name, length in [("404 in the last minute", 60_000), ("404 at its peak", 60_000), ("404 in all", 900_000)]:
        query = prove(tab, asked, name)
        assert (query["figure"], json.loads(query["filters"])) == ("clicks", [["status", "=", "404"]])
        assert length <= span(query) < length + 60_000
    assert json.loads(prove(tab, asked, "Clicks in the time shown")["filters"]) == []


def test_two_funnels_that_differ_are_told(open_page: Open, server: FakeServer) -> None:
    answer = {"from": 1, "to": 2, "differing": 1, "records": 1, "seconds": 0.1, "topic_name": "event-topic"}
    both = {"history": [[9, None, None], [4, 1000, 2000]], "topic": [[9, None, None], [4, 1000, 3000]]}
    server.answers["/api/recount"] = lambda _query: (200, {**answer, **both})
    tab = open_page("#/products")
    tab.wait_text(".funnel", "2,000")
    tab.page.keyboard.press("i")
    tab.page.get_by_role("button", name="Recount from the topic").click()
    assert "They differ." in tab.wait_text(".recount", "They")
    assert "9, 4 (1 s, 3 s)" in tab.text(".recount")


def test_what_is_on_neither_side_is_told_below_the_verdict(open_page: Open, server: FakeServer) -> None:
    answer = {"from": 1, "to": 2, "differing": 0, "records": 1, "seconds": 0.1, "topic_name": "clickstream"}
    answer |= {"history": 7, "topic": 7}
    server.answers["/api/recount"] = lambda _query: (200, {**answer, "note": ""})
    tab = open_page("#/overview")
    tab.page.keyboard.press("i")
    recount = tab.page.get_by_role("button", name="Recount from the topic")
    recount.click()
    tab.wait_text(".recount", "They are equal.")
    assert tab.page.locator(".recount p").count() == 1
    server.answers["/api/recount"] = lambda _query: (200, {**answer, "note": "<b>3 clicks</b> came too early."})
    recount.click()
    tab.wait_text(".recount p:last-child", "<b>3 clicks</b> came too early.")
    assert "They are equal." in tab.text(".recount")


def test_the_pages_and_the_server_know_the_same_numbers(open_page: Open) -> None:
    tab = open_page()
    figures = tab.page.evaluate(
        "async () => Object.values((await import('/js/numbers.js')).NUMBERS).map(({ figure }) => figure)"
    )
    assert {*figures} - {None} == set(NUMBERS)


@pytest.mark.parametrize("dimension", ["page", "country", "status"])
@pytest.mark.parametrize("filters", [[], FILTERS])
def test_the_query_that_is_shown_gives_the_number(
    open_page: Open, history: Kept, filters: list[list[str]], dimension: str
) -> None:
    tab = open_page()
    of = {"from": START, "to": END, "threshold": 60_000, "event": "purchase", "steps": STEPS, "window": 90_000}
    of |= {"dimension": dimension, "rows": 100}
    queries = tab.page.evaluate(
        """async (of) => {
          const { NUMBERS } = await import('/js/numbers.js');
          const plain = ({ event, ...rest }, wanted) => (wanted?.includes('event') ? { event, ...rest } : rest);
          return Object.values(NUMBERS)
            .filter(({ figure }) => figure)
            .map(({ label, figure, query, of: needs }) => [label, figure, query(plain(of, needs))]);
        }""",
        {**of, "filters": filters},
    )
    db = duckdb.connect(":memory:")
    tables = HistoryTables(history.store)
    for name in ("clicks", "events"):
        db.register(name, tables.load(name, cast(Any, None))[0])
    chosen = tuple(Filter(dim, sign == "=", value) for dim, sign, value in filters)
    wanted = Of(START, END, chosen, 60_000, "purchase", STEPS, 90_000, dimension)
    assert len(queries) >= len(NUMBERS)
    for label, figure, query in queries:
        rows = db.execute(query).fetchall()
        found = rows[0]
        number = NUMBERS[figure].in_history(history, wanted)
        if isinstance(number, dict):
            # Of countries visitors count, and it is a number of its own on the page.
            if (dimension == "country") is (label == "Countries"):
                assert {None if value is None else str(value): count for value, count in rows} == number, query
        elif isinstance(number, list):
            assert list(found) == [users for users, _half, _slow in number]
        else:
            assert float(found[0]) == pytest.approx(number), (figure, query)


@pytest.mark.parametrize("filters", [[], FILTERS])
@pytest.mark.parametrize("bucket", [5_000, 60_000])
def test_the_query_of_active_sessions_gives_their_mean_of_a_dragged_time(
    open_page: Open, history: Kept, filters: list[list[str]], bucket: int
) -> None:
    tab = open_page()
    start, end = START // bucket * bucket, END - 1_234  # the last bucket is cut
    query = tab.page.evaluate(
        "async (of) => (await import('/js/numbers.js')).proofOf('active', '', of).query",
        {"from": start, "to": end, "filters": filters, "whole": True, "bucket": bucket},
    )
    db = duckdb.connect(":memory:")
    db.register("clicks", HistoryTables(history.store).load("clicks", cast(Any, None))[0])
    chosen = tuple(Filter(dim, sign == "=", value) for dim, sign, value in filters)
    [[found]] = db.execute(query).fetchall()
    assert found == pytest.approx(mean(history.active(Question(start, end, bucket, chosen))))
    assert found > 0
