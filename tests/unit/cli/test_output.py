"""What commands print, to whoever reads it, or does not."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.cli import topics
from clickstream.cli.options import App
from tests.support import PATIENCE
from tests.unit.cli.conftest import Run
from tests.unit.test_leftovers import OURS, files, fill

Clickstream = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def clickstream(tmp_path: Path) -> Clickstream:
    """Runs `clickstream ARGUMENTS` in a process of its own, with the given standard output."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "CLICKSTREAM_STATE_DIR": str(tmp_path / "state"),
        "CLICKSTREAM_CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(*arguments: str, stdout: int, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-P", "-m", "clickstream", *arguments],
            env=environment | more,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60 * PATIENCE,
        )

    return run


# --- a reader that leaves


def test_a_reader_that_leaves_a_table_is_no_trouble(clickstream: Clickstream, unread: int) -> None:
    done = clickstream("config", "show", stdout=unread)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_nobody_reads_the_list_of_is_removed(tmp_path: Path, clickstream: Clickstream, unread: int) -> None:
    fill(tmp_path, OURS)
    done = clickstream("clean", "--yes", stdout=unread)
    assert done.returncode == 0
    assert done.stderr.startswith("Removed ")
    assert files(tmp_path) == set()


def test_without_yes_it_is_not_and_the_exit_code_says_so(tmp_path: Path, clickstream: Clickstream, unread: int) -> None:
    fill(tmp_path, OURS)
    assert clickstream("clean", stdout=unread).returncode == 2
    assert files(tmp_path) >= set(OURS)


def test_all_topics_are_deleted_though_nobody_reads_which(
    run: Run, unread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def connect(_app: App) -> Iterator[None]:
        yield None

    deleted: list[str] = []
    monkeypatch.setattr(App, "connect", connect)
    monkeypatch.setattr(topics, "_records", lambda _cluster, _names: 0)
    monkeypatch.setattr(topics, "delete", lambda _cluster, names: deleted.extend(names))
    with os.fdopen(os.dup(unread), "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert run("topics", "delete", "a", "b", "c", "--yes").code == 0
    assert deleted == ["a", "b", "c"]


def test_a_log_that_is_followed_ends_with_its_reader_though_nothing_is_added(tmp_path: Path) -> None:
    log = EmbeddedBroker(tmp_path).status().log_file
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("old\nlast\n")
    command = [sys.executable, "-P", "-m", "clickstream", "broker", "logs", "-f", "--state-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert [next(process.stdout) for _ in range(2)] == [b"old\n", b"last\n"]
            process.stdout.close()
            assert process.wait(30 * PATIENCE) == 0
        finally:
            process.kill()
