"""Which time is shown when nobody has chosen one, what is known of it, and what its axis says."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.browser import peoplestates, states
from tests.browser.conftest import NOTE_DRAWN_TEXT, Open, Opened
from tests.browser.fakeserver import FakeServer

MINUTE = states.MINUTE
NIGHT = int(datetime(2026, 3, 1, 0, 20, 15, tzinfo=UTC).timestamp() * 1000)


def holding(ms: int | None) -> Any:
    return lambda params, now: {**states.frame(params, now), "holds": ms}


def ranges(server: FakeServer, panel: str = "overview") -> list[int]:
    return [params["range"] for name, params in server.panels() if name == panel]


def wait_range(tab: Opened, minutes: int, panel: str = "overview") -> None:
    tab.wait_for(lambda: ranges(tab.server, panel) == [minutes * MINUTE], f"{minutes}: {ranges(tab.server, panel)}")


def pressed(tab: Opened) -> str:
    return tab.text(".head .seg [aria-pressed=true]")


@pytest.mark.parametrize(
    ("holds", "minutes"), [(0, 5), (5 * MINUTE, 5), (5 * MINUTE + 1, 15), (29 * MINUTE, 30), (10**9, 60)]
)
def test_the_range_is_the_smallest_that_holds_the_history(
    open_page: Open, server: FakeServer, holds: int, minutes: int
) -> None:
    server.states["frame"] = holding(holds)
    tab = open_page()
    wait_range(tab, minutes)
    assert pressed(tab) == f"{minutes} min"
    assert tab.hash() == "#/overview"
    first = [one["params"]["range"] for one in server.heard if one.get("panel") == "overview"]
    assert first == [minutes * MINUTE], "nothing else was asked before"


def test_it_does_not_change_under_the_readers_hands(open_page: Open, server: FakeServer) -> None:
    server.states["frame"] = holding(MINUTE)
    server.states |= peoplestates.STATES
    tab = open_page()
    wait_range(tab, 5)
    server.states["frame"] = lambda params, now: {**holding(40 * MINUTE)(params, now), "newest": 77}
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.frame.newest") == 77)
    wait_range(tab, 5)
    tab.page.click(".nav a[href^='#/errors']")
    tab.wait_for(lambda: ranges(server, "errors") == [5 * MINUTE])


def test_an_address_with_a_range_has_that_range(open_page: Open, server: FakeServer) -> None:
    server.states["frame"] = holding(MINUTE)
    tab = open_page("#/overview?range=60")
    wait_range(tab, 60)
    assert tab.hash() == "#/overview?range=60"
    tab.page.locator(".head .seg button").filter(has_text="15").click()
    wait_range(tab, 15)
    assert tab.hash() == "#/overview?range=15"
    tab.page.locator(".head .seg button").filter(has_text="60").click()
    assert tab.hash() == "#/overview?range=60", "an hour is a choice as well"


def test_a_history_that_reads_long_is_not_waited_for(open_page: Open, server: FakeServer) -> None:
    server.states["frame"] = holding(None)
    tab = open_page()
    wait_range(tab, 60)


def test_the_head_does_not_move_when_the_range_is_known(open_page: Open, server: FakeServer) -> None:
    server.states["frame"] = holding(None)
    tab = open_page(ready=False)
    tab.page.wait_for_selector(".head .seg button")
    boxes = "() => [...document.querySelectorAll('.head .seg button')].map((one) => one.getBoundingClientRect().left)"
    before = tab.page.evaluate(boxes)
    server.states["frame"] = holding(MINUTE)
    tab.wait_for(lambda: tab.page.locator(".head .seg [aria-pressed=true]").count() == 1)
    assert tab.page.evaluate(boxes) == before


@pytest.mark.parametrize("minutes", [60, 360, 1440])
def test_where_a_day_begins_the_axis_says_its_date(open_page: Open, server: FakeServer, minutes: int) -> None:
    server.clock = lambda: NIGHT
    tab = open_page(f"#/overview?range={minutes}", timezone_id="UTC", scripts=(NOTE_DRAWN_TEXT,))
    tab.wait_for(lambda: "1 Mar" in tab.page.evaluate("() => [...window.drawn]"))
    assert "00:00" not in tab.page.evaluate("() => [...window.drawn]")


def test_a_reading_of_yesterday_says_so(open_page: Open, server: FakeServer) -> None:
    server.clock = lambda: NIGHT
    tab = open_page("#/overview?range=60", timezone_id="UTC")
    tab.page.locator(".h-main").focus()
    for _ in range(6):
        tab.page.keyboard.press("PageUp")
    tab.wait_text(".traffic .read", "2026-02-28 23:")


# --- what is not read yet


def not_read(make: Any, ms: int) -> Any:
    def state(params: dict[str, Any], now: int) -> dict[str, Any]:
        found = make(params, now)
        return {**found, "read_until": found["to"] - ms, "final": found["to"] - ms}

    return state


def behind(ms: int, **members: Any) -> Any:
    return lambda params, now: {
        **states.frame(params, now),
        "behind": {"topic": "event-topic", "until": now - ms},
        **members,
    }


@pytest.mark.parametrize("page", ["overview", "errors", "products"])
def test_what_is_not_read_yet_is_unknown_and_not_nothing(open_page: Open, server: FakeServer, page: str) -> None:
    server.states |= peoplestates.STATES
    server.states[page] = not_read(server.states[page], 4 * MINUTE)
    server.states["frame"] = behind(4 * MINUTE)
    tab = open_page(f"#/{page}?range=15", scripts=(NOTE_DRAWN_TEXT, NOTE_CHARTS))
    tab.wait_for(lambda: "not read yet" in tab.page.evaluate("() => [...window.drawn]"))
    tab.wait_for(lambda: tab.page.evaluate("() => window.charts.length") > 0)
    shown = tab.page.evaluate(
        """() => window.charts.map(({ xs, values, to }) => Object.values(values).map((one) => {
          const known = one.flatMap((value, index) => (value == null ? [] : [xs[index]]));
          return known.length ? to - Math.max(...known) : null;
        }))"""
    )
    lasts = [ms for chart in shown for ms in chart if ms is not None]
    assert lasts
    assert all(ms >= 4 * MINUTE for ms in lasts), "nothing is drawn of what is not read"


# The values of every chart, as they were last set.
NOTE_CHARTS = """
window.charts = [];
addEventListener('load', async () => {
  const { TimeChart } = await import('/js/chart.js');
  const set = TimeChart.prototype.set;
  const seen = new Map();
  TimeChart.prototype.set = function (xs, values, view, anew) {
    const { before, ...own } = values;
    seen.set(this, { xs, values: own, to: view.to });
    window.charts = [...seen.values()];
    return set.call(this, xs, values, view, anew);
  };
});
"""


def test_the_page_says_how_far_behind_the_history_is(open_page: Open, server: FakeServer) -> None:
    quiet = {"open": [], "earlier": 0, "last": None}
    server.states["frame"] = behind(95_000, alerts=quiet)
    tab = open_page()
    tab.wait_text(".strip.warned", "The history is 1 min 35 s behind.")
    assert "It still reads event-topic" in tab.text(".strip")
    assert "Read until" in tab.text(".strip .until")
    assert "1 min 35 s behind" in tab.text(".strip .until")
    server.states["frame"] = behind(95_000)
    tab.wait_text(".strip.on", "407")
    assert "Read until" in tab.text(".strip .until"), "an alert does not hide it"
    server.states["frame"] = states.frame
    tab.wait_text(".strip .until", "Final until")


def test_an_outage_that_is_over_leaves_no_gap(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/overview?range=15", scripts=(NOTE_DRAWN_TEXT,))
    server.states["frame"] = states.kafka_away(server.clock() - 3 * MINUTE)
    tab.wait_for(lambda: "no data: Kafka away" in tab.page.evaluate("() => [...window.drawn]"))
    server.states["frame"] = states.frame
    tab.wait_text(".strip.on", "407")
    tab.page.evaluate("() => window.drawn.clear()")
    tab.wait_for(lambda: "final" in tab.page.evaluate("() => [...window.drawn]"))
    assert "no data: Kafka away" not in tab.page.evaluate("() => [...window.drawn]")
