"""`tables run --reset`: nothing of a former run stays in the results, and nothing is deleted that must not be."""

import json
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewPartitions

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from tests.integration.librdkafka import admin_of
from tests.integration.support import is_an_error_for_people, make_topic, produce, records, run, running, written
from tests.integration.tablesupport import (
    MINUTES,
    appended,
    at_work,
    click,
    command,
    engine_of,
    minute,
    per_minute,
    script,
    state_of,
    table,
    tables,
    to_end,
)
from tests.support import wait_until

HALVES = MINUTES.replace("INTERVAL '1' MINUTE", "INTERVAL '30' SECOND")
EVERY = appended("each_row", "o BIGINT, ip STRING") + "INSERT INTO each_row SELECT o, ip FROM clicks;\n"
CLICKS = [click(second) for second in (1, 2, 31, 61, 95, 130)]


@pytest.fixture
def clicks(kafka: str, topic_name: str) -> str:
    """A topic with one partition and some clicks."""
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, CLICKS)
    return topic_name


def test_changed_windows_leave_no_old_rows(kafka: str, clicks: str, tmp_path: Path) -> None:
    """Rows of half minutes would be counted beside those of whole ones."""
    result = f"{clicks}-per_min"
    to_end(kafka, script(tmp_path, clicks, HALVES))
    assert len(table(kafka, result)) == 5
    path = script(tmp_path, clicks, MINUTES)
    assert "--reset" in tables(kafka, path).said
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 0, done.said
    assert "Deleted 5 rows of a former run." in done.said
    assert per_minute(kafka, result) == {0: 3, 1: 2, 2: 1}
    tombstones = [record for record in records(kafka, result) if record.value() is None]
    assert len(tombstones) == 5


def test_a_reset_after_a_reset_deletes_what_is_there_once(kafka: str, clicks: str, tmp_path: Path) -> None:
    path = script(tmp_path, clicks, MINUTES)
    to_end(kafka, path)
    for _ in range(2):
        done = tables(kafka, path, "--reset", "--yes")
        assert "Deleted 3 rows of a former run." in done.said, done.said
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 3, 1: 2, 2: 1}


def test_early_rows_of_a_former_run_are_deleted(kafka: str, clicks: str, tmp_path: Path) -> None:
    result = f"{clicks}-per_min"
    with at_work(engine_of(kafka, script(tmp_path, clicks, HALVES), changes=True, early_interval=0.05)) as work:
        work.until(lambda: any(record.headers() for record in records(kafka, result)), "early rows")
        work.until_read(len(CLICKS))
    done = tables(kafka, script(tmp_path, clicks, MINUTES), "--reset", "--yes")
    assert done.code == 0, done.said
    last = {record.key(): record for record in records(kafka, result)}
    live = [record for record in last.values() if record.value() is not None]
    assert [record.headers() for record in live] == [None] * 3
    assert per_minute(kafka, result) == {0: 3, 1: 2, 2: 1}


def test_rows_are_deleted_where_they_are_although_their_topic_got_partitions(
    kafka: str, clicks: str, tmp_path: Path
) -> None:
    result = f"{clicks}-per_min"
    path = script(tmp_path, clicks, MINUTES)
    make_topic(kafka, result, 1)
    with at_work(engine_of(kafka, path, changes=True, early_interval=0.05)) as work:
        work.until(lambda: len({record.key() for record in records(kafka, result)}) == 3, "early rows")
    admin = admin_of(Cluster(kafka))
    admin.create_partitions([NewPartitions(result, 8)])[result].result()
    wait_until(lambda: existing(Cluster(kafka))[result] == 8, 60, "its partitions")
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 0, done.said
    last = {(record.partition(), record.key()): record for record in records(kafka, result)}
    live = [record for record in last.values() if record.value() is not None]
    assert [record.headers() for record in live] == [None] * 3
    assert per_minute(kafka, result) == {0: 3, 1: 2, 2: 1}


def test_it_asks_and_says_how_many_rows_it_deletes(kafka: str, clicks: str, tmp_path: Path) -> None:
    """Without a terminal it cannot ask: nothing is done."""
    path = script(tmp_path, clicks, MINUTES)
    to_end(kafka, path)
    done = tables(kafka, path, "--reset")
    assert done.code == 2
    assert is_an_error_for_people(done, "--reset", "--yes")
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 3, 1: 2, 2: 1}
    assert to_end(kafka, path).totals()["rows"] == 0


def test_an_append_only_result_has_to_be_deleted_first(kafka: str, clicks: str, tmp_path: Path) -> None:
    path = script(tmp_path, clicks, EVERY, MINUTES)
    to_end(kafka, path)
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 1
    delete = f"clickstream topics delete {clicks}-each_row"
    assert is_an_error_for_people(done, f"{clicks}-each_row: ", delete)
    # Nothing was forgotten, nothing deleted.
    assert to_end(kafka, path).totals()["rows"] == 0
    assert per_minute(kafka, f"{clicks}-per_min") == {0: 3, 1: 2, 2: 1}
    # What it says helps.
    assert run(*delete.split()[1:], "-b", kafka, "--yes").code == 0
    wait_until(lambda: f"{clicks}-each_row" not in existing(Cluster(kafka)), 60, "it is gone")
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 0, done.said
    rows = [json.loads(record.value() or b"")["o"] for record in records(kafka, f"{clicks}-each_row")]
    assert sorted(rows) == list(range(len(CLICKS)))


def test_a_state_in_use_is_refused_before_anything_is_deleted(kafka: str, clicks: str, tmp_path: Path) -> None:
    """Of two files the other one has the state of the second: the first one's is kept, too."""
    first = script(tmp_path, clicks, MINUTES, name="first")
    second = script(tmp_path, clicks, MINUTES.replace("per_min", "others"), name="second")
    to_end(kafka, first)
    before = state_of(kafka, first).stat().st_size
    with running(*command(kafka, second, "--idle-timeout", "0")) as part:
        wait_until(lambda: f"{clicks}-others" in existing(Cluster(kafka)), 60, part.said())
        done = run(*command(kafka, first, "--reset", "--yes"), str(second))
        assert done.code == 1
        assert is_an_error_for_people(done, "Another process runs these tables", "second")
        assert part.running, part.said()
        assert part.stop() == 0, part.said()
    assert state_of(kafka, first).stat().st_size == before
    assert written(kafka, f"{clicks}-per_min") == 3
    assert to_end(kafka, first).totals()["rows"] == 0
    assert minute(0) in {row["window_start"] for row in table(kafka, f"{clicks}-per_min").values()}
