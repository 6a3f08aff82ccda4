"""States of the pages Flow and Sources: the shipped files of SQL, with numbers that depend on the time alone."""

import functools
from pathlib import Path
from typing import Any

import msgspec

from clickstream.tables.sql.check import VARIABLES, check_file
from clickstream.tables.sql.explain import as_json
from clickstream.ui.flow.graph import Graph, graph
from clickstream.ui.panels.flow import window_end

CONFIG = Path(__file__).parents[2] / "config" / "tables"
LIVE = {"name": "clickstream-status", "stage": "live", "since": 0, "words": "", "command": ""}
RATES = {"clickstream": 17.4, "event-topic": 1_054.0, "vip-clicks": 25.0, "pages_per_min": 153.0}
NOTHING: dict[str, Any] = {"topic": {**LIVE, "stage": "missing"}, "at": 0, "problem": "", "rev": "0", "files": []}


@functools.cache
def drawn(name: str) -> Graph:
    found = graph(as_json(check_file(CONFIG / f"{name}.sql", VARIABLES).program))
    assert found is not None
    return found


def flow(params: dict[str, Any], now: int) -> dict[str, Any]:
    files = [file(name, now) for name in ("clickstream", "products", "vip")]
    return {"topic": LIVE, "at": now, "problem": "", "rev": "a", "files": files}


def file(name: str, now: int) -> dict[str, Any]:
    found = drawn(name)
    return {
        "id": f"tables-host-1-{name}",
        "name": f"config/tables/{name}.sql",
        "running": True,
        "trouble": "",
        "totals": {"late": 31, "dead_letters": 37, "dropped": 6_114, "nulled": 12, "untimed": 0},
        "sources": [source(one.topic, one.reference, now) for one in found.sources],
        "views": [msgspec.to_builtins(one) for one in found.views],
        "statements": [statement(msgspec.to_builtins(one), now) for one in found.statements],
    }


def source(topic: str, reference: bool, now: int) -> dict[str, Any]:
    held = [{"words": "clickstream-2 silent for 8 s, leaves the minimum in 2 s", "held": True}]
    return {
        "topic": topic,
        "reference": reference,
        "partitions": 3,
        "rate": RATES.get(topic, 0.0),
        "records": 2_600,
        "lag": 0 if reference else 12,
        "lag_s": 0.0 if reference else 0.4,
        "final": now - 5_200,
        "delay_ms": 5_200,
        "unread": 37 if topic == "clickstream" else 0,
        "holds": held if topic == "clickstream" else [],
    }


def statement(found: dict[str, Any], now: int) -> dict[str, Any]:
    final, next_ms = window_end(now - 5_200, found["every_ms"])
    shown = {name: found[name] for name in ("id", "name", "topic", "inputs", "kind", "words", "every_ms", "gap_ms")}
    rate = RATES.get(found["topic"], 0.4)
    return {**shown, "rate": rate, "final": final, "next_ms": next_ms, "late": 9, "dropped": 0}


def sql(params: dict[str, Any], now: int) -> dict[str, Any]:
    return {"name": "traffic_per_min", "sql": "INSERT INTO traffic_per_min\nSELECT window_start;"}


def part(kind: str, **members: Any) -> dict[str, Any]:
    """A part as the panel `sources` has it."""
    found = {
        "id": f"{kind}-host-1",
        "kind": kind,
        "name": None,
        "host": "host",
        "state": "running",
        "silent_s": 0.4,
        "since": 1_795_900_000_000,
        "rates": {"acknowledged": 20.0},
        "totals": {"acknowledged": 144_002, "failed": 0},
        "gauges": {},
        "topics": ["clickstream", "clickstream_users", "clickstream_codes"],
        "group": None,
        "last_success": None,
        "error": None,
        "error_at": None,
        "control": True,
        "paused": False,
        "wanted": 20.0,
        "main": "acknowledged",
        "history": [18.0, 20.0, 21.0, 20.0] * 20,
        "answers": [],
    }
    return {**found, **members}


def collected(params: dict[str, Any], now: int) -> dict[str, Any]:
    hours = [120 + (7 * hour) % 50 for hour in range(24)]
    sites = [
        {"site": "shop.example", "sent": 3_450, "received": 3_346, "missing": 104, "doubled": 3, "hours": hours}
        | {"last": now - 90_000},
        {"site": "a-site-with-a-very-long-name.\u202eexample", "sent": 0, "received": 0, "missing": 0, "doubled": 0}
        | {"hours": [0] * 24},
    ]
    return {"topic": LIVE, "sites": sites, "more": 0, "collects": True, "requests": requests(now)}


def step(step: str, verdict: str, detail: str | None = None) -> dict[str, Any]:
    return {"step": step, "verdict": verdict, "detail": detail}


def requests(now: int) -> list[dict[str, Any]]:
    """As a collector explains them."""
    request = {"endpoint": "POST /e", "status": 200, "address": "192.0.2.0", "events": [], "more_events": 0}
    passed = [step("limits", "passed"), step("consent", "passed"), step("protocol", "read", "1 taken, 0 refused")]
    page_view = {
        "event": "pageview",
        "site": "shop.example",
        "source": "tag",
        "steps": [
            step("bot", "yes", "headless"),
            step("location", "found", "Leeds, GB"),
            step("clock", "corrected", "7200000 ms"),
            step("session", "new"),
            step("duplicate", "no"),
            step("delivery", "kafka"),
        ],
    }
    refusal = {
        "index": 3,
        "steps": [step("protocol", "refused", "not-an-event: url is missing"), step("dead letter", "kafka")],
    }
    return [
        {**request, "received_at": now - 900, "steps": passed, "events": [page_view]},
        {**request, "received_at": now - 900, "steps": passed, "events": [page_view, refusal], "more_events": 7},
        {
            **request,
            "received_at": now - 4_000,
            "status": 204,
            "steps": [step("limits", "passed"), step("consent", "opted out")],
        },
        {
            **request,
            "received_at": now - 9_000,
            "status": 429,
            "steps": [step("limits", "refused", "too many requests")],
        },
    ]


def sources(params: dict[str, Any], now: int) -> dict[str, Any]:
    answers = [
        {"id": "1", "done": True, "words": "paused", "at": now - 60_000},
        {"id": "2", "done": False, "words": "a rate above 0 is expected", "at": now - 90_000},
    ]
    return {
        "at": now,
        "topic": LIVE,
        "bucket_ms": 5_000,
        "control_topic": "clickstream-control",
        "parts": [
            part("generate-web", since=now - 7_200_000),
            part("generate-vip", since=now - 7_200_000, state="paused", paused=True, answers=answers),
            part("producer", since=now - 60_000, control=False, topics=["event-topic"]),
            part(
                "tables",
                name="config/tables/clickstream.sql",
                since=now - 7_200_000,
                control=False,
                wanted=None,
                main="rows",
                rates={"rows": 17.4},
                totals={"rows": 109_278},
                error="Kafka was away for 3 s.",
                error_at=now - 600_000,
            ),
            part("counter", state="dead", silent_s=41.0, control=False, wanted=None, topics=["event-topic"]),
        ],
    }
