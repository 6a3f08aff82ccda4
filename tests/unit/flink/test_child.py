"""A process that ends with ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.flink.child import Child, work_directory
from tests.support import wait_until


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def said_pid(directory: Path) -> int:
    """What `echo $$` wrote."""
    console = directory / "console.log"
    return int(wait_until(lambda: console.read_text() if console.exists() else "", what="it says its pid"))


def test_end_returns_when_it_is_dead(tmp_path: Path) -> None:
    child = Child(["/bin/sh", "-c", "echo $$; exec sleep 600"], tmp_path)
    pid = said_pid(tmp_path)
    assert not child.ended()

    child.end()

    assert child.ended()
    assert gone(pid)


def test_it_is_killed_when_we_are(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from clickstream.flink.child import Child;"
        "child = Child(['/bin/sh', '-c', 'echo $$; exec sleep 600'], Path(sys.argv[1])); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as parent:
        pid = said_pid(tmp_path)
        parent.kill()
    wait_until(lambda: gone(pid), what="the child is gone")


def test_a_directory_is_removed_after_a_good_end(tmp_path: Path) -> None:
    with work_directory(tmp_path) as directory:
        assert directory.is_dir()

    assert not directory.exists()


def test_a_directory_is_kept_after_an_error_until_the_next_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), work_directory(tmp_path) as directory:
        raise ValueError("x")
    kept = directory.rename(tmp_path / "run-1")

    with work_directory(tmp_path):
        assert not kept.exists()


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    with work_directory(tmp_path) as directory:
        used = directory.rename(tmp_path / "run-1")
        with work_directory(tmp_path):
            assert used.exists()
