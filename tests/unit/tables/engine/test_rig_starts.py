"""From where a run reads, and what it leaves for the next one."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from clickstream.kafka import consume, patience
from clickstream.tables.engine.rig import Rig
from clickstream.tables.engine.rig import topics as rig_topics
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, appended, row, source, upsert, windows

COPIES = appended("copies", "ip STRING, n INT") + "INSERT INTO copies SELECT ip, n FROM clicks;\n"
LATEST = SETTINGS + source("clicks").replace("earliest-offset", "latest-offset") + COPIES


def test_records_that_come_between_two_runs_are_read_although_the_first_one_saw_none(tmp_path: Path) -> None:
    with Rig(LATEST, tmp_path, partitions={"clicks": 2}) as rig:
        rig.stop()
        rig.put("clicks", 0, row(1, n=1), row(2, n=2))
        rig.put("clicks", 1, row(1, n=3))
        rig.restart()
        rig.step()
        assert sorted(found["n"] for found in rig.rows("copies") if found) == [1, 2, 3]


def test_a_start_waits_for_the_leader_of_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads back what was written before, however long that takes."""
    with Rig(SETTINGS + source("clicks") + COPIES, tmp_path) as rig:
        rig.put("clicks", 0, row(1, n=1))
        rig.step()
        rig.stop()
        away = _without_leader(monkeypatch, "copies")
        rig.restart()
        assert list(away) == [], "it was asked"
        rig.put("clicks", 0, row(2, n=2))
        rig.step()
        assert [found["n"] for found in rig.rows("copies") if found] == [1, 2]


def _without_leader(monkeypatch: pytest.MonkeyPatch, topic: str) -> Iterator[int]:
    """For some questions and reads, each of which lasts longer than anybody waits who is in a hurry."""
    away = iter(range(6))
    ask, poll = rig_topics._Admin.list_offsets, rig_topics._Consumer.poll

    def list_offsets(self: Any, asked: Any, **named: Any) -> Any:
        if any(place.topic == topic for place in asked) and next(away, 9) < 3:
            return {place: rig_topics._failed(KafkaError(KafkaError.LEADER_NOT_AVAILABLE)) for place in asked}
        return ask(self, asked, **named)

    def polled(self: Any, timeout: float = 0.0) -> Any:
        return None if next(away, None) is not None else poll(self, timeout)

    monkeypatch.setattr(rig_topics._Admin, "list_offsets", list_offsets)
    monkeypatch.setattr(rig_topics._Consumer, "poll", polled)
    monkeypatch.setattr(patience, "RESTARTS_WITHIN_S", 0.0)
    monkeypatch.setattr(consume, "ENDLESS_S", float("inf"))
    hours = count(step=3600)
    monkeypatch.setattr(consume, "time", SimpleNamespace(monotonic=lambda: float(next(hours))))
    return away


def test_a_table_goes_on_where_its_own_windows_were_closed(tmp_path: Path) -> None:
    """Another one that was read to its end with it was hours ahead."""
    nine = 9 * 3600
    counts = "".join(
        upsert(f"per_{table}", f"ip STRING, {WINDOW}, n BIGINT", "ip, window_start")
        + f"INSERT INTO per_{table} SELECT ip, window_start, window_end, COUNT(*) FROM {windows(table, 'TUMBLE', 60)} "
        "GROUP BY ip, window_start, window_end;\n"
        for table in "ab"
    )
    with Rig(SETTINGS + source("a") + source("b") + counts, tmp_path, late_topic="late") as rig:
        rig.put("a", 0, row(nine + 3 * 3600))
        rig.put("b", 0, row(nine))
        rig.finish()
        rig.put("b", 0, row(nine + 10), row(nine + 600))
        rig.finish()
    found = [(one["window_start"][11:16], one["n"]) for one in rig.rows("per_b") if one]
    assert found == [("09:00", 1), ("09:10", 1)]
    assert len(rig.sent("late")) == 1, "its window was closed before"
