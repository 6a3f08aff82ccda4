"""The assets on Druid in deploy/superset in a real Superset, on what a real Druid read of real topics."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench.tab import chromium
from clickstream.errors import ClickstreamError
from tests.integration import druidsupport
from tests.integration.dashboardsupport import web_events
from tests.integration.supersetsupport import FOLDER, USER, Dashboard, Rows, Superset
from tests.integration.support import make_topic, produce, records, value
from tests.integration.tablesupport import generate
from tests.support import missing

pytestmark = pytest.mark.slow

CLICKS = 10_000
Record = dict[str, Any]
Shown = dict[Any, Record]  # a chart's figures by what it groups by


@dataclass(frozen=True)
class Ingested:
    """A Druid at `url` that has read two topics, and what those hold."""

    url: str
    events: list[Record]
    clicks: list[Record]

    @property
    def people(self) -> list[Record]:
        return [event for event in self.events if event["bot"] is None]

    @property
    def good(self) -> list[Record]:
        """Events of people that came once."""
        return [event for event in self.people if not event["duplicate"] and not event["corrupt"]]

    @property
    def views(self) -> list[Record]:
        return [event for event in self.good if event["event"] == "pageview"]


@pytest.fixture(scope="module")
def ingested(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingested]:
    prefix = f"superset-{uuid.uuid4().hex[:8]}"
    # At a whole minute: each minute that has views of one site has those of the other, as a chart draws both in each.
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    make_topic(kafka, f"{prefix}-web-events")
    produce(kafka, f"{prefix}-web-events", list(web_events(begin)))
    generate(kafka, prefix, "--count", str(CLICKS), "--event-rate", "4", "--seed", "3", "--start", begin.isoformat())
    read = [
        [json.loads(value(record)) for record in records(kafka, f"{prefix}-{topic}")]
        for topic in ("web-events", "clickstream")
    ]
    with druidsupport.running(tmp_path_factory.mktemp("druid")) as druid:
        druid.supervise(kafka, prefix)
        druid.wait_for_rows({"web-events": len(read[0]), "clickstream": CLICKS})
        yield Ingested(druid.broker, *read)


@pytest.fixture(scope="module")
def superset(ingested: Ingested, tmp_path_factory: pytest.TempPathFactory) -> Superset:
    """With the dashboard, imported as docs/deploy/superset.md says; it has no PostgreSQL."""
    druid = {"CLICKSTREAM_SUPERSET_DRUID": f"druid://{urlsplit(ingested.url).netloc}"}
    superset = Superset(tmp_path_factory.mktemp("superset"), druid)
    superset.make()
    superset.run("python", str(FOLDER / "load.py"), USER)
    return superset


@pytest.fixture(scope="module")
def shown(superset: Superset) -> dict[str, Rows]:
    """The data of all charts, as a browser gets it."""
    charts = superset.stored("SELECT id, slice_name FROM slices")
    try:
        with superset.serving(), chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 2600})
            dashboard = Dashboard(page, superset, "clickstream-druid", len(charts))
            return {name: dashboard.rows(number) for number, name in charts}
    except ClickstreamError as without:
        missing(str(without))


# --- what the charts are to show, by the topics alone


def about(figure: float) -> Any:
    """A distinct count is an estimate."""
    return pytest.approx(figure, rel=0.05)


def minute(milliseconds: int) -> float:
    return milliseconds // 60_000 * 60_000


def counted(found: Iterable[Record], key: Callable[[Record], Any], name: str) -> Shown:
    return {one: {name: count} for one, count in Counter(map(key, found)).items()}


def distinct(found: Iterable[Record], key: Callable[[Record], Any], column: str, name: str) -> Shown:
    seen: dict[Any, set[str]] = defaultdict(set)
    for record in found:
        seen[key(record)].add(record[column])
    return {one: {name: about(len(of))} for one, of in seen.items()}


def joined(one: Shown, other: Shown) -> Shown:
    """The figures of both; `other` may lack keys."""
    [name] = {name for figures in other.values() for name in figures}
    return {key: {**figures, name: other.get(key, {}).get(name, 0)} for key, figures in one.items()}


def pivoted(found: Shown) -> Shown:
    """Figures by minute and series as a chart with series has them: minutes with a column for each."""
    rows: Shown = defaultdict(dict)
    for (at, series), figures in found.items():
        [rows[at][str(series)]] = figures.values()
    return rows


def known(name: str) -> Callable[[Record], str]:
    return lambda record: record[name] or "unknown"


def at_minute(event: Record) -> float:
    return minute(event["time"])


def click_minute(click: Record) -> float:
    return minute(click["_time"])


def visitors_by(of: Ingested, name: str) -> Shown:
    return distinct(of.people, known(name), "visitor", "visitors")


def countries(of: Ingested) -> Shown:
    return joined(visitors_by(of, "country"), counted(of.views, known("country"), "page_views"))


def world(of: Ingested) -> Shown:
    found = {country: figures for country, figures in countries(of).items() if country != "unknown"}
    return {country: {"m1": one["visitors"], "m2": one["page_views"]} for country, one in found.items()}


def growth(of: Ingested) -> Shown:
    views: dict[str, Counter[float]] = defaultdict(Counter)
    for view in of.views:
        views[view["site"]][at_minute(view)] += 1
    totals: Shown = defaultdict(dict)
    for site, by_minute in views.items():
        times = sorted(by_minute)
        for at, total in zip(times, accumulate(by_minute[at] for at in times), strict=True):
            totals[at][site] = total
    return totals


def sessions(of: Ingested) -> Shown:
    return pivoted(distinct(of.views, lambda view: (at_minute(view), view["site"]), "session", "visits"))


def errors(of: Ingested) -> Shown:
    failed = (click for click in of.clicks if click["status"] >= 400)
    return pivoted(counted(failed, lambda click: (click_minute(click), click["status"]), "failed"))


def page_of(view: Record) -> tuple[str, str]:
    return view["site"], urlsplit(view["url"]).path or "/"


def put_into_a_basket(of: Ingested) -> Shown:
    added = (event for event in of.good if event["event"] == "addtobasket")
    return counted(added, lambda event: event["properties"]["product"], "events")


def in_all(found: Iterable[Record], column: str, name: str) -> Shown:
    return distinct(found, lambda _record: (), column, name)


# By its title: what a chart groups by, and its figures.
EXPECTED: dict[str, tuple[tuple[str, ...], Callable[[Ingested], Shown]]] = {
    "Page views": (("__time",), lambda of: counted(of.views, at_minute, "page_views")),
    "Clicks": (("__time",), lambda of: counted(of.clicks, click_minute, "clicks")),
    "Visits": ((), lambda of: in_all(of.views, "session", "visits")),
    "Visitors": ((), lambda of: in_all(of.people, "visitor", "visitors")),
    "Where visitors are": (("code",), world),
    "Countries": (("country",), countries),
    "Country cloud": (("country",), lambda of: visitors_by(of, "country")),
    "Operating systems": (("os",), lambda of: visitors_by(of, "os")),
    "Browsers": (("browser",), lambda of: visitors_by(of, "browser")),
    "What led to the page": (
        ("referrer_class",),
        lambda of: counted(of.views, known("referrer_class"), "page_views"),
    ),
    "Growth": (("__time",), growth),
    "Sessions": (("__time",), sessions),
    "Clicks and addresses": (
        ("__time",),
        lambda of: joined(
            counted(of.clicks, click_minute, "clicks"), distinct(of.clicks, click_minute, "ip", "addresses")
        ),
    ),
    "Errors": (("__time",), errors),
    "Top pages": (("site", "page"), lambda of: counted(of.views, page_of, "page_views")),
    "Top products": (("product",), put_into_a_basket),
}


def by_key(rows: Rows, keys: tuple[str, ...], wanted: Shown) -> Shown:
    """Rows by what they are grouped by, without what a chart only draws with and without gaps in series."""
    names = {name for figures in wanted.values() for name in figures}
    found = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        found[key[0] if len(key) == 1 else key] = {
            name: of for name, of in row.items() if name in names and of is not None
        }
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("chart", EXPECTED)
def test_a_chart_shows_what_the_topics_hold(ingested: Ingested, shown: dict[str, Rows], chart: str) -> None:
    keys, expect = EXPECTED[chart]
    expected = expect(ingested)
    rows = [row for row in shown[chart] if row.get("country") != "XXX"]  # of the map: known to no country
    assert len(expected) > 1 or not keys
    assert by_key(rows, keys, expected) == expected


def test_every_chart_is_compared(shown: dict[str, Rows]) -> None:
    assert set(shown) == set(EXPECTED)


def test_only_druid_is_imported_and_a_second_import_doubles_nothing(superset: Superset) -> None:
    assert superset.stored("SELECT sqlalchemy_uri, password FROM dbs") == [("druid://clickstream.invalid/", None)]
    before = superset.counts()

    superset.run("python", str(FOLDER / "load.py"), USER)
    superset.import_bundle("druid")

    assert superset.counts() == before
