"""Locks that die with their holder."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clickstream.java.locks import FileLock, is_free
from tests.support import PATIENCE


def test_exclusive_excludes_everybody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path) as lock:
        assert lock.try_acquire()
        assert not FileLock(path).try_acquire()
        assert not FileLock(path).try_acquire(shared=True)
        assert not is_free(path)
    assert is_free(path)


def test_shared_excludes_exclusive_only(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path) as one, FileLock(path) as two:
        assert one.try_acquire(shared=True)
        assert two.try_acquire(shared=True)
        assert not FileLock(path).try_acquire()
        assert is_free(path)


def test_waiting_ends_when_the_lock_is_released_or_the_time_is_up(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = FileLock(path)
    assert holder.try_acquire()
    assert not FileLock(path).acquire(timeout=0.0)
    release = threading.Timer(0.1, holder.release)
    release.start()
    with FileLock(path) as waiting:
        assert waiting.acquire(timeout=10 * PATIENCE)
    release.join()


def test_a_child_that_inherits_the_lock_keeps_it_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    assert lock.try_acquire()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    lock.release()
    assert not is_free(path)
    child.kill()
    child.communicate()
    assert is_free(path)


def test_a_removed_or_replaced_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path) as lock:
        assert lock.try_acquire()
        lock.write("first")
        lock.write("2nd")
        assert path.read_text() == "2nd"
        assert lock.is_current()
        path.unlink()
        assert not lock.is_current()
        path.touch()
        assert not lock.is_current()


def test_what_needs_the_lock_says_so_without_it(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.release()
    with pytest.raises(ValueError, match="is not locked"):
        lock.write("x")
