"""The Overview's state, on a history without Kafka: numbers against plain counting."""

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from clickstream.config import load
from clickstream.enrich.places import MadeUpPlaces, Place
from clickstream.errors import ConfigError
from clickstream.history.decode import Click
from clickstream.history.history import History, TopicStatus
from clickstream.history.model import Question, Traffic
from clickstream.history.store import Limits
from clickstream.inspect.hub import Hub
from clickstream.inspect.refreshed import Seen
from clickstream.inspect.topicreader import Stage, State
from clickstream.kafka.clients import Cluster
from clickstream.parts.status import DEAD_AFTER_S
from clickstream.parts.status import Seen as Word
from clickstream.records import Position, Status, utc_text
from clickstream.ui.hints import Hints
from clickstream.ui.panels.alerts import TOPIC
from clickstream.ui.panels.frame import FramePanel, kafka
from clickstream.ui.panels.overview import KIND, Overview, OverviewPanel, Params
from clickstream.ui.services import Services
from clickstream.ui.statuses import Statuses
from tests.unit.ui.conftest import FakeCluster
from tests.unit.ui.listeners import FakeHub

BASE = 1_600_000_000_000 // 3_600_000 * 3_600_000
MINUTE = 60_000
NOW = BASE + 20 * MINUTE
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


def click(at: int, user: int | None = 1, page: str = "/a", status: int = 200, octets: int = 100) -> Click:
    return Click(
        time=at,
        ip="10.0.0.1",
        userid=user,
        request=f"GET {page} HTTP/1.1",
        status=status,
        bytes=octets,
        referrer=None,
        agent=FIREFOX,
    )


@pytest.fixture
def history() -> Iterator[History]:
    history = History(
        cast(Cluster, FakeCluster()), limits=Limits(history_ms=3_600_000), places=MadeUpPlaces(), clock=lambda: NOW
    )
    history.store.begin("clicks", 0)
    yield history
    history.close()


@pytest.fixture
def services(hub: FakeHub, history: History) -> Services:
    config = load(None, {})
    statuses = Statuses(cast(Hub, hub), "status", Hints(config))
    watching = SimpleNamespace(names=SimpleNamespace(get=lambda _wait_s: Seen(["a", "b", "__offsets"], 1.0)))
    return Services(
        cast(Cluster, FakeCluster()), config, cast(Hub, hub), statuses, cast(Any, watching), Hints(config), history
    )


def state(services: Services, now: int = NOW, **params: Any) -> Overview:
    asked = msgspec.convert({"range": 5 * MINUTE, **params}, Params)
    panel = cast(OverviewPanel, KIND.make(services, asked))
    found = panel.state(now)
    panel.close()
    return found


# Two visitors a minute before the end, one long ago, an error, and one in the period before.
CLICKS = [
    click(NOW - 9 * MINUTE, 3),
    click(NOW - 4 * MINUTE, 4, "/b"),
    click(NOW - 50_000, 1),
    click(NOW - 40_000, 1, "/b", 404),
    click(NOW - 20_000, 2, "/a", 200, 500),
    click(NOW - 10_000, None, "/c"),
]


def test_figures_are_of_the_last_moments(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    figures = state(services).figures
    assert figures["visitors"].value == 4  # three users and an address
    assert figures["hits"].value == 4
    assert figures["bytes"].value == pytest.approx(800 / 60)
    assert figures["errors"].value == 0.25
    assert figures["active"].value == 1  # of the users; who has no name has no session
    assert figures["hits"].mean == 1  # five in five minutes
    assert figures["hits"].before == pytest.approx(0.2)
    assert figures["hits"].few


def test_a_dragged_time_is_counted_as_a_whole(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    figures = state(services, to=NOW, whole=True).figures
    assert figures["visitors"].value == 4
    assert figures["hits"].value == 1
    assert figures["errors"].value == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("before", "now", "few"),
    [((20, 3), (40, 30), False), ((40, 30), (20, 0), False), ((20, 3), (40, 9), True), ((5, 0), (40, 30), True)],
)
def test_a_change_of_the_error_rate_is_told_when_one_period_has_enough_errors(
    services: Services, history: History, before: tuple[int, int], now: tuple[int, int], few: bool
) -> None:
    """Each: clicks, and errors among them."""
    for at, (hits, errors) in ((NOW - 7 * MINUTE, before), (NOW - 2 * MINUTE, now)):
        history.store.add_clicks([click(at, status=404 if number < errors else 200) for number in range(hits)])
    assert state(services).figures["errors"].few is few


def test_series_are_rates_by_bucket(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    found = state(services)
    assert (found.from_, found.to, found.bucket) == (NOW - 5 * MINUTE, NOW, 5_000)
    assert len(found.series["hits"].values) == 60
    assert sum(value or 0 for value in found.series["hits"].values) == 5 * 12
    assert found.series["visitors"].values[-1] == 4
    assert found.series["errors"].values[-8] == 1
    assert found.series["errors"].values[0] is None
    assert found.series["active"].values[-1] == 1


def test_a_past_instant_shows_what_was_then(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    found = state(services, to=NOW - 30_000)
    assert found.to == NOW - 30_000
    assert found.figures["hits"].value == 2
    assert found.figures["visitors"].value == 2


def test_a_past_instant_has_the_alerts_that_were_known_then(services: Services, hub: FakeHub) -> None:
    def row(end: int, count: int) -> bytes:
        start, end_ = (utc_text(at / 1000).removesuffix("UTC").replace("T", " ") for at in (end - MINUTE, end))
        return json.dumps({"status": 404, "window_start": start, "window_end": end_, "errors": count}).encode()

    windows: dict[str, bytes | None] = {"a": row(NOW - 2 * MINUTE, 7), "b": row(NOW - MINUTE, 9)}
    hub.say(TOPIC, windows, anew=True)
    assert [(one.to, one.peak) for one in state(services).alerts] == [(NOW - MINUTE, 9)]
    hub.say(TOPIC, windows, anew=True)
    then = state(services, to=NOW - MINUTE - 30_000).alerts
    assert [(one.to, one.peak) for one in then] == [(NOW - 2 * MINUTE, 7)]


def test_filters_include_and_exclude_and_a_list_keeps_its_own_choice(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    found = state(services, filters=[("page", "=", "/b"), ("status", "!=", "404")])
    assert found.hits == 1
    assert {row[0]: row[1] for row in found.tops["page"].rows} == {"/a": 2, "/b": 1, "/c": 1}
    assert found.tops["status"].rows == [("200", 1, 0)]


def test_statuses_have_names_and_places_a_source(services: Services, history: History, hub: FakeHub) -> None:
    hub.say("clickstream_codes", {"404": b'{"code":404,"definition":"Page not found"}'}, anew=True)
    history.store.add_clicks(CLICKS)
    found = state(services)
    assert found.names["status"] == {"200": "Ok", "404": "Page not found"}
    assert found.places.source == "made up"


class ManyPlaces:
    """Each address of 10.0.0.0/24 is in a country of its own."""

    source: str | None = "many.mmdb"

    def place(self, address: str | None) -> Place:
        return Place(f"C{int((address or '').rpartition('.')[2]):03}", None)


@pytest.mark.parametrize("filters", [[], [("page", "=", "/a")], [("country", "=", "C007")]])
def test_the_map_has_every_country_and_other_lists_their_first_values(
    services: Services, filters: list[tuple[str, str, str]]
) -> None:
    history = History(cast(Cluster, FakeCluster()), places=ManyPlaces(), clock=lambda: NOW)
    history.store.begin("clicks", 0)
    clicks = [msgspec.structs.replace(click(NOW - MINUTE, 7, "/a"), ip=f"10.0.0.{at}") for at in range(200)]
    clicks += [click(NOW - MINUTE, 7, f"/{at}") for at in range(100)]
    history.store.add_clicks(clicks)
    tops = state(replace(services, history=history), filters=filters).tops
    history.close()
    assert [row[0] for row in tops["country"].rows] == [f"C{at:03}" for at in range(200)]
    assert (tops["country"].more, tops["country"].total) == (0, 200)
    assert len(tops["page"].rows) == (1 if filters and filters[0][0] == "country" else 24)


def test_an_unknown_dimension_is_refused_with_what_there_is(services: Services) -> None:
    with pytest.raises(ConfigError, match=r"'colour'; there are page, referrer"):
        state(services, filters=[("colour", "=", "red")])


@pytest.mark.parametrize("params", [{"range": 1}, {"range": 10**12}, {"filters": [["page", "~", "x"]]}, {"more": 1}])
def test_params_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"range": MINUTE, **params}, Params)


def test_the_state_can_be_encoded_as_the_page_reads_it(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    read = msgspec.json.decode(msgspec.json.encode(state(services)))
    assert {"from", "to", "bucket", "final", "newest", "figures", "series", "tops"} <= read.keys()
    assert read["tops"]["page"]["rows"][0][:2] == ["/a", 2]


class Live:
    """A reader of a topic that is at that, and has read up to then (None: all that there is)."""

    def __init__(self, stage: Stage, until: int | None = None) -> None:
        self.state = State(stage, 0.0)
        self.reached = SimpleNamespace(until=until)


@pytest.mark.parametrize(("stage", "words"), [(Stage.LIVE, "Nothing of the last hour"), (Stage.MISSING, "no topic")])
def test_without_clicks_it_says_which_command_makes_some(
    services: Services, history: History, stage: Stage, words: str
) -> None:
    history._readers["clicks"] = cast(Any, Live(stage))
    found = state(services).setup
    assert found is not None
    assert words in found.steps[1].words
    assert found.steps[1].command == "clickstream generate web"
    history.store.add_clicks(CLICKS)
    assert state(services).setup is None


@pytest.mark.parametrize(("silent_s", "wanting"), [(0.0, False), (DEAD_AFTER_S + 1, True)])
def test_without_clicks_it_says_that_no_tables_run(
    services: Services, history: History, silent_s: float, wanting: bool
) -> None:
    history._readers["clicks"] = cast(Any, Live(Stage.LIVE))
    tables = Status("i", "tables", "h", "s", "running", {}, [])
    statuses = SimpleNamespace(parts=lambda now: [Word(tables, now - silent_s)])
    found = state(replace(services, statuses=cast(Any, statuses))).setup
    assert found is not None
    assert any("No tables run" in step.words for step in found.steps) == wanting


def test_while_it_reads_it_does_not_say_that_there_is_nothing(services: Services, history: History) -> None:
    assert state(services).setup is None
    history._readers["clicks"] = cast(Any, Live(Stage.AWAY))
    assert state(services).setup is None


def test_the_frame_has_the_watermark_alerts_and_numbers(services: Services, history: History, hub: FakeHub) -> None:
    history.store.add_clicks(CLICKS)
    value = b'{"status":404,"window_start":"2020-09-13 12:18:00","window_end":"2020-09-13 12:19:00","errors":9}'
    hub.say(TOPIC, {"a": value}, anew=True)
    frame = FramePanel(services, history).state(NOW)
    assert frame.final == NOW - 15_000
    assert frame.newest == NOW - 10_000
    assert not frame.empty
    assert frame.kafka.ok
    assert frame.alerts is not None
    assert [alert.status for alert in frame.alerts.open] == ["404"]
    numbers = {page: number.n for page, number in frame.numbers.items()}
    assert numbers == {"overview": 4, "sessions": 1, "errors": 1, "sources": 0, "topics": 2}


def test_without_a_history_the_frame_tells_of_kafka(services: Services, hub: FakeHub) -> None:
    hub.latest("status").state = State(Stage.AWAY, 7.0, "refused")
    frame = FramePanel(services, None).state(NOW)
    assert (frame.kafka.ok, frame.kafka.since, frame.kafka.words) == (False, 7_000, "refused")
    assert (frame.final, frame.newest, frame.empty) == (None, None, False)


def test_kafka_is_away_since_the_first_reader_got_no_answer() -> None:
    def topic(stage: Stage, since: float) -> TopicStatus:
        return TopicStatus("t", stage.value, "refused", since, 0, 0, None, None, {})

    assert kafka([topic(Stage.LIVE, 1.0), topic(Stage.MISSING, 2.0)]).ok
    away = kafka([topic(Stage.AWAY, 5.0), topic(Stage.LIVE, 1.0), topic(Stage.AWAY, 4.0)])
    assert (away.ok, away.since) == (False, 4_000)


def read_until(history: History, **until: int | None) -> None:
    for kind in ("clicks", "events", "vip"):
        history._readers[kind] = cast(Any, Live(Stage.LIVE, until.get(kind)))


def test_a_history_that_is_behind_says_up_to_when_it_has_read(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    read_until(history, clicks=NOW - 90_000, events=NOW - 30_000)
    assert state(services).read_until == NOW - 90_000
    assert state(services, to=NOW - 2 * MINUTE).read_until is None, "that long ago is read"
    behind = FramePanel(services, history).state(NOW).behind
    assert behind is not None
    assert (behind.topic, behind.until) == ("clickstream", NOW - 90_000)
    assert history.final_end("clicks", NOW) == NOW - 90_000
    assert history.final_end("events", NOW) == NOW - 30_000


def test_what_is_read_while_it_is_counted_is_not_known_to_be_counted(
    services: Services, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.store.add_clicks(CLICKS)
    read_until(history, clicks=NOW - 90_000)
    place = Position("clickstream", 0, 0, watermark=NOW - 4_000)
    history._statuses = lambda: [Status("i", "tables", "h", "s", "running", {}, ["clickstream"], positions=[place])]
    traffic = history.traffic

    def counted(question: Question) -> Traffic:
        read_until(history)
        return traffic(question)

    monkeypatch.setattr(history, "traffic", counted)
    found = state(services)
    assert (found.read_until, found.final) == (NOW - 90_000, NOW - 90_000)


def test_lists_that_were_counted_before_all_was_read_are_not_complete(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    panel = cast(OverviewPanel, KIND.make(services, Params(range=5 * MINUTE)))
    read_until(history, clicks=NOW - 90_000)
    panel.state(NOW)
    read_until(history)
    panel._tops_due = float("inf")
    assert panel.state(NOW).read_until == NOW - 90_000
    panel._tops_due = 0.0
    assert panel.state(NOW).read_until is None
    panel.close()


def test_a_moment_is_not_behind(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    read_until(history, clicks=NOW - 2_000)
    assert state(services).read_until is None
    assert FramePanel(services, history).state(NOW).behind is None


def test_results_of_tables_are_final_only_as_far_as_they_are_read(services: Services, history: History) -> None:
    place = Position("clickstream", 0, 0, watermark=NOW - 4_000)
    history._statuses = lambda: [Status("i", "tables", "h", "s", "running", {}, ["clickstream"], positions=[place])]
    assert history.final() == NOW - 4_000
    read_until(history, clicks=NOW - 60_000)
    assert history.final() == NOW - 60_000


def test_without_tables_nothing_is_final_that_is_not_read(services: Services, history: History) -> None:
    assert history.final() is None
    history.store.add_clicks(CLICKS)
    read_until(history, clicks=NOW - 60_000)
    assert history.final() == NOW - 60_000
    read_until(history)
    assert history.final() == NOW - 15_000, "partitions that are read to their end hold nothing back"


def patient(services: Services, to: int | None = None) -> OverviewPanel:
    """It knows all of its series at once."""
    panel = cast(OverviewPanel, KIND.make(services, Params(range=5 * MINUTE, to=to)))
    panel._visitors._at_most_s = panel._visitors_before._at_most_s = 60
    return panel


@pytest.mark.parametrize("to", [None, NOW - MINUTE])
def test_a_page_that_is_looked_at_while_the_history_reads_back_has_all_of_it_afterwards(
    services: Services, history: History, to: int | None
) -> None:
    """One partition is read, the other not yet."""
    history.store.add_clicks(CLICKS)
    read_until(history, clicks=NOW - 20 * MINUTE)
    panel = patient(services, to)
    panel.state(NOW)
    history.store.add_clicks([click(NOW - minute * MINUTE, 100 + minute) for minute in range(1, 11)])
    read_until(history)
    found, expected = panel.state(NOW), patient(services, to).state(NOW)
    assert found.series == expected.series
    assert found.figures == expected.figures


@pytest.mark.parametrize("minutes", [2, 7])
def test_clicks_of_a_partition_that_was_away_count_as_others(
    services: Services, history: History, minutes: int
) -> None:
    """All was read as far as anybody could know."""
    history.store.add_clicks(CLICKS)
    panel = patient(services)
    panel.state(NOW)
    history.store.add_clicks([click(NOW - minutes * MINUTE, 9)])
    found, expected = panel.state(NOW), patient(services).state(NOW)
    assert found.series == expected.series
    assert found.figures == expected.figures


def test_nothing_is_remembered_of_a_topic_that_was_recreated(services: Services, history: History) -> None:
    history.store.add_clicks(CLICKS)
    panel = patient(services)
    panel.state(NOW)
    history.store.forget("clicks")
    history.store.begin("clicks", 0)
    history.store.add_clicks([click(NOW - 1_000)])
    assert panel.state(NOW).series == patient(services).state(NOW).series


def test_the_period_before_is_asked_again_once_the_history_reaches_it(services: Services, history: History) -> None:
    history.store.begin("clicks", NOW - 5 * MINUTE)
    history.store.add_clicks(CLICKS)
    panel = cast(OverviewPanel, KIND.make(services, Params(range=5 * MINUTE, to=NOW)))
    history.store.add_clicks([click(NOW)])
    assert panel.state(NOW + 9_000).figures["hits"].before is None
    history.store.extend(0)
    assert panel.state(NOW + 9_000).figures["hits"].before == pytest.approx(0.2)
    panel.close()


def test_the_frame_says_how_much_the_history_holds(services: Services, history: History) -> None:
    assert FramePanel(services, history).state(NOW).holds is None, "it has not read back yet"
    read_until(history)
    assert FramePanel(services, history).state(NOW).holds == 0
    history.store.add_clicks(CLICKS)
    assert FramePanel(services, history).state(NOW).holds == 9 * MINUTE
    history.store.extend(0)
    history.store.add_clicks([click(NOW - 3 * 60 * MINUTE)])  # in sums only
    held = FramePanel(services, history).state(NOW).holds
    assert held is not None
    assert held >= 3 * 60 * MINUTE
