"""How events get to the collector: in batches, when a page is left, and again when they were not taken."""

import email.utils
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.tag.conftest import Shop, hide, stored
from tests.browser.tag.sites import Answer, Page, Post, StandIn
from tests.support import PATIENCE, wait_until

BATCH_BYTES = 15_000
MANY = """(count) => { for (let n = 0; n < count; n++) clickstream.track('big', { n, text: 'ä'.repeat(1500) }); }"""
# For the page, too: a request that is under way takes of what the browser sends of pages that are left.
ANSWERED = "(url) => performance.getEntriesByName(url).length > 0"
SETTLE = "(ms) => new Promise((done) => setTimeout(done, ms))"


def ids(collector: StandIn, name: str) -> list[str]:
    return [event["id"] for event in collector.named(name)]


def queues(page: Any) -> dict[str, list[str]]:
    """Lines of what is stored for the next page, by its key."""
    return {name: text.split("\n") for name, text in stored(page).items() if name.startswith("clickstream.queue.")}


def test_events_come_in_one_plain_request_without_a_preflight(shop: Shop, collector: StandIn) -> None:
    # In the page: what is tracked half a second after the page view is another request.
    track = "addEventListener('load', () => { clickstream.track('one'); clickstream.track('two'); });"
    shop.page("/", head=f"<script>{track}</script>")
    shop.open("/")
    collector.wait_named("two")

    [post] = collector.posts
    assert [event["event"] for event in post.events] == ["pageview", "one", "two"]
    assert post.headers["Content-Type"] == "text/plain;charset=UTF-8"
    assert "Cookie" not in post.headers
    assert [asked for asked in collector.requests if asked.startswith("OPTIONS")] == []
    assert collector.requests[-1] == "POST /e"


def test_cookies_of_the_collector_are_not_sent(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    context.add_cookies([{"name": "login", "value": "secret", "url": collector.url}])
    shop.open("/", context=context)
    collector.wait_named("pageview")

    assert "Cookie" not in collector.posts[0].headers


@pytest.mark.parametrize(
    "leave",
    [
        "Object.defineProperty(document, 'hidden', { value: true });"
        "document.dispatchEvent(new Event('visibilitychange'))",
        "dispatchEvent(new Event('pagehide'))",
        "document.dispatchEvent(new Event('freeze'))",
        "dispatchEvent(new Event('pagehide')); Object.defineProperty(document, 'hidden', { value: true });"
        "document.dispatchEvent(new Event('visibilitychange')); document.dispatchEvent(new Event('freeze'))",
    ],
    ids=["hidden", "pagehide", "freeze", "all"],
)
def test_each_way_of_leaving_sends_the_same_once(shop: Shop, collector: StandIn, leave: str) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.wait_for_function(ANSWERED, arg=f"{collector.url}/e")
    page.evaluate(SETTLE, 120)

    began = time.monotonic()
    page.evaluate(f"() => {{ clickstream.track('one'); clickstream.track('two'); {leave}; }}")
    collector.wait_named("engagement")
    assert collector.named("two")
    if time.monotonic() - began < 0.4:  # earlier than by the timer
        assert [event["event"] for event in collector.posts[-1].events] in (
            ["one", "two", "engagement"],
            ["engagement"],  # what follows while it is hidden goes at once
        )
    page.evaluate(SETTLE, 600)

    assert len(collector.events) == len({event["id"] for event in collector.events}) == 4
    assert {post.headers["Content-Type"] for post in collector.posts} == {"text/plain;charset=UTF-8"}


def test_what_is_tracked_while_the_page_is_left_is_sent(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.evaluate("() => addEventListener('pagehide', () => clickstream.track('last words'))")
    page.goto(f"{shop.site.url}/other")

    collector.wait_named("last words")


def test_what_is_tracked_after_the_last_event_of_a_page_goes_at_once(shop: Shop, collector: StandIn) -> None:
    """Not all browsers have another event for it."""
    page = shop.open("/")
    collector.wait_named("pageview")
    handed = page.evaluate(
        """() => {
          const bodies = [];
          navigator.sendBeacon = (_url, body) => bodies.push(body) > 0;
          dispatchEvent(new Event('pagehide'));
          clickstream.track('last words');
          return bodies.at(-1);
        }"""
    )

    assert "last words" in handed


def test_thirty_large_events_of_a_page_that_is_left_arrive_once(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.wait_for_function(ANSWERED, arg=f"{collector.url}/e")
    page.evaluate(f"() => {{ ({MANY})(30); location.href = '/other'; }}")

    collector.wait_named("big", 30)
    page.evaluate(SETTLE, 600)

    assert sorted(event["properties"]["n"] for event in collector.named("big")) == list(range(30))
    assert len(set(ids(collector, "big"))) == 30
    assert max(len(post.body) for post in collector.posts) <= BATCH_BYTES
    assert queues(page) == {}


@pytest.mark.parametrize("tag", ["data-cookieless", ""], ids=["cookieless", "stored"])
def test_a_full_queue_is_few_requests_when_its_page_is_left(shop: Shop, collector: StandIn, tag: str) -> None:
    """It is far more than browsers take of such a page, and all in one task, so that nothing is sent before."""
    shop.page("/", tag=tag)
    page = shop.open("/")
    collector.wait_named("pageview")
    page.wait_for_function(ANSWERED, arg=f"{collector.url}/e")
    beacons, fetches, taken = page.evaluate(
        """() => {
          let beacons = 0;
          let fetches = 0;
          let taken = 0;
          const beacon = navigator.sendBeacon;
          navigator.sendBeacon = (url, body) => {
            beacons++;
            const isTaken = beacon.call(navigator, url, body);
            if (isTaken) taken += body.length;
            return isTaken;
          };
          const sends = window.fetch;
          window.fetch = (...given) => { fetches++; return sends(...given); };
          for (let n = 0; n < 1000; n++) clickstream.track('many', { n, text: 'x'.repeat((n * 7919) % 400) });
          dispatchEvent(new Event('pagehide'));
          return [beacons, fetches, taken];
        }"""
    )

    assert beacons <= 200
    assert fetches <= 100
    assert taken > 60_000  # of 65,536: halves of what did not fit were tried
    if tag:  # nothing is kept for the next page: this one sends all
        collector.wait(lambda collector: len(set(ids(collector, "many"))) >= 999, "all of the queue")


def test_what_another_script_has_under_way_leaves_nothing_behind(shop: Shop, collector: StandIn) -> None:
    collector.pages["/slow"] = Page("")
    page = shop.open("/")
    collector.wait_named("pageview")
    page.wait_for_function(ANSWERED, arg=f"{collector.url}/e")
    collector.may_refuse = True  # what the other script sends
    # The quota is the page's: 60 KiB of it are taken for as long as this takes.
    collector.answer = lambda post: Answer(delay_s=PATIENCE if post.body.startswith(b"x") else 0)
    taken = {"url": f"{collector.url}/e", "size": 60 * 1024}
    page.evaluate(
        f"""({{ url, size }}) => {{
          fetch(url, {{ method: 'POST', body: 'x'.repeat(size), keepalive: true, mode: 'no-cors' }});
          ({MANY})(30);
          location.href = '/other';
        }}""",
        taken,
    )
    page.wait_for_url("**/other")

    def ours(collector: StandIn) -> list[int]:
        posts = [post for post in collector.posts if not post.body.startswith(b"x")]
        return [event["properties"]["n"] for post in posts for event in post.events if event["event"] == "big"]

    collector.wait(lambda collector: len(ours(collector)) >= 30, "30 events")
    page.evaluate(SETTLE, 600)
    assert sorted(ours(collector)) == list(range(30))
    assert queues(page) == {}


def test_quota_that_is_taken_holds_up_no_page_that_is_looked_at(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.wait_for_function(ANSWERED, arg=f"{collector.url}/e")
    collector.may_refuse = True  # what another script sends
    collector.answer = lambda post: Answer(delay_s=3.0 * PATIENCE if post.body.startswith(b"x") else 0)
    page.evaluate(
        """(url) => {
          fetch(url, { method: 'POST', body: 'x'.repeat(65_000), keepalive: true, mode: 'no-cors' });
          clickstream.track('event', { text: 'x'.repeat(2_000) });
        }""",
        f"{collector.url}/e",
    )

    collector.wait(lambda collector: len(collector.posts) >= 3)
    assert collector.posts[2].events[0]["event"] == "event"
    assert collector.posts[2].at - collector.posts[1].at < 2.5 * PATIENCE


def test_what_is_sent_outside_the_quota_waits_for_the_next_page(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.evaluate(SETTLE, 100)
    page.evaluate(
        """() => {
          window.hangs = 0;
          window.fetch = (_url, { keepalive }) => new Promise((_done, fail) => keepalive ? fail() : window.hangs++);
          clickstream.track('event');
        }"""
    )
    page.wait_for_function("() => window.hangs")
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")

    [lines] = queues(page).values()
    assert [line for line in lines if '"event":"event"' in line]


def test_what_was_under_way_when_a_page_was_left_may_fail_when_it_is_back(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    page.evaluate(SETTLE, 100)
    page.evaluate(
        """() => {
          window.sends = window.fetch;
          window.fetch = () => new Promise((_done, fail) => { window.fail = fail; });
          clickstream.track('under way');
        }"""
    )
    page.wait_for_function("() => window.fail")
    page.evaluate(
        """() => {
          Object.defineProperty(navigator, 'onLine', { value: false, configurable: true });
          clickstream.track('stored');
          dispatchEvent(new Event('pagehide'));
        }"""
    )
    assert queues(page)
    page.evaluate(SETTLE, 100)
    page.evaluate(
        """() => {
          Object.defineProperty(navigator, 'onLine', { value: true });
          window.fetch = window.sends;
          dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
          window.fail();
        }"""
    )

    collector.wait_named("under way")


HAS_QUEUE = "() => Object.keys(localStorage).some((name) => name.startsWith('clickstream.queue.'))"
DROPPED = (400, 401, 403, 404, 413, 415, 422)
KEPT = (408, 425, 429, 500, 502, 503, 504, None)


TAKEN = (200, 204)


def always(status: int | None) -> Callable[[Post], Answer]:
    return lambda _post: Answer(status)


def test_what_answers_mean(shop: Shop, collector: StandIn) -> None:
    """What is taken or can never be taken is sent once, what may be taken later again, with the same id."""
    page = shop.tab(shop.context())
    page.clock.install()
    page.goto(shop.site.url)
    page.clock.run_for(600)
    collector.wait_named("pageview")
    for status in (*TAKEN, *DROPPED, *KEPT):
        name = f"answered {status}"
        collector.answer = always(status)
        page.evaluate("(name) => clickstream.track(name)", name)
        page.clock.run_for(600)
        collector.wait_named(name)
        if status in KEPT:
            page.wait_for_function(HAS_QUEUE)
        collector.answer = lambda _post: Answer()
        page.clock.run_for(2_100)  # the first pause is at most 2 s
        seen = len(collector.named("next"))
        page.evaluate("() => clickstream.track('next')")
        page.clock.run_for(600)
        collector.wait_named("next", seen + 1)
        page.wait_for_function(f"() => !({HAS_QUEUE})()")
        assert len(ids(collector, name)) == (2 if status in KEPT else 1), name
        assert len(set(ids(collector, name))) == 1
        assert len(shop.warnings) == (0 if status in TAKEN else 1), name  # once for a page


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_the_collector_is_left_alone_for_as_long_as_it_asks(shop: Shop, collector: StandIn, as_date: bool) -> None:
    now = int(time.time())
    asked = email.utils.formatdate(now + 120, usegmt=True) if as_date else "90"
    collector.answer = lambda _post: Answer(503, {"Retry-After": asked})
    context = shop.context()
    page = shop.tab(context)
    page.clock.install(time=now)
    page.clock.pause_at(now + 30)  # later than it is there however long the calls take
    page.goto(shop.site.url)
    page.clock.run_for(600)
    page.wait_for_function("() => localStorage['clickstream.wait']")
    collector.answer = lambda _post: Answer()

    page.clock.run_for(60_000)
    page.goto(f"{shop.site.url}/other")  # another page heeds it, too
    page.clock.run_for(20_000)
    assert len(collector.posts) == 1

    page.clock.run_for(20_000)
    # What the first page left is taken over a while after the answer, by the page's clock.
    wait_until(lambda: page.clock.run_for(600) or len(collector.named("pageview")) >= 3, what="all page views")
    assert sorted(collector.urls()) == ["/", "/", "/other"]


def test_what_is_taken_meanwhile_does_not_end_the_pause_that_was_asked_for(shop: Shop, collector: StandIn) -> None:
    heeded = threading.Event()

    def answer(post: Post) -> Answer:
        if b"asked to wait" not in post.body:
            heeded.wait(20 * PATIENCE)
            return Answer()
        return Answer() if heeded.is_set() else Answer(503, {"Retry-After": "3"})

    page = shop.open("/")
    collector.wait_named("pageview")
    page.wait_for_function(ANSWERED, arg=f"{collector.url}/e")
    hide(page)  # from now on events are not gathered: each is a batch
    collector.answer = answer
    page.evaluate("() => { clickstream.track('taken'); clickstream.track('asked to wait'); }")
    page.wait_for_function("() => localStorage['clickstream.wait']")
    heeded.set()

    collector.wait(lambda collector: len(collector.named("asked to wait")) == 2, "it comes again")
    first, again = [post.at for post in collector.posts if b"asked to wait" in post.body]
    assert again - first >= 2.9
    assert len(collector.named("taken")) == 1


def test_pauses_grow_and_end_after_eight_tries(shop: Shop, collector: StandIn) -> None:
    collector.answer = lambda _post: Answer(500)
    page = shop.tab(shop.context())
    page.clock.install(time=0)
    page.clock.pause_at(30)
    page.goto(shop.site.url)
    page.clock.run_for(600)
    pauses = []
    for tries in range(1, 8):
        wait_until(lambda: len(collector.posts) == tries, what=f"{tries} tries")  # noqa: B023 - asked at once
        page.wait_for_function(
            "(tries) => Object.entries(localStorage).some(([name, text]) => name.startsWith('clickstream.queue.')"
            " && text.includes(`\\n${tries} `) && +text.split('\\n')[0] > Date.now() + 120_000)",
            arg=tries,
        )
        [[head, *_]] = queues(page).values()
        pauses.append(int(head) - 120_000 - page.evaluate("() => Date.now()"))
        page.clock.run_for(pauses[-1] + 20)
    collector.wait(lambda collector: len(collector.posts) == 8, "8 tries")
    page.clock.run_for(24 * 3_600_000)

    assert len(collector.posts) == 8
    assert len(set(ids(collector, "pageview"))) == 1
    for pause, longest in zip(pauses, (2, 8, 32, 128, 512, 2048, 3600), strict=True):
        assert longest * 500 <= pause <= longest * 1_000 + 1
    assert queues(page) == {}


def test_batches_that_fail_together_are_one_failure(shop: Shop, collector: StandIn) -> None:
    page = shop.open(
        script="""
          const sends = window.fetch;
          window.answered = 0;
          window.fetch = (...given) => sends(...given).finally(() => setTimeout(() => window.answered++));
        """
    )
    collector.wait_named("pageview")
    page.wait_for_function("() => window.answered")
    collector.answer = lambda _post: Answer(503, {"Retry-After": "10"})
    # Without the event: its engagement would be answered before the others are sent.
    page.evaluate(f"() => {{ Object.defineProperty(document, 'hidden', {{ value: true }}); ({MANY})(8); }}")
    page.wait_for_function("() => window.answered >= 9")

    pause = page.evaluate("() => localStorage['clickstream.wait'] - Date.now()")
    assert pause <= 10_000


def test_answers_that_are_lost_do_not_change_ids(shop: Shop, collector: StandIn) -> None:
    swallowed: list[Post] = []

    def answer(post: Post) -> Answer:
        swallowed.append(post)
        return Answer(None) if len(swallowed) <= 2 else Answer()

    collector.answer = answer
    page = shop.open("/")
    page.evaluate("() => clickstream.track('event')")
    collector.wait(lambda collector: len(collector.posts) >= 3)
    page.wait_for_function(f"() => !({HAS_QUEUE})()")

    assert len(ids(collector, "event")) >= 2
    assert len(set(ids(collector, "event"))) == len(set(ids(collector, "pageview"))) == 1
    sequences = {event["id"]: event["sequence"] for event in collector.events}
    assert sorted(sequences.values()) == [0, 1]


@pytest.mark.parametrize("moved_ms", [7_200_000, -3 * 86_400_000], ids=["ahead", "behind"])
def test_ages_are_right_when_the_clock_is_wrong(shop: Shop, collector: StandIn, moved_ms: int) -> None:
    move = f"const now = Date.now; window.moved = {moved_ms}; Date.now = () => now() + window.moved;"
    page = shop.open("/", script=move)
    page.evaluate("() => { clickstream.track('event'); window.moved -= 3_600_000; }")  # set back meanwhile

    [event] = collector.wait_named("event")
    assert 0 <= event["sent"] - event["time"] < 5_000 * PATIENCE


def test_a_machine_that_slept_says_how_old_events_are(shop: Shop, collector: StandIn) -> None:
    """The monotonic clock of many stands still meanwhile."""
    page = shop.open("/", script="const now = Date.now; window.slept = 0; Date.now = () => now() + window.slept;")
    page.evaluate("() => { clickstream.track('event'); window.slept = 3_600_000; }")

    [event] = collector.wait_named("event")
    assert event["sent"] - event["time"] == pytest.approx(3_600_000, abs=5_000 * PATIENCE)


def test_what_is_hidden_is_sent_at_once(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/")
    collector.wait_named("pageview")
    hide(page)
    page.evaluate("() => clickstream.track('in the background')")
    collector.wait_named("in the background")
    hide(page, False)
    page.evaluate("() => clickstream.track('seen')")
    collector.wait_named("seen")

    assert len({event["id"] for event in collector.events}) == len(collector.events)
