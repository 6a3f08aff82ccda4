"""A past instant of topics, groups and parts on a real Kafka: what is remembered of it is what was shown then."""

import asyncio
import time
from typing import Any

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.records import Position, Status, encode, utc_text
from clickstream.topics import ensure
from clickstream.ui.remembered import taking
from tests.integration.support import make_topic, produce
from tests.integration.test_lags import commit
from tests.integration.uisupport import State, Tab, dashboard, state_of, tab

EVERY_MS = 1_000
PANELS = ("topics", "topic", "sources", "flow")


def test_what_is_remembered_is_what_was_shown(kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "EVERY_MS", EVERY_MS)
    status = f"{topic_name}-status"
    make_topic(kafka, topic_name, partitions=1)
    ensure(Cluster(kafka), [status])
    asyncio.run(_compare(kafka, topic_name, status))


async def _compare(kafka: str, topic: str, status: str) -> None:
    say(kafka, topic, status, place=6, rate=4.5)
    produce(kafka, topic, [b"{}"] * 10)
    commit(kafka, f"{topic}-readers", topic, {0: 3})
    with dashboard(Cluster(kafka), status_topic=status) as address:
        async with tab(address) as live, tab(address) as other:
            for panel in PANELS:
                await live.say(open=panel, panel=panel, params=params_of(panel, topic))
            await live.until(lambda frame: topic_row(frame, topic).get("lag") == 7)
            await live.until(lambda frame: frame.get("id") == "topic" and lags_of(frame) == LAGS)
            await live.until(lambda frame: frame.get("id") == "flow" and frame["state"]["files"])
            # What is remembered a while after that is of a time at which nothing changed.
            begun = time.monotonic()
            await live.until(lambda frame: frame.get("id") == "topics" and time.monotonic() - begun > 5)
            at = live.frames[-1]["now"]
            produce(kafka, topic, [b"{}"] * 20)
            say(kafka, topic, status, place=26, rate=9.0)
            commit(kafka, f"{topic}-readers", topic, {0: 29})
            await live.until(lambda frame: topic_row(frame, topic).get("records") == 30)
            shown = {panel: await ask(other, panel, params_of(panel, topic) | {"at": at}) for panel in PANELS}
            numbers = await ask(other, "numbers", {"at": at})
    compare(shown, numbers, live, topic, at)


LAGS = {"readers": 7, "counter": 4}


def compare(shown: dict[str, State], numbers: State, live: Tab, topic: str, at: int) -> None:
    past = shown["topics"]
    lists = [frame for frame in live.frames if frame.get("id") == "topics"]
    assert past["at"] in [frame["state"]["at"] for frame in lists], "it is of a moment that was shown"
    row = topic_row({"id": "topics", "state": past}, topic)
    # Lags come between two lists: one list is shown with those of before, and with those of after.
    assert {**row, "history": None} in [{**topic_row(frame, topic), "history": None} for frame in lists]
    assert (row["records"], row["lag"]) == (10, 7)
    assert numbers["at"] <= at < numbers["at"] + 30 * EVERY_MS

    assert [(one["low"], one["high"]) for one in shown["topic"]["partitions"]] == [("0", "10")]
    assert lags_of({"state": shown["topic"]}) == LAGS

    [part] = [one for one in shown["sources"]["parts"] if one["kind"] == "counter"]
    assert part["rates"] == {"counted": 4.5}
    assert max(part["history"]) == 4.5
    [file] = shown["flow"]["files"]
    assert [(one["topic"], one["records"], one["lag"]) for one in file["sources"]] == [(topic, 10, 4)]


def say(kafka: str, topic: str, status: str, *, place: int, rate: float) -> None:
    """As a counter reports it."""
    said = Status(
        "counter-host-1",
        "counter",
        "host",
        utc_text(time.time()),
        "running",
        {"counted": rate},
        [topic, f"{topic}-tally"],
        positions=[Position(topic, 0, place)],
    )
    produce(kafka, status, [encode(said)])  # all of them under one key


def params_of(panel: str, topic: str) -> dict[str, Any]:
    return {"topic": topic} if panel == "topic" else {}


def topic_row(frame: State, topic: str) -> State:
    """The line of the topic in a state of the panel `topics`."""
    rows = frame["state"]["topics"] if frame.get("id") == "topics" and "state" in frame else []
    found: State = next((one for one in rows if one["name"] == topic), {})
    return found


def lags_of(frame: State) -> dict[str, int]:
    readers = frame.get("state", {}).get("readers") or []
    return {one["name"].rpartition("-")[2]: one["lag"] for one in readers}


async def ask(other: Tab, panel: str, params: dict[str, Any]) -> State:
    """The first answer."""
    await other.say(open=panel, panel=panel, params=params)
    found: State = (await other.until(state_of(panel)))["state"]
    return found
