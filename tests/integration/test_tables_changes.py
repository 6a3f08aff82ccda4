"""`--emit changes`: early rows while windows are open, tombstones for what did not come true, and the same end."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from clickstream.tables.engine.engine import Engine
from tests.integration.support import make_topic, produce, records
from tests.integration.tablesupport import (
    MINUTES,
    appended,
    at_work,
    click,
    engine_of,
    minute,
    per_minute,
    script,
    table,
    to_end,
    upsert,
)

WINDOW = "window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT"
FEW = upsert("few", f"status INT, {WINDOW}", "status, window_start") + (
    "INSERT INTO few SELECT status, window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, "
    "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY status, window_start, window_end HAVING COUNT(*) < 3;\n"
)
SESSIONS = upsert("sessions", f"ip STRING, {WINDOW}", "ip, window_start") + (
    "INSERT INTO sessions SELECT ip, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE clicks "
    "PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY ip, window_start, window_end;\n"
)
MANY = upsert("many", "ip STRING, hits BIGINT, total BIGINT", "ip") + (
    "INSERT INTO many SELECT ip, COUNT(*), SUM(`bytes`) FROM clicks GROUP BY ip HAVING COUNT(*) > 1 "
    "AND SUM(`bytes`) < 100;\n"
)


def changing(kafka: str, path: Path, **changes: Any) -> Engine:
    return engine_of(kafka, path, changes=True, **{"early_interval": 0.05, **changes})


def is_early(record: Message) -> bool:
    return (record.headers() or []) == [("final", b"0")]


def history(kafka: str, topic: str) -> list[tuple[str, int | None, bool]]:
    """Every record's last column of the key, its hits (None: a tombstone), and whether it is early."""
    found = []
    for record in records(kafka, topic):
        assert is_early(record) or not record.headers()
        value = record.value()
        key = list(json.loads(record.key() or b"").values())[-1]
        found.append((key, json.loads(value)["hits"] if value is not None else None, is_early(record)))
    return found


@pytest.fixture
def clicks(kafka: str, topic_name: str) -> str:
    """A topic with one partition."""
    make_topic(kafka, topic_name, 1)
    return topic_name


def test_early_rows_are_marked_and_become_final(kafka: str, clicks: str, tmp_path: Path) -> None:
    per_min = f"{clicks}-per_min"
    with at_work(changing(kafka, script(tmp_path, clicks, MINUTES))) as work:
        produce(kafka, clicks, [click(1)])
        work.until(lambda: history(kafka, per_min) == [(minute(0), 1, True)], "the early row")
        produce(kafka, clicks, [click(2), click(3)])
        work.until(lambda: history(kafka, per_min)[-1] == (minute(0), 3, True), "a later one")
        assert table(kafka, per_min) == {}
        produce(kafka, clicks, [click(70)])
        work.until(lambda: per_minute(kafka, per_min) == {0: 3}, "the final row")
        work.until(lambda: history(kafka, per_min)[-1] == (minute(1), 1, True), "the next minute's early row")
    found = history(kafka, per_min)
    assert [one for one in found if one[0] == minute(0)][-1] == (minute(0), 3, False)
    assert work.engine.totals()["early"] == sum(early for _, _, early in found)
    # The end of a run leaves early rows as they are; the next one goes on with them.
    to_end(kafka, script(tmp_path, clicks, MINUTES), changes=True)
    assert per_minute(kafka, per_min) == {0: 3, 1: 1}


def test_early_rows_come_at_most_at_the_interval(kafka: str, clicks: str, tmp_path: Path) -> None:
    with at_work(changing(kafka, script(tmp_path, clicks, MINUTES), early_interval=3600.0)) as work:
        for second in range(1, 6):
            produce(kafka, clicks, [click(second)])
            work.until_read(second)
    assert history(kafka, f"{clicks}-per_min") == [(minute(0), 1, True)]


def test_a_group_that_fails_having_at_the_end_gets_a_tombstone(kafka: str, clicks: str, tmp_path: Path) -> None:
    few = f"{clicks}-few"
    with at_work(changing(kafka, script(tmp_path, clicks, FEW))) as work:
        produce(kafka, clicks, [click(1), click(2), click(3, status=404)])
        work.until(lambda: len(history(kafka, few)) == 2, "early rows")
        produce(kafka, clicks, [click(4), click(70)])
        work.until(lambda: (minute(0), None, False) in history(kafka, few), "the tombstone")
    rows = [(json.loads(key)["status"], row["hits"]) for key, row in table(kafka, few).items()]
    assert rows == [(404, 1)]


def test_a_session_whose_start_moves_leaves_no_row_behind(kafka: str, clicks: str, tmp_path: Path) -> None:
    sessions, start = f"{clicks}-sessions", minute(1).replace(":00", ":03")
    with at_work(changing(kafka, script(tmp_path, clicks, SESSIONS))) as work:
        produce(kafka, clicks, [click(63)])
        work.until(lambda: history(kafka, sessions) == [(start, 1, True)], "the early row")
        produce(kafka, clicks, [click(60)])
        work.until(lambda: len(history(kafka, sessions)) == 3, "the row of the new start")
        # Rows of one key stay in their order, those of two keys need not.
        assert set(history(kafka, sessions)[1:]) == {(start, None, False), (minute(1), 2, True)}
    to_end(kafka, script(tmp_path, clicks, SESSIONS), changes=True)
    assert [row["hits"] for row in table(kafka, sessions).values()] == [2]


def test_sessions_that_grow_together(kafka: str, clicks: str, tmp_path: Path) -> None:
    sessions = f"{clicks}-sessions"
    with at_work(changing(kafka, script(tmp_path, clicks, SESSIONS))) as work:
        produce(kafka, clicks, [click(0), click(32)])
        work.until(lambda: len(history(kafka, sessions)) == 2, "two early sessions")
        produce(kafka, clicks, [click(28), click(3, ip="b")])
        work.until(lambda: len(history(kafka, sessions)) >= 4, "one of them")
        produce(kafka, clicks, [click(300, ip="c")])
        work.until(lambda: len(table(kafka, sessions)) >= 1, "the final row")
    finals = {json.loads(key)["ip"]: row["hits"] for key, row in table(kafka, sessions).items()}
    assert finals["a"] == 3
    starts = [json.loads(key)["window_start"] for key in table(kafka, sessions) if json.loads(key)["ip"] == "a"]
    assert starts == [minute(0)]


def test_streams_have_final_rows_only(kafka: str, clicks: str, tmp_path: Path) -> None:
    windows = appended("windows", f"status INT, {WINDOW}") + FEW[FEW.index("INSERT") :].replace("few", "windows")
    everything = appended("everything", "o BIGINT") + "INSERT INTO everything SELECT o FROM clicks;\n"
    with at_work(changing(kafka, script(tmp_path, clicks, windows, everything, MINUTES))) as work:
        produce(kafka, clicks, [click(1)])
        work.until(lambda: history(kafka, f"{clicks}-per_min"), "an early row of the table")
        work.until(lambda: len(records(kafka, f"{clicks}-everything")) == 1, "the row of the stream")
        assert records(kafka, f"{clicks}-windows") == []
        produce(kafka, clicks, [click(70)])
        work.until(lambda: len(records(kafka, f"{clicks}-windows")) == 1, "its final row")
    assert not any(
        record.headers() for name in ("windows", "everything") for record in records(kafka, f"{clicks}-{name}")
    )


def test_early_rows_of_another_run_are_removed(kafka: str, clicks: str, tmp_path: Path) -> None:
    few = f"{clicks}-few"
    path = script(tmp_path, clicks, FEW)
    with at_work(changing(kafka, path)) as work:
        produce(kafka, clicks, [click(1)])
        work.until(lambda: history(kafka, few) == [(minute(0), 1, True)], "the early row")
    produce(kafka, clicks, [click(2), click(3)])
    to_end(kafka, path)  # final rows only, from now on
    assert history(kafka, few)[-1] == (minute(0), None, False)


# --- GROUP BY without a window


@pytest.mark.parametrize("changes", [False, True])
def test_groups_without_a_window_are_written_as_they_change(
    kafka: str, clicks: str, tmp_path: Path, changes: bool
) -> None:
    many = f"{clicks}-many"
    path = script(tmp_path, clicks, MANY)
    with at_work(engine_of(kafka, path, changes=changes)) as work:
        produce(kafka, clicks, [click(1, bytes=10), click(2, ip="b", bytes=1)])
        work.until_read(2)
        produce(kafka, clicks, [click(3, bytes=20)])
        work.until(lambda: history(kafka, many) == [("a", 2, False)], "a group that fulfils HAVING now")
        produce(kafka, clicks, [click(4, bytes=30)])
        work.until(lambda: history(kafka, many)[1:] == [("a", 3, False)], "its change")
        produce(kafka, clicks, [click(5, bytes=300)])
        work.until(lambda: history(kafka, many)[2:] == [("a", None, False)], "and its end")
        produce(kafka, clicks, [click(6, bytes=300)])
        work.until_read(6)
    assert len(history(kafka, many)) == 3  # one tombstone is enough
    produce(kafka, clicks, [click(7, ip="b", bytes=2)])
    to_end(kafka, path, changes=changes)
    assert {key: row["hits"] for key, row in table(kafka, many).items()} == {'{"ip":"b"}': 2}


def test_two_results_of_one_group_both_have_early_rows(kafka: str, clicks: str, tmp_path: Path) -> None:
    per_status = (
        "CREATE VIEW per_status AS SELECT status, window_start, window_end, COUNT(*) AS hits FROM TABLE(TUMBLE(TABLE "
        "clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY status, window_start, window_end;\n"
    )
    both = [
        upsert(name, f"status INT, {WINDOW}", "status, window_start")
        + f"INSERT INTO {name} SELECT * FROM per_status;\n"
        for name in ("these", "others")
    ]
    with at_work(changing(kafka, script(tmp_path, clicks, per_status, *both))) as work:
        produce(kafka, clicks, [click(1)])
        for name in ("these", "others"):
            topic = f"{clicks}-{name}"
            work.until(lambda: history(kafka, topic) == [(minute(0), 1, True)], name)  # noqa: B023
