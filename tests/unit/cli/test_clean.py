"""`clickstream clean`."""

from pathlib import Path

import pytest

from clickstream.java.locks import FileLock
from tests.unit.cli.conftest import Run
from tests.unit.test_leftovers import OURS, files, fill


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _as_before: None) -> None:
    monkeypatch.setenv("CLICKSTREAM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLICKSTREAM_CACHE_DIR", str(tmp_path / "cache"))


def test_the_command_lists_and_removes(tmp_path: Path, run: Run) -> None:
    fill(tmp_path, OURS)
    outcome = run("clean", "--yes")
    assert outcome.code == 0
    assert [line.rsplit(maxsplit=1)[1] for line in outcome.out.splitlines()[1:]] == [
        *(str(tmp_path / "state" / name) for name in ("", "tables", "flink")),
        *(str(tmp_path / "cache" / name) for name in ("jars", "class-data")),
    ]
    assert outcome.err.startswith("Removed ")
    assert run("clean", "--yes").err == "There is nothing to remove.\n"


def test_without_a_terminal_and_yes_nothing_is_removed(tmp_path: Path, run: Run) -> None:
    fill(tmp_path, OURS)
    outcome = run("clean")
    assert outcome.code == 2
    assert "--yes" in outcome.err
    assert files(tmp_path) >= set(OURS)


def test_a_refusal_says_how_to_stop_it(tmp_path: Path, run: Run) -> None:
    fill(tmp_path, (*OURS, "state/jvm.lock"))
    with FileLock(tmp_path / "state" / "jvm.lock") as lock:
        assert lock.try_acquire()
        outcome = run("clean", "--yes")
    assert outcome.code == 1
    assert "clickstream broker stop" in outcome.err
    assert files(tmp_path) >= set(OURS)


def test_a_spool_of_ones_own_is_named(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, (*OURS, "spool/worker-1/1.spool"))
    monkeypatch.setenv("CLICKSTREAM_COLLECT_SPOOL_DIR", str(tmp_path / "spool"))
    outcome = run("clean", "--yes")
    assert outcome.code == 0
    assert f"The spool in {tmp_path / 'spool'} (collect.spool-dir) stays" in outcome.err
    assert files(tmp_path) == {"spool/worker-1/1.spool"}
