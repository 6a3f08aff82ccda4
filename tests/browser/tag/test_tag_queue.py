"""What was not taken waits in localStorage: of each tab under a key of its own, taken over by one of the others."""

import json
import time
from typing import Any

import pytest

from tests.browser.tag.conftest import PLAIN_NAME, Shop, stored
from tests.browser.tag.sites import Answer, Page, StandIn
from tests.support import PATIENCE, wait_until

QUEUE = "clickstream.queue."


def queues(page: Any) -> dict[str, str]:
    return {name: text for name, text in stored(page).items() if name.startswith(QUEUE)}


def event(number: int, size: int = 0) -> str:
    """A stored event: JSON without its end."""
    made = {"id": f"old{number}", "event": "old", "url": "http://127.0.0.1/", "properties": {"text": "x" * size}}
    return json.dumps(made)[:-1]


def left_behind(events: int, *, size: int = 0, until: int = 0, tries: int = 1, age_ms: int = 60_000) -> str:
    """As a page stores it that is gone."""
    at = int(time.time() * 1000) - age_ms
    return "\n".join([str(until), *(f"{tries} {at} {event(number, size)}" for number in range(events))])


def open_with(shop: Shop, queue: dict[str, str], **options: Any) -> Any:
    """A tab on a site where other pages have left that."""
    shop.site.pages["/empty"] = Page("<!doctype html>")
    page = shop.open("/empty", **options)
    page.evaluate("(queue) => Object.assign(localStorage, queue)", queue)
    page.goto(page.url.replace("/empty", "/"))
    return page


def test_what_a_page_left_behind_is_sent_by_the_next_one(shop: Shop, collector: StandIn) -> None:
    shop.serve_tag()
    collector.close()
    page = shop.open("/")
    page.evaluate("() => clickstream.track('event', { name: 'a\\u2028b' })")
    wait_until(lambda: queues(page), what="a queue")
    page.evaluate("() => clickstream.track('second')")
    page.goto("about:blank")
    collector.listen()
    page.goto(f"{shop.site.url}/other")

    collector.wait_named("second")
    wait_until(lambda: not queues(page), what="nothing waits")

    assert sorted(item["event"] for item in collector.events if item["event"] != "engagement") == [
        *("event", "pageview", "pageview", "second"),
    ]
    assert collector.named("event")[0]["properties"] == {"name": "a\u2028b"}
    assert len({item["id"] for item in collector.events}) == len(collector.events)


def test_five_tabs_send_all_of_it_when_the_collector_is_back(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    tabs = [shop.open("/", context=context) for _ in range(5)]
    collector.wait_named("pageview", 5)
    collector.close()
    for number, tab in enumerate(tabs):
        tab.evaluate("(tab) => { for (let n = 0; n < 30; n++) clickstream.track('kept', { tab, n }); }", number)
    wait_until(lambda: len(queues(tabs[0])) == 5, what="five queues")
    tabs[3].evaluate("() => { for (let n = 0; n < 300; n++) clickstream.track('more', { text: 'x'.repeat(400) }); }")
    wait_until(lambda: "more" in "".join(queues(tabs[0]).values()), what="more of it")

    def is_bounded() -> bool:
        """Together, by the first tab's view of the storage; it lags behind when the machine does."""
        texts = queues(tabs[0]).items()
        size = sum(len(name.encode()) + len(text.encode()) for name, text in texts)
        return size <= 100_000 and sum(text.count("\n") for _name, text in texts) <= 200

    wait_until(is_bounded, what="the queues have room")

    tabs.pop().close()  # another one has to take over what it had
    collector.listen()
    collector.wait(lambda collector: len({item["id"] for item in collector.named("kept")}) == 150, "150 kept")

    times = [[item["id"] for item in collector.named("kept")].count(one) for one in _ids(collector, "kept")]
    assert max(times) <= 2
    wait_until(lambda: not queues(tabs[0]), what="nothing waits", timeout=30)


def test_the_latest_two_hundred_are_kept(shop: Shop, collector: StandIn) -> None:
    shop.serve_tag()
    collector.close()
    page = shop.open("/")
    page.evaluate("() => { for (let n = 0; n < 300; n++) clickstream.track('e', { n }); }")
    wait_until(lambda: queues(page), what="a queue")
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")

    [text] = queues(page).values()
    kept = [json.loads(line.split(" ", 2)[2] + "}") for line in text.split("\n")[1:]]
    assert len(kept) == 200
    assert kept[-1]["event"] == "engagement"
    assert [one["properties"]["n"] for one in kept[:-1]] == list(range(101, 300))


def _ids(collector: StandIn, name: str) -> set[str]:
    return {item["id"] for item in collector.named(name)}


@pytest.mark.parametrize("host", ["127.0.0.1", PLAIN_NAME], ids=["locks", "lease"])
def test_what_is_left_is_taken_by_one_tab_only(shop: Shop, collector: StandIn, host: str) -> None:
    context = shop.context()
    shop.page("/")
    page = shop.open("/", context=context)
    collector.wait_named("pageview")
    others = [shop.tab(context) for _ in range(3)]
    address = f"http://{host}:{shop.site.port}/"
    for tab in (page, *others):
        tab.goto(address)
    collector.wait_named("pageview", 5)
    assert page.evaluate("() => !!navigator.locks") == (host != PLAIN_NAME)
    page.evaluate("([name, text]) => { localStorage[name] = text; }", [QUEUE + "gone", left_behind(50)])

    for tab in others:
        tab.evaluate("() => clickstream.track('now')")

    collector.wait_named("now", 3)
    collector.wait_named("old", 50)
    for tab in others:
        tab.evaluate("() => clickstream.track('last')")
    collector.wait_named("last", 3)
    # Browsers promise no more: a tab's view of the storage may lag behind. The collector drops what comes again.
    assert len(_ids(collector, "old")) == 50
    assert len(collector.named("old")) <= 100
    assert queues(page) == {}
    assert "clickstream.lease" not in stored(page)


def test_a_tab_that_dies_with_the_lock_holds_up_nobody(shop: Shop, collector: StandIn) -> None:
    context = shop.context()
    holder = shop.open("/other", context=context)
    collector.wait_named("pageview")
    holder.evaluate("() => { navigator.locks.request('clickstream.lease', () => new Promise(() => {})); }")
    page = open_with(shop, {QUEUE + "gone": left_behind(3)}, context=context)
    collector.wait_named("pageview", 2)
    page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    assert collector.named("old") == []

    with pytest.raises(Exception, match="crash"):
        holder.goto("chrome://crash", timeout=5_000 * PATIENCE)

    collector.wait_named("old", 3)


def test_a_lease_whose_holder_died_ends(shop: Shop, collector: StandIn) -> None:
    shop.site.pages["/empty"] = Page("<!doctype html>")
    page = shop.tab(shop.context())
    page.goto(f"http://{PLAIN_NAME}:{shop.site.port}/empty")
    end = page.evaluate(
        """([queue, length]) => {
          const end = Date.now() + length;
          Object.assign(localStorage, queue, { 'clickstream.lease': `${end} dead` });
          return end;
        }""",
        [{QUEUE + "gone": left_behind(3)}, int(2_000 * PATIENCE)],
    )
    page.goto(f"http://{PLAIN_NAME}:{shop.site.port}/")
    collector.wait_named("pageview")
    page.evaluate("() => new Promise((done) => setTimeout(done, 200))")
    assert collector.named("old") == []

    wait_until(lambda: time.time() * 1000 > end, what="the lease is over")
    page.evaluate("() => clickstream.track('now')")

    collector.wait_named("old", 3)


def test_what_a_living_tab_looks_after_is_left_to_it(shop: Shop, collector: StandIn) -> None:
    in_a_minute = int(time.time() * 1000) + 60_000
    page = open_with(shop, {QUEUE + "living": left_behind(3, until=in_a_minute)})
    collector.wait_named("pageview")
    page.evaluate("() => clickstream.track('now')")
    collector.wait_named("now")

    assert collector.named("old") == []
    assert list(queues(page)) == [QUEUE + "living"]


def test_what_is_too_old_or_was_tried_too_often_is_dropped(shop: Shop, collector: StandIn) -> None:
    queue = {
        QUEUE + "tried": left_behind(1, tries=8),
        QUEUE + "old": left_behind(1, age_ms=25 * 3_600_000),
        QUEUE + "spoiled": "not\na queue\n1 2 3\n",
        QUEUE + "strange clock": left_behind(1, until=int(time.time() * 1000) + 90 * 86_400_000),
    }
    page = open_with(shop, queue)

    collector.wait_named("old")
    wait_until(lambda: not queues(page), what="nothing waits")
    page.evaluate("() => clickstream.track('last')")
    collector.wait_named("last")

    assert len(collector.named("old")) == 1


def test_tries_are_counted_before_they_are_made(shop: Shop, collector: StandIn) -> None:
    collector.answer = lambda _post: Answer(None, delay_s=PATIENCE)
    page = open_with(shop, {})
    collector.wait_named("pageview")
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")  # while the answer is out

    [text] = queues(page).values()
    assert text.split("\n")[0] == "0"
    assert text.split("\n")[1].startswith("1 ")


def test_a_page_that_comes_back_takes_its_own_again(shop: Shop, collector: StandIn) -> None:
    shop.serve_tag()
    collector.close()
    page = shop.open("/")
    page.evaluate("() => clickstream.track('event')")
    wait_until(lambda: queues(page), what="a queue")
    shop.site.pages["/nothing"] = Page("")
    page.goto(f"{shop.site.url}/nothing")
    assert len(queues(page)) == 1
    page.evaluate("() => { setTimeout(() => history.back(), 0); }")
    page.wait_for_function("() => window.clickstream")
    collector.listen()
    page.evaluate("() => clickstream.track('back')")

    collector.wait_named("event")
    collector.wait_named("back")
    wait_until(lambda: not queues(page), what="nothing waits")
    assert len(collector.events) == len({item["id"] for item in collector.events})
    assert len(collector.named("pageview")) == 2


OFFLINE = "(off) => Object.defineProperty(navigator, 'onLine', { value: !off, configurable: true })"
FREEZE = "() => document.dispatchEvent(new Event('freeze'))"
RESUME = "() => document.dispatchEvent(new Event('resume'))"


def test_what_a_cookieless_page_handed_over_offline_is_sent_when_it_is_resumed(shop: Shop, collector: StandIn) -> None:
    """Browsers take beacons while they are offline, and lose them."""
    shop.page("/", tag="data-cookieless")
    page = shop.open("/", script="Navigator.prototype.sendBeacon = () => true;")
    collector.wait_named("pageview")
    page.evaluate(OFFLINE, True)
    page.evaluate("() => clickstream.track('waits')")
    page.evaluate(FREEZE)
    page.evaluate(OFFLINE, False)

    page.evaluate(RESUME)

    collector.wait_named("waits")


def test_what_found_no_room_is_sent_by_a_page_that_comes_back(shop: Shop, collector: StandIn) -> None:
    page = shop.open("/", script="Navigator.prototype.sendBeacon = () => false;")
    collector.wait_named("pageview")
    page.evaluate(OFFLINE, True)
    page.evaluate("() => { for (let n = 0; n < 500; n++) clickstream.track('many', { n }); }")
    page.evaluate(FREEZE)
    assert queues(page)
    page.evaluate(OFFLINE, False)

    page.evaluate(RESUME)

    collector.wait(lambda collector: len(_ids(collector, "many")) == 500, "500 events")
