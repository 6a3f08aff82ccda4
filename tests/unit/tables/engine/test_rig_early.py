"""Early rows and tombstones: nothing is left that is not true, nothing is removed that is, or that never was."""

from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.rig import Crash, Instant, Rig
from clickstream.tables.engine.writing.early import EARLY
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, appended, row, source, upsert, windows

TABLES = SETTINGS + source("a") + source("b")
HITS = f"ip STRING, {WINDOW}, n BIGINT"
KEY = "ip, window_start, window_end"


def hits(table: str, *sizes: float, function: str = "TUMBLE", having: str = "", by: str = "") -> str:
    return (
        f"SELECT ip, window_start, window_end, COUNT(*) FROM {windows(table, function, *sizes, partition=by)} "
        f"GROUP BY ip, window_start, window_end{having}"
    )


def results(*queries: str, key: str = KEY) -> str:
    return TABLES + upsert("results", HITS, key) + f"INSERT INTO results {' UNION ALL '.join(queries)};\n"


def history(rig: Rig) -> list[tuple[str, int | None, bool]]:
    """Address, count (None: a tombstone), and whether it is early."""
    return [
        (str(key)[7:8], value["n"] if value is not None else None, record.headers == EARLY)
        for record, value in zip(rig.sent("results"), rig.rows("results"), strict=True)
        for key in [(record.key or b"").decode()]
    ]


def test_branches_do_not_bury_each_others_early_rows(tmp_path: Path) -> None:
    sql = results(hits("a", 10), hits("b", 20, having=" HAVING COUNT(*) < 3"))
    with Rig(sql, tmp_path, changes=True) as rig:
        rig.put("a", 0, row(1))
        rig.put("b", 0, row(2, ip="b"))
        rig.step()
        assert len(rig.table("results", early=True)) == 2
        rig.put("a", 0, row(12))  # the window of `a` is over, that of `b` is not; they close together
        rig.step()
        rig.put("b", 0, row(11, ip="b"))
        rig.step()
        assert {found["n"] for found in rig.table("results").values()} == {1}
        rig.put("b", 0, row(12, ip="b"), row(13, ip="b"))  # HAVING stops
        rig.step()
        rig.finish()
    assert sorted((found["ip"], found["n"]) for found in rig.table("results").values()) == [("a", 1), ("a", 1)]
    assert rig.table("results", early=True) == rig.table("results")


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
def test_a_final_row_outlives_the_early_row_of_another_branch_with_its_key(tmp_path: Path, changes: bool) -> None:
    """Both branches have windows that start together; the key does not say which one it is."""
    sql = results(hits("a", 10), hits("a", 20, having=" HAVING COUNT(*) < 3"), key="ip, window_start")
    with Rig(sql, tmp_path, changes=changes) as rig:
        for second in (1, 12, 13, 14, 41):  # that of 10 seconds is final when the other one stops to hold
            rig.put("a", 0, row(second))
            rig.step()
        rig.finish()
    assert {(found["window_start"][-2:], found["n"]) for found in rig.table("results").values()} == {
        ("00", 1),
        ("10", 3),
        ("40", 1),
    }
    assert rig.table("results", early=True) == rig.table("results")


@pytest.mark.parametrize(("function", "sizes"), [("TUMBLE", (10,)), ("HOP", (10, 10)), ("CUMULATE", (10, 10))])
def test_an_early_row_is_removed_when_having_stops_to_hold(
    tmp_path: Path, function: str, sizes: tuple[int, ...]
) -> None:
    with Rig(
        results(hits("a", *sizes, function=function, having=" HAVING COUNT(*) < 2")), tmp_path, changes=True
    ) as rig:
        rig.put("a", 0, row(1), row(1, ip="b"))
        rig.step()
        rig.put("a", 0, row(2))
        rig.step()
        assert set(history(rig)) == {("a", 1, True), ("b", 1, True), ("a", None, False)}
        assert history(rig)[-1] == ("a", None, False)
        rig.put("a", 0, row(3), row(15))
        rig.step()
        rig.finish()
    # The window that closes has nothing more to bury; `a` has a row in the next one.
    assert set(history(rig)[3:]) == {("a", 1, True), ("b", 1, False), ("a", 1, False)}


def test_an_early_session_is_removed_when_having_stops_to_hold(tmp_path: Path) -> None:
    sql = results(hits("a", 5, function="SESSION", by="ip", having=" HAVING COUNT(*) < 2"))
    with Rig(sql, tmp_path, changes=True) as rig:
        rig.put("a", 0, row(1))
        rig.step()
        rig.put("a", 0, row(2))
        rig.step()
        assert rig.table("results", early=True) == {}
        rig.put("a", 0, row(30, ip="c"))
        rig.finish()
    assert [found["ip"] for found in rig.table("results").values()] == ["c"]


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
@pytest.mark.parametrize(
    "query",
    [
        hits("a", 10, having=" HAVING COUNT(*) > 5"),
        hits("a", 5, function="SESSION", by="ip", having=" HAVING COUNT(*) > 5"),
        "SELECT ip, CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(3)), COUNT(*) FROM a GROUP BY ip "
        "HAVING COUNT(*) > 50",
    ],
    ids=["windows", "sessions", "groups"],
)
def test_keys_that_were_never_written_get_no_tombstone(tmp_path: Path, query: str, changes: bool) -> None:
    key = "ip" if "NULL" in query else KEY
    with Rig(results(query, key=key), tmp_path, changes=changes) as rig:
        for step in range(3):
            rig.put("a", 0, row(step), row(step, ip="b"), row(20 + step))
            rig.step()
        rig.finish()
    assert history(rig) == []


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
@pytest.mark.parametrize("kind", ["windows", "groups"])
def test_null_keys_get_neither_rows_nor_tombstones(tmp_path: Path, kind: str, changes: bool) -> None:
    drop = "SET 'table.exec.sink.not-null-enforcer' = 'DROP';\n"
    few = " HAVING COUNT(*) < 2"
    groups = f"SELECT ip, CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(3)), COUNT(*) FROM a GROUP BY ip{few}"
    sql = results(hits("a", 10, having=few)) if kind == "windows" else results(groups, key="ip")
    with Rig(drop + sql, tmp_path, changes=changes) as rig:
        rig.put("a", 0, row(1, ip=None), row(1, ip="b"))
        rig.step()
        rig.put("a", 0, row(2, ip=None), row(2, ip="b"))
        rig.step()
        rig.finish()
    assert {address for address, _, _ in history(rig)} <= {"b"}
    assert rig.table("results") == {}


def test_a_null_in_a_key_is_said_in_the_words_of_the_file(tmp_path: Path) -> None:
    sql = results(hits("a", 10))
    with Rig(sql, tmp_path) as rig:
        rig.put("a", 0, row(1, ip=None), row(20))
        with pytest.raises(ClickstreamError, match="ip of results must not be NULL") as failed:
            rig.step()
    assert "$" not in str(failed.value)


WRITTEN = "n INT, written TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'"
STREAM = "SELECT n, ts FROM a"
WINDOWED = f"SELECT n, MIN(ts) FROM {windows('a')} GROUP BY n, window_start, window_end"
PER_WINDOW = f"SELECT n, MIN(ts), window_start FROM {windows('a')} GROUP BY n, window_start, window_end"


@pytest.mark.parametrize(
    ("target", "query"),
    [
        (appended("results", WRITTEN), STREAM),
        (appended("results", WRITTEN), WINDOWED),
        (upsert("results", WRITTEN, "n"), STREAM),
        (upsert("results", f"{WRITTEN}, ws TIMESTAMP(3)", "n, ws"), PER_WINDOW),
    ],
    ids=["stream", "windows", "upserted stream", "upserted windows"],
)
def test_timestamps_are_written(tmp_path: Path, target: str, query: str) -> None:
    with Rig(TABLES + target + f"INSERT INTO results {query};", tmp_path) as rig:
        rig.put("a", 0, row(0, n=1), row(2.5, n=2), row(7, n=3), row(11, n=4))
        rig.finish()
    rows = zip(rig.rows("results"), rig.sent("results"), strict=True)
    found = {value["n"]: record.timestamp for value, record in rows if value}
    assert found == {1: 1, 2: 2_500, 3: 7_000, 4: 11_000}  # the client has no word for exactly 1970


def test_a_time_before_1970_is_refused(tmp_path: Path) -> None:
    target = appended("results", WRITTEN)
    with Rig(TABLES + target + "INSERT INTO results SELECT n, ts FROM a;", tmp_path) as rig:
        rig.put("a", 0, row(-5, n=1))
        with pytest.raises(ClickstreamError, match="before 1970"):
            rig.step()


def test_without_a_time_a_record_is_written_now(tmp_path: Path) -> None:
    target = appended("results", WRITTEN)
    sql = TABLES + target + "INSERT INTO results SELECT n, CAST(NULL AS TIMESTAMP_LTZ(3)) FROM a;"
    with Rig(sql, tmp_path) as rig:
        rig.put("a", 0, row(5, n=1))
        rig.finish()
    assert [record.timestamp for record in rig.sent("results")] == [0]


def test_early_rows_have_their_timestamps(tmp_path: Path) -> None:
    target = upsert("results", f"{WRITTEN}, ws TIMESTAMP(3)", "n, ws")
    with Rig(TABLES + target + f"INSERT INTO results {PER_WINDOW};", tmp_path, changes=True) as rig:
        rig.put("a", 0, row(2.5, n=1), row(3, n=1))
        rig.step()
        assert [(record.timestamp, record.headers) for record in rig.sent("results")] == [(2_500, EARLY)]


OPEN = [("TUMBLE", (90,), ""), ("HOP", (45, 90), ""), ("CUMULATE", (45, 90), ""), ("SESSION", (90,), "ip")]


@pytest.mark.parametrize(("function", "sizes", "by"), OPEN, ids=[function for function, *_ in OPEN])
@pytest.mark.parametrize("instant", [Instant.COMMITTED, Instant.HANDED_OVER])
def test_a_restart_shows_what_a_crash_kept_from_being_shown(
    tmp_path: Path, function: str, sizes: tuple[int, ...], by: str, instant: Instant
) -> None:
    """Nothing comes afterwards."""
    with Rig(results(hits("a", *sizes, function=function, by=by)), tmp_path, changes=True) as rig:
        rig.put("a", 0, row(1))
        rig.step()
        rig.put("a", 0, row(2), row(3, ip="c"))
        rig.crash(instant, luck=None)
        with pytest.raises(Crash):
            rig.step()
        rig.restart()
        rig.step()
        found = {(one["ip"], one["n"]) for one in rig.table("results", early=True).values()}
    assert found == {("a", 2), ("c", 1)}


@pytest.mark.parametrize(("function", "sizes", "by"), OPEN, ids=[function for function, *_ in OPEN])
def test_what_is_open_is_shown_once_early_rows_are_asked_for(
    tmp_path: Path, function: str, sizes: tuple[int, ...], by: str
) -> None:
    with Rig(results(hits("a", *sizes, function=function, by=by)), tmp_path) as rig:
        rig.put("a", 0, row(1))
        rig.step()
        assert not rig.sent("results")
        rig.restart(changes=True)
        rig.step()
        assert {one["n"] for one in rig.table("results", early=True).values()} == {1}
