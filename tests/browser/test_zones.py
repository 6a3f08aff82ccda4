"""One time zone for the whole page, and labels that are right over a change of the clock."""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clickstream.inspect import position
from tests.browser import flowstates, peoplestates, querystates, states, topicstates
from tests.browser.conftest import NOTE_DRAWN_TEXT, Open, Opened
from tests.browser.fakeserver import FakeServer

# A minute at which all zones have another label: 14:30:15 UTC.
NOW = int(datetime(2026, 1, 19, 14, 30, 15, tzinfo=UTC).timestamp() * 1000)
SPRING = int(datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp() * 1000)
AUTUMN = int(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


def label(at: int, zone: str, form: str = "%H:%M:%S") -> str:
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).strftime(form)


def drawn(tab: Opened) -> set[str]:
    found: list[str] = tab.page.evaluate("() => [...window.drawn].filter((words) => /^\\d\\d:\\d\\d/.test(words))")
    return set(found)


@pytest.fixture
def at(server: FakeServer) -> Any:
    def set_(now: int) -> None:
        server.clock = lambda: now

    return set_


@pytest.mark.parametrize(
    ("zone", "name"), [("Asia/Kathmandu", "UTC+5:45"), ("America/New_York", "America/New_York (UTC-5)"), ("UTC", "UTC")]
)
def test_one_moment_has_one_label_on_every_part_of_the_page(open_page: Open, at: Any, zone: str, name: str) -> None:
    at(NOW)
    tab = open_page("#/overview?range=15", timezone_id=zone, scripts=(NOTE_DRAWN_TEXT,))
    assert label(NOW - states.DELAY, zone) in tab.text(".strip .until")
    # 10 s buckets: the last one that has ended 5 s before 14:30:15.
    assert label(NOW - 15_000, zone) in tab.text(".traffic .read")
    assert name in tab.text(".foot-line")
    whole = NOW - NOW % states.MINUTE
    minutes = [label(whole - minute * states.MINUTE, zone, "%H:%M") for minute in range(1, 13)]
    marks = {words for words in minutes if int(words[-2:]) % 2 == 0}  # by the clock of the zone
    tab.wait_for(lambda: len(drawn(tab) & marks) >= 5, f"{marks} among {drawn(tab)}")


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
def test_the_switch_to_utc_changes_every_label_and_is_remembered(open_page: Open, at: Any, zone: str) -> None:
    at(NOW)
    tab = open_page("#/overview?range=15", timezone_id=zone)
    tab.page.get_by_role("button", name="UTC").click()
    tab.wait_text(".strip .until", "14:30:10")
    tab.wait_text(".traffic .read", "14:30:00")
    assert "Times on this page are UTC" in tab.text(".foot-line")
    tab.page.reload()
    tab.wait_text(".strip .until", "14:30:10")
    tab.page.keyboard.press("u")
    tab.wait_text(".strip .until", label(NOW - states.DELAY, zone))


def check_hour(tab: Opened, hour: str) -> None:
    tab.page.evaluate("() => window.drawn.clear()")
    tab.wait_for(lambda: {words[:2] for words in drawn(tab)} == {hour}, f"labels of the hour {hour}")


@pytest.fixture(params=["Asia/Kathmandu", "America/New_York"])
def zone(request: pytest.FixtureRequest) -> str:
    """Of the browser: one before UTC, one after it, one of them not by whole hours."""
    found: str = request.param
    return found


def check_switch(tab: Opened, zone: str, *places: str, moment: int = NOW, chart: bool = False) -> None:
    """All these places tell the one moment in the zone of the page, before and after it is switched; with a `chart`,
    so do the labels of its axis, which are of the same hour."""
    for turn, shown in enumerate([zone, "UTC", zone]):
        if turn:
            tab.page.get_by_role("button", name="UTC").click()
        for place in places:
            tab.wait_text(place, label(moment, shown))
        if chart:
            check_hour(tab, label(moment, shown, "%H"))


def test_records_and_the_chosen_one_are_in_the_same_zone(
    open_page: Open, server: FakeServer, at: Any, zone: str
) -> None:
    at(NOW)
    row = topicstates.row(0, 5, NOW, "5")
    none: dict[str, Any] = {"key": None, "headers": [], "time_by": None, "topic": "clickstream"}
    value = {"length": 2, "start": 0, "next": None, "text": "{}"}
    server.answers["/api/topics/clickstream/0/5"] = lambda _params: (200, {**row, **none, "value": value})
    server.states |= {"topic": topicstates.topic, "tail": lambda _params, _now: None}
    tab = open_page("#/topics/clickstream?rec=0:5&cols=n", ready=False, timezone_id=zone)
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.live.panels.has('tail')"))
    feed = {"rows": [row], "skipped": 0, "anew": True, "stage": "live", "words": ""}
    tab.page.evaluate("feed => window.clickstream.app.live.panels.get('tail').handlers.feed(feed)", feed)
    check_switch(tab, zone, ".records td.t", ".inspector .facts")


def test_a_dead_letter_is_in_the_zone_of_the_list(open_page: Open, server: FakeServer, at: Any, zone: str) -> None:
    at(NOW)
    letter = {"partition": 0, "offset": "5", "time": NOW, "reason": "no JSON", "part": "tables", "retried": False}
    letter |= {"origin": "clickstream partition 0 offset 9", "origin_topic": "clickstream", "bytes": 2}
    topic = {"name": "dead-letters", "stage": "live", "words": "", "command": ""}
    server.states["dead"] = lambda _params, _now: {"topic": topic, "rows": [letter], "records": 1}
    value = {"length": 2, "start": 0, "next": None, "text": "{}"}
    whole = {**letter, "length": 2, "bad": None, "key": None, "headers": [], "value": value, "refusal": ""}
    server.answers["/api/dead-letters/0/5"] = lambda _params: (200, whole)
    tab = open_page("#/dead?letter=0:5", ready=False, timezone_id=zone)
    check_switch(tab, zone, ".d-list tbody", ".d-side .facts")


def test_what_was_asked_and_collected_is_in_one_zone(open_page: Open, server: FakeServer, at: Any, zone: str) -> None:
    at(NOW)
    answer = {"id": "1", "done": True, "words": "paused", "at": NOW}
    parts = [flowstates.part("generate-web", answers=[answer])]
    server.states["sources"] = lambda params, now: {**flowstates.sources(params, now), "parts": parts}
    request = {**flowstates.requests(NOW)[0], "received_at": NOW}
    server.states["collected"] = lambda params, now: {**flowstates.collected(params, now), "requests": [request]}
    tab = open_page("#/sources", timezone_id=zone)
    tab.page.locator(".requests tbody tr").click()
    check_switch(tab, zone, ".did li", ".requests tbody", "div.steps h3")


def test_alerts_and_the_chart_of_errors_are_in_one_zone(
    open_page: Open, server: FakeServer, at: Any, zone: str
) -> None:
    at(NOW + 5_000)
    alerts = [peoplestates.alert("404", NOW, NOW + 4_000, 100, False)]
    server.states["errors"] = lambda params, now: {**peoplestates.errors(params, now), "alerts": alerts}
    tab = open_page("#/errors?range=5", timezone_id=zone, scripts=(NOTE_DRAWN_TEXT,))
    # 5 s buckets, of which the last final one begins at 14:30:10.
    check_switch(tab, zone, ".e-log tbody", chart=True)
    check_switch(tab, zone, "section.plain .read", moment=NOW - 5_000)


def test_the_table_and_the_lanes_of_sessions_are_in_one_zone(
    open_page: Open, server: FakeServer, at: Any, zone: str
) -> None:
    at(NOW)

    def sessions(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = peoplestates.sessions(params, now)
        ended = {"start": NOW - 50_000, "last": NOW - peoplestates.GAP, "open": False}
        return {**state, "rows": [{**state["rows"][0], **ended}]}

    server.states["sessions"] = sessions
    tab = open_page("#/sessions?range=5", timezone_id=zone, scripts=(NOTE_DRAWN_TEXT,))
    check_switch(tab, zone, ".s-table tbody", chart=True)  # when it was closed
    check_switch(tab, zone, ".s-table tbody .c-start", moment=NOW - 50_000)


def test_events_the_tally_and_what_customers_do_are_in_one_zone(
    open_page: Open, server: FakeServer, at: Any, zone: str
) -> None:
    at(NOW)
    tally = {**peoplestates.products({"to": NOW, "range": 300_000}, NOW)["tally"], "at": NOW}
    server.states |= {
        "products": lambda params, now: {**peoplestates.products(params, now), "tally": tally},
        "funnel": peoplestates.funnel,
        "vip": lambda _params, _now: None,
    }
    tab = open_page("#/products?range=5", timezone_id=zone, scripts=(NOTE_DRAWN_TEXT,))
    row = {"id": "0:5", "time": NOW, "user": "5", "name": "Ann", "action": "login", "page": 3}
    feed = {"rows": [row], "skipped": 0, "anew": True, "stage": "live", "words": ""}
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.live.panels.has('vip')"))
    tab.page.evaluate("feed => window.clickstream.app.live.panels.get('vip').handlers.feed(feed)", feed)
    check_switch(tab, zone, ".p-vip tbody", ".p-count .facts", chart=True)


def test_rows_of_sql_are_in_utc_and_say_so_and_their_chart_is_in_the_zone_of_the_page(
    open_page: Open, server: FakeServer, zone: str
) -> None:
    rows = [[f"2026-01-19 14:{minute}:15", minute] for minute in (29, 30)]
    newest = {"clicks": {"rows": 2, "since": NOW}}
    columns = [["minute", "TIMESTAMP"], ["hits", "BIGINT"]]
    server.answers |= querystates.answers(querystates.answer(columns, rows, newest=newest))
    tab = open_page("#/query", timezone_id=zone, scripts=(NOTE_DRAWN_TEXT,))
    check_switch(tab, zone, ".q-out header .note")  # since when clicks were asked
    assert "UTC" in tab.text(".q-out th")
    assert tab.page.locator(".q-out td").all_inner_texts()[2] == "2026-01-19 14:30:15"
    tab.page.get_by_role("button", name="Chart").click()
    check_switch(tab, zone, ".q-keys")


@pytest.mark.parametrize("change", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_in_utc_labels_are_right_though_the_system_changes_its_clock(open_page: Open, at: Any, change: int) -> None:
    at(change)
    tab = open_page("#/overview?range=360", timezone_id="Europe/Paris", scripts=(NOTE_DRAWN_TEXT,))
    tab.page.keyboard.press("u")
    tab.wait_text(".foot-line", "UTC")
    hours = {label(change - change % HOUR - hour * HOUR, "UTC", "%H:%M") for hour in range(6)}
    halves = {label(change - change % HOUR - hour * HOUR + HOUR // 2, "UTC", "%H:%M") for hour in range(7)}
    tab.page.evaluate("() => window.drawn.clear()")
    tab.wait_for(lambda: len(drawn(tab)) >= 5)
    assert drawn(tab) <= hours | halves


@pytest.mark.parametrize(("change", "expected"), [(SPRING, {"01:00": 1, "03:00": 1}), (AUTUMN, {"02:00": 2})])
def test_in_local_time_an_hour_is_missing_or_comes_twice(
    open_page: Open, at: Any, change: int, expected: dict[str, int]
) -> None:
    at(change)
    tab = open_page(timezone_id="Europe/Paris")
    labels = tab.page.evaluate(
        """async ([from, to]) => {
          const { splits, hm } = await import('/js/time.js');
          return splits(from, to, 3600000).map(hm);
        }""",
        [change - 3 * HOUR, change + 3 * HOUR],
    )
    assert "02:00" not in labels or change == AUTUMN
    assert {words: labels.count(words) for words in expected} == expected
    assert len(labels) == 6


TYPED = [
    "2026-03-25", "2026-03-25 19:05", "2026-03-25T19:05:49.073", "2026-03-25T19:05Z", "2026-03-25 19:05:49+02",
    "2026-03-25T19:05-0330", "2026-03-29 02:30", "2026-10-25T01:30", "2026-02-29", "2026-13-01", "2026-03-25 25:00",
    "yesterday", "2026", "7", "", "2026-03-25Z",
]  # fmt: skip
PARSE = """async (typed) => {
  const { parse } = await import('/js/time.js');
  return typed.map((words) => (Number.isNaN(parse(words)) ? null : parse(words)));
}"""


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
def test_a_typed_time_is_in_the_zone_of_the_page_as_the_server_reads_one(open_page: Open, zone: str) -> None:
    def at_the_server(words: str, page_zone: str) -> int | None:
        try:
            found = position.parse(words, ZoneInfo(page_zone))
        except ValueError:
            return None
        return found.timestamp if isinstance(found, position.Time) else None  # a plain number is an offset

    tab = open_page(timezone_id=zone)
    for page_zone in (zone, "UTC"):
        read = dict(zip(TYPED, tab.page.evaluate(PARSE, TYPED), strict=True))
        assert read == {words: at_the_server(words, page_zone) for words in TYPED}, page_zone
        tab.page.keyboard.press("u")


ASKED = "/api/topics/clickstream/records"


def test_records_begin_at_a_typed_day_of_the_zone_of_the_page(open_page: Open, server: FakeServer) -> None:
    asked: list[dict[str, str]] = []
    server.states |= {"topic": topicstates.topic, "tail": lambda _params, _now: None}
    server.answers[ASKED] = lambda params: asked.append(params) or topicstates.found([])(params)  # type: ignore[func-returns-value]

    def begins_at(wanted: str) -> bool:
        return bool(asked) and asked[-1]["from"] == wanted

    tab = open_page("#/topics/clickstream", ready=False, timezone_id="Asia/Kathmandu")
    tab.page.get_by_role("button", name="Time", exact=True).click()
    place = tab.page.get_by_label("Time, in the zone of this page")
    for words, wanted in [
        ("2026-03-25", "2026-03-24T18:15:00.000Z"),
        ("2026-03-25T00:00Z", "2026-03-25T00:00:00.000Z"),
    ]:
        place.fill(words)
        place.press("Enter")
        tab.wait_for(partial(begins_at, wanted), f"{words}: {asked}")
    place.fill("someday")
    place.press("Enter")
    tab.wait_text("main", "someday is no time: 20")
    # In an address it may stand as somebody wrote it: then the server is told the zone.
    tab.page.evaluate("() => { location.hash = '#/topics/clickstream?at=2026-03-25'; }")
    tab.wait_for(lambda: asked[-1]["from"] == "2026-03-25", "what the address says")
    assert asked[-1]["zone"] in ("Asia/Kathmandu", "Asia/Katmandu")
    tab.page.get_by_role("button", name="UTC").click()
    tab.wait_for(lambda: asked[-1]["zone"] == "UTC", "the other zone")


TELL = """async () => {
  const { hm, hms, hmsMs, day, dayTime, moment } = await import('/js/time.js');
  const { ago, duration } = await import('/js/format.js');
  const unknown = [null, undefined, NaN, 'soon'];
  const clocks = [...unknown, 9e18, -9e18].flatMap((at) =>
    [hm, hms, hmsMs, day, dayTime, (one) => moment(one, Date.now())].map((tell) => tell(at)));
  return [...clocks, ...unknown.flatMap((ms) => [ago(ms), duration(ms)])];
}"""


def test_an_unknown_time_is_neither_1970_nor_now(open_page: Open) -> None:
    assert set(open_page().page.evaluate(TELL)) == {"\u2013"}


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_places_of_labels_are_multiples_on_the_clock_of_the_zone(open_page: Open, zone: str) -> None:
    tab = open_page(timezone_id=zone)
    change = (
        AUTUMN if zone != "Australia/Lord_Howe" else int(datetime(2026, 10, 3, 15, 30, tzinfo=UTC).timestamp()) * 1000
    )
    for step in (1_000, 30_000, 300_000, 1_800_000, HOUR, 6 * HOUR):
        begin = change - 20 * step
        found: list[int] = tab.page.evaluate(
            "async ([from, to, step]) => (await import('/js/time.js')).splits(from, to, step)",
            [begin, begin + 40 * step, step],
        )
        assert 37 <= len(found) <= 43, step
        assert found == sorted(set(found)), step
        for moment in found:
            local = datetime.fromtimestamp(moment / 1000, ZoneInfo(zone))
            seconds = local.hour * 3600 + local.minute * 60 + local.second
            assert seconds * 1000 % step == 0, step
