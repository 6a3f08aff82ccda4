"""Several tables in one result: which of them holds windows open, and what a silent one may still say."""

from pathlib import Path

import pytest

from clickstream.tables.engine.rig import Crash, Instant, Rig
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, appended, reference, row, source, upsert, windows

TABLES = SETTINGS + source("a") + source("b")
UNION = "CREATE VIEW ab AS SELECT ip, n, ts FROM a UNION ALL SELECT ip, n, ts FROM b;\n"
COUNTS = upsert("counts", f"{WINDOW}, n BIGINT", "window_start") + (
    f"INSERT INTO counts SELECT window_start, window_end, COUNT(*) FROM {windows('ab')} "
    "GROUP BY window_start, window_end;\n"
)
TWO_BRANCHES = upsert("counts", f"{WINDOW}, n BIGINT", "window_start, n") + (
    f"INSERT INTO counts SELECT window_start, window_end, COUNT(*) FROM {windows('a')} "
    "GROUP BY window_start, window_end UNION ALL SELECT window_start, window_end, 100 + COUNT(*) FROM "
    f"{windows('b')} GROUP BY window_start, window_end;\n"
)
# References are joined with the union, and its rows wait for the watermark.
JOINED = (
    reference("users", "ip STRING, name STRING", "ip")
    + appended("named", "ip STRING, n INT, name STRING")
    + "INSERT INTO named SELECT c.ip, c.n, u.name FROM ab AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u "
    "ON c.ip = u.ip;\n"
)
IDLE = 10.0


def counts(rig: Rig) -> dict[str, int]:
    """By the seconds of their starts."""
    return {str(found["window_start"])[17:]: int(found["n"]) for found in rig.table("counts").values()}


@pytest.mark.parametrize("statements", [UNION + COUNTS, TWO_BRANCHES], ids=["a view", "two branches"])
def test_an_empty_table_holds_no_window_open_once_it_is_idle(tmp_path: Path, statements: str) -> None:
    with Rig(TABLES + statements, tmp_path, idle_timeout=IDLE) as rig:
        for second in range(0, 40, 5):
            rig.put("a", 0, row(second))
            rig.step()
        assert counts(rig) == {}
        rig.silence(IDLE - 1, "b")
        assert counts(rig) == {}
        rig.silence(3, "b")
        assert counts(rig) == {"00": 2, "10": 2, "20": 2}


def test_an_old_table_holds_no_window_open_once_it_is_idle(tmp_path: Path) -> None:
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("b", 0, row(3), row(12))
        rig.put("a", 0, row(3), row(13), row(41))
        rig.step()
        assert counts(rig) == {"00": 2}
        rig.silence(IDLE + 30, "b")
        assert counts(rig) == {"00": 2, "10": 2}


def test_when_all_tables_are_idle_the_wall_clock_closes_windows(tmp_path: Path) -> None:
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(3))
        rig.put("b", 0, row(14))
        rig.step()
        rig.silence(IDLE + 30)
        assert counts(rig) == {"00": 1, "10": 1}


@pytest.mark.parametrize("idle_timeout", [0.0, IDLE])
def test_an_engine_with_nothing_to_do_makes_no_transaction(tmp_path: Path, idle_timeout: float) -> None:
    with Rig(TABLES + UNION + COUNTS + JOINED, tmp_path, idle_timeout=idle_timeout) as rig:
        rig.put("users", 0, {"ip": "a", "name": "Ada"}, timestamp=500)
        for table in ("a", "b"):
            rig.put(table, 0, row(3), row(15))
        rig.step()
        rig.silence(IDLE + 30)
        assert counts(rig) == ({"00": 2, "10": 2} if idle_timeout else {"00": 2})
        before = rig.commits
        rig.silence(100)
        assert rig.commits == before
        for table in ("a", "b"):
            rig.put(table, 0, row(200))
        rig.step()
        assert rig.commits > before


@pytest.mark.parametrize("crash", [None, Instant.ACKNOWLEDGED, Instant.COMMITTED])
def test_a_row_of_an_idle_table_is_judged_by_what_its_silence_has_closed(tmp_path: Path, crash: Instant | None) -> None:
    """Whatever happens between closing by silence and the row, which no log can tell of."""
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(3), row(25))
        rig.step()
        if crash is not None:
            rig.crash(crash, after=1)  # the floor is stored; its first effect is not, or is
            with pytest.raises(Crash):
                rig.silence(IDLE + 2, "b")
            rig.restart()
        else:
            rig.silence(IDLE + 2, "b")
        rig.put("b", 0, row(5), row(12), row(26))
        rig.step()
        rig.silence(2, "b")
        rig.put("a", 0, row(31))
        rig.put("b", 0, row(32))
        rig.step()
        assert counts(rig) == {"00": 1, "20": 2}
        rig.stop()
    # Of a run that ended nobody counts; after a crash all of them are of the last run.
    assert rig.totals["late"] == 2


def test_the_floor_is_in_the_state_before_anything_closes_by_it(tmp_path: Path) -> None:
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(3), row(25))
        rig.step()
        before = rig.commits
        rig.crash(Instant.COMMITTED)
        with pytest.raises(Crash):
            rig.silence(IDLE + 2, "b")
        assert rig.commits == before + 1
        assert counts(rig) == {}
        rig.restart()
        rig.put("b", 0, row(5))
        rig.step()
        rig.put("b", 0, row(27))
        rig.step()
        rig.stop()
    assert counts(rig) == {"00": 1, "10": 0} or counts(rig) == {"00": 1}
    assert rig.totals["late"] == 1


@pytest.mark.parametrize("table", ["a", "b"])
def test_an_outage_is_no_silence(tmp_path: Path, table: str) -> None:
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(3), row(15))
        rig.put("b", 0, row(4), row(16))
        rig.step()
        for _ in range(5):
            rig.silence(IDLE - 2)
            rig.outage(25)
        rig.put(table, 0, row(17), row(18))
        rig.step()
        assert counts(rig) == {"00": 2}
        rig.put("a", 0, row(22))
        rig.put("b", 0, row(22))
        rig.step()
        rig.stop()
    assert counts(rig) == {"00": 2, "10": 4}
    assert rig.totals["late"] == 0


def test_a_partition_that_has_something_to_read_is_not_silent(tmp_path: Path) -> None:
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(3), row(25))
        rig.step()
        rig.put("b", 0, row(4))  # nobody reads it
        rig.silence(5 * IDLE)
        assert counts(rig) == {}
        rig.step()
        rig.silence(IDLE + 2, "b")
        assert counts(rig) == {"00": 2, "20": 1}  # the other one has long been silent


def test_an_outage_of_one_table_is_no_silence_of_it(tmp_path: Path) -> None:
    """Its broker was away after a silence: what was written meanwhile comes when it is back."""
    with Rig(TABLES + UNION + COUNTS, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(3))
        rig.put("b", 0, row(4))
        rig.step()
        rig.silence(IDLE + 2, "b")
        for second in range(5, 60, 5):
            rig.outage(5)
            rig.put("a", 0, row(second))
            rig.step()
        assert len(counts(rig)) <= 1
        rig.put("b", 0, *[row(second) for second in range(15, 60, 5)])
        rig.step()
        rig.stop()
    assert rig.totals["late"] == 0
    assert counts(rig)["20"] == 4


def test_rows_in_a_join_over_a_union_leave_when_the_other_table_is_idle(tmp_path: Path) -> None:
    with Rig(TABLES + UNION + JOINED, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("users", 0, {"ip": "a", "name": "Ada"}, timestamp=500)
        rig.put("a", 0, row(1, n=1), row(2, n=2))
        rig.step()
        assert rig.rows("named") == []
        rig.silence(IDLE + 2, "b")
        assert rig.rows("named") == [{"ip": "a", "n": n, "name": "Ada"} for n in (1, 2)]
        rig.put("b", 0, row(1.5, n=3))  # a row of a join is never late
        rig.step()
        rig.silence(IDLE + 2)
        assert rig.rows("named")[2:] == [{"ip": "a", "n": 3, "name": "Ada"}]


def test_windows_over_a_join_over_a_union(tmp_path: Path) -> None:
    joined = JOINED[: JOINED.index("CREATE TABLE named")] + (
        "CREATE VIEW named AS SELECT c.ip, u.name, c.ts FROM ab AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u "
        "ON c.ip = u.ip;\n"
    )
    sql = TABLES + UNION + joined + COUNTS.replace("TABLE ab", "TABLE named")
    with Rig(sql, tmp_path, idle_timeout=IDLE) as rig:
        rig.put("a", 0, row(1), row(2), row(12))
        rig.step()
        rig.silence(IDLE + 2, "b")
        assert counts(rig) == {"00": 2}
        rig.put("b", 0, row(5), row(13))
        rig.step()
        rig.silence(IDLE + 30)
        rig.stop()
    assert counts(rig) == {"00": 2, "10": 2}
    assert rig.totals["late"] == 1


def test_without_an_idle_time_out_an_empty_table_holds_every_window_open(tmp_path: Path) -> None:
    with Rig(TABLES + UNION + COUNTS, tmp_path) as rig:
        rig.put("a", 0, row(3), row(25))
        rig.step()
        rig.silence(100)
        assert counts(rig) == {}
        rig.finish()
    assert counts(rig) == {"00": 1, "20": 1}
