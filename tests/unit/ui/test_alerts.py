"""Windows of a table become alerts; statuses have names."""

from typing import cast

import pytest

from clickstream.inspect.hub import Hub
from clickstream.inspect.topicreader import Stage, State
from clickstream.ui.panels.alerts import KEPT_MS, TOPIC, Alert, Alerts, Window, runs, window_of
from clickstream.ui.panels.codes import Codes
from tests.unit.ui.listeners import FakeHub

START = 1_600_000_020_000  # 2020-09-13 12:27:00


def row(status: int, start: str, end: str, errors: int) -> bytes:
    return f'{{"status":{status},"window_start":"{start}","window_end":"{end}","errors":{errors}}}'.encode()


@pytest.fixture
def alerts(hub: FakeHub) -> Alerts:
    return Alerts(cast(Hub, hub), Codes(cast(Hub, hub), "codes"))


def test_windows_that_overlap_are_one_alert(hub: FakeHub, alerts: Alerts) -> None:
    hub.say(
        TOPIC,
        {
            "a": row(404, "2020-09-13 12:27:00", "2020-09-13 12:28:00", 7),
            "b": row(404, "2020-09-13 12:27:20", "2020-09-13 12:28:20", 12),
            "c": row(404, "2020-09-13 12:27:40.000", "2020-09-13 12:28:40.000", 9),
            "d": row(500, "2020-09-13 12:27:40", "2020-09-13 12:28:40", 6),
        },
        anew=True,
    )
    hub.say("codes", {"404": b'{"code":404,"definition":"Page not found"}'}, anew=True)
    assert alerts.since(START) == [
        Alert("404", "Page not found", START, START + 100_000, 12, 9),
        Alert("500", "Internal server error", START + 40_000, START + 100_000, 6, 6),
    ]
    assert alerts.since(START + 100_000) == []


def test_a_row_that_is_withdrawn_is_gone(hub: FakeHub, alerts: Alerts) -> None:
    hub.say(TOPIC, {"a": row(404, "2020-09-13 12:27:00", "2020-09-13 12:28:00", 7)}, anew=True)
    assert len(alerts.since(START)) == 1
    hub.say(TOPIC, {"a": None})
    assert alerts.since(START) == []


def test_windows_of_a_day_before_are_forgotten(hub: FakeHub, alerts: Alerts) -> None:
    hub.say(TOPIC, {"a": row(404, "2020-09-13 12:27:00", "2020-09-13 12:28:00", 7)}, anew=True)
    assert alerts.since(START + 60_000 + KEPT_MS - 1) == []
    assert len(alerts._windows) == 1
    assert alerts.since(START + 60_000 + KEPT_MS) == []
    assert alerts._windows == {}


def test_a_topic_that_is_missing_computes_nothing(hub: FakeHub, alerts: Alerts) -> None:
    assert alerts.are_computed
    hub.latest(TOPIC).state = State(Stage.MISSING, 0.0, "There is no topic.")
    assert not alerts.are_computed


def test_a_gap_between_windows_parts_alerts_and_statuses_are_apart() -> None:
    windows = [Window(404, 0, 60, 6), Window(404, 60, 120, 7), Window(404, 121, 181, 8), Window(407, 60, 120, 9)]
    assert [len(run) for run in runs(windows)] == [2, 1, 1]


@pytest.mark.parametrize("value", [b"", b"{}", b"null", b"\xff", row(404, "yesterday", "2020-09-13 12:28:00", 1)])
def test_what_is_no_row_is_none(value: bytes) -> None:
    assert window_of(value) is None


def test_a_code_that_nobody_knows_has_no_name(hub: FakeHub) -> None:
    hub.say("codes", {"1": b"no json", "2": None, "299": b'{"code":299,"definition":"Own"}'}, anew=True)
    assert Codes(cast(Hub, hub), "codes").names(["200", "299", "799", "x"]) == {"200": "Ok", "299": "Own"}
