"""The latest word of every part, as panels see it."""

from typing import cast

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from clickstream.config import load
from clickstream.inspect.hub import Hub, News
from clickstream.inspect.topicreader import Stage, State
from clickstream.records import RunningSql, Status, encode
from clickstream.ui.hints import Hints
from clickstream.ui.panels.sources import SourcesPanel
from clickstream.ui.services import Services
from clickstream.ui.statuses import Statuses

STATUS = Status(
    "web-here-1",
    "web",
    "here",
    "2026-01-01T00:00:01UTC",
    "running",
    {"sent": 5.0},
    ["clickstream"],
    totals={"sent": 10},
    last_success="2026-01-01T00:00:02UTC",
    error="later form",
    error_at="not a time",
)
NOW = 1_767_225_605_000  # 2026-01-01T00:00:05Z


def record(key: str, value: bytes | None, at: int = NOW - 1_000) -> Message:
    timestamp = (TIMESTAMP_CREATE_TIME, at)
    return Message(topic="s", partition=0, offset=0, key=key.encode(), value=value, timestamp=timestamp)


class FakeHub:
    """A hub with one listener, which is this object."""

    def __init__(self) -> None:
        self.coming: list[News] = []
        self.state = State(Stage.LIVE, 1_767_225_600.0)
        self.listened: list[str] = []

    def latest(self, topic: str) -> "FakeHub":
        self.listened.append(topic)
        return self

    def take(self) -> News:
        return self.coming.pop(0) if self.coming else News([], 0, False, self.state)

    def say(self, *records: Message, anew: bool = False) -> None:
        self.coming.append(News(list(records), 0, anew, self.state))


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def statuses(hub: FakeHub) -> Statuses:
    return Statuses(cast(Hub, hub), "clickstream-status", Hints(load(None, {})))


def test_the_topic_is_listened_to_once_from_the_first_question_on(hub: FakeHub, statuses: Statuses) -> None:
    assert hub.listened == []
    for _ in range(3):
        statuses.parts(NOW / 1000)
        statuses.topic()
    assert hub.listened == ["clickstream-status"]


def test_parts_come_and_go(hub: FakeHub, statuses: Statuses) -> None:
    hub.say(record(STATUS.id, encode(STATUS)), anew=True)
    assert [part.status for part in statuses.parts(NOW / 1000)] == [STATUS]
    hub.say(record(STATUS.id, None))
    assert statuses.parts(NOW / 1000) == []


@pytest.mark.parametrize(("stage", "live"), [(Stage.LIVE, True), (Stage.CATCHING_UP, False)])
def test_what_comes_when_all_was_read_is_heard_live(hub: FakeHub, statuses: Statuses, stage: Stage, live: bool) -> None:
    hub.say(record(STATUS.id, encode(STATUS)), anew=True)
    assert [part.live for part in statuses.parts(NOW / 1000)] == [False]
    hub.state = State(stage, 1_767_225_600.0)
    hub.say(record(STATUS.id, encode(STATUS)))
    assert [part.live for part in statuses.parts(NOW / 1000)] == [live]


def test_a_topic_that_was_recreated_begins_without_parts(hub: FakeHub, statuses: Statuses) -> None:
    hub.say(record(STATUS.id, encode(STATUS)), anew=True)
    statuses.parts(NOW / 1000)
    hub.say(anew=True)
    assert statuses.parts(NOW / 1000) == []


def test_the_sql_of_a_part_is_known_while_it_runs(hub: FakeHub, statuses: Statuses) -> None:
    sql = RunningSql(STATUS.id, "clicks", "SELECT 1", {"edges": []})
    hub.say(record(STATUS.id, encode(STATUS)), record(sql.key, encode(sql)), anew=True)
    assert statuses.running_sql() == {STATUS.id: sql}
    hub.say(record(STATUS.id, None))
    assert statuses.running_sql() == {}


def test_what_the_sources_panel_says(hub: FakeHub, statuses: Statuses) -> None:
    given = {"statuses": statuses, "settings": {"control-topic": "clickstream-control"}}
    panel = SourcesPanel(cast(Services, type("Only", (), given)()))
    hub.say(record(STATUS.id, encode(STATUS)), anew=True)
    state = panel.state(NOW)
    assert (state.topic.name, state.topic.stage, state.topic.since) == ("clickstream-status", "live", NOW - 5_000)
    [part] = state.parts
    assert (part.id, part.state, part.silent_s, part.since) == (STATUS.id, "running", 1.0, NOW - 4_000)
    assert (part.last_success, part.error, part.error_at) == (NOW - 3_000, "later form", None)
    assert panel.state(NOW + 60_000).parts[0].state == "dead"


def test_a_missing_topic_comes_with_the_command_that_creates_it(hub: FakeHub, statuses: Statuses) -> None:
    hub.state = State(Stage.MISSING, 1_767_225_600.0, "There is no topic clickstream-status.")
    topic = statuses.topic()
    assert (topic.stage, topic.words, topic.command) == (
        "missing",
        "There is no topic clickstream-status.",
        "clickstream demo",
    )
