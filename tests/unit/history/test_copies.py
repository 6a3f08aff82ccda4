"""The history's rows as tables for SQL."""

import threading
from datetime import UTC, datetime
from typing import Any

from clickstream.history.copies import HistoryTables
from clickstream.history.decode import Click, ProductEvent
from clickstream.history.store import Limits, Store
from clickstream.records import utc_text
from tests.unit.history.test_store import BASE, store_of

MINUTE = 60_000


def rows(store: Store, name: str, limit: int = 1_000) -> list[dict[str, Any]]:
    table, _since = HistoryTables(store, limit).load(name, threading.Event())
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def test_codes_are_the_texts_that_came() -> None:
    store = store_of(Limits())
    store.add_clicks(
        [
            Click(BASE, ip="10.0.0.1", userid=7, request="GET /a?x=1 HTTP/1.1", status=404, bytes=12),
            Click(BASE + MINUTE, ip="10.0.0.2", request="GET /b HTTP/1.1", status=200, bytes=5),
        ]
    )
    store.add_events([ProductEvent(utc_text(BASE / 1000), "purchase", "p1", "u1")])
    second, first = rows(store, "clicks")
    assert first["time"] == datetime.fromtimestamp(BASE / 1000, UTC).replace(tzinfo=None)
    assert (first["page"], first["status"], first["bytes"], first["ip"]) == ("/a", 404, 12, "10.0.0.1")
    assert (first["user"], first["visitor"]) == ("7", "7")
    assert (second["user"], second["visitor"], second["bot"]) == (None, "10.0.0.2", True)
    assert [row["name"] for row in rows(store, "events")] == ["purchase"]
    assert rows(store, "vip") == []


def test_the_newest_rows_are_copied_whatever_order_they_came_in() -> None:
    store = store_of(Limits(rows=1_000))
    times = [BASE + (index * 37 % 400) * 5_000 for index in range(400)]
    for begin in range(0, 400, 100):
        store.add_clicks([Click(time, request="GET /a HTTP/1.1", status=200) for time in times[begin : begin + 100]])
    found = [row["time"].replace(tzinfo=UTC).timestamp() * 1000 for row in rows(store, "clicks", 50)]
    assert found == sorted(times, reverse=True)[:50]


def test_it_says_from_when_on_the_rows_reach_when_they_are_not_all() -> None:
    store = store_of(Limits())
    store.add_clicks([Click(BASE + index * 1_000, request="GET /a HTTP/1.1", status=200) for index in range(20)])
    table, since = HistoryTables(store, 10).load("clicks", threading.Event())
    assert (len(table), since) == (10, BASE + 10_000)
    assert HistoryTables(store, 20).load("clicks", threading.Event())[1] is None
    assert HistoryTables(store, 20).load("vip", threading.Event())[1] is None


def test_of_a_past_instant_there_is_nothing_younger() -> None:
    """As panels end their ranges: before it."""
    store = store_of(Limits(rows=1_000))
    times = [BASE + (index * 37 % 400) * 5_000 for index in range(400)]
    for begin in range(0, 400, 100):
        store.add_clicks([Click(time, request="GET /a HTTP/1.1", status=200) for time in times[begin : begin + 100]])
    to = BASE + 200 * 5_000
    wanted = sorted((time for time in times if time < to), reverse=True)
    for limit in (50, 200, 1_000):
        table, since = HistoryTables(store, limit, to).load("clicks", threading.Event())
        found = [time.replace(tzinfo=UTC).timestamp() * 1000 for time in table["time"].to_pylist()]
        assert found == wanted[:limit]
        assert since == (wanted[49] if limit == 50 else None)
    assert len(HistoryTables(store, 10, BASE).load("clicks", threading.Event())[0]) == 0
