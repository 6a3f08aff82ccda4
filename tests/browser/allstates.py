"""States and answers for every page at once, each with something to show."""

from functools import partial
from typing import Any

from tests.browser import flowstates, peoplestates, querystates, topicstates
from tests.browser.fakeserver import FakeServer, now_ms

TEXT = "a text without a space " * 3 + "x" * 300
VALUE = f'{{"n":7,"page":"{TEXT}"}}'
RECORD: dict[str, Any] = {
    **topicstates.row(0, 5, None, "7", key="user-7"),
    "topic": "clickstream", "time_by": None, "key": {"length": 6, "start": 0, "next": None, "text": "user-7"},
    "headers": [["origin", {"length": 4, "start": 0, "next": None, "text": "here"}]],
    "value": {"length": len(VALUE), "start": 0, "next": None, "text": VALUE},
}  # fmt: skip


def telling(answer: Any, _asked: dict[str, str]) -> tuple[int, Any]:
    return 200, answer


def fill(server: FakeServer) -> None:
    """With control, so that there is all that can be pressed."""
    at = now_ms()
    letters: list[tuple[dict[str, Any], int | None]] = [
        (topicstates.letter(offset, at - 60_000 + offset), None) for offset in range(3)
    ]
    server.states |= {
        **peoplestates.STATES,
        "vip": lambda _params, _now: None,
        "topics": topicstates.topics,
        "topic": topicstates.topic,
        "tail": lambda _params, _now: None,
        "dead": topicstates.dead(letters),
        "flow": flowstates.flow,
        "statement": flowstates.sql,
        "sources": flowstates.sources,
        "collected": flowstates.collected,
    }
    found = [topicstates.row(0, offset, at, str(offset), f'"{TEXT}"') for offset in range(9)]
    server.answers |= {
        **querystates.answers(querystates.answer([["minute", "TIMESTAMP"], ["hits", "BIGINT"]], ROWS)),
        "/api/topics/clickstream/records": topicstates.found(found),
        "/api/topics/clickstream/0/5": partial(telling, {**RECORD, "time": at}),
        "/api/control": partial(telling, {"id": "1"}),
    }
    for letter, _sent in letters:
        whole = topicstates.whole_letter(int(letter["offset"]), letter["time"])
        server.answers[f"/api/dead-letters/0/{letter['offset']}"] = partial(telling, whole)
    server.hello = {**server.hello, "control": True}


ROWS = [[f"2026-03-25 14:{minute:02}:00", minute] for minute in range(30)]
