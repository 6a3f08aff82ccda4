"""The assets on PostgreSQL in deploy/superset in a real Superset, on tables that a sink filled from real topics."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from bench.tab import chromium
from clickstream.errors import ClickstreamError
from tests.integration.dashboardsupport import Filled, fill
from tests.integration.supersetsupport import FOLDER, USER, Dashboard, Rows, Superset
from tests.support import missing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filled(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with fill(kafka, tmp_path_factory.mktemp("tables"), "superset") as one:
        yield one


@pytest.fixture(scope="module")
def superset(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Superset:
    """With the dashboard, imported as docs/deploy/superset.md says."""
    at = psycopg.conninfo.conninfo_to_dict(filled.dsn)
    dsn = f"postgresql://{filled.schema}@{quote(str(at['host']))}:{at.get('port', 5432)}/{at['dbname']}"
    superset = Superset(tmp_path_factory.mktemp("superset"), {"CLICKSTREAM_SUPERSET_POSTGRES": dsn})
    superset.make()
    superset.import_bundle("postgres")
    return superset


@pytest.fixture(scope="module")
def shown(superset: Superset) -> dict[str, Rows]:
    """The data of all charts, as a browser gets it."""
    charts = superset.stored("SELECT id, slice_name FROM slices")
    try:
        with superset.serving(), chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 2600})
            dashboard = Dashboard(page, superset, "clickstream", len(charts))
            return {name: dashboard.rows(number) for number, name in charts}
    except ClickstreamError as without:
        missing(str(without))


# --- what the charts are to show, by the topics alone

Row = dict[str, Any]


def ms(at: datetime) -> float:
    return at.timestamp() * 1000


def minute(at: datetime) -> float:
    return ms(at) // 60_000 * 60_000


def per_minute(rows: list[Row], time: str, **sums: str) -> Rows:
    """The sums of columns in each minute, under new names."""
    found: dict[float, Row] = defaultdict(lambda: dict.fromkeys(sums, 0))
    for row in rows:
        for name, column in sums.items():
            found[minute(row[time])][name] += row[column] if column else 1
    return [{time: at, **row} for at, row in found.items()]


def people(filled: Filled) -> list[Row]:
    return [row for row in filled.stream("web-events") if row["bot"] is None]


def visitors_by(filled: Filled, column: str) -> Rows:
    found: dict[str, set[str]] = defaultdict(set)
    for row in people(filled):
        found[row[column] or "unknown"].add(row["visitor"])
    return [{column: name, "visitors": len(visitors)} for name, visitors in found.items()]


def countries(filled: Filled) -> Rows:
    views = Counter(row["country"] or "unknown" for row in people(filled) if row["event"] == "pageview")
    return [{**row, "page_views": views[row["country"]]} for row in visitors_by(filled, "country")]


def world(filled: Filled) -> Rows:
    known = [row for row in countries(filled) if row["country"] != "unknown"]
    return [{"code": row["country"], "m1": row["visitors"], "m2": row["page_views"]} for row in known]


def summed(filled: Filled, topic: str, column: str, total: str, *keys: str) -> Rows:
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in filled.rows(topic):
        sums[tuple(row[key] for key in keys)] += row[column]
    return [{**dict(zip(keys, names, strict=True)), total: sum_} for names, sum_ in sums.items()]


def growth(filled: Filled) -> Rows:
    views: dict[str, Counter[float]] = defaultdict(Counter)
    for row in filled.rows("web_traffic_per_min"):
        views[row["site"]][ms(row["window_start"])] += row["page_views"]
    found: dict[float, Row] = defaultdict(dict)
    for site, by_minute in views.items():
        times = sorted(by_minute)
        for at, total in zip(times, accumulate(by_minute[at] for at in times), strict=True):
            found[at][site] = total
    return [{"window_start": at, **sites} for at, sites in found.items()]


def errors_within_a_minute(filled: Filled) -> Rows:
    most: dict[float, Row] = defaultdict(dict)
    for row in filled.rows("errors_per_min"):
        of_minute, status = most[minute(row["window_end"])], str(row["status"])
        of_minute[status] = max(of_minute.get(status, 0), row["errors"])
    return [{"window_end": at, **row} for at, row in most.items()]


def errors_by_meaning(filled: Filled) -> Rows:
    rows = summed(filled, "enriched_error_codes_count", "hits", "requests", "code", "definition")
    return [row for row in rows if row["code"] >= 400]


def suspicious(filled: Filled) -> Rows:
    names = ("username", "ip", "hits", "bytes", "window_end")
    rows = [{name: row[name] for name in names} for row in filled.rows("malicious_user_sessions")]
    rows.sort(key=lambda row: -row["bytes"])
    return [{**row, "window_end": ms(row["window_end"])} for row in rows[:100]]


EXPECTED: dict[str, Callable[[Filled], Rows]] = {
    "Clicks": lambda of: per_minute(of.rows("traffic_per_min"), "window_start", clicks="hits"),
    "Page views": lambda of: per_minute(of.rows("web_traffic_per_min"), "window_start", page_views="page_views"),
    "Visits": lambda of: per_minute(of.rows("web_sessions"), "window_start", visits=""),
    "Visitors": lambda of: [{"visitors": len({row["visitor"] for row in people(of)})}],
    "Where visitors are": world,
    "Countries": countries,
    "Country cloud": lambda of: visitors_by(of, "country"),
    "Operating systems": lambda of: visitors_by(of, "os"),
    "Browsers": lambda of: visitors_by(of, "browser"),
    "What led to the page": lambda of: summed(
        of, "web_referrers_per_min", "page_views", "page_views", "referrer_class"
    ),
    "Growth": growth,
    "Clicks and addresses": lambda of: per_minute(
        of.rows("traffic_per_min"), "window_start", clicks="hits", addresses="visitors"
    ),
    "Sessions that ended": lambda of: per_minute(of.rows("click_user_sessions"), "window_end", sessions=""),
    "Top pages": lambda of: summed(of, "web_pages_per_min", "page_views", "page_views", "site", "page"),
    "Errors within a minute": errors_within_a_minute,
    "Errors by meaning": errors_by_meaning,
    "Suspicious sessions": suspicious,
}


def in_order(rows: Rows, names: set[str]) -> list[list[tuple[str, Any]]]:
    """Rows without the columns that a chart only draws with (shares, places on the map), and without gaps in series."""
    kept = [{name: of for name, of in row.items() if name in names and of is not None} for row in rows]
    return sorted(
        sorted((name, str(of) if isinstance(of, str) else float(of)) for name, of in row.items()) for row in kept
    )


@pytest.mark.parametrize("chart", EXPECTED)
def test_a_chart_shows_what_the_topics_hold(filled: Filled, shown: dict[str, Rows], chart: str) -> None:
    expected = EXPECTED[chart](filled)
    names = {name for row in expected for name in row}
    rows = [row for row in shown[chart] if row.get("country") != "XXX"]  # of the map: known to no country
    assert expected
    assert in_order(rows, names) == in_order(expected, names)


def test_every_chart_is_compared(shown: dict[str, Rows]) -> None:
    assert set(shown) == set(EXPECTED)


def test_no_password_is_stored(superset: Superset) -> None:
    assert superset.stored("SELECT sqlalchemy_uri, password FROM dbs") == [
        ("postgresql+psycopg2://clickstream.invalid/", None)
    ]


def test_a_second_import_doubles_nothing_and_one_after_a_change_updates(superset: Superset, tmp_path: Path) -> None:
    before = superset.counts()
    folder = tmp_path / "superset"
    shutil.copytree(FOLDER, folder)
    changes = {"charts/clicks.yaml": "slice_name: ", "datasets/clickstream/traffic_per_min.yaml": "verbose_name: "}
    for name, line in changes.items():
        path = folder / "assets" / "postgres" / name
        text = path.read_text("utf-8")
        assert f"{line}Clicks\n" in text
        path.write_text(text.replace(f"{line}Clicks\n", f"{line}All clicks\n"), "utf-8")
    names = (
        "SELECT slice_name FROM slices WHERE slice_name LIKE '%clicks' UNION ALL "
        "SELECT verbose_name FROM sql_metrics WHERE metric_name = 'clicks'"
    )

    superset.import_bundle("postgres")
    assert superset.counts() == before
    assert superset.stored(names) == [("Clicks",), ("Clicks",)]

    superset.run("python", str(folder / "load.py"), USER)
    assert superset.counts() == before
    assert superset.stored(names) == [("All clicks",), ("All clicks",)]
