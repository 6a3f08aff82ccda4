"""What a server answers to questions in SQL, for tests of the page on its own."""

import json
from collections.abc import Callable
from typing import Any

Answerer = Callable[[dict[str, str]], tuple[int, Any]]

BEYOND = "9007199254740993"
HOSTILE = "<script>alert(1)</script>\u202e"
CITIES: list[list[Any]] = [
    ["Portland", 748, "6796848", 1.07], ["Austin", 709, BEYOND, 0.85], [HOSTILE, 593, "5327324", 1.18],
    [None, 445, "5224227", 2.25],
]  # fmt: skip
COLUMNS = [["city", "VARCHAR"], ["clicks", "BIGINT"], ["bytes", "HUGEINT"], ["errors_pct", "DOUBLE"]]
SHOWN = "SQL:2:8: Unknown column usrid.\n    2 | SELECT usrid, x\n      |        ^^^^^\n        Did you mean userid?"
FINDING = {
    "line": 2, "column": 8, "length": 5, "message": "Unknown column usrid.", "hint": "Did you mean userid?",
    "shown": SHOWN,
}  # fmt: skip


def columns(pairs: list[list[str]]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in pairs]


def answer(pairs: list[list[str]], rows: list[list[Any]], **more: Any) -> Answerer:
    """The rows, after a word of progress."""
    found = {
        "columns": columns(pairs), "rows": rows, "cut": False, "tables": ["clicks"], "seconds": 0.038,
        "records": 10_000, "newest": {}, "to": None,
    } | more  # fmt: skip
    return said({"progress": {"doing": "computing", "done": 0, "total": 0}}, {"answer": found})


def said(*lines: dict[str, Any]) -> Answerer:
    return lambda _asked: (200, "".join(json.dumps(line) + "\n" for line in lines))


def over_time(minutes: int = 30) -> list[list[Any]]:
    """Two statuses by minute, one of them with a gap."""
    times = [f"2026-03-25 14:{minute:02}:00" for minute in range(minutes)]
    ok = [[time, 200, 100 + place * 3] for place, time in enumerate(times)]
    bad = [[time, 404, 10 + place % 7] for place, time in enumerate(times) if not 10 <= place < 15]
    return ok + bad


TABLES: Answerer = lambda _asked: (  # noqa: E731
    200,
    {"history": ["clicks", "events", "vip"], "topics": ["clickstream", "event-topic", "users"]},
)
DESCRIBED = answer([["column_name", "VARCHAR"], ["column_type", "VARCHAR"]], [["eventName", "VARCHAR"]])


def query(rows: Answerer) -> Answerer:
    """`rows`, and the columns of a table to who asks for them."""

    def made(asked: dict[str, str]) -> tuple[int, Any]:
        return DESCRIBED(asked) if "DESCRIBE" in json.loads(asked["body"])["sql"] else rows(asked)

    return made


def check(asked: dict[str, str]) -> tuple[int, Any]:
    """A finding as long as `usrid` stands there."""
    sql = json.loads(asked["body"])["sql"]
    tables = [{"name": "clickstream", "columns": columns([["userid", "INT"]]), "result": False}]
    return 200, {"findings": [FINDING] if "usrid" in sql else [], "tables": tables}


PREVIEW = said(
    {"progress": {"doing": "reading clickstream", "done": 900, "total": 0}},
    {
        "answer": {
            "results": [
                {
                    "name": "errors_per_min",
                    "columns": columns([["window_start", "TIMESTAMP(3)"], ["hits", "BIGINT"]]),
                    "rows": [["2026-03-25 14:00:00", 5], ["2026-03-25 14:01:00", 7]], "early": [False, True],
                    "known": 2, "late": 3, "dropped": 0,
                },
                {"name": "none", "columns": columns([["a", "INT"]]), "rows": [], "early": [], "known": 0, "late": 0,
                 "dropped": 0},
            ],
            "records": {"clickstream": 900}, "whole": True, "troubles": ["2 records of x cannot be read as y."],
        }
    },
)  # fmt: skip


def answers(rows: Answerer | None = None) -> dict[str, Answerer]:
    """By path."""
    return {
        "/api/ask/tables": TABLES,
        "/api/ask/query": query(rows or answer(COLUMNS, CITIES)),
        "/api/ask/check": check,
        "/api/ask/preview": PREVIEW,
    }
