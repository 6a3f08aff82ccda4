"""Sessions, Errors and Products: what the pages do with what the server says."""

from typing import Any

import pytest

from tests.browser import peoplestates, states
from tests.browser.conftest import NOTE_DRAWN_TEXT, Open, Opened
from tests.browser.fakeserver import FakeServer
from tests.support import wait_until

PAGES = ("sessions", "errors", "products")


@pytest.fixture(autouse=True)
def _people(server: FakeServer) -> None:
    server.states |= peoplestates.STATES


def asked(server: FakeServer, panel: str) -> dict[str, Any]:
    """What the tab asks the panel now: for a moment, as it asks anew, nothing."""
    return wait_until(lambda: [params for name, params in server.panels() if name == panel], 60, f"{panel} is asked")[0]


def column(tab: Opened, within: str, key: str) -> list[str]:
    """The texts of a column of the table there."""
    heads: list[str] = tab.page.locator(f"{within} th").evaluate_all("all => all.map((head) => head.dataset.k)")
    cells = tab.page.locator(f"{within} tbody td:nth-child({heads.index(key) + 1})").all_inner_texts()
    return [cell.replace("\u202f", " ") for cell in cells]


def by_name(name: str) -> tuple[str, int]:
    """As people sort: numbers by their size."""
    words, _, number = name.partition("_")
    return words, int(number)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_scrolls_sideways(open_page: Open, page: str) -> None:
    tab = open_page(f"#/{page}", viewport={"width": 320, "height": 900})
    assert tab.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for width in (360, 768, 1280, 1920, 2560, 1280, 320):
        tab.fits(width)


def test_the_pages_are_in_the_rail_and_leave_no_chart_behind(open_page: Open) -> None:
    tab = open_page()
    for page, heading in [("errors", "Errors"), ("products", "Products"), ("sessions", "Sessions")]:
        tab.page.click(f".nav a[href^='#/{page}']")
        tab.wait_text("h1", heading)
        tab.wait_for(lambda: tab.page.locator(".sheet").get_attribute("aria-busy") == "false")
    assert tab.page.evaluate("() => window.clickstream.livingCharts()") == 0


# --- sessions


def test_the_threshold_moves_by_keys_and_is_in_the_address(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/sessions")
    knob = tab.page.get_by_role("slider", name="High-bandwidth threshold")
    assert knob.get_attribute("aria-valuenow") == "500000"
    knob.press("ArrowRight")
    assert knob.get_attribute("aria-valuenow") == "550000"
    assert tab.hash() == "#/sessions?threshold=550000"
    knob.press("PageDown")
    assert knob.get_attribute("aria-valuetext") == "280\u202fkB"
    knob.press("Home")
    assert tab.hash() == "#/sessions"
    knob.press("ArrowLeft")
    assert knob.get_attribute("aria-valuenow") == "450000"


def test_the_threshold_is_dragged_and_all_of_the_page_follows(open_page: Open, server: FakeServer) -> None:
    now = 1_600_000_000_000
    server.clock = lambda: now
    tab = open_page("#/sessions")
    state = peoplestates.sessions(asked(server, "sessions"), now)
    all_bytes = [bar["bytes"] for lane in state["lanes"] if lane for bar in lane["sessions"]]
    assert all_bytes
    box = tab.page.locator(".thresh").bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=3)
    assert tab.hash() == "#/sessions", "the address hears of the end"
    tab.page.mouse.up()
    threshold = int(tab.page.locator(".knob").get_attribute("aria-valuenow") or 0)
    assert 80_000 <= threshold <= 100_000
    assert tab.hash() == f"#/sessions?threshold={threshold}"
    over = sum(sum(counts) for size, *counts in state["sizes"] if size > threshold)
    assert tab.text(".s-th header .note").startswith(f"{over} of {state['total']} sessions over"[: len(str(over)) + 4])
    loud = {lane["name"] for lane in state["lanes"] if lane and any(b["bytes"] > threshold for b in lane["sessions"])}
    assert set(tab.page.locator(".lanenames .over").all_inner_texts()) == loud
    strong = tab.page.locator(".s-table td.strong").count()
    assert strong == sum(row["bytes"] > threshold for row in state["rows"])


def test_an_address_with_a_threshold_a_range_and_a_sort(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/sessions?range=5&threshold=90000&sort=hits&only=over")
    assert tab.page.locator(".knob").get_attribute("aria-valuenow") == "90000"
    params = asked(server, "sessions")
    assert (params["range"], params["sort"], params["down"], params["over"]) == (300_000, "hits", True, 90_000)
    # Rows keep their places for a moment while their numbers grow.
    tab.wait_for(lambda: (hits := list(map(int, column(tab, ".s-table", "hits")))) == sorted(hits, reverse=True))
    tab.page.locator(".s-table th[data-k=name] button").click()
    assert "sort=name" in tab.hash()
    tab.wait_for(lambda: asked(server, "sessions")["sort"] == "name")
    tab.wait_for(lambda: (names := column(tab, ".s-table", "name")) == sorted(names, key=by_name))


def test_the_usual_range_is_ten_minutes(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/sessions")
    assert asked(server, "sessions")["range"] == 600_000
    assert tab.page.locator(".head .seg [aria-pressed=true]").inner_text() == "10\u202fmin"


def test_a_user_is_picked_by_the_lane(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/sessions")
    name = tab.page.locator(".lanenames button").nth(3)
    user = name.get_attribute("data-user")
    name.click()
    assert tab.hash() == f"#/sessions?user={user}"
    tab.wait_for(lambda: set(column(tab, ".s-table", "name")) == {peoplestates.name_of(int(user or 0))})


def test_a_late_click_that_joins_sessions_is_told(open_page: Open) -> None:
    tab = open_page("#/sessions", scripts=(NOTE_DRAWN_TEXT,))
    tab.wait_for(lambda: "now" in tab.page.evaluate("() => [...window.drawn]"))
    joined = tab.page.evaluate(
        "() => window.clickstream.app.shown && [...window.drawn].includes('a late click joined them')"
    )
    assert joined in (True, False)  # it depends on the time whether there is room; that it is drawn at all is below
    tab.page.evaluate(
        """async () => {
      const { drawLanes } = await import('./js/pages/sessions/lanesdraw.js');
      const { prepared } = await import('./js/canvas.js');
      const bridge = { start: 500000, end: 520000, at: 590000 };
      const bar = { start: 400000, last: 580000, bytes: 1, hits: 3, open: true, clicks: [450000], bridges: [bridge] };
      const lanes = [{ user: '1', name: 'A', sessions: [bar] }];
      const state = { from: 1000, to: 600000, final: 595000, gap: 30000, lanes };
      drawLanes(prepared(document.querySelector('.lanebox canvas')), state, { threshold: 5, live: true });
    }"""
    )
    assert "a late click joined them" in tab.page.evaluate("() => [...window.drawn]")


# --- errors


def test_statuses_with_definitions_and_totals(open_page: Open, server: FakeServer) -> None:
    now = 1_600_000_000_000
    server.clock = lambda: now
    tab = open_page("#/errors")
    state = peoplestates.errors(asked(server, "errors"), now)
    assert column(tab, ".codes", "status") == [code["status"] for code in state["codes"]]
    assert column(tab, ".codes", "name") == [code["name"] for code in state["codes"]]
    assert column(tab, ".codes", "total") == [f"{code['total']:,}" for code in state["codes"]]
    assert column(tab, ".codes", "peak") == [f"{max(code['per_minute']):,}" for code in state["codes"]]
    assert tab.page.locator(".codes tr.quiet").count() == 2
    assert tab.text(".figures .figbox:nth-child(3) .n") == "421"


def test_the_cursor_reads_the_bucket_it_is_over(open_page: Open, server: FakeServer) -> None:
    now = 1_600_000_000_000
    server.clock = lambda: now
    tab = open_page("#/errors?range=15")
    tab.page.locator(".h-err").focus()
    for _ in range(4):
        tab.page.keyboard.press("ArrowLeft")
    state = peoplestates.errors(asked(server, "errors"), now)
    at = len(state["times"]) - 4
    per_minute = 60_000 / state["bucket"]
    wanted = [f"{round(state['series'][code][at] * per_minute):,}" for code in ("404", "407")]
    tab.wait_for(lambda: column(tab, ".codes", "cursor")[:2] == wanted, str(wanted))


def test_alerts_are_lanes_and_a_log(open_page: Open) -> None:
    tab = open_page("#/errors", scripts=(NOTE_DRAWN_TEXT,))
    assert column(tab, ".e-log", "status") == ["407", "404"]
    assert column(tab, ".e-log", "open") == ["going on, 16 now", "over"]
    tab.wait_for(lambda: {"404", "407", "peak 100/min"} <= set(tab.page.evaluate("() => [...window.drawn]")))


def test_where_errors_come_from_is_chosen_and_filters(open_page: Open) -> None:
    tab = open_page("#/errors")
    tab.page.get_by_role("button", name="Users").click()
    assert tab.hash() == "#/errors?where=user"
    tab.wait_text(".e-pages", peoplestates.name_of(3))
    tab.page.locator(".e-pages .barlist:visible button").first.click()
    assert "user=3" in tab.hash()


def test_missing_topics_say_which_command_makes_them(open_page: Open, server: FakeServer) -> None:
    def errors(params: dict[str, Any], now: int) -> dict[str, Any]:
        gone = {"alerts_topic": peoplestates.missing("errors_per_min_alert"), "alerts": []}
        return {**peoplestates.errors(params, now), **gone, "codes_topic": peoplestates.missing("clickstream_codes")}

    server.states["errors"] = errors
    tab = open_page("#/errors")
    assert "clickstream fill errors_per_min_alert" in tab.text(".e-log")
    assert "these are the definitions of HTTP" in tab.text("main")
    assert "clickstream fill clickstream_codes" in tab.text("main")


# --- products


def test_the_tally_and_its_proof(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/products")
    numbers = [words.replace(",", "") for words in tab.page.locator(".figures .n").all_inner_texts()]
    assert [int(words) for words in numbers] == [rate * 4_182 for rate in peoplestates.EVENTS.values()]
    total = sum(peoplestates.EVENTS.values()) * 4_182
    assert f"{total + 1_045:,}" in tab.text(".facts [data-k=end]")
    assert "1,045 events" in tab.text(".facts [data-k=behind]")
    assert tab.text(".facts [data-k=rest] dd") == "0"
    assert "2, for 3 partitions" in tab.text(".facts [data-k=members]")


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("range=10", 60), ("range=360", 60), ("range=15", 15), ("from=1795900000000&to=1795907200000", 120)],
)
def test_what_is_asked_of_products_is_the_range_that_is_pressed(
    open_page: Open, server: FakeServer, time: str, minutes: int
) -> None:
    tab = open_page(f"#/products?{time}")
    assert [asked(server, panel)["range"] for panel in ("products", "funnel")] == [minutes * 60_000] * 2
    pressed = tab.page.locator(".head .seg [aria-pressed=true]").all_inner_texts()
    assert pressed == ([] if "from" in time else [f"{minutes}\u202fmin"])


def test_the_steps_of_the_funnel_are_chosen_and_in_the_address(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/products")
    steps = tab.page.locator(".funnel li")
    tab.wait_text(".funnel", "2,000")
    assert "30 % of “product views”" in tab.text(".funnel li:nth-child(2)")
    assert "half of them within 41 s, 90 % within 3 min 10 s" in tab.text(".funnel li:nth-child(2)")
    assert "38 % take something out again" in tab.text(".funnel li:nth-child(2)")
    tab.page.get_by_label("Add a step").select_option("removefrombasket")
    assert steps.count() == 4
    assert tab.hash() == "#/products?steps=productview%2Caddtobasket%2Cpurchase%2Cremovefrombasket"
    tab.page.get_by_label("Earlier: purchase").click()
    tab.page.get_by_label("Without productview").click()
    wanted = ["purchase", "addtobasket", "removefrombasket"]
    tab.wait_for(lambda: asked(server, "funnel")["steps"] == wanted)
    tab.page.get_by_label("Window from the first step to the last").select_option("30")
    tab.wait_for(lambda: asked(server, "funnel")["window"] == 1_800_000)
    assert "window=30" in tab.hash()
    tab.page.reload()
    tab.wait_for(lambda: steps.count() == 3)
    assert steps.evaluate_all("all => all.map((one) => one.dataset.step)") == wanted


def test_the_feed_of_customers_counts_what_is_not_shown(open_page: Open) -> None:
    tab = open_page("#/products")
    rows = [
        {"id": f"0:{number}", "time": 5, "user": f"u{number}", "name": "<b>Ann</b>", "action": "a_b", "page": number}
        for number in range(30)
    ]
    feed = {"rows": rows, "skipped": 12, "anew": False, "stage": "live", "words": ""}
    tab.page.evaluate("feed => window.clickstream.app.live.panels.get('vip').handlers.feed(feed)", feed)
    shown = tab.page.locator(".p-vip tbody tr:visible")
    assert shown.count() == 9
    assert shown.first.inner_text().split("\t")[1:] == ["<b>Ann</b>", "a b", "29"]
    assert "33 not shown" in tab.text(".p-vip header"), "12 that did not come, and 21 without a line"
    feed = {**feed, "rows": [{**rows[0], "page": number} for number in range(30, 34)], "skipped": 0}
    tab.page.locator(".p-vip tbody").hover()
    for _ in range(3):
        tab.page.evaluate("feed => window.clickstream.app.live.panels.get('vip').handlers.feed(feed)", feed)
    assert "holds still; 12 newer" in tab.text(".p-vip header")
    tab.page.locator("h1").hover()
    assert "36 not shown" in tab.text(".p-vip header")
    tab.page.evaluate(
        "feed => window.clickstream.app.live.panels.get('vip').handlers.feed(feed)",
        {**feed, "rows": rows, "anew": True},
    )
    assert "not shown" not in tab.text(".p-vip header"), "what was there before is not missed"


def test_an_action_of_an_unknown_time_has_a_dash_for_it(open_page: Open) -> None:
    tab = open_page("#/products")
    row = {"id": "0:1", "time": None, "user": "u", "name": "Ann", "action": "add", "page": 1}
    feed = {"rows": [row], "skipped": 0, "anew": True, "stage": "live", "words": ""}
    tab.page.evaluate("feed => window.clickstream.app.live.panels.get('vip').handlers.feed(feed)", feed)
    assert tab.text(".p-vip tbody tr").split("\t")[0] == "\u2013"


@pytest.mark.parametrize("page", PAGES)
def test_without_anything_the_page_says_which_command_makes_some(
    open_page: Open, server: FakeServer, page: str
) -> None:
    make = peoplestates.STATES[page]

    def nothing(params: dict[str, Any], now: int) -> dict[str, Any]:
        gone = {"newest": None, "clicks": peoplestates.missing("clickstream")}
        return {**make(params, now), **gone, "names": [], "events": peoplestates.missing("event-topic")}

    server.states |= {page: nothing, "frame": states.empty_frame}
    tab = open_page(f"#/{page}")
    source = "event-topic" if page == "products" else "clickstream"
    assert f"clickstream fill {source}" in tab.text(".notices")
    server.states |= {page: make, "frame": states.frame}
    tab.wait_for(lambda: not tab.page.locator(".notices").inner_text(), "it fills by itself")


@pytest.mark.parametrize("page", PAGES)
def test_a_panel_that_failed_says_why(open_page: Open, server: FakeServer, page: str) -> None:
    del server.states[page]
    tab = open_page(f"#/{page}", ready=False)
    tab.wait_text(".notices", f"There is no panel '{page}'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing(open_page: Open, page: str, scheme: str) -> None:
    from tests.browser.conftest import VENDOR

    tab = open_page(f"#/{page}", scripts=((VENDOR / "axe.min.js").read_text("utf-8"),), color_scheme=scheme)
    found = tab.page.evaluate("async () => (await axe.run()).violations")
    told = [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
    assert not told
