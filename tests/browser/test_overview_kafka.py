"""The Overview, and the statuses of Errors, in a real browser on a real Kafka: what stands there equals what plain
Python counts in the topic, whose clicks are of several partitions, partly late, and partly unreadable."""

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from clickstream.enrich.places import Place
from clickstream.history.history import History
from clickstream.kafka.clients import Cluster
from tests.browser import clickcounts
from tests.browser.clickcounts import MINUTE, SECOND, Click, Filters
from tests.browser.conftest import page_at, plain
from tests.browser.fakeserver import now_ms
from tests.integration.conftest import broker_java, kafka, kafka_data_dir  # noqa: F401 - fixtures
from tests.integration.support import make_topic, records, run_well
from tests.integration.test_history import topics_of
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import wait_until

TOPICS = topics_of(f"overview-page-{uuid.uuid4().hex[:8]}")
LISTS = {"page": "l-page", "referrer": "l-ref", "status": "l-status", "country": "l-country"}
AGENTS = ("browser", "os", "device")
RATE = 12
# Clicks come up to a minute late: the second run's reach back to the end of the first.
MINUTES, LATE_BY = 20, MINUTE
END = now_ms() // SECOND * SECOND - 5 * MINUTE
UNFILTERED: Filters = ()
FILTERED: Filters = (("page", "=", "/index.html"), ("browser", "!=", "Chrome"))
READ_FIGURES = """() => {
  const panel = window.clickstream.app.live.panels.get('overview');
  if (!panel?.state || panel.fresh) return null; // not painted yet
  const text = (box, part) => box.querySelector(part).textContent;
  const figures = [...document.querySelectorAll('.figures .fig')];
  const words = figures.map((box) => [text(box, '.l span'), text(box, '.n .value'), text(box, '.n small')]);
  return { to: panel.state.to, words };
}"""


class ThreeCountries:
    """The geography of the tests."""

    source: str | None = "of the tests"

    def place(self, address: str | None) -> Place:
        return Place(clickcounts.country_of(address) if address else None, None)


def generate(kafka: str, start: int, minutes: int, seed: int) -> None:  # noqa: F811
    """So many minutes of clicks, written at once."""
    at = datetime.fromtimestamp(start / SECOND, UTC).isoformat()
    references = ("--codes-topic", f"{TOPICS.clicks}-codes", "--users-topic", f"{TOPICS.clicks}-users")
    times = ("--count", str(minutes * 60 * RATE), "--rate", "max", "--event-rate", str(RATE), "--start", at)
    flaws = ("--late", "8", "--late-by", f"{LATE_BY // SECOND}s", "--malformed", "1")
    # So many that a part of them is there at any moment.
    who = ("--users", "2000", "--seed", str(seed))
    run_well(
        "generate",
        "web",
        "-b",
        kafka,
        "--quiet",
        "--topic",
        TOPICS.clicks,
        *references,
        *times,
        *flaws,
        *who,
        timeout=120,
    )


def in_topic(kafka: str) -> list[Click]:  # noqa: F811
    found = records(kafka, TOPICS.clicks)
    assert len({record.partition() for record in found}) == 3
    return clickcounts.clicks(record.value() for record in found)


@pytest.fixture(scope="module")
def address(kafka: str) -> Iterator[str]:  # noqa: F811
    for topic in (TOPICS.clicks, TOPICS.events, TOPICS.vip):
        make_topic(kafka, topic, 3)
    generate(kafka, END - MINUTES * MINUTE, MINUTES, seed=3)
    history = History(Cluster(kafka), TOPICS, places=ThreeCountries())
    with dashboard(Cluster(kafka), history=lambda _statuses: history) as found:
        wait_until(lambda: history.status().live, 90, lambda: str(history.status()))
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    with page_at(browser, f"{address}/#token={TOKEN}") as page:
        yield page


def go(page: Any, hash_: str) -> None:
    page.evaluate("hash => { location.hash = hash; }", hash_)


def until_equal(found: Callable[[], Any], wanted: Any) -> None:
    wait_until(lambda: found() == wanted, 60, lambda: f"{found()} != {wanted}", poll=0.1)


def differing(words: list[list[str]], wanted: dict[str, float]) -> list[str]:
    """Figures that are not the number that is wanted, as far as their digits tell it."""
    shown = {label: (plain(number), unit) for label, number, unit in words}
    assert shown.keys() == wanted.keys()
    return [
        f"{label}: {shown[label]} is not {value}" for label, value in wanted.items() if not tells(*shown[label], value)
    ]


def tells(number: str, unit: str, value: float) -> bool:
    factor = {"kB/s": 1e3, "MB/s": 1e6}.get(unit, 1)
    digits = number.replace(",", "")
    last = 10 ** -len(digits.partition(".")[2])
    return re.fullmatch(r"\d+(\.\d+)?", digits) is not None and abs(float(digits) - value / factor) <= last * 0.5001


def wait_figures(page: Any, wanted: Callable[[int], dict[str, float]], to: int | None = None) -> None:
    """Until the figures are those of the instant that the page shows (`to`, where that is a past one)."""

    def wrong() -> list[str]:
        found = page.evaluate(READ_FIGURES)
        if found is None or (to is not None and found["to"] != to):
            return ["not there yet"]
        return differing(found["words"], wanted(found["to"]))

    wait_until(lambda: not wrong(), 60, lambda: str(wrong()), poll=0.1)


def rows(page: Any, section: str) -> list[tuple[str, int]]:
    found = page.locator(f".{section} .barlist li").evaluate_all(
        "all => all.map((one) => [one.dataset.value, one.querySelector('b').textContent])"
    )
    return [(value, int(number.replace(",", ""))) for value, number in found]


def until_rows(page: Any, section: str, wanted: list[tuple[str, int]]) -> None:
    until_equal(lambda: rows(page, section), wanted)


def check_lists(page: Any, shown: list[Click], filters: Filters) -> None:
    for dim, section in LISTS.items():
        wanted = clickcounts.top(shown, dim, filters)
        assert len(wanted) > 1
        until_rows(page, section, wanted)
    address = page.evaluate("() => location.hash")
    for agent in AGENTS:
        go(page, address if agent == "browser" else f"{address}&agent={agent}")
        until_rows(page, "l-agent", clickcounts.top(shown, agent, filters))


def spelled(filters: Filters) -> str:
    return "".join(f"&{dim}{sign}{value}" for dim, sign, value in filters)


def check_instant(page: Any, found: list[Click], to: int, filters: Filters) -> None:
    """Figures, the numbers in the rail, lists, and statuses, at a past instant."""
    start, _bucket = clickcounts.begin(to, 15 * MINUTE)
    own = clickcounts.fitting(found, filters)
    go(page, f"#/overview?range=15&to={to}{spelled(filters)}")
    wait_figures(page, lambda at: clickcounts.figures(own, at), to)
    check_lists(page, clickcounts.between(found, start, to), filters)
    # What is beside the pages is of all clicks.
    last = clickcounts.between(found, to - MINUTE, to)
    wanted = {
        "overview": clickcounts.visitors(clickcounts.between(found, to - 5 * MINUTE, to)),
        "sessions": clickcounts.active(found, to),
        "errors": sum(click.error for click in last),
    }
    beside = {name: page.locator(f".nav a[href^='#/{name}'] .count") for name in wanted}
    until_equal(lambda: {name: number_of(one.inner_text()) for name, one in beside.items()}, wanted)

    go(page, f"#/errors?range=15&to={to}{spelled(filters)}")
    in_all = clickcounts.statuses(clickcounts.between(own, start, to))
    recent = clickcounts.statuses(clickcounts.between(own, to - MINUTE, to))
    assert len(in_all) > 1
    codes = {(status, f"{number:,}", str(recent[status])) for status, number in in_all.items()}
    until_equal(lambda: code_rows(page), codes)


def number_of(words: str) -> float:
    digits = words.replace(",", "").removesuffix("/min")
    return float(digits) if digits else -1


def code_rows(page: Any) -> set[tuple[str, ...]]:
    """Status, clicks in all, and those of the last minute."""
    found = page.evaluate(
        """(keys) => {
          const heads = [...document.querySelectorAll('.codes th')].map((head) => head.dataset.k);
          const rows = [...document.querySelectorAll('.codes tbody tr')];
          return rows.map((row) => keys.map((key) => row.children[heads.indexOf(key)].textContent));
        }""",
        ["status", "total", "last_minute"],
    )
    return {tuple(row) for row in found}


@pytest.mark.parametrize("filters", [UNFILTERED, FILTERED], ids=["all", "filtered"])
def test_at_a_past_instant_all_is_as_in_the_topic(page: Any, kafka: str, filters: Filters) -> None:  # noqa: F811
    check_instant(page, in_topic(kafka), END - 2 * MINUTE - 1_234, filters)


@pytest.mark.parametrize("filters", [UNFILTERED, FILTERED], ids=["all", "filtered"])
def test_a_dragged_time_is_summed_up_as_in_the_topic(page: Any, kafka: str, filters: Filters) -> None:  # noqa: F811
    from_, to = END - 12 * MINUTE - 345, END - 3 * MINUTE - 678
    found = in_topic(kafka)
    start, bucket = clickcounts.begin(to, to - from_)
    go(page, f"#/overview?from={from_}&to={to}{spelled(filters)}")
    own = clickcounts.fitting(found, filters)
    wait_figures(page, lambda at: clickcounts.figures_of_all(own, start, at, bucket), to)
    check_lists(page, clickcounts.between(found, start, to), filters)


def test_live_and_up_to_where_it_is_final_all_is_as_in_the_topic(page: Any, kafka: str) -> None:  # noqa: F811
    go(page, "#/overview?range=15")
    generate(kafka, now_ms() - 3 * MINUTE, 3, seed=4)
    found = in_topic(kafka)
    newest = max(click.time for click in found)
    wait_figures(page, lambda at: clickcounts.figures(found, at))
    # Without running tables: five seconds before the newest click.
    final = newest - 5 * SECOND
    words = f"Final until {datetime.fromtimestamp(final / SECOND, UTC):%H:%M:%S}"
    until_equal(lambda: plain(page.locator(".strip .until span").first.inner_text()), words)
    go(page, f"#/overview?range=15{spelled(FILTERED)}")
    wait_figures(page, lambda at: clickcounts.figures(clickcounts.fitting(found, FILTERED), at))
    check_instant(page, found, final, UNFILTERED)
