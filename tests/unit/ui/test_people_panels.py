"""Sessions, errors, products and funnels, on a history without Kafka: numbers against plain counting."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from clickstream.config import load
from clickstream.enrich.places import MadeUpPlaces
from clickstream.errors import ClickstreamError
from clickstream.history.decode import Click, ProductEvent
from clickstream.history.history import History
from clickstream.history.store import Limits
from clickstream.inspect.hub import Hub
from clickstream.inspect.offsets import Limits as Offsets
from clickstream.inspect.rates import TopicList
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.inspect.topicreader import Stage, State
from clickstream.kafka.clients import Cluster
from clickstream.parts.status import DEAD_AFTER_S
from clickstream.parts.status import Seen as Word
from clickstream.records import CounterState, Status, Tally, encode, utc_text
from clickstream.ui.hints import Hints
from clickstream.ui.panels import errors, funnel, products, sessions, vip
from clickstream.ui.panels.alerts import TOPIC as ALERTS
from clickstream.ui.remembered.moment import Others, Parts, packed
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.services import Services
from clickstream.ui.statuses import Statuses
from clickstream.ui.tallies import Counted, Told, ran
from tests.unit.ui.listeners import FakeHub

BASE = 1_600_000_000_000 // 3_600_000 * 3_600_000
MINUTE = 60_000
NOW = BASE + 20 * MINUTE
PAGES = ("/index.html", "/a", "/b.html")


class FakeCluster:
    address = "localhost:9092"


class Watching:
    """Topics end where a test says."""

    def __init__(self) -> None:
        self.limits: dict[tuple[str, int], Offsets] = {}
        self.leaderless: dict[tuple[str, int], None] = {}
        self.asked_at = NOW / 1000
        self.topics = self

    def get(self, _wait_s: float = 0.5) -> Any:
        leaders: dict[str, dict[int, Any]] = {}
        for topic, partition in (*self.limits, *self.leaderless):
            leaders.setdefault(topic, {})[partition] = None
        return SimpleNamespace(answer=TopicList([], self.limits, leaders, self.asked_at))


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def watching() -> Watching:
    return Watching()


@pytest.fixture
def history() -> Iterator[History]:
    history = History(
        cast(Cluster, FakeCluster()), limits=Limits(history_ms=3_600_000), places=MadeUpPlaces(), clock=lambda: NOW
    )
    for kind in ("clicks", "events", "vip"):
        history.store.begin(kind, 0)
    yield history
    history.close()


@pytest.fixture
def services(hub: FakeHub, history: History, watching: Watching) -> Services:
    config = load(None, {})
    statuses = Statuses(cast(Hub, hub), "status", Hints(config))
    return Services(
        cast(Cluster, FakeCluster()), config, cast(Hub, hub), statuses, cast(Any, watching), Hints(config), history
    )


def state(services: Services, module: Any, now: int = NOW, **params: Any) -> Any:
    """What the panel says once."""
    asked = msgspec.convert({"range": 10 * MINUTE, **params}, module.KIND.params)
    panel = module.KIND.make(services, asked)
    found = panel.state(now)
    panel.close()
    return found


def clicks(number: int = 600) -> list[Click]:
    """Of the last 15 minutes, in sessions."""
    dice = random.Random(4)
    return [
        Click(
            time=NOW - dice.randrange(15 * MINUTE) // 20_000 * 20_000 - dice.randrange(5_000),
            ip=f"10.0.0.{dice.randrange(9)}",
            userid=dice.choice([1, 2, 3, 4, 5, 6, 7, 8, None]),
            request=f"GET {dice.choice(PAGES)} HTTP/1.1",
            status=dice.choice([200, 200, 200, 302, 404, 407, 500, 503]),
            bytes=dice.randrange(300_000),
        )
        for _ in range(number)
    ]


def sessions_of(came: list[Click], end: int) -> list[tuple[str, int, int, int, int]]:
    """User, first, last, clicks, bytes: of each user by itself."""
    found = []
    for user in {one.userid for one in came} - {None}:
        group: list[Click] = []
        for one in sorted((one for one in came if one.userid == user and one.time < end), key=lambda one: one.time):
            if group and one.time - group[-1].time > 30_000:
                found.append(group)
                group = []
            group.append(one)
        found.append(group)
    return [
        (str(group[0].userid), group[0].time, group[-1].time, len(group), sum(one.bytes or 0 for one in group))
        for group in found
    ]


# --- sessions


def test_sessions_are_those_of_a_plain_count(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    found = state(services, sessions, sort="start", down=False)
    wanted = [one for one in sessions_of(came, NOW) if one[2] >= NOW - 10 * MINUTE]
    assert found.total == len(wanted)
    rows = sorted((row.user, row.start, row.last, row.hits, row.bytes) for row in found.rows)
    assert rows == sorted(sorted(wanted, key=lambda one: one[1])[:50])
    bars = [bar for lane in found.lanes if lane for bar in lane.sessions]
    assert sum(closed + still for _size, closed, still in found.sizes) == len(wanted) == len(bars)
    assert found.users == len({one[0] for one in wanted})


def test_a_bar_has_a_tick_for_each_click_in_view(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    found = state(services, sessions)
    for lane in filter(None, found.lanes):
        own = sorted(one.time for one in came if str(one.userid) == lane.user and one.time >= found.from_)
        assert sorted(at for bar in lane.sessions for at in bar.clicks) == own


@pytest.mark.parametrize("sort", list(sessions.SORTS))
@pytest.mark.parametrize("down", [False, True])
def test_the_table_has_the_first_by_any_column(services: Services, history: History, sort: str, down: bool) -> None:
    history.store.add_clicks(clicks())
    found = state(services, sessions, sort=sort, down=down)
    values = [sessions.SORTS[sort](row) for row in found.rows]
    assert values == sorted(values, reverse=down)


def test_only_what_is_over_the_threshold(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    found = state(services, sessions, over=500_000)
    wanted = [one for one in sessions_of(came, NOW) if one[2] >= NOW - 10 * MINUTE and one[4] > 500_000]
    assert sorted((row.user, row.start) for row in found.rows) == sorted((one[0], one[1]) for one in wanted)


def test_names_and_cities_come_from_the_topic_of_users(services: Services, history: History, hub: FakeHub) -> None:
    history.store.add_clicks([Click(time=NOW - 5_000, userid=user) for user in (1, 2)])
    hub.say("clickstream_users", {"1": b'{"user_id":1,"username":"AnnaB","city":"Leeds"}', "2": b"no user", "x": None})
    found = state(services, sessions, sort="name", down=False)
    assert [(row.name, row.city) for row in found.rows] == [("2", None), ("AnnaB", "Leeds")]
    assert {lane.name for lane in found.lanes if lane} == {"AnnaB", "2"}
    assert {row.name for row in found.activity} == {"AnnaB", "2"}


def test_a_missing_topic_of_users_says_which_command_makes_it(services: Services, hub: FakeHub) -> None:
    hub.latest("clickstream_users").state = State(Stage.MISSING, 1.0)
    found = state(services, sessions)
    assert (found.people.stage, found.people.command) == ("missing", "clickstream generate web")
    assert found.newest is None
    assert found.clicks.name == "clickstream"


def test_sessions_that_were_joined_while_nobody_looked_are_told(services: Services, history: History) -> None:
    reader = SimpleNamespace(state=State(Stage.LIVE, 0.0), reached=SimpleNamespace(until=None))
    history._readers["clicks"] = cast(Any, reader)
    for back in (150_000, 100_000, 125_000):
        history._add_clicks([Click(time=NOW - back, userid=1)])
    found = state(services, sessions)
    [bar] = [bar for lane in found.lanes if lane for bar in lane.sessions]
    assert [(one.start, one.end) for one in bar.bridges] == [(NOW - 150_000, NOW - 100_000)]


@pytest.mark.parametrize(("stage", "until"), [(Stage.CATCHING_UP, None), (Stage.LIVE, NOW - 60_000)])
def test_what_is_read_back_joins_nothing(services: Services, history: History, stage: Stage, until: int | None) -> None:
    reader = SimpleNamespace(state=State(stage, 0.0), reached=SimpleNamespace(until=until))
    history._readers["clicks"] = cast(Any, reader)
    for back in (150_000, 100_000, 125_000):
        history._add_clicks([Click(time=NOW - back, userid=1)])
    assert [bar.bridges for lane in state(services, sessions).lanes if lane for bar in lane.sessions] == [[]]


def test_a_past_instant_shows_the_sessions_of_then(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    then = NOW - 6 * MINUTE
    found = state(services, sessions, to=then, range=5 * MINUTE)
    wanted = [one for one in sessions_of(came, then) if one[2] >= then - 5 * MINUTE]
    assert (found.to, found.total) == (then, len(wanted))


@pytest.mark.parametrize(
    "params", [{"lanes": 0}, {"lanes": 61}, {"sort": "no"}, {"range": 5}, {"filters": [("no", "=", "x")]}]
)
def test_parameters_that_make_no_sense_are_refused(services: Services, params: dict[str, Any]) -> None:
    with pytest.raises(ClickstreamError):
        state(services, sessions, **params)


# --- errors


def test_errors_are_those_of_a_plain_count(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    found = state(services, errors)
    own = [one for one in came if found.from_ <= one.time < NOW]
    counts = Counter(one.status for one in own)
    assert {code.status: code.total for code in found.codes} == {str(status): n for status, n in counts.items()}
    assert found.hits == len(own)
    assert found.errors == sum(n for status, n in counts.items() if status is not None and status >= 400)
    assert set(found.series) == {"404", "407", "500", "503"}
    for status, values in found.series.items():
        each = Counter(one.time // found.bucket * found.bucket for one in own if str(one.status) == status)
        assert values == [each[at] for at in found.times]
    assert [int(code.status) >= 400 for code in found.codes] == [True] * 4 + [False] * 2
    last = [one for one in own if one.time >= NOW - MINUTE]
    assert (found.last_hits, found.last_errors) == (len(last), sum((one.status or 0) >= 400 for one in last))


@pytest.mark.parametrize(("panel", "kind", "asks"), [(errors, "clicks", "traffic"), (products, "events", "tally")])
def test_what_is_read_while_it_is_counted_is_not_known_to_be_counted(
    services: Services, history: History, monkeypatch: pytest.MonkeyPatch, panel: Any, kind: str, asks: str
) -> None:
    reached = SimpleNamespace(until=NOW - 90_000)
    history._readers[kind] = cast(Any, SimpleNamespace(state=State(Stage.LIVE, 0.0), reached=reached))
    count = getattr(history, asks)

    def counted(*asked: Any) -> Any:
        reached.until = None
        return count(*asked)

    monkeypatch.setattr(history, asks, counted)
    assert state(services, panel).read_until == NOW - 90_000
    assert state(services, panel).read_until is None


def test_where_errors_come_from(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    found = state(services, errors, filters=[("user", "!=", "1")])
    own = [one for one in came if found.from_ <= one.time < NOW and (one.status or 0) >= 400 and one.userid != 1]
    assert {value: n for value, n, _before in found.where["ip"].rows} == Counter(one.ip for one in own)
    users = Counter(str(one.userid) for one in own if one.userid is not None)
    assert {value: n for value, n, _before in found.where["user"].rows} == users
    assert found.visitors.met == len({one.userid or one.ip for one in own})


def test_where_errors_came_from_before_counts_every_status(services: Services, history: History) -> None:
    def errors_of(status: int, number: int, at: int) -> list[Click]:
        return [Click(time=at, status=status, request="GET /checkout HTTP/1.1", ip="1.1.1.1")] * number

    history.store.add_clicks([*errors_of(500, 100, NOW - 15 * MINUTE), *errors_of(404, 3, NOW - MINUTE)])
    assert state(services, errors).where["page"].rows == [("/checkout", 3, 100)]


def test_since_when_errors_are_told_apart_is_said_where_only_sums_reach_further(
    services: Services, history: History
) -> None:
    store = history.store
    store.add_clicks([Click(time=at, status=500, request="GET /a HTTP/1.1") for at in (NOW - 9 * MINUTE, NOW - MINUTE)])
    assert state(services, errors).where["page"].since is None
    with store.lock:
        assert store.rows["clicks"].drop_before(NOW - 4 * MINUTE)
        store.changes += 1
    found = state(services, errors)
    assert (found.errors, found.where["page"].rows, found.where["page"].since) == (
        2,
        [("/a", 1, None)],
        history.coverage().rows_from,
    )


def test_peaks_are_of_whole_minutes(services: Services, history: History) -> None:
    came = clicks()
    history.store.add_clicks(came)
    found = state(services, errors, NOW + 30_000)
    each = Counter(one.time // MINUTE * MINUTE for one in came if (one.status or 0) >= 400)
    assert found.minutes[-1] == NOW - MINUTE
    assert found.errors_per_minute == [each[at] for at in found.minutes]


def test_no_error_is_no_list_of_everything(services: Services, history: History) -> None:
    history.store.add_clicks([Click(time=NOW - 1_000, status=200, userid=1)])
    found = state(services, errors)
    assert (found.where, found.visitors.met, found.visitors.all) == ({}, 0, 1)


def test_alerts_are_of_the_time_shown(services: Services, history: History, hub: FakeHub) -> None:
    history.store.add_clicks([Click(time=NOW - 1_000, status=404, userid=1)])
    hub.say(
        ALERTS,
        {
            "old": window(404, NOW - 30 * MINUTE, 90),
            "1": window(404, NOW - 80_000, 7),
            "2": window(404, NOW - 60_000, 9),
            "3": window(500, NOW - 9 * MINUTE, 6),
        },
    )
    hub.say("clickstream_codes", {"404": b'{"code":404,"definition":"Gone fishing"}'})
    found = state(services, errors)
    assert [(one.status, one.from_, one.to, one.peak, one.open) for one in found.alerts] == [
        ("500", NOW - 9 * MINUTE, NOW - 8 * MINUTE, 6, False),
        ("404", NOW - 80_000, NOW, 9, True),
    ]
    assert [(code.name, code.alerts) for code in found.codes] == [("Gone fishing", 1)]


def test_alerts_of_a_past_instant_are_as_they_were_then(services: Services, hub: FakeHub) -> None:
    hub.say(ALERTS, {"1": window(404, NOW - 80_000, 7), "2": window(404, NOW - 60_000, 9)})
    found = state(services, errors, to=NOW - 10_000)
    assert [(one.to, one.peak) for one in found.alerts] == [(NOW - 20_000, 7)]


def window(status: int, start: int, count: int) -> bytes:
    def text(at: int) -> str:
        return utc_text(at / 1000).removesuffix("UTC").replace("T", " ")

    row = {"status": status, "window_start": text(start), "window_end": text(start + MINUTE), "errors": count}
    return json.dumps(row).encode()


# --- products


def event(at: int, name: str, user: str) -> ProductEvent:
    return ProductEvent(utc_text(at / 1000), name, "p", user)


def events(number: int = 500) -> list[ProductEvent]:
    dice = random.Random(8)
    names = ("productview", "productview", "addtobasket", "removefrombasket", "purchase")
    return [
        event(NOW - dice.randrange(9 * MINUTE), dice.choice(names), f"u{dice.randrange(40)}") for _ in range(number)
    ]


def test_product_events_are_those_of_a_plain_count(services: Services, history: History) -> None:
    came = events()
    history.store.add_events(came)
    found = state(services, products)
    for name, values in found.series.items():
        each = Counter(one.time // found.bucket * found.bucket for one in came if one.name == name)
        assert values == [each[at] for at in found.times]
    assert found.totals == Counter(one.name for one in came)
    who: dict[int, set[str | None]] = {}
    for one in came:
        who.setdefault(one.time // MINUTE * MINUTE, set()).add(one.user)
    assert found.users == [len(who.get(at, ())) for at in found.minutes]
    recent = Counter(one.name for one in came if NOW - 15_000 <= one.time < NOW - 5_000)
    assert found.rates == {name: recent[name] / 10 for name in found.names}


def test_the_tally_is_proven_by_saved_counts(
    services: Services, hub: FakeHub, watching: Watching, history: History
) -> None:
    watching.limits = {
        ("event-topic", 0): Offsets(0, 120),
        ("event-topic", 1): Offsets(0, 80),
        ("other", 0): Offsets(0, 9),
    }
    hub.say("unique-event-topic", {"g": Tally({"productview": 150, "purchase": 30}, "2026-01-01").encode()})
    hub.say(
        "g-state",
        {"old": saved(1, 0, 999), "0": saved(2, 0, 110, {"productview": 105}), "1": saved(2, 1, 75, {"purchase": 75})},
    )
    found = state(services, products)
    assert (found.tally.group, found.tally.total) == ("g", 180)
    assert found.proof == Counted("event-topic", 2, end=200, passed=185, behind=15, counted=180)
    assert found.names == ["productview", "purchase"]


def test_a_partition_that_is_ahead_of_an_older_look_hides_nothing_of_the_others(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    watching.limits = {("event-topic", number): Offsets(0, 100) for number in range(2)}
    watching.asked_at = NOW / 1000 - 5
    tell(hub, (0, 160), (1, 70))
    proof = state(services, products).proof
    assert (proof.end, proof.passed, proof.behind) == (260, 230, 30)


def test_what_is_beyond_the_ends_of_a_newer_look_is_all_behind(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    tallies = products.LiveCount(services)
    watching.limits = {("event-topic", 0): Offsets(0, 1_000)}
    tell(hub, (0, 990))
    assert tallies.count(NOW).proof.behind == 10
    watching.limits = {("event-topic", 0): Offsets(0, 300)}  # recreated
    watching.asked_at = NOW / 1000 + 1
    proof = tallies.count(NOW + 2_000).proof
    assert (proof.end, proof.passed, proof.behind) == (300, 990, 300)
    tallies.close()


def test_what_was_deleted_and_was_never_counted_is_not_behind(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    watching.limits = {("event-topic", 0): Offsets(50, 80), ("event-topic", 1): Offsets(20, 90)}
    tell(hub, (0, 40))
    assert state(services, products).proof.behind == 30 + 70


def test_while_a_partition_has_no_leader_it_is_not_known_where_the_topic_ends(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    watching.limits, watching.leaderless = {("event-topic", 0): Offsets(0, 100)}, {("event-topic", 1): None}
    tell(hub, (0, 90), (1, 500))
    proof = state(services, products).proof
    assert (proof.partitions, proof.end, proof.passed, proof.behind) == (2, None, 590, None)


def tell(hub: FakeHub, *places: tuple[int, int]) -> None:
    """A tally, and the next offsets of partitions up to which it goes."""
    hub.say("unique-event-topic", {"g": Tally({}, "2026-01-01").encode()})
    hub.say("g-state", {str(partition): saved(1, partition, offset) for partition, offset in places})


def test_at_a_past_instant_the_tally_is_the_one_that_is_remembered(services: Services, hub: FakeHub) -> None:
    then = NOW - 5 * MINUTE
    ring = Ring(60 * MINUTE)
    told, proof = Told("g", {"purchase": 7}, 7, then - 300, 1), Counted("event-topic", 2, 20, 19, 1, 18)
    others = Others(told=told, proof=proof, tallies=services.statuses.topic())
    nothing: Looked[Any] = Looked(None, 0.0)
    ring.add(then, packed(nothing, nothing, Parts(services.statuses.topic(), []), [], others))
    services = replace(services, memory=ring)
    hub.say("unique-event-topic", {"g": Tally({"purchase": 99}, "2026-01-01").encode()})
    found = state(services, products, to=then + 4_000)
    assert (found.tally, found.proof, found.counted_at, found.count_words) == (told, proof, then, "")
    assert found.names == ["purchase"]
    early = state(services, products, to=then - 1)
    assert (early.tally, early.proof.end) == (None, None)
    assert "does not reach back so far" in early.count_words
    assert state(services, products).tally.total == 99
    count = products.PastCount(services, then + 4_000)
    shown = count.count(NOW)
    ring.add(then + 120 * MINUTE, packed(nothing, nothing, Parts(services.statuses.topic(), []), [], Others()))
    assert ring.at(then) is None
    assert (count.count(NOW), shown.told) == (shown, told), "what was shown stays, though there is no more room for it"


def saved(epoch: int, partition: int, next_offset: int, counts: dict[str, int] | None = None) -> bytes:
    return encode(
        CounterState(
            epoch=epoch,
            topic="event-topic",
            topic_id="x",
            field="eventName",
            output="unique-event-topic",
            partition=partition,
            next_offset=next_offset,
            counts=counts or {},
        )
    )


def test_what_parts_say_of_the_topic() -> None:
    def status(kind: str, topic: str, **totals: int) -> Status:
        return Status("i", kind, "h", "s", "running", {}, [topic], totals=totals)

    found = ran(
        [
            status("producer", "event-topic", acknowledged=5),
            status("producer", "else", acknowledged=7),
            status("counter", "event-topic", counted=3, dead_letters=1),
            status("counter", "event-topic", counted=1),
        ],
        "event-topic",
    )
    assert (found.producers, found.acknowledged, found.counters, found.counted, found.dead_letters) == (1, 5, 2, 4, 1)


def test_only_what_runs_is_counted(services: Services) -> None:
    then = NOW - 5 * MINUTE
    counters = [Status(name, "counter", "h", "s", "running", {}, ["event-topic"]) for name in ("runs", "killed")]

    def parts(now: float) -> list[Word]:
        return [Word(counters[0], now), Word(counters[1], now - DEAD_AFTER_S - 1)]

    ring = Ring(60 * MINUTE)
    nothing: Looked[Any] = Looked(None, 0.0)
    ring.add(then, packed(nothing, nothing, Parts(services.statuses.topic(), parts(then / 1000)), [], Others()))
    services = replace(services, statuses=cast(Any, SimpleNamespace(parts=parts)), memory=ring)
    assert products.LiveCount(services).count(NOW).ran.counters == 1
    assert products.PastCount(services, then).count(NOW).ran.counters == 1


def test_a_funnel_with_removals(services: Services, history: History) -> None:
    at = NOW - 5 * MINUTE
    history.store.add_events(
        [
            *(event(at, "productview", user) for user in "abcd"),
            *(event(at + 10_000, "addtobasket", user) for user in "abc"),
            event(at + 20_000, "purchase", "a"),
            event(at - 20_000, "purchase", "d"),
            event(at + 30_000, "removefrombasket", "b"),
            event(at - 5_000, "removefrombasket", "c"),
        ]
    )
    found = state(services, funnel, range=10 * MINUTE)
    assert [(step.name, step.users) for step in found.steps] == [
        ("productview", 4),
        ("addtobasket", 3),
        ("purchase", 1),
    ]
    assert found.steps[1].median_ms == 10_000
    assert (found.removed.users, found.removed.conversion) == (1, 1 / 3)
    short = state(services, funnel, range=10 * MINUTE, window=5_000)
    assert [step.users for step in short.steps] == [4, 0, 0]
    other = state(services, funnel, range=10 * MINUTE, steps=["purchase", "productview"])
    assert [step.users for step in other.steps] == [2, 1]
    assert other.removed is None


@pytest.mark.parametrize("params", [{"steps": []}, {"steps": ["a", "a"]}, {"steps": list("abcdefghi")}, {"window": 1}])
def test_a_funnel_that_is_none_is_refused(services: Services, params: dict[str, Any]) -> None:
    with pytest.raises(ClickstreamError):
        state(services, funnel, **params)


# --- customers


def test_vip_actions_come_oldest_first_and_no_more_than_can_be_read(services: Services, hub: FakeHub) -> None:
    panel = vip.KIND.make(services, msgspec.convert({}, vip.KIND.params))
    hub.say("vip-action", {})
    panel.take()
    rows: dict[str, bytes | None] = {
        str(number): json.dumps(
            {
                "user_id": f"u{number}",
                "name": "Ann",
                "page": number,
                "action": "cart",
                "event_time": "2020-09-13 12:26:40.5Z",
            }
        ).encode()
        for number in range(40)
    }
    hub.say("vip-action", rows | {"bad": b"{"})
    feed = panel.take()
    assert (len(feed.rows), feed.skipped) == (30, 10)
    assert [feed.rows[0].page, feed.rows[-1].page] == [10, 39]
    assert feed.rows[0].time == 1_600_000_000_500
    panel.close()


@pytest.mark.parametrize(("at", "pages"), [(1_600_000_000_500, 3), (1_600_000_000_499, 0)])
def test_vip_actions_of_a_past_instant_are_those_until_then(
    services: Services, hub: FakeHub, at: int, pages: int
) -> None:
    action = {"user_id": "u", "name": "Ann", "page": 1, "action": "cart", "event_time": "2020-09-13 12:26:40.5Z"}
    later = action | {"event_time": "2020-09-13 12:26:40.6Z"}
    panel = vip.KIND.make(services, msgspec.convert({"at": at}, vip.KIND.params))
    hub.say("vip-action", {})
    panel.take()
    came = {str(number): json.dumps(later if number > 2 else action).encode() for number in range(9)}
    hub.say("vip-action", dict(came))
    feed = panel.take()
    assert (len(feed.rows), feed.skipped, "not among the last records" in feed.words) == (pages, 0, not pages)
    assert ("not among the last records" in panel.take().words) is (not pages), "also when nothing comes"
    hub.say("vip-action", {"new": json.dumps(later).encode()})
    assert panel.take().rows == []
    panel.close()


def test_without_the_result_the_clicks_of_platinum_customers_are_shown(services: Services, hub: FakeHub) -> None:
    hub.recent("vip-action").state = State(Stage.MISSING, 1.0, "There is no topic vip-action.")
    hub.say(
        "vip-users",
        {"a": b'{"user_id":"a","name":"Ann","level":"PLATINUM"}', "b": b'{"user_id":"b","name":"Bo","level":"GOLD"}'},
    )
    panel = vip.KIND.make(services, msgspec.convert({}, vip.KIND.params))
    panel.take()
    hub.say(
        "vip-clicks",
        {
            str(number): json.dumps({"user_id": user, "event_time": 5, "page": 7, "action": "cart"}).encode()
            for number, user in enumerate("abc")
        },
    )
    feed = panel.take()
    assert [(row.name, row.page, row.time) for row in feed.rows] == [("Ann", 7, 5)]
    assert feed.words.endswith("clickstream tables run vip")
    panel.close()
