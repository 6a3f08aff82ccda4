"""States that `tables run` does not go on with, and what it says; disks and memories that are full."""

import resource
import shutil
from pathlib import Path

import duckdb
import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.state.place import reset
from tests.integration.support import (
    delete_records,
    is_an_error_for_people,
    make_topic,
    produce,
    running,
    written,
)
from tests.integration.tablesupport import (
    MINUTES,
    click,
    command,
    per_minute,
    script,
    state_of,
    table,
    tables,
    to_end,
    upsert,
)
from tests.support import wait_until


@pytest.fixture
def read(kafka: str, topic_name: str, tmp_path: Path) -> Path:
    """A file whose state has read two clicks."""
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(61)])
    path = script(tmp_path, topic_name, MINUTES)
    to_end(kafka, path)
    return path


# --- other statements


def test_a_changed_statement_is_refused_and_named(kafka: str, topic_name: str, read: Path) -> None:
    hop = MINUTES.replace("COUNT(*)", "COUNT(ip)")
    done = tables(kafka, script(read.parent, topic_name, hop))
    assert done.code == 1
    assert is_an_error_for_people(done, "INSERT INTO per_min was changed", "--reset")


def test_a_statement_that_is_gone_is_named(kafka: str, topic_name: str, read: Path) -> None:
    other = MINUTES.replace("per_min", "another")
    with pytest.raises(ClickstreamError, match=r"other statements: INSERT INTO per_min is gone\."):
        to_end(kafka, script(read.parent, topic_name, other))


def test_another_layout_is_the_same_statement(kafka: str, topic_name: str, read: Path) -> None:
    text = "-- a comment\n" + MINUTES.replace("INSERT INTO", "  INSERT   INTO\n").replace(
        "SELECT", "/* columns */ SELECT"
    )
    assert to_end(kafka, script(read.parent, topic_name, text)).totals()["rows"] == 0


def test_reset_starts_over(kafka: str, topic_name: str, read: Path) -> None:
    produce(kafka, topic_name, [click(2)])  # late for the old state, not for a new one
    text = MINUTES.replace("COUNT(*)", "COUNT(ip)")
    path = script(read.parent, topic_name, text)
    done = tables(kafka, path, "--reset")
    assert done.code == 2
    assert is_an_error_for_people(done, "--reset", "--yes")
    done = tables(kafka, path, "--reset", "--yes")
    assert done.code == 0, done.said
    assert "Read 3 rows" in done.said
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 2, 1: 1}
    assert tables(kafka, path).code == 0


def test_reset_before_the_first_run(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    assert tables(kafka, script(tmp_path, topic_name, MINUTES), "--reset", "--yes").code == 0


# --- other topics


def test_a_topic_that_was_recreated(kafka: str, topic_name: str, read: Path) -> None:
    delete(Cluster(kafka), [topic_name])
    wait_until(lambda: topic_name not in existing(Cluster(kafka)), 20, "it is gone")
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(2), click(3)])
    with pytest.raises(ClickstreamError, match=f"Topic {topic_name} was recreated.*--reset"):
        to_end(kafka, read)


def test_records_that_were_deleted_before_they_were_read(kafka: str, topic_name: str, read: Path) -> None:
    produce(kafka, topic_name, [click(62), click(63), click(64)])
    delete_records(kafka, topic_name, {0: 3})
    with pytest.raises(ClickstreamError, match=r"partition 0: offset 2 comes next, but the log begins at 3.*--reset"):
        to_end(kafka, read)


def test_records_that_were_deleted_after_they_were_read(kafka: str, topic_name: str, read: Path) -> None:
    produce(kafka, topic_name, [click(130)])
    delete_records(kafka, topic_name, {0: 2})
    assert to_end(kafka, read).totals()["rows"] == 1


# --- other states


def test_a_state_of_another_version(kafka: str, topic_name: str, read: Path) -> None:
    with duckdb.connect(str(state_of(kafka, read))) as db:
        db.execute("UPDATE about SET version = version + 1")
    with pytest.raises(ClickstreamError, match=r"another version of the engine.*--reset"):
        to_end(kafka, read)


@pytest.mark.parametrize("damage", [b"", b"garbage" * 5000])
def test_a_file_that_is_no_state(kafka: str, read: Path, damage: bytes) -> None:
    state_of(kafka, read).write_bytes(damage)
    done = tables(kafka, read)
    assert done.code == 1
    assert is_an_error_for_people(done, str(state_of(kafka, read)), "cannot be opened", "--reset")
    reset(state_of(kafka, read).parent)
    assert to_end(kafka, read).totals()["rows"] == 2


def test_a_state_that_is_damaged_in_the_middle(kafka: str, topic_name: str, read: Path) -> None:
    with open(state_of(kafka, read), "r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 500_000)
    with pytest.raises(ClickstreamError, match="--reset"):
        to_end(kafka, read)


def test_a_state_directory_that_cannot_be_made(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    path = script(tmp_path, topic_name, MINUTES)
    (tmp_path / "state").write_text("a file")
    done = tables(kafka, path)
    assert done.code == 1
    assert is_an_error_for_people(done, str(tmp_path / "state"), "--state-dir")


def test_a_state_moves_with_its_directory(kafka: str, topic_name: str, read: Path, tmp_path: Path) -> None:
    produce(kafka, topic_name, [click(130)])
    shutil.copytree(read.parent / "state", tmp_path / "there" / "state")
    path = script(tmp_path / "there", topic_name, MINUTES)
    assert to_end(kafka, path).totals()["rows"] == 1


# --- no room

SESSIONS = upsert(
    "sessions", "ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT", "ip, window_start"
) + (
    "INSERT INTO sessions SELECT ip, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE clicks "
    "PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY ip, window_start, window_end;\n"
)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit, which is Linux's")
def test_a_full_disk_stops_the_run_and_loses_nothing(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    path = script(tmp_path, topic_name, SESSIONS)
    with running(*command(kafka, path, "--idle-timeout", "0")) as part:
        wait_until(lambda: state_of(kafka, path).exists() or not part.running, 30, part.said())
        wait_until(lambda: f"{topic_name}-sessions" in existing(Cluster(kafka)), 30, part.said())
        # No file may grow beyond this.
        resource.prlimit(part.process.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
        produce(kafka, topic_name, [click(1, ip=f"a long name of a visitor, {number}") for number in range(60_000)])
        assert part.wait() == 1
        assert is_an_error_for_people(part.done(), "cannot be written", "Nothing is lost")
    assert written(kafka, f"{topic_name}-sessions") == 0
    # Some of the records may be in the state already.
    to_end(kafka, path)
    hits = [row["hits"] for row in table(kafka, f"{topic_name}-sessions").values()]
    assert hits == [1] * 60_000


def test_too_little_memory_is_said(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip=f"a long name of a visitor, {number}" * 5) for number in range(50_000)])
    with pytest.raises(ClickstreamError, match=r"need more memory .*--memory"):
        to_end(kafka, script(tmp_path, topic_name, SESSIONS), memory_limit="3MB")


# --- what is wrong on the command line


def test_a_name_that_no_topic_can_have(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    done = tables(kafka, script(tmp_path, topic_name, MINUTES), "--late-topic", "no topic")
    assert done.code in (1, 2)
    assert "Traceback" not in done.said
    assert "no topic" in done.said
