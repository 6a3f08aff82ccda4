"""The socket: beats, hidden tabs, reconnects that are spread."""

import re
import time
from collections import Counter
from typing import Any

import pytest

from bench.tab import NOTE_WHAT_DISTURBS
from tests.browser import states
from tests.browser.conftest import HIDE, Open, Opened
from tests.browser.fakeserver import NO_TOKEN, FakeServer, now_ms
from tests.support import PATIENCE

HOUR = 3_600_000
NETWORK = ["ERR_CONNECTION_REFUSED", "WebSocket connection", "503", "404", "401", "ERR_CONNECTION_RESET"]


def waits(tab: Opened, tries: int, busy: bool) -> list[float]:
    found: list[float] = tab.page.evaluate(
        """async ([tries, busy]) => {
          const { waitBefore } = await import('/js/live.js');
          return Array.from({ length: 100 }, (_, index) => waitBefore(tries, busy, (index + 0.5) / 100));
        }""",
        [tries, busy],
    )
    return found


def test_waits_have_full_jitter_between_half_a_second_and_thirty(open_page: Open) -> None:
    tab = open_page()
    first = waits(tab, 0, False)
    assert min(first) >= 500
    assert max(first) - min(first) >= 3_000  # a hundred tabs do not come back in one instant
    for tries in range(20):
        assert min(waits(tab, tries, True)) >= 500
        assert max(waits(tab, tries, True)) <= 30_000
    assert max(waits(tab, 0, True)) == pytest.approx(2 * max(first), rel=0.1)
    assert max(waits(tab, 9, False)) > 29_000


def test_a_server_that_has_enough_tabs_is_left_alone_for_longer(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.expected = NETWORK
    server.refuse = 503
    server.drop_all(1013)
    tab.wait_text(".strip.warned", "It has as many tabs open as it takes.")
    server.refuse = None
    tab.wait_text(".strip.on", "407")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((502, "<html><title>502 Bad Gateway</title></html>"), "The server answered 502."),
        ((503, "no healthy upstream"), "no healthy upstream"),
        ((404, "There is no such file."), "opens no WebSocket"),
    ],
)
def test_what_a_proxy_says_of_a_server_that_is_down_is_told_and_not_taken_for_a_full_one(
    open_page: Open, server: FakeServer, answer: tuple[int, str], words: str
) -> None:
    tab = open_page()
    tab.expected = [*NETWORK, "502"]
    server.refuse = answer[0]
    server.answers["/live"] = lambda _params: answer
    server.drop_all()
    said = tab.wait_text(".strip.warned", words)
    assert ("tabs" in said, "<" in said) == (False, False)
    server.refuse = None
    tab.wait_text(".strip.on", "407")


def test_a_tab_without_the_token_says_so_and_shows_all_once_it_has_it(open_page: Open, server: FakeServer) -> None:
    server.token = "s3cret"
    tab = open_page(ready=False)
    tab.expected = NETWORK
    said = tab.wait_text(".strip.warned", "Not allowed to look")
    assert NO_TOKEN.decode() in said
    assert "Next try in" in said
    assert tab.text(".foot .state") == "Not allowed"
    assert tab.page.evaluate("() => window.clickstream.app.live.status.retryAt - Date.now()") > 20_000
    tab.page.evaluate("() => { location.hash = '#token=s3cret'; }")  # the printed address, in the same tab
    tab.wait_text(".strip.on", "407")
    assert "s3cret" not in tab.page.url


def test_everything_open_is_asked_for_again_after_a_reconnect(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/overview?page=/cart.html")
    tab.expected = NETWORK
    before = {(panel, str(params)) for panel, params in server.panels()}
    server.drop_all(1012)
    tab.wait_for(lambda: len(server.connects) == 2)
    tab.wait_for(lambda: {(panel, str(params)) for panel, params in server.panels()} == before)


def test_try_now_does_not_wait(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.expected = NETWORK
    tab.page.evaluate("() => { Math.random = () => 0.999; }")
    server.refuse = 503
    server.drop_all()
    tab.wait_text(".strip.warned", "Next try")
    server.refuse = None
    tab.page.get_by_role("button", name="Try now").click()
    tab.wait_text(".strip.on", "407")


def test_a_hidden_tab_gets_nothing_and_one_snapshot_when_it_is_seen_again(open_page: Open, server: FakeServer) -> None:
    server.every_s = 0.05
    tab = open_page()
    tab.page.evaluate(HIDE, True)
    tab.wait_for(lambda: server.tabs[0].hidden)
    time.sleep(0.2)  # a round of states may have been under way
    sent = len(server.tabs[0].sent)
    server.states["overview"] = lambda params, now: {**states.overview(params, now), "tops": states.tops(0.5)}
    time.sleep(1)  # it is measured that nothing comes
    assert [message for message in server.tabs[0].sent[sent:] if "state" in message] == []
    server.every_s = 3600
    tab.page.evaluate(HIDE, False)
    tab.wait_for(lambda: "3,800" in tab.text(".l-page"), "the newest numbers")
    assert {"hidden": False} in server.heard


@pytest.mark.parametrize("closed", [4001, 1012])
def test_a_tab_that_slept_is_back_at_once_when_it_is_seen_again(
    open_page: Open, server: FakeServer, closed: int
) -> None:
    """Given up by the server as silent, or cut off, while it was hidden."""
    tab = open_page()
    tab.expected = NETWORK
    tab.page.evaluate(HIDE, True)
    tab.page.evaluate("() => { Math.random = () => 0.999; window.clickstream.app.live.tries = 9; }")
    server.drop_all(closed)
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.live.status.stage") == "away")
    wait = "() => window.clickstream.app.live.status.retryAt - Date.now()"
    assert tab.page.evaluate(wait) > 20_000, "nobody looks: it is in no hurry"
    server.states["overview"] = lambda params, now: {**states.overview(params, now), "tops": states.tops(0.5)}
    seen = time.monotonic()
    tab.page.evaluate(HIDE, False)
    tab.wait_for(lambda: "3,800" in tab.text(".l-page"), "the newest numbers")
    assert time.monotonic() - seen < 15 * PATIENCE
    assert len(server.connects) == 2


def test_a_tab_that_is_told_of_its_silence_when_it_wakes_does_not_wait(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.expected = NETWORK
    tab.page.evaluate("() => { Math.random = () => 0.999; }")
    tab.page.evaluate(NOTE_WAITS)
    server.drop_all(4001)
    # Half a second at most, and what passes between two looks at the clock.
    assert tab.wait_for(lambda: waited(tab, 1)) < 1_000 * PATIENCE
    tab.wait_for(server.panels, "it is connected, and has opened its panels again")
    server.drop_all(4001)
    assert tab.wait_for(lambda: waited(tab, 2)) > 1_000, "but once only"


# In the page: a test may look only when the wait is over.
NOTE_WAITS = """() => {
  window.waits = {};
  setInterval(() => {
    const { tries, status } = window.clickstream.app.live;
    if (status.retryAt) window.waits[tries] ??= status.retryAt - status.since;
  }, 5);
}"""


def waited(tab: Opened, tries: int) -> float:
    """How long it waits before this try, from when it lost the connection, in ms; 0: it did not wait yet."""
    found: float = tab.page.evaluate("(tries) => window.waits[tries] ?? 0", tries)
    return found


def test_a_frozen_tab_shows_the_right_numbers_at_once_and_has_no_long_task(open_page: Open, server: FakeServer) -> None:
    """The browser stops all of the page's work while it is hidden; what the server says meanwhile is one snapshot."""
    server.every_s = 0.02
    tab = open_page(scripts=(NOTE_WHAT_DISTURBS,))
    session = tab.page.context.new_cdp_session(tab.page)
    tab.page.evaluate(HIDE, True)
    tab.wait_for(lambda: server.tabs[0].hidden)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    server.states["overview"] = lambda params, now: {**states.overview(params, now), "tops": states.tops(0.5)}
    time.sleep(2)  # it is measured that nothing comes
    server.every_s = 3600
    sent = len(server.tabs[0].sent)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    tab.page.evaluate("() => { window.longTasks = []; }")
    tab.page.evaluate(HIDE, False)
    tab.wait_for(lambda: "3,800" in tab.text(".l-page"), "the newest numbers")
    assert len(server.connects) == 1
    came = Counter(message["id"].partition("~")[0] for message in server.tabs[0].sent[sent:] if "state" in message)
    assert came.keys() == {"frame", "overview"}
    # The server's last round may be under way when the tab is shown; a hundred were while it was not.
    assert max(came.values()) <= 2, "one snapshot"
    assert max(tab.page.evaluate("() => window.longTasks"), default=0) < 1000 * PATIENCE


def test_it_beats(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.page.evaluate("() => window.clickstream.app.live.beat()")
    tab.wait_for(lambda: {"beat": 1} in server.heard)


def test_the_page_has_the_servers_clock_and_no_state_that_took_its_time_sets_it_back(
    open_page: Open, server: FakeServer
) -> None:
    server.clock = lambda: now_ms() - HOUR
    tab = open_page()
    ahead = "(clock) => window.clickstream.app.live.now() - clock"
    [[wire, params]] = [(one, params) for one, (name, params) in server.tabs[0].opened.items() if name == "overview"]
    server.states |= {"frame": lambda _params, _now: None, "overview": lambda _params, _now: None}
    begun = server.clock() - 40_000
    server.say({"id": wire, "now": begun, "state": states.overview(params, begun)})
    panel = "() => window.clickstream.app.live.panels.get('overview').now"
    tab.wait_for(lambda: tab.page.evaluate(panel) == begun, "it came")
    assert abs(tab.page.evaluate(ahead, server.clock())) < 20_000
    server.clock = now_ms  # it was set right
    tab.page.evaluate("() => window.clickstream.app.live.beat()")
    tab.wait_for(lambda: abs(tab.page.evaluate(ahead, server.clock())) < 20_000, "beats tell of it")


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_how_long_the_server_is_away_is_told_by_one_clock(open_page: Open, server: FakeServer, ahead: int) -> None:
    server.clock = lambda: now_ms() + ahead
    tab = open_page(timezone_id="UTC")
    tab.expected = NETWORK
    server.stop_listening()
    server.drop_all()
    tab.wait_text(".strip.warned", "server does not answer")
    since, passed = re.findall(r"since (\d\d:\d\d):\d\d, for (\d+) s", tab.text(".strip"))[0]
    assert int(passed) < 60
    assert since in {time.strftime("%H:%M", time.gmtime(server.clock() / 1000 - back)) for back in range(60)}
    assert re.fullmatch(r"\d+ s", tab.text(".foot .dim")), tab.text(".foot .dim")
    assert f"as of {since}" in tab.text(".fig .c")


def test_paused_data_goes_on_arriving_and_the_view_waits(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.page.keyboard.press("p")
    tab.wait_text(".foot .state", "Paused")
    before = tab.text(".l-page")
    server.states["overview"] = lambda params, now: {**states.overview(params, now), "tops": states.tops(0.5)}
    sent = len(server.tabs[0].sent)
    tab.wait_for(lambda: len(server.tabs[0].sent) > sent + 6)
    assert tab.text(".l-page") == before
    tab.page.keyboard.press("p")
    tab.wait_for(lambda: "3,800" in tab.text(".l-page"))


def test_while_paused_another_figure_and_other_agents_can_be_chosen(open_page: Open) -> None:
    tab = open_page()
    tab.page.keyboard.press("p")
    tab.wait_text(".foot .state", "Paused")
    tab.page.locator("button.fig").filter(has_text="Visitors").click()
    assert tab.text(".traffic h2") == "Visitors of the 5 min before"
    tab.page.locator(".l-agent .seg button").filter(has_text="System").click()
    assert "Windows" in tab.text(".l-agent")


def test_the_token_leaves_the_address_and_goes_with_the_socket(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#token=s3cret")
    assert "s3cret" not in tab.page.url
    assert tab.page.evaluate("() => sessionStorage.getItem('token')") == "s3cret"
    protocols: Any = tab.page.evaluate("() => window.clickstream.app.live.socket.protocol")
    assert protocols == "clickstream"
    assert "clickstream, token.s3cret" in server.protocols[-1]
