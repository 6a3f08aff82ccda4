"""Who wants nothing to be told is not told of, and nothing is stored of them."""

import base64
import hashlib
from typing import Any

import pytest

from tests.browser.tag.conftest import Shop, stored
from tests.browser.tag.sites import STATIC, Answer, Page, StandIn
from tests.browser.tag.test_tag_harmless import STORAGE_FULL

SETTLE = "() => new Promise((done) => setTimeout(done, 700))"


def everything(page: Any) -> None:
    """What visitors do, with time for it to be sent."""
    page.evaluate("() => { clickstream.track('event'); history.pushState({}, '', '/next'); }")
    page.mouse.move(10, 10)
    page.evaluate(SETTLE)
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [("Navigator.prototype", "globalPrivacyControl", "true"), ("Navigator.prototype", "doNotTrack", "'1'")],
    ids=["gpc", "dnt"],
)
def test_browsers_that_ask_for_privacy_get_it(
    shop: Shop, collector: StandIn, owner: str, name: str, value: str
) -> None:
    context = shop.context()
    page = shop.open("/", context=context)
    collector.wait_named("pageview")
    assert stored(page)
    context.add_init_script(f"Object.defineProperty({owner}, '{name}', {{ get: () => {value} }});")
    seen = len(collector.posts)

    page.goto(f"{shop.site.url}/other")  # where it is asked for from now on
    everything(page)
    page.evaluate("() => { clickstream.consent(true); clickstream.track('event'); clickstream.optOut(false); }")
    page.evaluate(SETTLE)

    assert [event["event"] for post in collector.posts[seen:] for event in post.events] in ([], ["engagement"])
    assert all(event["url"] == f"{shop.site.url}/" for event in collector.events)
    assert stored(page) == {}


def test_nothing_is_sent_or_stored_before_consent(shop: Shop, collector: StandIn) -> None:
    shop.page("/", tag="data-consent")
    context = shop.context()
    page = shop.open("/", context=context)
    page.evaluate("() => clickstream.track('early')")
    page.evaluate(SETTLE)
    assert collector.posts == []
    assert stored(page) == {}

    page.evaluate("() => clickstream.consent(true)")
    collector.wait_named("pageview")
    collector.wait_named("early")

    assert [event["event"] for event in collector.events] == ["pageview", "early"]
    assert [event["sequence"] for event in collector.events] == [0, 1]
    assert collector.events[0]["sent"] - collector.events[0]["time"] >= 700
    assert sorted(stored(page)) == ["clickstream.visitor", "clickstream.visitor.shop"]


def test_consent_that_is_refused_or_withdrawn_leaves_only_that(shop: Shop, collector: StandIn) -> None:
    shop.page("/", tag="data-consent")
    page = shop.open("/")
    page.evaluate("() => clickstream.consent(false)")
    everything(page)
    assert collector.posts == []
    assert list(stored(page)) == ["clickstream.no-consent"]

    page.goto(f"{shop.site.url}/")
    page.evaluate("() => clickstream.consent(true)")
    collector.wait_named("pageview")
    page.evaluate("() => { clickstream.track('unsent'); clickstream.consent(false); }")
    everything(page)

    assert [event["event"] for event in collector.events] == ["pageview"]
    assert list(stored(page)) == ["clickstream.no-consent"]


def test_consent_that_is_withdrawn_in_one_tab_is_so_in_all(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    page = shop.open("/", context=context, script=COUNT_SENT)
    other = shop.open("/other", context=context)
    collector.wait_named("pageview", 2)

    other.evaluate("() => clickstream.consent(false)")
    page.wait_for_function("() => !localStorage['clickstream.visitor.shop']")
    sent = page.evaluate(
        """() => {
          const before = window.sent;
          clickstream.track('unsent');
          dispatchEvent(new Event('pagehide'));
          return window.sent - before;
        }"""
    )
    assert sent == 0
    assert list(stored(page)) == ["clickstream.no-consent"]

    other.evaluate("() => { clickstream.consent(true); clickstream.track('agreed'); }")
    collector.wait_named("agreed")
    assert collector.named("unsent") == []


def test_consent_is_asked_for_on_each_page(shop: Shop, collector: StandIn) -> None:
    for path in ("/", "/other"):
        shop.page(path, tag="data-consent")
    page = shop.open("/")
    page.evaluate("() => clickstream.consent(true)")
    collector.wait_named("pageview")
    page.goto(f"{shop.site.url}/other")
    page.evaluate(SETTLE)

    assert collector.urls() == ["/"]


def test_who_opted_out_is_left_alone_until_they_opt_in(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    [first] = collector.wait_named("pageview")
    page.evaluate("() => { clickstream.track('unsent'); clickstream.optOut(); }")
    everything(page)
    assert list(stored(page)) == ["clickstream.opted-out"]
    page.goto(f"{shop.site.url}/other")
    everything(page)
    assert [event["event"] for event in collector.events] == ["pageview"]
    assert list(stored(page)) == ["clickstream.opted-out"]

    page.evaluate("() => clickstream.optOut(false)")
    page.evaluate("() => clickstream.track('in again')")

    [event] = collector.wait_named("in again")
    collector.wait_named("pageview", 2)
    assert event["visitor"] != first["visitor"]
    assert collector.urls() == ["/", "/next"]


# Of fetch and sendBeacon alike, as they are called.
COUNT_SENT = """
  window.sent = 0;
  for (const [owner, name] of [[window, 'fetch'], [Navigator.prototype, 'sendBeacon']]) {
    const sends = owner[name];
    owner[name] = function (...given) { window.sent++; return sends.apply(this, given); };
  }
"""
OPTED_OUT_HERE = "() => localStorage['clickstream.opted-out']"


@pytest.mark.parametrize("then", ["online", "pagehide"])
def test_who_opted_out_in_another_tab_is_not_told_of_by_what_waits(shop: Shop, collector: StandIn, then: str) -> None:
    context = shop.context()
    other = shop.open("/other", context=context)
    page = shop.open("/", context=context, script=COUNT_SENT)
    collector.wait_named("pageview", 2)
    collector.answer = lambda _post: Answer(500)
    page.evaluate("() => clickstream.track('waits')")
    collector.wait_named("waits")
    page.wait_for_function("() => Object.keys(localStorage).some((name) => name.startsWith('clickstream.queue.'))")

    other.evaluate("() => clickstream.optOut()")
    page.wait_for_function(OPTED_OUT_HERE)
    collector.answer = lambda _post: Answer()
    sent = page.evaluate(
        "(then) => { const before = window.sent; dispatchEvent(new Event(then)); return window.sent - before; }", then
    )

    assert sent == 0
    assert list(stored(page)) == ["clickstream.opted-out"]


def test_consent_in_one_tab_undoes_no_opting_out_in_another(shop: Shop, collector: StandIn) -> None:
    shop.page("/", tag="data-consent")
    context = shop.context()
    page = shop.open("/", context=context, script=COUNT_SENT)
    other = shop.open("/other", context=context)
    collector.wait_named("pageview")
    other.evaluate("() => clickstream.optOut()")
    page.wait_for_function(OPTED_OUT_HERE)

    page.evaluate("() => { clickstream.consent(true); dispatchEvent(new Event('pagehide')); }")

    assert page.evaluate("() => window.sent") == 0
    assert list(stored(page)) == ["clickstream.opted-out"]
    assert collector.urls() == ["/other"]


def test_what_failed_at_once_is_not_tried_again_after_opting_out(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.evaluate(
        """() => {
          window.calls = 0;
          window.fetch = async () => { window.calls++; clickstream.optOut(); throw new TypeError('quota'); };
          clickstream.track('event');
        }"""
    )
    page.wait_for_function("() => window.calls")
    page.evaluate("() => new Promise((done) => setTimeout(done))")  # what is tried again is so before this

    assert page.evaluate("() => window.calls") == 1


def test_cookieless_writes_nothing_and_names_nobody(shop: Shop, collector: StandIn) -> None:
    """What a page wrote before it became cookieless is removed."""
    page = shop.open("/")
    collector.wait_named("pageview")
    assert stored(page)
    for path in ("/", "/other"):
        shop.page(path, tag="data-cookieless")
    writes = "window.writes = []; Storage.prototype.setItem = (...given) => { window.writes.push(given); };"
    page = shop.open("/", context=page.context, script=writes)
    collector.wait_named("pageview", 2)
    page.evaluate("() => clickstream.track('event')")
    collector.wait_named("event")

    events = [event for event in collector.events if event.get("cookieless")]
    assert [event["event"] for event in events] == ["pageview", "event"]
    assert [event["sequence"] for event in events] == [0, 1]
    assert len({event["stream"] for event in events}) == 1
    assert all(not {"visitor", "session", "new_session"} & set(event) for event in events)
    page.goto(f"{shop.site.url}/other")
    collector.wait(lambda collector: len(collector.named("pageview")) == 3)
    assert collector.named("pageview")[-1]["sequence"] == 0
    assert collector.named("pageview")[-1]["stream"] != events[0]["stream"]

    collector.close()
    page.evaluate("() => { for (let n = 0; n < 50; n++) clickstream.track('lost', { text: 'x'.repeat(3000) }); }")
    page.evaluate(SETTLE)
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    assert stored(page) == {}
    assert page.evaluate("() => window.writes") == []
    assert page.evaluate("() => document.cookie") == ""
    collector.listen()


def test_a_cookieless_page_counts_from_zero_again_after_an_hour(shop: Shop, collector: StandIn) -> None:
    """Who reads events back knows then when what it sees began."""
    shop.page("/", tag="data-cookieless")
    page = shop.open("/", script="const now = Date.now; window.later = 0; Date.now = () => now() + window.later;")
    collector.wait_named("pageview")
    for name, later in (("soon", 3_500_000), ("late", 3_600_000)):
        page.evaluate("([name, later]) => { window.later = later; clickstream.track(name); }", [name, later])
        collector.wait_named(name)

    seen = [collector.named(name)[0] for name in ("pageview", "soon", "late")]
    assert [event["sequence"] for event in seen] == [0, 1, 0]
    assert seen[0]["stream"] == seen[1]["stream"] != seen[2]["stream"]


def test_cookieless_events_wait_in_memory(shop: Shop, collector: StandIn) -> None:
    shop.page("/", tag="data-cookieless")
    shop.serve_tag()
    collector.close()
    page = shop.open("/")
    page.evaluate("() => clickstream.track('event')")
    page.evaluate(SETTLE)
    collector.listen()

    collector.wait_named("event")
    assert stored(page) == {}


def test_a_visitor_is_one_over_tabs_and_pages(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    one = shop.open("/", context=context)
    collector.wait_named("pageview")
    two = shop.open("/other", context=context)
    collector.wait_named("pageview", 2)
    for number, tab in enumerate((one, two, one)):
        tab.evaluate("(name) => clickstream.track(name)", f"step {number}")
        collector.wait_named(f"step {number}")
    one.goto(f"{shop.site.url}/other")
    collector.wait_named("pageview", 3)

    events = [event for event in collector.events if event["event"] != "engagement"]
    assert len({(event["visitor"], event["session"], event["stream"]) for event in events}) == 1
    assert [bool(event.get("new_session")) for event in events] == [True, *[False] * 5]
    assert sorted(event["sequence"] for event in collector.events) == list(range(len(collector.events)))


def sequences(collector: StandIn, site: str) -> list[int]:
    return [event["sequence"] for event in collector.events if event["site"] == site]


def test_each_site_of_an_origin_counts_its_own(shop: Shop, collector: StandIn) -> None:
    shop.page("/blog")
    page = shop.site.pages["/blog"]
    shop.site.pages["/blog"] = Page(page.text.replace('data-site="shop"', 'data-site="blog"'))
    context = shop.context()
    one = shop.open("/", context=context)
    collector.wait_named("pageview")
    two = shop.open("/blog", context=context)
    collector.wait_named("pageview", 2)
    for name in ("first", "second"):
        for tab in (one, two):
            tab.evaluate("(name) => clickstream.track(name)", name)
        collector.wait_named(name, 2)

    assert sequences(collector, "shop") == sequences(collector, "blog") == [0, 1, 2]
    assert len({event["visitor"] for event in collector.events}) == 1
    assert len({(event["site"], event["session"]) for event in collector.events}) == 2
    assert len({event["session"] for event in collector.events}) == 2


def test_who_was_known_before_sites_counted_alone_is_known_still(shop: Shop, collector: StandIn) -> None:
    known = '{ visitor: "known", session: "begun", seen: Date.now(), sequence: 7 }'
    shop.open("/", script=f"localStorage['clickstream.visitor'] ||= JSON.stringify({known});")

    [view] = collector.wait_named("pageview")

    assert (view["visitor"], view["session"], view["sequence"]) == ("known", "begun", 7)


def test_where_storage_is_full_who_was_known_before_counts_on_over_pages(shop: Shop, collector: StandIn) -> None:
    for number in (1, 2, 3):
        shop.page(f"/{number}")
    # Its numbers are of the same length from here on, so that what is there can be written again.
    known = '{ visitor: "known", session: "begun", seen: Date.now(), reached: Date.now(), sequence: 57 }'
    once = f"localStorage['clickstream.visitor'] = JSON.stringify({known}); {STORAGE_FULL}"
    page = shop.open("/", script=f"if (!localStorage['clickstream.visitor']) {{ {once} }}")
    for number in (1, 2, 3):
        collector.wait_named("pageview", number)
        page.goto(f"{shop.site.url}/{number}")
    collector.wait_named("pageview", 4)

    numbers = [event["sequence"] for event in collector.events]
    assert len(numbers) == len(set(numbers))
    assert {event["session"] for event in collector.events} == {"begun"}


def test_who_clears_the_storage_is_somebody_new(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.evaluate("() => { localStorage.clear(); clickstream.track('event'); }")
    [event] = collector.wait_named("event")

    assert event["visitor"] != collector.events[0]["visitor"]
    assert (event["sequence"], event["new_session"]) == (0, True)


STRICT = "default-src 'none'; base-uri 'none'; connect-src {collector}; script-src {script}"


@pytest.mark.parametrize("script", ["{collector}", "'nonce-abc' 'strict-dynamic'"], ids=["host", "strict-dynamic"])
def test_it_works_under_a_strict_policy_with_integrity(shop: Shop, collector: StandIn, script: str) -> None:
    digest = base64.b64encode(hashlib.sha384((STATIC / "tag.js").read_bytes()).digest()).decode()
    policy = STRICT.format(collector=collector.url, script=script.format(collector=collector.url))
    shop.page(
        "/",
        tag=f'integrity="sha384-{digest}" crossorigin="anonymous" nonce="abc"',
        headers={"Content-Security-Policy": f"{policy}; require-trusted-types-for 'script'"},
    )
    page = shop.open("/")
    page.evaluate("() => { window.broken = []; addEventListener('securitypolicyviolation', (e) => broken.push(e)); }")
    page.evaluate("() => clickstream.track('event')")
    collector.wait_named("event")
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    collector.wait_named("engagement")

    assert page.evaluate("() => broken.length") == 0
    assert shop.warnings == []


def test_a_policy_that_forbids_it_is_told_once(shop: Shop, collector: StandIn) -> None:
    shop.page("/", headers={"Content-Security-Policy": f"script-src {collector.url}; connect-src 'self'"})
    page = shop.open("/")
    page.evaluate(SETTLE)
    page.evaluate("() => clickstream.track('event')")
    page.evaluate(SETTLE)

    assert len(shop.warnings) == 1
    assert "connect-src" in shop.warnings[0]


@pytest.mark.parametrize(
    ("no", "yes"),
    [("consent(false)", "consent(true)"), ("optOut()", "optOut(false)")],
    ids=["consent", "opt-out"],
)
def test_who_agrees_again_is_somebody_new_on_this_page(shop: Shop, collector: StandIn, no: str, yes: str) -> None:
    page = shop.open("/")
    [first] = collector.wait_named("pageview")
    page.evaluate(f"() => {{ clickstream.{no}; history.pushState({{}}, '', '/unseen'); }}")
    page.evaluate(SETTLE)
    page.evaluate(f"() => {{ history.pushState({{}}, '', '/seen'); clickstream.{yes}; clickstream.track('event'); }}")
    collector.wait_named("pageview", 2)
    collector.wait_named("event")

    assert collector.urls() == ["/", "/seen"]
    view, event = collector.named("pageview")[1], collector.named("event")[0]
    assert view["visitor"] != first["visitor"]
    assert (view["sequence"], event["sequence"], event["page"]) == (0, 1, view["id"])


@pytest.mark.parametrize(
    ("no", "yes"),
    [("consent(false)", "consent(true)"), ("optOut()", "optOut(false)")],
    ids=["consent", "opt-out"],
)
def test_a_cookieless_page_that_is_agreed_to_again_counts_in_another_stream(
    shop: Shop, collector: StandIn, no: str, yes: str
) -> None:
    shop.page("/", tag="data-cookieless")
    page = shop.open("/")
    [first] = collector.wait_named("pageview")
    page.evaluate(f"() => {{ clickstream.{no}; clickstream.{yes}; clickstream.track('event'); }}")
    [event] = collector.wait_named("event")
    again = collector.wait_named("pageview", 2)[1]
    assert again["stream"] == event["stream"] != first["stream"]
    assert (again["sequence"], event["sequence"]) == (0, 1)
