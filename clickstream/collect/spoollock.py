"""One collector for a spool: a second one is told who has it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream.errors import ConfigError

LOCK = "collector.lock"
"""The file in a spool's folder that its collector has locked."""


@contextmanager
def only_collector(folder: Path) -> Iterator[None]:
    """While the block runs, no other collector uses the spool in `folder`.

    Raises ConfigError when one does, naming it, and when the folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise ConfigError(f"The spool cannot be in {folder}: {problem.strerror}. Choose another --spool-dir.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"The spool in {folder} is in use by {_holder(handle)}. End that, or choose another --spool-dir."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    """As serving/listening.py names who has a port."""
    try:
        process = int(os.pread(handle, 20, 0))
        command = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return "another collector"
    return f"process {process} ({command[:80]})"
