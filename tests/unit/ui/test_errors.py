"""Errors, where they come from and their alerts, on a history without Kafka: numbers against plain counting."""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream.history.decode import Click
from clickstream.history.history import History
from clickstream.inspect.topicreader import Stage, State
from clickstream.records import utc_text
from clickstream.ui.panels import errors, products
from clickstream.ui.panels.alerts import TOPIC as ALERTS
from clickstream.ui.services import Services
from tests.unit.ui.listeners import FakeHub
from tests.unit.ui.visitors import MINUTE, NOW, clicks, state


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
