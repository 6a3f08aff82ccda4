"""A past instant on the pages about topics and parts: all of it is of then, and nothing can be changed."""

from typing import Any

import pytest

from tests.browser import flowstates, topicstates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer, Make, now_ms

MINUTE = 60_000
STATES: dict[str, Make] = {
    "topics": topicstates.topics,
    "topic": topicstates.topic,
    "flow": flowstates.flow,
    "statement": flowstates.sql,
    "sources": flowstates.sources,
    "collected": flowstates.collected,
    "tail": lambda params, now: None,
}
TOO_EARLY = "What this server remembers of topics and parts does not reach back so far."
NARROW = {"width": 360, "height": 800}


def numbers(params: dict[str, Any], now: int) -> dict[str, Any]:
    at = params["at"] // 10_000 * 10_000
    return {
        "at": at,
        "words": "",
        "numbers": {"topics": {"n": 77, "words": "topics"}, "flow": {"n": 5.0, "unit": "/s"}},
    }


def then(make: Make) -> Make:
    """A panel whose state depends on the moment that is asked for, to ten seconds."""
    return lambda params, now: make(params, params["at"] // 10_000 * 10_000 if "at" in params else now)


@pytest.fixture
def server(server: FakeServer) -> FakeServer:
    server.states |= {name: then(make) for name, make in STATES.items()}
    server.states["numbers"] = numbers
    server.answers["/api/topics/clickstream/records"] = topicstates.found([])
    server.hello["control"] = True
    return server


def asked(server: FakeServer, panel: str) -> list[dict[str, Any]]:
    return [params for name, params in server.panels() if name == panel]


def instant() -> int:
    """Five minutes ago, and not at a moment that is remembered."""
    return (now_ms() - 5 * MINUTE) // 10_000 * 10_000 + 4_000


@pytest.mark.parametrize(
    ("page", "shows"),
    [("topics", ".topics td"), ("flow", ".fnode"), ("sources", ".sources td"), ("topics/clickstream", ".kv b")],
)
def test_a_page_asks_for_the_instant_and_says_of_which_moment_it_is(
    open_page: Open, server: FakeServer, page: str, shows: str
) -> None:
    at = instant()
    tab = open_page(f"#/{page}?to={at}", ready=False)
    panel = "topic" if "/" in page else page
    tab.wait_for(lambda: tab.page.locator(shows).count())
    assert [params.get("at") for params in asked(server, panel) if "at" in params] == [at]
    assert tab.page.locator(".chip:not(.off)").count() == 1
    tab.wait_text(".strip.warned", "As of")
    tab.wait_text(".strip.warned", "Remembered at")
    assert tab.text(".foot .state") == "Past"
    tab.wait_text(".nav a[href^='#/topics'] .count", "77")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: asked(server, panel) and not any("at" in params for params in asked(server, panel)))
    assert asked(server, "numbers") == []
    tab.wait_for(lambda: "77" not in tab.text(".nav a[href^='#/topics'] .count"))
    assert "to=" not in tab.hash()


def test_numbers_that_fail_leave_nothing_of_another_instant(open_page: Open, server: FakeServer) -> None:
    at = instant()
    tab = open_page(f"#/topics?to={at}", ready=False)
    tab.wait_text(".strip.warned", "Remembered at")
    server.states["numbers"] = lambda params, now: None
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", at - MINUTE)
    tab.wait_for(lambda: [params["at"] for params in asked(server, "numbers")] == [at - MINUTE])
    server.error("numbers", "It failed.")
    tab.wait_for(lambda: "Remembered at" not in tab.text(".strip.warned"))
    assert "77" not in tab.text(".nav a[href^='#/topics'] .count")


def test_the_clock_goes_back_on_every_page(open_page: Open, server: FakeServer) -> None:
    tab = open_page("#/topics", ready=False)
    tab.wait_for(lambda: tab.page.locator(".topics td").count())
    tab.page.keyboard.press(",")
    tab.wait_for(lambda: "to=" in tab.hash() and asked(server, "topics")[-1].get("at"))
    at = asked(server, "topics")[-1]["at"]
    assert abs(now_ms() - MINUTE - at) < 30_000
    tab.page.click(".nav a[href^='#/flow']")
    tab.wait_for(lambda: [params["at"] for params in asked(server, "flow")] == [at])
    tab.page.locator(".fnode.st").first.press("Enter")
    tab.wait_for(lambda: [params["at"] for params in asked(server, "statement")] == [at])


def test_a_step_back_that_is_taken_back_at_once_stays_taken_back(open_page: Open) -> None:
    tab = open_page("#/topics", ready=False)
    tab.wait_for(lambda: tab.page.locator(".topics td").count())
    tab.page.clock.install()
    tab.page.keyboard.press(",")
    tab.page.keyboard.press("Escape")
    tab.page.clock.run_for(1_000)
    assert "to=" not in tab.hash()
    tab.page.keyboard.press(",")
    tab.page.clock.run_for(1_000)
    assert "to=" in tab.hash()


def test_ages_are_as_of_then(open_page: Open) -> None:
    tab = open_page(f"#/topics?to={instant()}", ready=False)
    tab.wait_for(lambda: "now" in tab.text(".topics tbody") or "0.5 s" in tab.text(".topics tbody"))
    assert "5 min" not in tab.text(".topics tbody"), "a topic that was written half a second before"


def locked(tab: Opened) -> set[str]:
    controls = ".sources .act button, .sources input.rate, .inj .btn"
    return set(tab.page.eval_on_selector_all(controls, "all => all.map((one) => `${one.disabled} ${one.title}`)"))


def test_nothing_can_be_asked_of_parts_at_a_past_instant(open_page: Open) -> None:
    tab = open_page(f"#/sources?to={instant()}")
    assert locked(tab) == {"true A past instant is shown: Esc goes live again"}
    assert "Control is locked." in tab.text(".modeline")
    tab.page.keyboard.press("Escape")
    tab.wait_text(".modeline", "Control is on.")
    tab.wait_for(lambda: {one.partition(" ")[0] for one in locked(tab)} == {"false"})


def test_while_parts_of_a_past_instant_stand_there_they_stay_locked(open_page: Open, server: FakeServer) -> None:
    usual = server.states["sources"]
    tab = open_page(f"#/sources?to={instant()}")
    server.states["sources"] = lambda params, now: usual(params, now) if "at" in params else None
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: asked(server, "sources") == [{}])
    assert locked(tab) == {"true A past instant is shown: Esc goes live again"}
    assert "Control is locked." in tab.text(".modeline")
    server.states["sources"] = usual
    tab.wait_text(".modeline", "Control is on.")
    tab.wait_for(lambda: {one.partition(" ")[0] for one in locked(tab)} == {"false"})


def test_a_topics_settings_are_those_of_now_and_say_so(open_page: Open, server: FakeServer) -> None:
    def without_settings(params: dict[str, Any], now: int) -> dict[str, Any]:
        return topicstates.topic(params, now) | ({"settings": None} if "at" in params else {})

    server.states["topic"] = then(without_settings)
    tab = open_page(f"#/topics/clickstream?to={instant()}", ready=False)
    tab.wait_text(".t-cfg header", "as of now")
    tab.wait_text(".t-cfg dl", "retention.ms")
    tab.wait_for(lambda: all("at" in params for params in asked(server, "topic")))
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", instant() - MINUTE)
    tab.wait_for(lambda: len(asked(server, "topic")) == 1)
    opens = [said["params"] for said in server.heard if said.get("panel") == "topic"]
    assert opens.count({"topic": "clickstream"}) == 1, "they are asked for once"
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: "as of now" not in tab.text(".t-cfg header"))
    tab.wait_for(lambda: asked(server, "topic") == [{"topic": "clickstream"}])


def not_there(params: dict[str, Any], now: int) -> dict[str, Any]:
    """The topic before it was made."""
    nothing: dict[str, Any] = {"there": False, "command": "fill it", "topic": None, "partitions": [], "readers": None}
    return topicstates.topic(params, now) | (nothing if "at" in params else {})


def test_before_a_topic_was_there_its_page_shows_nothing_of_now(open_page: Open, server: FakeServer) -> None:
    server.states["topic"] = then(not_there)
    tab = open_page("#/topics/clickstream", ready=False)
    shown = [".t-kv", ".t-grp", ".t-part"]
    tab.wait_text(".t-grp", "slow")
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", instant())
    tab.wait_text(".notices", "There was no topic clickstream yet, or no more.")
    assert not any(tab.page.locator(one).is_visible() for one in shown)
    assert "fill it" not in tab.text(".notices")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: all(tab.page.locator(one).is_visible() for one in shown))
    assert tab.text(".notices") == ""


@pytest.mark.parametrize(
    ("page", "shows"), [("topics", ".topics td"), ("flow", ".fnode"), ("topics/clickstream", ".kv b")]
)
def test_a_page_without_ranges_says_that_it_shows_the_end_of_a_dragged_time(
    open_page: Open, page: str, shows: str
) -> None:
    at = instant()
    tab = open_page(f"#/{page}?from={at - 10 * MINUTE}&to={at}", ready=False)
    tab.wait_for(lambda: tab.page.locator(shows).count())
    tab.wait_text(".strip.warned", "As of")
    assert tab.text(".chip b") == "at"
    assert " to " not in tab.text(".chip")


@pytest.mark.parametrize(
    ("page", "shows"), [("topics", ".topics tbody tr"), ("flow", ".fnode"), ("sources", ".sources tbody tr")]
)
def test_an_instant_before_the_memory_begins_shows_nothing_but_that(
    open_page: Open, server: FakeServer, page: str, shows: str
) -> None:
    began = now_ms() - 2 * MINUTE
    usual = server.states["frame"]
    server.states["frame"] = lambda params, now: usual(params, now) | {"remembers": began}
    server.states["numbers"] = lambda params, now: {"at": None, "words": TOO_EARLY, "numbers": {}}
    tab = open_page(f"#/{page}", ready=False)
    tab.wait_for(lambda: tab.page.locator(shows).first.is_visible())
    server.states[page] = lambda params, now: None if "at" in params else then(STATES[page])(params, now)
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", instant())
    tab.wait_for(lambda: [True for params in asked(server, page) if "at" in params])
    server.error(page, TOO_EARLY)
    tab.wait_text(".notices", TOO_EARLY)
    assert not tab.page.locator(shows).first.is_visible() or tab.page.locator(shows).count() == 0
    tab.wait_text(".strip.warned", "What is remembered begins at")
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: tab.page.locator(shows).first.is_visible())
    assert TOO_EARLY not in tab.text(".notices")


@pytest.mark.parametrize("page", ["flow", "sources"])
def test_a_page_that_failed_is_not_busy(open_page: Open, server: FakeServer, page: str) -> None:
    server.states[page] = lambda params, now: None
    tab = open_page(f"#/{page}?to={instant()}", ready=False)
    tab.wait_for(lambda: asked(server, page))
    assert tab.page.locator(".sheet").get_attribute("aria-busy") == "true"
    server.error(page, TOO_EARLY)
    tab.wait_text(".notices", TOO_EARLY)
    assert tab.page.locator(".sheet").get_attribute("aria-busy") == "false"


@pytest.mark.parametrize("page", ["topics", "flow", "sources", "topics/clickstream"])
def test_a_past_instant_fits_a_phone(open_page: Open, page: str) -> None:
    tab = open_page(f"#/{page}?to={instant()}", ready=False, viewport=NARROW)
    tab.wait_text(".strip.warned", "Remembered at")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.page.evaluate(wide) == 0
    assert whole(tab, ".strip b")
    assert "Esc" not in tab.text(".strip")
    assert is_read_whole(tab)
    tab.page.evaluate("(to) => window.clickstream.app.go({ to })", instant() - 24 * 60 * MINUTE)
    tab.wait_text(".strip", "24 h")
    assert is_read_whole(tab), "also with the day"


def whole(tab: Opened, selector: str) -> bool:
    """Whether nothing of that element of the strip is cut off."""
    script = "(one) => one.getBoundingClientRect().right <= one.parentElement.getBoundingClientRect().right"
    found: bool = tab.page.locator(selector).first.evaluate(script)
    return found


def is_read_whole(tab: Opened) -> bool:
    """Of which moment the page is: no word of it is left out."""
    words = tab.page.locator(".strip .what .t")
    assert "As of" in words.inner_text()
    found: bool = words.evaluate(
        "(one) => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.parentElement.clientHeight"
    )
    return found and whole(tab, ".strip .what .t") and whole(tab, ".strip .until span")


def test_on_a_phone_it_says_from_when_on_something_is_remembered(open_page: Open, server: FakeServer) -> None:
    usual, began = server.states["frame"], now_ms() - 2 * MINUTE
    server.states["frame"] = lambda params, now: usual(params, now) | {"remembers": began}
    server.states["numbers"] = lambda params, now: {"at": None, "words": TOO_EARLY, "numbers": {}}
    tab = open_page(f"#/topics?to={instant()}", ready=False, viewport=NARROW)
    tab.wait_text(".strip b", "Remembered from")
    assert whole(tab, ".strip b")


def test_who_listens_is_told_of_which_moment_the_page_is(open_page: Open) -> None:
    tab = open_page(f"#/topics?to={instant()}", ready=False)
    tab.wait_for(lambda: "Remembered at" in (tab.page.locator("[role=status].vh").first.text_content() or ""))
