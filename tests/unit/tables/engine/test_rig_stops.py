"""A stop while Kafka takes nothing any more: the run gives up soon, whoever of it has something to send."""

from pathlib import Path
from typing import Any

import pytest

from clickstream.kafka.patience import Stopped
from clickstream.tables.engine import engine
from clickstream.tables.engine.rig import Rig
from clickstream.tables.engine.rig.topics import _Producer
from clickstream.tables.engine.writing import writer
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, row, source, upsert, windows

PER_IP = upsert("per_ip", f"ip STRING, {WINDOW}, n BIGINT", "ip, window_start") + (
    f"INSERT INTO per_ip SELECT ip, window_start, window_end, COUNT(*) FROM {windows('clicks')} "
    "GROUP BY ip, window_start, window_end;\n"
)
RECORDS: dict[str, list[Any]] = {"dead letters": [b"none"], "late rows": [row(50), row(1)], "early rows": [row(1)]}


@pytest.mark.parametrize("what", RECORDS)
def test_what_is_not_a_result_is_given_up_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(writer, "GRACE_S", 0.2)
    monkeypatch.setattr(engine, "CLOSES_WITHIN_S", 0.0)
    with Rig(SETTINGS + source("clicks") + PER_IP, tmp_path, late_topic="late", changes=what == "early rows") as rig:
        rig.put("clicks", 0, *RECORDS[what])
        _fill(monkeypatch)
        rig.engine._writer._stop.set()
        with pytest.raises(Stopped):
            rig.step()


def _fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has no room for single records, and that does not change."""

    def produce(_self: Any, *_given: Any, **_named: Any) -> None:
        raise BufferError

    monkeypatch.setattr(_Producer, "produce", produce)
