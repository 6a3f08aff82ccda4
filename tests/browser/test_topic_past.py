"""The records of a topic at a past instant, in a real browser, out of answers that the tests choose."""

from typing import Any

import pytest

from tests.browser import topicstates
from tests.browser.conftest import Open
from tests.browser.fakeserver import FakeServer
from tests.browser.topicpage import BEFORE, come, head, opened, places
from tests.browser.topicstates import ASKED, row

pytestmark = pytest.mark.usefixtures("one_topic")

AT = 1_600_000_000_000


@pytest.fixture
def asked(server: FakeServer) -> list[dict[str, str]]:
    """The searches; of each instant another record is the newest."""
    searches: list[dict[str, str]] = []

    def answer(params: dict[str, str]) -> tuple[int, Any]:
        searches.append(params)
        to = int(params.get("to", "0"))
        cells = ["7"] if "column" in params else []
        newest = [row(0, to // 1_000 % 1_000 + 5, to, *cells), row(1, 3, to - 10, *cells)]
        older = [row(0, 1, to - 900, *cells)]
        found = topicstates.found(older) if "places" in params else topicstates.found(newest, end="limit", places="0:2")
        made: tuple[int, Any] = found(params)
        return made

    server.answers[ASKED] = answer
    return searches


def test_at_a_past_instant_the_records_of_then_stand_still(open_page: Open, asked: list[dict[str, str]]) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}", timezone_id="UTC")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the newest of then")
    assert (asked[-1]["to"], asked[-1]["from"]) == (str(AT), "newest")
    assert "As of 2020-09-13 12:26:40: 2 records" in tab.text(".infoline")
    assert not tab.page.evaluate("() => window.clickstream.app.live.panels.has('tail')")
    assert tab.page.locator(".hold").is_hidden()
    tab.page.get_by_role("button", name="Search further back").click()
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3", "0:1"], "older ones")
    assert (asked[-1]["places"], asked[-1]["to"]) == ("0:2", str(AT))
    assert "That is all there is." in tab.text(".infoline")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: "to=" not in tab.hash(), "live again")
    come(tab, BEFORE, anew=True)
    assert places(tab) == ["2:1", "2:0", "1:0", "0:0"]


def test_an_instant_and_a_place_to_begin_at_are_a_span_of_what_is_shown_and_exported(
    open_page: Open, server: FakeServer, asked: list[dict[str, str]]
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}&at=7&filter=n")
    tab.wait_for(lambda: asked, "the search")
    assert {name: asked[0][name] for name in ("from", "to", "filter")} == {"from": "7", "to": str(AT), "filter": "n"}
    exported: list[dict[str, str]] = []
    server.answers["/api/topics/clickstream/export"] = lambda params: exported.append(params) or (200, "")  # type: ignore[func-returns-value]
    tab.page.locator("summary", has_text="Export").click()
    tab.page.get_by_role("button", name="JSON lines exact").click()
    tab.wait_for(lambda: exported, "the export")
    assert exported[-1] == {"from": "7", "to": str(AT), "filter": "n", "format": "jsonl"}


def test_a_search_that_failed_is_made_again_at_the_next_look(
    open_page: Open, server: FakeServer, asked: list[dict[str, str]]
) -> None:
    usual = server.answers[ASKED]
    server.answers[ASKED] = lambda _params: (503, {"error": "Kafka does not answer."})
    tab = opened(open_page, f"#/topics/clickstream?to={AT}", timezone_id="UTC")
    tab.expected = ["503"]
    tab.wait_text(".t-tail", "Kafka does not answer.")
    server.answers[ASKED] = usual
    tab.page.locator("h1").click()
    tab.page.keyboard.press("u")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the newest of then")
    assert "Kafka does not answer." not in tab.text(".t-tail")


def test_times_of_a_filter_are_in_the_zone_of_the_page(
    open_page: Open, server: FakeServer, asked: list[dict[str, str]]
) -> None:
    hash_ = f"#/topics/clickstream?to={AT}&filter=$time>2020-09-13T18:00"
    tab = opened(open_page, hash_, timezone_id="Asia/Kathmandu")
    tab.wait_for(lambda: asked, "the search")
    assert asked[-1]["zone"] in ("Asia/Kathmandu", "Asia/Katmandu")
    tab.page.keyboard.press("u")
    tab.wait_for(lambda: asked[-1]["zone"] == "UTC", "the search in the other zone")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: [one["zone"] for panel, one in server.panels() if panel == "tail"] == ["UTC"], "the live list")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", "nothing had come."),
        ("&at=2020-09-13T13:00:00.000Z", "nothing from there on had come."),
        ("&filter=x", "nothing that had come fits."),
    ],
)
def test_it_says_why_there_is_nothing_at_an_instant(open_page: Open, server: FakeServer, more: str, says: str) -> None:
    server.answers[ASKED] = topicstates.found([])
    tab = opened(open_page, f"#/topics/clickstream?to={AT}{more}", timezone_id="UTC")
    tab.wait_text(".infoline", f"As of 2020-09-13 12:26:40: {says}")


def test_while_the_clock_is_dragged_rows_stay_until_those_of_where_it_rests(
    open_page: Open, asked: list[dict[str, str]]
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}&cols=n")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the first ones")
    tab.page.evaluate(
        """(at) => {
          window.counts = new Set();
          new MutationObserver(() => window.counts.add(document.querySelectorAll('.records tbody tr').length))
            .observe(document.querySelector('.records'), { childList: true, subtree: true });
          for (let step = 1; step <= 20; step += 1) {
            window.clickstream.app.go({ to: at + 1000 * step }, { replace: true });
          }
        }""",
        AT,
    )
    tab.wait_for(lambda: places(tab) == ["0:25", "1:3"], "those of where it rests")
    assert [one["to"] for one in asked] == [str(AT), str(AT + 20_000)]
    assert 0 not in tab.page.evaluate("() => [...window.counts]")


def test_a_search_that_is_stopped_leaves_no_rows_of_another_instant(
    open_page: Open, asked: list[dict[str, str]]
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?to={AT}&cols=n")
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the first ones")
    tab.page.route(f"**{ASKED}?*", lambda _route: None)  # it takes long
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", AT + 1_000)
    tab.page.get_by_role("button", name="Stop searching").click()
    tab.wait_text(".infoline", "Stopped.")
    assert places(tab) == []
    tab.page.unroute(f"**{ASKED}?*")
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", AT)
    tab.wait_for(lambda: places(tab) == ["0:5", "1:3"], "the first ones again")
    assert "Stopped." not in tab.text(".infoline")


@pytest.mark.parametrize("more", ["at=oldest", f"to={AT}"])
def test_the_first_records_of_a_search_choose_the_columns_too(
    open_page: Open, asked: list[dict[str, str]], more: str
) -> None:
    tab = opened(open_page, f"#/topics/clickstream?{more}")
    tab.wait_for(lambda: head(tab, "f:n").count() == 1, "the column")
    tab.wait_for(lambda: places(tab), "rows")
    assert "column" in asked[-1]
    cells = tab.page.locator(".records tbody tr").first.locator("td").count()
    assert cells == tab.page.locator(".records thead th").count()
