"""What an engine tells about itself while it works."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from clickstream.kafka.consume import read_again
from clickstream.records import LeftOut, Position
from clickstream.tables.engine import engine as engine_module
from clickstream.tables.engine.engine import Engine
from clickstream.tables.engine.rig import Crash, Instant, Rig
from clickstream.tables.engine.sources import stream
from clickstream.tables.engine.sources.stream import StreamRows
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, row, source, upsert, windows

SQL = (
    SETTINGS
    + source("a", delay=2)
    + upsert("results", f"ip STRING, {WINDOW}, n BIGINT", "ip, window_start, window_end")
    + "INSERT INTO results SELECT ip, window_start, window_end, COUNT(*) FROM "
    + f"{windows('a', 'TUMBLE', 10)} GROUP BY ip, window_start, window_end;"
)
YEAR_S = 366 * 86_400


def engine_of(rig: Rig) -> Engine:
    assert rig._engine is not None
    return rig._engine


def test_rows_that_are_refused_are_never_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals are read at any moment: one that is taken back would be a counter that falls."""
    monkeypatch.setattr(stream, read_again.__name__, lambda *_given, stop: [])
    seen: list[int] = []
    show = StreamRows.show

    def looked_at(self: StreamRows, db: duckdb.DuckDBPyConnection, decoded: str, rows: pa.Table) -> int:
        seen.append(engine_of(rig).totals()["rows"])
        refused = show(self, db, decoded, rows)
        seen.append(engine_of(rig).totals()["rows"])
        return refused

    monkeypatch.setattr(StreamRows, "show", looked_at)
    with Rig(SQL, tmp_path) as rig:
        for _ in range(2):
            rig.put("a", 0, row(1), row(YEAR_S), timestamp=1_000)
            rig.step()
            seen.append(engine_of(rig).totals()["rows"])
    assert seen == [0, 0, 1, 1, 1, 2]


def test_positions_are_those_of_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "POSITIONS_EVERY_S", 0.0)
    with Rig(SQL, tmp_path, partitions={"a": 2}, idle_timeout=10.0) as rig:
        rig.step()
        rig.put("a", 0, row(1), row(5))
        rig.step()
        rig.step()
        assert engine_of(rig).positions() == [
            Position("a", 0, 2, "a", 3_000, idle_after_s=10.0, lag=0),
            Position("a", 1, 0, "a", idle_after_s=10.0, lag=0),
        ]
        rig.silence(11, "a")
        rig.step()
        assert [one.idle for one in engine_of(rig).positions()] == [True, True]
        assert all(one.silent_s >= 10.0 for one in engine_of(rig).positions())
        rig.put("a", 1, row(6))
        rig.step()
        rig.step()
        silent, heard = engine_of(rig).positions()
        assert silent == Position(
            *("a", 0, 2, "a", 3_000), idle=True, silent_s=silent.silent_s, idle_after_s=10.0, lag=0
        )
        assert silent.silent_s >= 10.0
        assert heard == Position("a", 1, 1, "a", 4_000, idle_after_s=10.0, lag=0)
        assert engine_of(rig).last_success() is not None


def test_a_start_shows_where_it_goes_on_before_anything_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last run may have died between its commit and what it shows of it, and nothing may come any more."""
    monkeypatch.setattr(engine_module, "POSITIONS_EVERY_S", 0.0)
    with Rig(SQL, tmp_path, partitions={"a": 2}) as rig:
        rig.put("a", 0, row(1), row(5))
        rig.step()
        rig.crash(Instant.COMMITTED)
        rig.put("a", 0, row(6))
        with pytest.raises(Crash):
            rig.step()
        rig.restart()
        rig.step()
        assert rig.shown("a") == {0: 3, 1: 0}
        assert engine_of(rig).positions() == [Position("a", 0, 3, "a", 4_000), Position("a", 1, 0, "a")]


def test_the_lag_is_what_the_stored_results_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "POSITIONS_EVERY_S", 0.0)
    with Rig(SQL, tmp_path, partitions={"a": 2}) as rig:

        def lag() -> tuple[list[int | None], float]:
            engine_of(rig).turn()  # it notes the positions first
            return [one.lag for one in engine_of(rig).positions()], engine_of(rig).gauges()["lag"]

        rig.put("a", 0, *(row(second) for second in range(5)))
        rig.put("a", 1, row(1))
        rig.step(records=2)
        assert lag() == ([3, 1], 4.0)
        rig.step()
        assert lag() == ([0, 0], 0.0)


def test_what_is_left_out_is_told_by_table(tmp_path: Path) -> None:
    with Rig(SQL, tmp_path) as rig:
        rig.put("a", 0, row(1))
        rig.step()
        assert engine_of(rig).left_out() == []
        rig.put("a", 0, row(100), b"no row", row(2), row(3))
        rig.step()
        rig.step()
        assert engine_of(rig).left_out() == [
            LeftOut("a", "a", dead_letters=1),
            LeftOut("results", "results", late=2),
        ]
