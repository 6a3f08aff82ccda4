"""One worker's folder of the spool: locked as long as it is used, so that nobody else appends or delivers."""

import fcntl
import logging
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_LOCK = "lock"
_POSITION = "position"
_SEGMENT_END = ".spool"
_FOLDERS = "worker-*"


def sync_folder(path: Path) -> None:
    """Make names that were added to a folder, or taken from it, last over a loss of power."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size_of_all(root: Path, *, without: Collection[Path]) -> int:
    """The bytes of the segments of all folders in `root` but some, as they are; files may go meanwhile."""
    size = 0
    for path in root.glob(_FOLDERS):
        if path in without:
            continue
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(_SEGMENT_END):
                    with suppress(OSError):
                        size += entry.stat(follow_symlinks=False).st_size
    return size


class Folder:
    """A folder whose lock this process has. `lock` and `create` make one."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._number = 0  # of the last segment

    @staticmethod
    def lock(path: Path) -> "Folder | None":
        """The folder of a worker that is dead; None when it lives, or the folder is gone."""
        try:
            handle = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        if os.fstat(handle).st_nlink == 0:  # whoever had the lock has removed the folder meanwhile
            os.close(handle)
            return None
        return Folder(path, handle)

    @staticmethod
    def create(root: Path) -> "Folder":
        """A new one. Raises OSError when it cannot be made."""
        name = f"worker-{secrets.token_hex(6)}"
        # Nobody looks for it under this name: between its making and its lock it would be a dead worker's.
        made = root / f".new-{name}"
        made.mkdir(mode=0o700)
        handle = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return Folder(made.rename(root / name), handle)

    @staticmethod
    def orphan(root: Path) -> "Folder | None":
        """One of a dead worker, now locked by us; None when there is none."""
        for path in sorted(root.glob(_FOLDERS)):
            folder = Folder.lock(path)
            if folder is not None:
                return folder
        return None

    def segments(self) -> list[Path]:
        """The oldest first."""
        return sorted(self.path.glob(f"*{_SEGMENT_END}"))

    def next_segment(self) -> Path:
        """The name of one that comes after all that are there."""
        names = [int(path.stem) for path in self.segments() if path.stem.isdigit()]
        self._number = max(self._number, *names, 0) + 1
        return self.path / f"{self._number:012d}{_SEGMENT_END}"

    def position(self, segment: Path) -> int:
        """Up to which byte a segment is delivered; 0: nothing of it, or it cannot be told."""
        try:
            name, _blank, offset = (self.path / _POSITION).read_text("ascii").partition(" ")
            return int(offset) if name == segment.name else 0
        except (OSError, ValueError):
            return 0

    def save_position(self, segment: Path, offset: int) -> None:
        """Put down that a segment is delivered up to, not including, a byte. Raises OSError."""
        fresh = self.path / f"{_POSITION}.new"
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{segment.name} {offset}")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path / _POSITION)
        sync_folder(self.path)

    def forget_position(self) -> None:
        """Before its segment is removed: another one may get that name."""
        (self.path / _POSITION).unlink(missing_ok=True)

    def release(self) -> None:
        """Let others have it; one that holds nothing is removed."""
        if not self.segments():
            for name in (_POSITION, f"{_POSITION}.new", _LOCK):
                (self.path / name).unlink(missing_ok=True)
            with suppress(OSError):
                self.path.rmdir()
        os.close(self._handle)
