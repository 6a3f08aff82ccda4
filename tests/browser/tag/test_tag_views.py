"""Which page views are sent: one for each page that somebody saw."""

from typing import Any

import pytest

from tests.browser.tag.conftest import Shop
from tests.browser.tag.sites import Page, StandIn
from tests.support import PATIENCE

# Before the Navigation API, History has to be watched.
ONLY_HISTORY = "delete window.navigation; Object.defineProperty(window, 'navigation', { value: undefined });"
ROUTERS = pytest.mark.parametrize("script", ["", ONLY_HISTORY], ids=["navigation", "history"])
NEXT_TASK = "() => new Promise((done) => setTimeout(done, 20))"


def test_a_page_is_viewed_once_with_what_is_known_of_it(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/?utm_source=mail#part", viewport={"width": 800, "height": 600}, locale="de-AT")

    [view] = collector.wait_named("pageview")

    assert view["url"] == f"{shop.site.url}/?utm_source=mail"
    assert view["id"] == view["page"]
    assert view["site"] == "shop"
    assert view["source"] == "tag"
    assert view["viewport"] == [800, 600]
    assert view["language"] == "de-AT"
    assert view["webdriver"] is True
    assert view["new_session"] is True
    assert view["stream"] == view["visitor"]
    assert view["sequence"] == 0
    assert 0 <= view["sent"] - view["time"] < 5_000 * PATIENCE
    assert "referrer" not in view
    assert set(view) <= {
        *("id", "event", "url", "site", "visitor", "session", "page", "referrer", "time", "sent", "stream", "sequence"),
        *("new_session", "webdriver", "language", "viewport", "screen", "properties", "source"),
    }
    page.goto(f"{shop.site.url}/other", referer="https://search.example/?q=1")
    assert collector.wait_named("pageview", 2)[1]["referrer"] == "https://search.example/?q=1"


@ROUTERS
def test_what_routers_do_is_one_view_for_each_new_address(shop: Shop, collector: StandIn, script: str) -> None:
    page = shop.open("/", script=script)
    for step in (
        "history.replaceState({}, '', '/a'); history.pushState({}, '', '/b')",  # one view
        "history.pushState({}, '', '/b')",  # the same page
        "history.replaceState({ scroll: 1 }, '')",
        "history.replaceState({}, '', '/c')",
        "location.hash = 'part'",
        "history.pushState({}, '', '/c?q=1#part')",
    ):
        page.evaluate(f"() => {{ {step}; }}")
        page.evaluate(NEXT_TASK)
    page.go_back()  # to /c#part
    page.evaluate(NEXT_TASK)
    page.go_back()  # to /c
    page.evaluate(NEXT_TASK)

    views = collector.wait_named("pageview", 5)
    page.evaluate("() => clickstream.track('last')")
    collector.wait_named("last")

    assert collector.urls() == ["/", "/b", "/c", "/c?q=1", "/c"]
    assert len({view["id"] for view in views}) == 5
    assert [view.get("referrer", "").rpartition("/")[2] for view in views] == ["", "", "b", "c", "c?q=1"]
    assert collector.named("last")[0]["page"] == views[-1]["id"]


@ROUTERS
def test_what_is_tracked_as_the_address_changes_is_of_the_new_page(shop: Shop, collector: StandIn, script: str) -> None:
    page = shop.open("/", script=script)
    collector.wait_named("pageview")
    page.evaluate("() => { history.pushState({}, '', '/checkout'); clickstream.track('begin_checkout'); }")
    [event] = collector.wait_named("begin_checkout")
    page.evaluate(NEXT_TASK)
    page.evaluate("() => clickstream.track('last')")
    collector.wait_named("last")

    _first, view = collector.named("pageview")
    assert view["url"] == event["url"] == f"{shop.site.url}/checkout"
    assert event["page"] == view["id"]
    assert event["referrer"] == view["referrer"] == f"{shop.site.url}/"
    assert event["sequence"] == view["sequence"] + 1


@ROUTERS
def test_fragments_are_pages_when_the_site_says_so(shop: Shop, collector: StandIn, script: str) -> None:
    shop.page("/", tag="data-hash")
    page = shop.open("/#/a", script=script)
    page.evaluate("() => { location.hash = '#/b'; }")
    page.evaluate(NEXT_TASK)
    page.evaluate("() => { history.pushState({}, '', '#/c'); }")

    collector.wait_named("pageview", 3)

    assert collector.urls() == ["/#/a", "/#/b", "/#/c"]


def test_history_keeps_what_it_does(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/", script=ONLY_HISTORY)
    collector.wait_named("pageview")

    said = page.evaluate(
        """() => {
          const result = history.pushState({ kept: 1 }, '', '/x');
          let thrown = '';
          try { history.pushState(() => 0, ''); } catch (error) { thrown = error.name; }
          try { history.pushState.call({}, {}, ''); } catch (error) { thrown += ' ' + error.name; }
          return [result, history.state, location.pathname, thrown];
        }"""
    )

    assert said == [None, {"kept": 1}, "/x", "DataCloneError TypeError"]


def test_a_page_that_comes_back_is_viewed_again(shop: Shop, collector: StandIn) -> None:
    shop.page("/", head="<script>onpageshow = (event) => { window.restored = event.persisted; };</script>")
    page = shop.open("/")
    first = collector.wait_named("pageview")[0]
    page.goto(f"{shop.site.url}/other")
    collector.wait_named("pageview", 2)

    page.evaluate("() => { setTimeout(() => history.back(), 0); }")

    views = collector.wait_named("pageview", 3)
    assert collector.urls() == ["/", "/other", "/"]
    assert len({view["id"] for view in views}) == 3
    page.wait_for_function("() => window.restored")
    assert page.evaluate("() => performance.getEntriesByType('navigation')[0].notRestoredReasons") is None
    assert len([asked for asked in shop.site.requests if asked == "GET /"]) == 1
    # It goes on where it was: the same stream, its listeners and timers.
    assert views[2]["visitor"] == first["visitor"]
    assert [view["sequence"] for view in views] == sorted(view["sequence"] for view in views)
    page.evaluate("() => clickstream.track('after')")
    assert collector.wait_named("after")[0]["page"] == views[2]["id"]
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    page.evaluate("() => clickstream.track('leaving')")
    collector.wait_named("leaving")


def test_it_flushes_after_it_came_back_and_was_offline(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    page = shop.open("/", context=context)
    collector.wait_named("pageview")
    page.goto(f"{shop.site.url}/other")
    collector.wait_named("pageview", 2)
    page.evaluate("() => { setTimeout(() => history.back(), 0); }")
    collector.wait_named("pageview", 3)

    context.set_offline(True)
    page.evaluate("() => clickstream.track('offline')")
    page.wait_for_function("() => Object.keys(localStorage).some((name) => name.startsWith('clickstream.queue.'))")
    context.set_offline(False)

    [event] = collector.wait_named("offline")
    assert event["url"] == f"{shop.site.url}/"


def test_a_page_that_is_prerendered_is_viewed_when_it_is_shown(shop: Shop, collector: StandIn) -> None:
    page = shop.open(
        "/",
        script="""
          Object.defineProperty(document, 'prerendering', { value: true, configurable: true });
          addEventListener('load', () => clickstream.track('early'));
        """,
    )
    page.evaluate("() => new Promise((done) => setTimeout(done, 700))")
    assert collector.posts == []
    assert page.evaluate("() => localStorage.length") == 0

    page.evaluate(
        """() => {
          Object.defineProperty(document, 'prerendering', { value: false });
          document.dispatchEvent(new Event('prerenderingchange'));
        }"""
    )

    collector.wait_named("pageview")
    collector.wait_named("early")
    assert [event["event"] for event in collector.events] == ["pageview", "early"]


def test_a_real_prerender_is_no_view_until_it_is_shown(shop: Shop, collector: StandIn) -> None:
    rules = '<script type="speculationrules">{"prerender": [{"urls": ["/other"], "eagerness": "immediate"}]}</script>'
    shop.page("/", rules + '<a href="/other">other</a>')
    page = shop.open("/")
    collector.wait_named("pageview")
    page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    if "GET /other" not in shop.site.requests:
        pytest.skip("this browser prerenders nothing under automation")
    assert collector.urls() == ["/"]

    page.evaluate("() => { location.href = '/other'; }")

    collector.wait_named("pageview", 2)
    assert collector.urls() == ["/", "/other"]


def test_calls_from_before_the_tag_come_after_the_view(shop: Shop, collector: StandIn) -> None:
    shop.page(
        "/",
        head="""<script>
          window.clickstream = window.clickstream || { q: [] };
          clickstream.q.push(['track', 'early', { n: 1 }], ['track', 'second']);
        </script>""",
    )
    page = shop.open("/")
    collector.wait_named("pageview")
    collector.wait_named("early")
    collector.wait_named("second")
    page.evaluate("() => clickstream.q.push(['track', 'late'])")
    collector.wait_named("late")

    assert [event["event"] for event in collector.events] == ["pageview", "early", "second", "late"]
    assert collector.events[1]["properties"] == {"n": 1}


def test_two_copies_of_the_tag_count_once(shop: Shop, collector: StandIn) -> None:
    shop.page("/", head=f'<script defer src="{collector.url}/tag.js?2"></script>')
    page = shop.open("/")
    page.evaluate("() => clickstream.track('event')")
    collector.wait_named("pageview")
    collector.wait_named("event")

    assert [event["event"] for event in collector.events] == ["pageview", "event"]


def test_a_site_may_tell_its_views_itself(shop: Shop, collector: StandIn) -> None:
    shop.page("/", tag="data-no-pageviews")
    page = shop.open("/")
    page.evaluate("() => history.pushState({}, '', '/a')")
    page.evaluate("() => clickstream.track('pageview', { list: 'shoes' })")
    page.evaluate("() => clickstream.track('event')")

    collector.wait_named("pageview")
    collector.wait_named("event")

    view, event = collector.events
    assert (view["event"], view["properties"], view["id"]) == ("pageview", {"list": "shoes"}, view["page"])
    assert event["page"] == view["id"]


@pytest.mark.parametrize("given", ["http://127.0.0.1:{port}", "http://127.0.0.1:{port}/e"])
def test_the_collector_may_be_elsewhere_than_the_script(shop: Shop, collector: StandIn, given: str) -> None:
    script = collector.pages["/tag.js"]
    shop.site.pages["/own.js"] = script
    address = given.format(port=collector.port)
    shop.site.pages["/"] = Page(f'<!doctype html><script src="/own.js" data-collector="{address}"></script>')

    shop.open("/")

    collector.wait_named("pageview")


def test_sessions_end_after_half_an_hour_of_silence(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    page = shop.tab(context)
    page.clock.install()
    page.goto(shop.site.url)

    def send() -> None:
        # Answered before the clock is moved again: by the page's clock no answer came in half an hour.
        with page.expect_response(f"{collector.url}/e"):
            page.clock.run_for(1_000)

    send()
    collector.wait_named("pageview")
    for name, minutes in (("same", 29), ("next", 31), ("after", 1)):
        page.clock.run_for(minutes * 60_000)
        page.evaluate("(name) => clickstream.track(name)", name)
        send()
        collector.wait_named(name)

    # What was under way as the clock was moved may come again, as the same event.
    events = list({event["id"]: event for event in collector.events}.values())
    told: list[Any] = [(event["event"], event.get("new_session")) for event in events]
    assert told == [("pageview", True), ("same", None), ("next", True), ("after", None)]
    sessions = [event["session"] for event in events]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]
    assert len({event["visitor"] for event in events}) == 1
    assert [event["sequence"] for event in events] == [0, 1, 2, 3]
