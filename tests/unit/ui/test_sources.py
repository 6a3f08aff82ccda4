"""The panel of parts, and what may be asked of them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette

from clickstream.parts.status import Reports, Seen
from clickstream.records import Answer, Status, utc_text
from clickstream.ui.api.control import Asked, _asked, routes
from clickstream.ui.api.jobs import Refused
from clickstream.ui.panels.sources import BUCKET_MS, SourcesPanel, source
from clickstream.ui.remembered.moment import Moment
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from clickstream.ui.wiring import Wiring
from tests.unit.ui.asgi import ask

NOW = 1_795_900_000_000


def status(**members: Any) -> Status:
    given = {
        "id": "generate-web-1",
        "kind": "generate-web",
        "host": "h",
        "since": "2026-11-28T10:00:00UTC",
        "state": "running",
        "rates": {"sent": 21.0, "acknowledged": 20.0},
        "topics": ["clicks"],
    }
    return Status(**(given | members))


def test_parts_with_their_rates_and_what_was_asked() -> None:
    parts = [
        Seen(status(control=True, paused=True, wanted_rate=20.0, answers=[Answer("1", True, "paused", 5)]), NOW / 1000)
    ]
    statuses = SimpleNamespace(parts=lambda _now: parts, topic=lambda: TopicState("status", "live", 0, "", ""))
    panel = SourcesPanel(cast(Services, SimpleNamespace(statuses=statuses, settings={"control-topic": "control"})))
    for number in range(3):
        state = panel.state(NOW + number * BUCKET_MS)
    panel.state(NOW + 2 * BUCKET_MS + 1)
    [part] = state.parts
    assert (part.state, part.main, part.history, part.wanted) == ("paused", "acknowledged", [20.0, 20.0, 20.0], 20.0)
    assert [one.words for one in part.answers] == ["paused"]
    parts.append(Seen(status(id="x"), NOW / 1000 - 100))
    dead = panel.state(NOW + 3 * BUCKET_MS).parts[1]
    assert (dead.state, dead.history) == ("dead", [0.0])


@pytest.mark.parametrize("ahead_s", [0, 600, -600])
def test_times_of_a_part_are_by_kafkas_clock(ahead_s: int) -> None:
    there = NOW + ahead_s * 1000
    at = utc_text(there / 1000 - 60)
    shown = source(Seen(status(since=at, error_at=at, said_at=there - 300), NOW / 1000), NOW / 1000, [])
    assert (shown.since, shown.error_at) == (NOW - 60_000,) * 2


def test_a_beginning_that_cannot_be_read_is_unknown() -> None:
    assert source(Seen(status(since="soon"), NOW / 1000), NOW / 1000, []).since is None


def rated(rate: float, at: int) -> list[Seen]:
    return [Seen(status(rates={"acknowledged": rate}), at / 1000)]


class Looked:
    """A panel of one part, and what is remembered of it: a test says how many a second it does."""

    def __init__(self) -> None:
        self.parts = rated(0.0, NOW)
        self.moments: list[Moment] = []
        statuses = SimpleNamespace(parts=lambda _now: self.parts, topic=lambda: TopicState("status", "live", 0, "", ""))
        services = SimpleNamespace(statuses=statuses, settings={"control-topic": "control"})
        self._panel = SourcesPanel(cast(Services, services), lambda: self.moments)

    def remember(self, rate: float, at: int) -> None:
        parts = SimpleNamespace(parts=rated(rate, at))
        self.moments.append(cast(Moment, SimpleNamespace(at=at, parts=parts)))

    def history(self, rate: float, at: int) -> list[float]:
        self.parts = rated(rate, at)
        return self._panel.state(at).parts[0].history


def test_a_history_begins_with_what_is_remembered() -> None:
    looked = Looked()
    looked.remember(1.0, NOW - 10_000)
    looked.remember(2.0, NOW)
    assert looked.history(3.0, NOW + BUCKET_MS) == [1.0, 1.0, 2.0, 2.0, 3.0]


def test_a_history_has_what_is_remembered_of_the_time_in_which_nobody_looked() -> None:
    looked = Looked()
    assert looked.history(1.0, NOW) == [1.0]
    for number in range(1, 4):
        looked.remember(10.0 * number, NOW + 10_000 * number)
    assert looked.history(2.0, NOW + 40_000) == [1.0, 10.0, 10.0, 20.0, 20.0, 30.0, 30.0, 2.0, 2.0]
    assert looked.history(3.0, NOW + 45_000) == [1.0, 10.0, 10.0, 20.0, 20.0, 30.0, 30.0, 2.0, 2.0, 3.0]


def test_a_history_begins_anew_after_a_time_of_which_nothing_is_known() -> None:
    looked = Looked()
    looked.history(1.0, NOW)
    assert looked.history(2.0, NOW + 300_000) == [2.0]
    assert looked.history(3.0, NOW + 300_000 + BUCKET_MS) == [2.0, 3.0]


def test_what_is_asked() -> None:
    assert _asked(b'{"part":"x","action":"rate","value":5}') == Asked("x", "rate", 5.0)
    assert _asked(b'{"part":"x","action":"pause"}') == Asked("x", "pause")
    for body in (b"", b'{"part":"x","action":"explode"}', b'{"part":"x","action":"pause","more":1}'):
        with pytest.raises(Refused):
            _asked(body)


@pytest.mark.parametrize(
    ("control", "body", "status_", "says"),
    [
        (False, b'{"part":"x","action":"pause"}', 403, "clickstream ui --allow-control"),
        (True, b"{}", 400, "is expected"),
        (True, b'{"part":"x","action":"pause"}', 409, "No part x runs"),
    ],
)
def test_what_is_not_carried_out(
    monkeypatch: pytest.MonkeyPatch, control: bool, body: bytes, status_: int, says: str
) -> None:
    monkeypatch.setattr(Reports, "look", lambda *_given: [])
    asked = SimpleNamespace(cluster=None, settings={"status-topic": "status", "control-topic": "control"})
    app = Starlette(routes=routes(cast(Wiring, SimpleNamespace(control=control, services=asked))))
    found = ask(app, "/control", [], "POST", [body])
    assert found.status == status_
    assert says in found.body.decode()
