"""A row that is late counts once in the total, however many statements miss it, and whenever they do."""

from pathlib import Path

import pytest

from clickstream.tables.engine.rig import Rig
from clickstream.tables.engine.writing import lateness
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, reference, row, source, upsert, windows

HITS = f"ip STRING, {WINDOW}, n BIGINT"
KEY = "ip, window_start, window_end"
JOINED = (
    "CREATE VIEW joined AS SELECT a.ip, a.ts, u.name FROM a LEFT JOIN u FOR SYSTEM_TIME AS OF a.ts ON a.ip = u.ip;\n"
)
USERS = reference("u", "ip STRING, name STRING", "ip")


def counted(target: str, table: str, function: str = "TUMBLE", size: float = 10) -> str:
    partition = "ip" if function == "SESSION" else ""
    return (
        upsert(target, HITS, KEY) + f"INSERT INTO {target} SELECT ip, window_start, window_end, COUNT(*) "
        f"FROM {windows(table, function, size, partition=partition)} GROUP BY ip, window_start, window_end;\n"
    )


def late(rig: Rig) -> int:
    return rig.engine.totals()["late"]


def one_is_late(rig: Rig) -> None:
    """A row that its own partition's watermark has passed, and that of the whole table has not."""
    rig.put("a", 0, row(5), row(35), row(6))
    rig.put("a", 1, row(1))
    rig.step()


LATER = {
    "a join": USERS + JOINED + counted("later", "joined"),
    "sessions": counted("later", "a", "SESSION", 5),
    "sessions behind a join": USERS + JOINED + counted("later", "joined", "SESSION", 5),
}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
@pytest.mark.parametrize("forget_after", [1, lateness.FORGET_AFTER], ids=["forgetting", "remembering"])
def test_a_row_that_is_judged_later_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str, forget_after: int
) -> None:
    monkeypatch.setattr(lateness, "FORGET_AFTER", forget_after)
    with Rig(SETTINGS + source("a") + counted("now", "a") + later, tmp_path, partitions={"a": 2}) as rig:
        one_is_late(rig)
        by_result = [one.late for one in rig.engine.results()]
        assert (late(rig), by_result) == (1, [1, 0])
        rig.put("a", 1, row(40))
        rig.put("a", 0, row(41))
        rig.step()
        rig.put("a", 0, row(7))  # late for all, and not counted yet
        rig.step()
        rig.put("a", 0, row(60))
        rig.put("a", 1, row(60))
        rig.step()
        rig.step()
        by_result = [one.late for one in rig.engine.results()]
        assert (late(rig), by_result) == (2, [2, 2])


def test_rows_of_which_none_waits_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness, "FORGET_AFTER", 2)
    with Rig(SETTINGS + source("a") + counted("now", "a") + LATER["a join"], tmp_path) as rig:
        rig.put("a", 0, row(100))
        rig.step()
        for second in range(50):
            rig.put("a", 0, row(second))
            rig.step()
        assert late(rig) == 50
        assert rig.engine._pipeline is not None
        assert rig.engine._pipeline.late._kept <= 2


def test_an_array_of_rows_counts_each(tmp_path: Path) -> None:
    with Rig(SETTINGS + source("a") + counted("now", "a") + LATER["a join"], tmp_path, partitions={"a": 2}) as rig:
        rig.put("a", 0, row(35), [row(5), row(6), row(36)])
        rig.put("a", 1, row(1))
        rig.step()
        assert late(rig) == 2
        rig.put("a", 1, row(5.5))
        rig.step()  # lets go one of the two, the other one
        assert late(rig) == 2
        rig.put("a", 1, row(40))
        rig.step()
        assert late(rig) == 2


def test_rows_of_two_tables_are_two_although_their_places_are_the_same(tmp_path: Path) -> None:
    both = "CREATE VIEW ab AS SELECT ip, ts FROM a UNION ALL SELECT ip, ts FROM b;\n"
    sql = source("a") + source("b") + both + counted("now", "a") + counted("other", "ab", "SESSION", 5)
    with Rig(SETTINGS + sql, tmp_path) as rig:
        rig.put("a", 0, row(35), row(6))
        rig.put("b", 0, row(35), row(6))
        rig.step()
        rig.put("a", 0, row(60))
        rig.put("b", 0, row(60))
        rig.step()
        assert [one.late for one in rig.engine.results()] == [1, 2]
        assert late(rig) == 2


def test_a_late_row_of_two_tables_says_from_which_topic_it_is(tmp_path: Path) -> None:
    both = "CREATE VIEW ab AS SELECT ip, ts FROM a UNION ALL SELECT ip, ts FROM b;\n"
    sql = source("a", topic="clicks") + source("b", topic="views") + both + counted("hits", "ab")
    with Rig(SETTINGS + sql, tmp_path, late_topic="late") as rig:
        rig.put("a", 0, row(35), row(6))
        rig.put("b", 0, row(35), row(6))
        rig.step()
        origins = [{name: text for name, text in one.headers or [] if name != "statement"} for one in rig.sent("late")]
    place = {"origin-partition": b"0", "origin-offset": b"1"}
    assert sorted(origins, key=str) == [{"origin-topic": topic, **place} for topic in (b"clicks", b"views")]
