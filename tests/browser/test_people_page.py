"""Sessions, Errors and Products in a real browser, from the dashboard on a real Kafka: what stands there equals what
plain Python counts in the topics."""

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clickstream.history.history import History
from clickstream.kafka.clients import Cluster
from clickstream.records import utc_text
from clickstream.ui.statuses import Statuses
from tests.browser.conftest import plain
from tests.integration.conftest import broker_java, kafka, kafka_data_dir  # noqa: F401 - fixtures
from tests.integration.support import make_topic, produce, records, run_well
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import PATIENCE, wait_until

MINUTE = 60_000
SHOWN = 10 * MINUTE
EVENTS = ("productview", "productview", "productview", "addtobasket", "removefrombasket", "purchase")
WINDOW_MS = 300_000


class Filled:
    """What is in the topics, read by this test, and the instant that the pages show."""

    def __init__(self, kafka: str, end: int) -> None:  # noqa: F811
        self.end = end
        self.clicks = values(kafka, "clickstream")
        self.users = {one["user_id"]: one for one in values(kafka, "clickstream_users")}
        self.codes = {one["code"]: one["definition"] for one in values(kafka, "clickstream_codes")}
        self.events = values(kafka, "event-topic")
        self.actions = values(kafka, "vip-action")

    def shown(self) -> list[dict[str, Any]]:
        return [one for one in self.clicks if self.end - SHOWN <= one["_time"] < self.end]


def values(kafka: str, topic: str) -> list[dict[str, Any]]:  # noqa: F811
    return [json.loads(one.value() or b"null") for one in records(kafka, topic)]


@pytest.fixture(scope="module")
def filled(kafka: str) -> Filled:  # noqa: F811
    """Twelve minutes of clicks, five of events, and what counter and tables make of them."""
    end = int(time.time()) // 60 * MINUTE - MINUTE
    start = utc_text((end - 12 * MINUTE) / 1000).removesuffix("UTC") + "Z"
    web = ("--count", "12000", "--rate", "max", "--event-rate", "16", "--users", "60", "--seed", "5", "--start", start)
    run_well("generate", "web", "-b", kafka, "--quiet", "--late", "0", "--sessions", "70s/40s", *web, timeout=120)
    run_well("generate", "vip", "-b", kafka, "--quiet", "--count", "300", "--rate", "max", timeout=120)
    dice = random.Random(2)
    make_topic(kafka, "event-topic", 3)
    produce(
        kafka,
        "event-topic",
        [
            json.dumps(
                {
                    "date": utc_text(end / 1000 - dice.randrange(1, 300)),
                    "productId": f"p{dice.randrange(9)}",
                    "eventName": dice.choice(EVENTS),
                    "userId": f"u{dice.randrange(90)}",
                }
            ).encode()
            for _ in range(900)
        ],
    )
    run_well("run-counter", "-b", kafka, "--quiet", "--exit-at-end", timeout=120)
    for name in ("clickstream", "vip"):
        run_well("tables", "run", name, "-b", kafka, "--quiet", "--exit-at-end", timeout=240)
    return Filled(kafka, end)


@pytest.fixture(scope="module")
def address(kafka: str, filled: Filled) -> Iterator[str]:  # noqa: F811
    def history(statuses: Statuses) -> History:
        return History(Cluster(kafka), statuses=lambda: [part.status for part in statuses.parts()])

    with dashboard(Cluster(kafka), history=history) as found:
        yield found


class Tab:
    """A page of the dashboard, and what went wrong in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def hear(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.problems.append(said.text)

    def text(self, selector: str) -> str:
        return plain(self.page.locator(selector).first.inner_text())

    def rows(self, within: str, *keys: str) -> list[tuple[str, ...]]:
        """These columns of the table there."""
        found: list[list[str]] = self.page.evaluate(
            """([within, keys]) => {
              const heads = [...document.querySelectorAll(`${within} th`)].map((head) => head.dataset.k);
              const rows = [...document.querySelectorAll(`${within} tbody tr`)];
              return rows.map((row) => keys.map((key) => row.children[heads.indexOf(key)].textContent));
            }""",
            [within, list(keys)],
        )
        return [tuple(map(plain, row)) for row in found]

    def wait(self, found: Callable[[], Any], wanted: Any) -> None:
        """Until it is as wanted: the history may still be reading."""
        wait_until(lambda: found() == wanted, 60, lambda: f"{found()} != {wanted}; {self.problems}", poll=0.1)


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Callable[[str], Tab]]:
    made: list[Tab] = []

    def open_(hash_: str) -> Tab:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, timezone_id="UTC")
        context.set_default_timeout(90_000 * PATIENCE)
        found = Tab(context.new_page())
        made.append(found)
        found.page.goto(f"{address}/#token={TOKEN}")
        found.page.wait_for_selector("main h1")
        found.page.evaluate("hash => { location.hash = hash; }", hash_)
        return found

    yield open_
    for one in made:
        one.page.context.close()
        assert not [words for words in one.problems if "favicon" not in words]


# --- by hand


def sessions_of(clicks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The clicks of each session: none is more than 30 s after the one before."""
    by_user = defaultdict(list)
    for one in sorted(clicks, key=lambda one: one["_time"]):
        if one["userid"] is not None:
            by_user[one["userid"]].append(one)
    found = []
    for own in by_user.values():
        group: list[dict[str, Any]] = []
        for one in own:
            if group and one["_time"] - group[-1]["_time"] > 30_000:
                found.append(group)
                group = []
            group.append(one)
        found.append(group)
    return found


def alerts_of(clicks: list[dict[str, Any]], start: int, end: int) -> list[tuple[str, int]]:
    """Status and peak of the alerts, the newest first: more than 5 within a minute, every 20 s, joined."""
    windows = Counter[tuple[int, int]]()
    for one in clicks:
        if one["status"] is not None and one["status"] > 400:
            last = one["_time"] // 20_000 * 20_000
            windows.update((one["status"], last - back) for back in (0, 20_000, 40_000))
    over = sorted((status, at, n) for (status, at), n in windows.items() if n > 5 and start < at + MINUTE <= end)
    runs: list[list[tuple[int, int, int]]] = []
    for window in over:
        joins = runs and runs[-1][-1][0] == window[0] and window[1] <= runs[-1][-1][1] + MINUTE
        runs[-1].append(window) if joins else runs.append([window])
    newest = sorted(runs, key=lambda run: (-run[0][1], run[0][0]))
    return [(str(run[0][0]), max(n for _status, _at, n in run)) for run in newest]


def funnel_of(events: list[dict[str, Any]], steps: tuple[str, ...]) -> list[int]:
    """How many users got to each step, by trying every beginning."""
    best = Counter[str]()
    for user in {one["userId"] for one in events}:
        own = sorted((one["date"], one["eventName"]) for one in events if one["userId"] == user)
        times = [(seconds_of(date) * 1000, name) for date, name in own]
        best[user] = max((reached(times, steps, at) for at, name in times if name == steps[0]), default=0)
    return [sum(got > number for got in best.values()) for number in range(len(steps))]


def reached(times: list[tuple[int, str]], steps: tuple[str, ...], begun: int) -> int:
    at = begun
    for number, step in enumerate(steps[1:], 1):
        later = [when for when, name in times if name == step and at <= when <= begun + WINDOW_MS]
        if not later:
            return number
        at = min(later)
    return len(steps)


def seconds_of(date: str) -> int:
    import calendar

    return calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%SUTC"))


def two_digits(octets: int) -> int:
    """A threshold that the page has, near this number."""
    power: int = 10 ** (len(str(octets)) - 2)
    return min(4_000_000, max(2_000, octets // power * power))


# --- pages


def test_sessions_are_those_in_the_topic(tab: Callable[[str], Tab], filled: Filled) -> None:
    start = filled.end - SHOWN
    before_end = [one for one in filled.clicks if one["_time"] < filled.end]
    wanted = [own for own in sessions_of(before_end) if own[-1]["_time"] >= start]
    assert len(wanted) > 50
    page = tab(f"#/sessions?range=60&to={filled.end}")
    words = f"{len(wanted):,} sessions in the last 10 min"
    page.wait(lambda: page.text(".s-table header .note").startswith(words), True)
    largest = sorted(wanted, key=lambda own: -sum(one["bytes"] for one in own))
    rows = [
        (filled.users[own[0]["userid"]]["username"], filled.users[own[0]["userid"]]["city"], f"{len(own):,}")
        for own in largest
    ]
    sizes = [sum(one["bytes"] for one in own) for own in largest]
    # Who somebody is comes from another topic, which may be read a moment later.
    page.wait(
        lambda: sorted(page.rows(".s-table", "name", "city", "hits")) == sorted(rows[:50]) or sizes[49] == sizes[50],
        True,
    )
    threshold = two_digits(sizes[10])
    page.page.evaluate(
        "hash => { location.hash = hash; }", f"#/sessions?range=60&to={filled.end}&threshold={threshold}"
    )
    over = sum(octets > threshold for octets in sizes)
    page.wait(lambda: page.text(".s-th header .note").split(" over ")[0], f"{over} of {len(wanted)}")


def test_users_per_minute_are_those_in_the_topic(tab: Callable[[str], Tab], filled: Filled) -> None:
    clicks = Counter(one["userid"] for one in filled.shown() if one["userid"] is not None)
    last = [one for one in filled.shown() if one["_time"] >= filled.end - MINUTE]
    recent = Counter(one["userid"] for one in last)
    pages = Counter(one["userid"] for one in last if "html" in one["request"])
    page = tab(f"#/sessions?range=60&to={filled.end}")
    by_name = {filled.users[user]["username"]: user for user in clicks}
    # Names come with the topic of users, a moment after the clicks.
    page.wait(lambda: sum(name in by_name for (name,) in page.rows(".s-users", "name")), 10)
    rows = page.rows(".s-users", "name", "clicks", "last", "pages")
    assert [int(row[1]) for row in rows] == sorted(clicks.values(), reverse=True)[:10]
    for name, total, minute, html in rows:
        user = by_name[name]
        assert (int(total), int(minute), int(html)) == (clicks[user], recent[user], pages[user])


def test_errors_and_definitions_are_those_in_the_topics(tab: Callable[[str], Tab], filled: Filled) -> None:
    bucket = 10_000
    start = (filled.end - 15 * MINUTE) // bucket * bucket
    shown = [one for one in filled.clicks if start <= one["_time"] < filled.end]
    wanted = Counter(one["status"] for one in shown)
    page = tab(f"#/errors?range=15&to={filled.end}")
    rows = {(str(status), filled.codes[status], f"{n:,}") for status, n in wanted.items()}
    page.wait(lambda: set(page.rows(".codes", "status", "name", "total")), rows)
    met = {one["userid"] or one["ip"] for one in shown if one["status"] >= 400}
    page.wait(lambda: page.text(".figures .figbox:nth-child(3) .n"), f"{len(met):,}")
    where = Counter(one["request"].split()[1].split("?")[0] for one in shown if one["status"] >= 400)
    counts = page.page.locator(".e-pages .barlist:visible b").all_inner_texts()
    assert [int(n) for n in counts] == sorted(where.values(), reverse=True)[: len(counts)]
    assert counts


def test_alerts_are_those_that_the_clicks_make(tab: Callable[[str], Tab], filled: Filled) -> None:
    start = (filled.end - 15 * MINUTE) // 10_000 * 10_000
    wanted = alerts_of(filled.clicks, start, filled.end)
    assert wanted
    page = tab(f"#/errors?range=15&to={filled.end}")
    page.wait(
        lambda: sorted((status, int(peak)) for status, peak in page.rows(".e-log", "status", "peak")), sorted(wanted)
    )


def test_the_tally_and_the_funnel_are_those_of_the_events(tab: Callable[[str], Tab], filled: Filled) -> None:
    counts = Counter(one["eventName"] for one in filled.events)
    page = tab("#/products?range=15&window=5")  # live: no server could remember the tally of that instant
    shown = ("productview", "addtobasket", "removefrombasket", "purchase")
    page.wait(
        lambda: [words.replace(",", "") for words in page.page.locator(".figures .n").all_inner_texts()],
        [str(counts[name]) for name in shown],
    )
    facts = [f".facts [data-k={key}] dd" for key in ("end", "passed", "counted")]
    page.wait(lambda: [page.text(one) for one in facts], ["900"] * 3)
    assert page.text(".facts [data-k=rest] dd") == "0"
    assert page.text(".facts [data-k=behind] dd") == "0 events"
    users = funnel_of(filled.events, ("productview", "addtobasket", "purchase"))
    page.page.evaluate("hash => { location.hash = hash; }", f"#/products?range=15&to={filled.end}&window=5")
    page.wait(lambda: page.page.locator(".funnel li b").all_inner_texts(), [f"{n:,}" for n in users])
    assert users[0] > users[1] > users[2] > 0
    other = funnel_of(filled.events, ("purchase", "productview"))
    page.page.evaluate(
        "hash => { location.hash = hash; }",
        f"#/products?range=15&to={filled.end}&window=5&steps=purchase,productview",
    )
    page.wait(lambda: page.page.locator(".funnel li b").all_inner_texts(), [f"{n:,}" for n in other])


def test_the_customers_are_those_of_the_result(tab: Callable[[str], Tab], filled: Filled) -> None:
    page = tab("#/products")
    wanted = {(one["name"], str(one["page"])) for one in filled.actions}
    assert wanted
    page.wait(lambda: page.page.locator(".p-vip tbody tr:visible").count(), min(9, len(filled.actions)))
    rows = page.page.locator(".p-vip tbody tr:visible").all()
    shown = {(cells[1], cells[3]) for cells in (row.locator("td").all_inner_texts() for row in rows)}
    assert shown <= wanted
