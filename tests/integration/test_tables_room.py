"""Disks that are full or read-only, little memory, states that lose files: told as that, and nothing is lost."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support import (
    ROOT,
    Done,
    environment_of_a_command,
    is_an_error_for_people,
    make_topic,
    produce,
    running,
    written,
)
from tests.integration.tablesupport import (
    MINUTES,
    appended,
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
from tests.support import missing, wait_until

SESSIONS = upsert(
    "sessions", "ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT", "ip, window_start"
) + (
    "INSERT INTO sessions SELECT ip, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE clicks "
    "PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY ip, window_start, window_end;\n"
)
EVERY = appended("each_row", "ip STRING") + "INSERT INTO each_row SELECT ip FROM clicks;\n"


def many(count: int) -> list[bytes]:
    return [click(1, ip=f"a long name of a visitor, {number}" * 5) for number in range(count)]


# --- disks


def mounting(commands: list[str], timeout: float = 240.0) -> Done:
    """Shell commands that may mount, and see their own mounts only; `code` is the last one's."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        missing("mounting needs unshare, and to be allowed to use it")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "\n".join(commands)],
        cwd=ROOT,
        env=environment_of_a_command({}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stderr, done.stdout)


def in_shell(kafka: str, path: Path, *options: str) -> str:
    return shlex.join([sys.executable, "-m", "clickstream", *command(kafka, path, *options, "--exit-at-end")])


def test_a_full_disk(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, many(20_000))
    path = script(tmp_path, topic_name, SESSIONS)
    state = tmp_path / "state"
    state.mkdir()
    run_it = in_shell(kafka, path, "--memory", "40MB")
    done = mounting(
        [
            f"mount -t tmpfs -o size=1m none {state} || exit 9",
            f"{run_it}; echo first $?",
            f"mount -o remount,size=300m {state} || exit 9",
            "echo more room >&2",
            f"{run_it}; echo second $?",
        ]
    )
    assert done.printed.split() == ["first", "1", "second", "0"], done.said
    first = Done(1, done.said.split("more room")[0], "")
    assert is_an_error_for_people(first, "The disk with the state in", "is full", "Nothing is lost", "start again")
    assert "--reset" not in first.said
    hits = [row["hits"] for row in table(kafka, f"{topic_name}-sessions").values()]
    assert hits == [1] * 20_000


@pytest.mark.parametrize("begun", [False, True])
def test_a_directory_that_is_read_only(kafka: str, topic_name: str, tmp_path: Path, begun: bool) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1)])
    path = script(tmp_path, topic_name, MINUTES)
    state = tmp_path / "state"
    state.mkdir()
    if begun:
        to_end(kafka, path)
    done = mounting(
        [
            f"mount --bind {state} {state} && mount -o remount,bind,ro {state} || exit 9",
            in_shell(kafka, path),
        ]
    )
    assert done.code == 1, done.said
    assert is_an_error_for_people(done, str(state), "Read-only file system", "--state-dir")
    assert "--reset" not in done.said
    assert to_end(kafka, path).totals()["rows"] == (0 if begun else 1)


# --- memory


def test_too_little_memory(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, many(60_000))
    path = script(tmp_path, topic_name, SESSIONS)
    done = tables(kafka, path, "--memory", "4MB")
    assert done.code == 1
    assert is_an_error_for_people(done, "need more memory", "Raise --memory")
    assert "--reset" not in done.said
    assert tables(kafka, path).code == 0
    hits = [row["hits"] for row in table(kafka, f"{topic_name}-sessions").values()]
    assert hits == [1] * 60_000


# --- states that lose files


@pytest.fixture
def killed(kafka: str, topic_name: str, tmp_path: Path) -> Path:
    """A file whose process was killed after some commits: the last of them are in the write-ahead log only."""
    make_topic(kafka, topic_name, 1)
    path = script(tmp_path, topic_name, EVERY, MINUTES)
    with running(*command(kafka, path, "--idle-timeout", "0")) as part:
        for number in range(1, 6):
            produce(kafka, topic_name, [click(number)])
            rows = f"{topic_name}-each_row"
            wait_until(lambda: _has(kafka, rows, number), 60, part.said())  # noqa: B023
        part.kill()
    assert log_of(kafka, path).stat().st_size > 0
    return path


def _has(kafka: str, topic: str, rows: int) -> bool:
    from clickstream.kafka.admin import existing
    from clickstream.kafka.clients import Cluster

    return topic in existing(Cluster(kafka)) and written(kafka, topic) >= rows


def log_of(kafka: str, path: Path) -> Path:
    """The write-ahead log beside a file's state."""
    return Path(f"{state_of(kafka, path)}.wal")


def test_a_state_goes_on_with_its_log(kafka: str, topic_name: str, killed: Path) -> None:
    assert tables(kafka, killed).code == 0
    assert written(kafka, f"{topic_name}-each_row") == 5
    assert per_minute(kafka, f"{topic_name}-per_min") == {0: 5}


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_a_state_without_its_log_does_not_begin_anew(kafka: str, topic_name: str, killed: Path, damage: str) -> None:
    wal = log_of(kafka, killed)
    kept = wal.read_bytes()
    match damage:
        case "missing":
            wal.unlink()
        case "empty":
            wal.write_bytes(b"")
        case "cut":
            wal.write_bytes(kept[: len(kept) // 2])
        case "garbage":
            wal.write_bytes(os.urandom(len(kept)))
    done = tables(kafka, killed)
    assert done.code == 1, done.said
    assert is_an_error_for_people(done, str(wal.parent), "damaged", "Put back a copy", "--reset")
    assert written(kafka, f"{topic_name}-each_row") == 5


def test_a_directory_that_is_removed_under_a_running_process(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    path = script(tmp_path, topic_name, EVERY)
    with running(*command(kafka, path, "--idle-timeout", "0")) as part:
        produce(kafka, topic_name, [click(1)])
        wait_until(lambda: _has(kafka, f"{topic_name}-each_row", 1), 60, part.said())
        shutil.rmtree(tmp_path / "state")
        produce(kafka, topic_name, [click(2)])
        assert part.wait(60) == 1
        assert is_an_error_for_people(part.done(), "was removed while the tables ran", "--reset")
