"""A disk of its own that a test may fill."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.postgres import owner


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """One of `size` ("3m"), mounted at an empty folder, for whoever servers of tests run as.

    The test is skipped where that is not allowed.
    """
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk needs the right to mount one")
    try:
        subprocess.run(["chown", f"{owner().get('user', -1)}", path], check=False)
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@contextmanager
def filled_up(path: Path, free: int = 0) -> Iterator[None]:
    """While the block runs, a disk has no more than `free` bytes left; 0: it is full to the last one."""
    ballast = path / "ballast"
    try:
        _fill(ballast, free)
        yield
    finally:
        ballast.unlink()


def _fill(ballast: Path, free: int) -> None:
    with ballast.open("wb", buffering=0) as file:
        while free == 0 or shutil.disk_usage(ballast.parent).free > free:
            try:
                file.write(b"x" * 4096)
            except OSError as full:
                if full.errno == errno.ENOSPC:
                    return
                raise
