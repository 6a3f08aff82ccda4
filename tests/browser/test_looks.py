"""Widths, layout, access, keys and memory."""

import hashlib
from itertools import count
from typing import Any

import pytest

from bench.tab import NOTE_WHAT_DISTURBS
from tests.browser import states
from tests.browser.conftest import NOTE_DRAWN_TEXT, VENDOR, Open, Opened
from tests.browser.fakeserver import FakeServer
from tests.support import wait_until

AXE = VENDOR / "axe.min.js"  # axe-core 4.14.1, MPL-2.0
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

FAST_CLOCK = """
const real = Date.now.bind(Date);
const begun = real();
Date.now = () => begun + (real() - begun) * 20;
"""


def settle(tab: Opened, states_: int = 8) -> None:
    """Waits until some more states have come."""
    sent = len(tab.server.tabs[-1].sent)
    tab.wait_for(lambda: len(tab.server.tabs[-1].sent) >= sent + states_)


def test_the_page_never_scrolls_sideways(open_page: Open) -> None:
    tab = open_page(
        "#/overview?page=/cart.html&referrer!=www.google.com&to=1795900000000",
        viewport={"width": 320, "height": 900},
    )
    wide = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scroll, client = tab.page.evaluate(wide)
    assert scroll <= client
    for width in (360, 768, 1024, 1280, 1920, 2560, 3840, 1280, 320):
        tab.fits(width)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_value_breaks_no_layout(open_page: Open, server: FakeServer, width: int) -> None:
    value = "/" + "long-" * 500
    server.states["overview"] = lambda params, now: {
        **states.overview(params, now),
        "tops": {**states.tops(), "page": {"rows": [[value, 9, 8]], "more": 0, "total": 9}},
    }
    tab = open_page(viewport={"width": width, "height": 900})
    tab.page.locator(".l-page .barlist button").click()
    tab.wait_for(lambda: tab.page.locator(".chip").count() == 1)
    assert tab.page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_nothing_moves_while_numbers_change(open_page: Open) -> None:
    tab = open_page()
    settle(tab)
    tab.page.evaluate(
        """() => {
          window.shift = 0;
          const add = (list) => list.getEntries().forEach((entry) => (window.shift += entry.value));
          new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: false });
        }"""
    )
    settle(tab, 40)
    assert tab.page.evaluate("() => window.shift") < 0.001


def test_one_spike_changes_the_axis_once_and_not_back_at_once(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/overview?range=5", scripts=(NOTE_DRAWN_TEXT,))
    settle(tab)
    top = "() => [...document.querySelectorAll('.h-main .u-over')].map((e) => e.getBoundingClientRect().width)[0]"
    width = tab.page.evaluate(top)

    def spike(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = states.overview(params, now)
        state["series"]["hits"]["values"][10] = 9_000
        return state

    server.states["overview"] = spike
    tab.wait_for(lambda: tab.page.evaluate("() => window.drawn.has('10,000')"), "the axis grows at once")
    server.states["overview"] = states.overview
    settle(tab)
    tab.page.evaluate("() => window.drawn.clear()")
    settle(tab)
    assert tab.page.evaluate("() => window.drawn.has('10,000')"), "it does not shrink at once"
    assert tab.page.evaluate(top) == width


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("shown", ["busy", "empty", "away", "dialogs"])
def test_axe_finds_nothing_serious(open_page: Open, server: FakeServer, theme: str, shown: str) -> None:
    axe = AXE.read_bytes()
    assert hashlib.sha256(axe).hexdigest() == AXE_SHA256
    if shown == "empty":
        server.states |= {"overview": states.empty, "frame": states.empty_frame}
    if shown == "away":
        server.states["frame"] = states.kafka_away(1_700_000_000_000)
    hash_ = "#/overview?page=/cart.html&status!=404&to=1795900000000" if shown == "busy" else "#/overview"
    tab = open_page(hash_, query=f"?theme={theme}", scripts=(axe.decode(),))
    if shown == "dialogs":
        tab.page.keyboard.press("i")
    settle(tab)
    found = tab.page.evaluate("async () => (await axe.run(document)).violations")
    serious = [
        (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0].get("failureSummary"))
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_screen_reader_is_told_only_what_changes_its_meaning(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.page.evaluate(
        """() => {
          window.said = [];
          for (const region of document.querySelectorAll('[role=status], [aria-live]')) {
            const note = () => window.said.push(region.textContent);
            new MutationObserver(note).observe(region, { childList: true, characterData: true, subtree: true });
          }
        }"""
    )
    settle(tab, 30)
    assert tab.page.evaluate("() => window.said") == []


def test_a_screen_reader_is_told_six_things_a_minute_at_most(open_page: Open, server: FakeServer) -> None:
    """However often alerts come and go, and Kafka with them; the page's clock runs twenty times as fast here."""
    calm = {**states.frame({}, 0)["alerts"], "open": []}
    turns = count()

    def flickering(params: dict[str, Any], now: int) -> dict[str, Any]:
        usual = states.frame(params, now)
        kinds = (usual, {**usual, "alerts": calm}, states.kafka_away(now)(params, now))
        return kinds[next(turns) % len(kinds)]

    server.states["frame"] = flickering
    server.every_s = 0.05
    tab = open_page(scripts=(FAST_CLOCK, NOTE_WHAT_DISTURBS))
    tab.page.evaluate("() => { window.spoken = []; window.begun = Date.now(); }")
    minutes = "(Date.now() - window.begun) / 60000"
    tab.page.wait_for_function(f"() => {minutes} > 1")
    passed, said = tab.page.evaluate(f"() => [{minutes}, window.spoken.length]")
    assert 2 <= said <= 6 * passed + 1


def test_keys_do_what_their_list_says(open_page: Open) -> None:
    tab = open_page()
    keys = tab.page.keyboard
    keys.press("?")
    assert tab.page.get_by_role("dialog").is_visible()
    keys.press("Escape")
    keys.press("[")
    tab.wait_for(lambda: tab.hash() == "#/overview?range=30")
    keys.press("]")
    tab.wait_for(lambda: tab.hash() == "#/overview?range=60")
    theme = "() => document.documentElement.dataset.theme"
    before = tab.page.evaluate(theme)
    for _ in range(3):
        keys.press("t")
        tab.page.wait_for_timeout(20)
    assert tab.page.evaluate(theme) == before
    keys.press("i")
    assert "Clicks in the last 60 seconds" in tab.text("dialog[open]")
    keys.press("Escape")
    tab.page.locator(".h-main").focus()
    keys.press("ArrowLeft")
    keys.press("ArrowLeft")
    tab.wait_for(lambda: "last final" not in tab.text(".traffic .read"))
    keys.press("Escape")
    tab.wait_for(lambda: "last final" in tab.text(".traffic .read"))


def test_the_theme_follows_the_system_until_one_is_chosen(open_page: Open) -> None:
    tab = open_page(color_scheme="dark")
    looks = "() => [document.documentElement.dataset.theme, getComputedStyle(document.body).color]"
    found = {}
    for scheme in ("dark", "light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.wait_for_selector(f"html[data-theme='{scheme}']")
        found[scheme] = tab.page.evaluate(looks)[1]
    assert found["dark"] != found["light"]
    tab.page.evaluate("() => { window.theme.wanted = 'light'; }")
    assert tab.page.evaluate(looks) == ["light", found["light"]]


def test_all_that_can_be_pressed_can_be_reached_by_tab(open_page: Open) -> None:
    tab = open_page()
    seen: list[str] = []
    for _ in range(70):
        tab.page.keyboard.press("Tab")
        seen.append(tab.page.evaluate("() => document.activeElement.className + document.activeElement.textContent"))
    for part in ["Skip to the content", "UTC", "Pause", "until", "Visitors now", "/cart.html", "Germany"]:
        assert any(part in one for one in seen), part


def test_the_content_is_skipped_to_without_leaving_the_page(open_page: Open) -> None:
    tab = open_page("#/overview?range=15")
    tab.page.locator(".skip").press("Enter")
    assert tab.page.evaluate("() => document.activeElement.id") == "main"
    assert tab.hash() == "#/overview?range=15"
    assert tab.page.locator(".sheet.p-overview").count() == 1


def test_reduced_motion_moves_nothing(open_page: Open) -> None:
    tab = open_page(reduced_motion="reduce")
    duration = "() => getComputedStyle(document.querySelector('.barlist .bar')).transitionDuration"
    assert tab.page.evaluate(duration) in ("0s", "0ms")


def test_the_kiosk_shows_only_what_is_to_be_read(open_page: Open) -> None:
    tab = open_page(query="?kiosk", viewport={"width": 1920, "height": 1080})
    assert tab.page.locator(".rail").is_hidden()
    assert tab.page.locator(".head .btn").is_hidden()
    assert "Final until" in tab.text(".strip")


def test_a_number_proves_itself_and_is_recounted(open_page: Open, server: FakeServer) -> None:
    asked: list[dict[str, str]] = []

    def recount(query: dict[str, str]) -> tuple[int, Any]:
        asked.append(query)
        counted = {"history": 831, "topic": 830 + len(asked), "differing": len(asked) - 1, "records": 12_034}
        span = {"from": int(query["from"]), "to": int(query["to"])}
        return 200, {**span, "topic_name": "clickstream", "seconds": 0.8, **counted}

    server.answers["/api/recount"] = recount
    tab = open_page("#/overview?page=/cart.html")
    tab.page.get_by_role("button", name="How Hits per minute comes about").click()
    assert "Clicks in the last 60 seconds of event time" in tab.text("dialog[open]")
    assert "page is /cart.html" in tab.text("dialog[open]")
    assert "SELECT count(*)" in tab.text("dialog[open]")
    button = tab.page.get_by_role("button", name="Recount from the topic")
    button.click()
    tab.wait_text(".recount", "They are equal. 12,034 records were read")
    button.click()
    tab.wait_text(".recount", "They differ.")
    assert asked[0]["filters"] == '[["page","=","/cart.html"]]'
    assert int(asked[0]["to"]) - int(asked[0]["from"]) == 60_000
    assert asked[0]["figure"] == "hits"


# The heap is flat only once the engine has compiled what it compiles.
@pytest.mark.parametrize(
    ("pages", "flat"),
    [
        (10, ["Nodes", "JSEventListeners"]),
        pytest.param(60, ["Nodes", "JSEventListeners", "JSHeapUsedSize"], marks=pytest.mark.slow),
    ],
)
def test_memory_and_listeners_stay_flat_over_many_pages(open_page: Open, pages: int, flat: list[str]) -> None:
    tab = open_page()
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Performance.enable")

    def leave_and_come(times: int) -> None:
        for number in range(times):
            tab.page.evaluate("(hash) => { location.hash = hash; }", f"#/overview/{number % 2}")
            tab.page.wait_for_function("() => document.querySelector('.sheet')?.getAttribute('aria-busy') === 'false'")

    def measured() -> dict[str, float]:
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}

    leave_and_come(pages)
    before = measured()
    leave_and_come(pages)

    def grown() -> list[str]:
        after = measured()
        return [name for name in flat if after[name] > before[name] * 1.10]

    # What is under way holds what was left for a moment longer; what leaks stays.
    wait_until(lambda: not grown(), 20, lambda: f"flat again: {grown()}", 0.5)
    assert tab.page.evaluate("() => window.clickstream.livingCharts()") == 2
    assert tab.page.evaluate("() => window.clickstream.app.live.panels.size") == 2
