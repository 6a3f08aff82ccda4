"""Advisory file locks (flock) that the kernel frees when their holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

_POLL = 0.05  # s; flock has no timeout of its own


class FileLock:
    """One flock on one file, shared or exclusive. Two FileLocks on the same path exclude each other,
    also within a process: a flock belongs to the open file, not to the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free. Raises OSError if the file cannot be made."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def acquire(self, *, shared: bool = False, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the lock; False if it stayed taken."""
        deadline = time.monotonic() + timeout
        while not self.try_acquire(shared=shared):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return True

    def touch(self) -> None:
        """Set the file's modification time to now: a mark that outlives the lock."""
        if self._fd is not None:
            os.utime(self._fd)

    def write(self, text: str) -> None:
        """Replace the file's content: only the holder of an exclusive lock may."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), text.encode(), 0)

    def is_current(self) -> bool:
        """Whether the locked file is still the one at `path`, not removed or replaced since."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self.fileno()))

    def fileno(self) -> int:
        """The descriptor that carries the lock, for a child process that shall hold it too."""
        if self._fd is None:
            raise ValueError(f"{self.path} is not locked")
        return self._fd

    def release(self) -> None:
        """Close our descriptor. A child that inherited it keeps the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_free(path: Path) -> bool:
    """Whether nobody holds `path` exclusively. Raises OSError if the file cannot be opened."""
    with FileLock(path) as probe:
        return probe.try_acquire(shared=True)
