"""What the end of a read to the end closes is closed for those windows, and no row that comes later is late for others.

Windows of 10 s and of a minute (or sessions) read one table, whose rows may come 5 s late.
"""

from pathlib import Path
from typing import Any

import pytest

from clickstream.tables.engine.rig import Rig
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, row, source, upsert, windows

A = SETTINGS + source("a", delay=5)


def counts(name: str, function: str, *sizes: float, partition: str = "") -> str:
    """A table of how many rows each window has."""
    found = windows("a", function, *sizes, partition=partition)
    key, column = (f"{partition}, ", f"{partition} STRING, ") if partition else ("", "")
    return upsert(name, f"{column}{WINDOW}, n BIGINT", f"{key}window_start") + (
        f"INSERT INTO {name} SELECT {key}window_start, window_end, COUNT(*) FROM {found} "
        f"GROUP BY {key}window_start, window_end;\n"
    )


SHORT, LONG = counts("shorter", "TUMBLE", 10), counts("longer", "TUMBLE", 60)
SESSIONS = counts("sessions", "SESSION", 20, partition="ip")


def seen(rig: Rig, table: str) -> list[tuple[str, str, int]]:
    """Rows as written: start and end as mm:ss, and the count."""
    rows = [one for one in rig.rows(table) if one is not None]
    return sorted((one["window_start"][14:19], one["window_end"][14:19], one["n"]) for one in rows)


def ended(rig: Rig, *rows: dict[str, Any]) -> None:
    """A run over these rows to their end."""
    rig.put("a", 0, *rows)
    rig.finish()


@pytest.mark.parametrize("live", [False, True], ids=["to the end again", "live"])
def test_a_longer_window_does_not_make_rows_of_shorter_ones_late(live: bool, tmp_path: Path) -> None:
    with Rig(A + SHORT + LONG, tmp_path, exit_at_end=True) as rig:
        ended(rig, row(1), row(12))
        assert seen(rig, "shorter") == [("00:00", "00:10", 1), ("00:10", "00:20", 1)]
        assert seen(rig, "longer") == [("00:00", "01:00", 2)]
        rig.restart(exit_at_end=not live)
        rig.put("a", 0, row(13), row(25), row(61), row(70))
        if live:
            rig.step(records=1)
            rig.step()
            rig.stop()
        else:
            rig.finish()
        assert rig.totals["late"] == 2, "13 s for both, and 25 s for the minute: these are closed"
        rig.finish()
        assert seen(rig, "shorter")[2:] == [("00:20", "00:30", 1), ("01:00", "01:10", 1), ("01:10", "01:20", 1)]
        assert seen(rig, "longer")[1:] == [("01:00", "02:00", 2)]


def test_nor_rows_of_sessions(tmp_path: Path) -> None:
    with Rig(A + SESSIONS + LONG, tmp_path, exit_at_end=True) as rig:
        ended(rig, row(1))
        rig.restart(exit_at_end=True)
        ended(rig, row(15), row(30))
        assert seen(rig, "sessions") == [("00:01", "00:21", 1), ("00:15", "00:50", 2)]
        assert rig.totals["late"] == 2, "for the minute"


def test_sessions_of_many_short_runs(tmp_path: Path) -> None:
    """Runs that are closer together than the gap: each session is that of its run, and no end takes more than it is."""
    with Rig(A + SESSIONS, tmp_path, exit_at_end=True) as rig:
        for second in (1, 2, 3, 4):
            ended(rig, row(second))
            assert rig.totals["late"] == 0, second
            rig.restart(exit_at_end=True)
        assert sum(count for _start, _end, count in seen(rig, "sessions")) == 4


def test_windows_of_one_result_are_closed_together(tmp_path: Path) -> None:
    """Its rows leave in the order of their windows' ends: one of the minute's may be read by then."""
    both = upsert("counts", f"{WINDOW}, n BIGINT", "window_start, window_end") + "INSERT INTO counts "
    both += " UNION ALL ".join(
        f"SELECT window_start, window_end, COUNT(*) FROM {windows('a', 'TUMBLE', size)} "
        "GROUP BY window_start, window_end"
        for size in (10, 60)
    )
    with Rig(A + both + ";", tmp_path, exit_at_end=True) as rig:
        ended(rig, row(1))
        rig.restart(exit_at_end=True)
        ended(rig, row(15), row(61))
        assert seen(rig, "counts") == [
            ("00:00", "00:10", 1),
            ("00:00", "01:00", 1),
            ("01:00", "01:10", 1),
            ("01:00", "02:00", 1),
        ]
        assert rig.totals["late"] == 1
