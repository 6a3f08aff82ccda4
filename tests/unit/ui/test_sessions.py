"""Sessions, on a history without Kafka: numbers against plain counting."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream.errors import ClickstreamError
from clickstream.history.decode import Click
from clickstream.history.history import History
from clickstream.inspect.topicreader import Stage, State
from clickstream.ui.panels import sessions
from clickstream.ui.services import Services
from tests.unit.ui.listeners import FakeHub
from tests.unit.ui.visitors import MINUTE, NOW, clicks, state


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
