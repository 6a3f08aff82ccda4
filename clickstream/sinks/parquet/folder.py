"""An archive in a folder of this machine, or of a server that is mounted."""

import errno
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from clickstream.errors import ClickstreamError
from clickstream.sinks.target import Away

# What passes by itself, or by a person who makes room or mounts the disk: the batch waits. A folder that is gone is
# one of them: a disk that is not mounted looks so.
PASSES = frozenset(
    (
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE,
        errno.ENOENT, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENODEV,
        errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.EBUSY,
    )
)  # fmt: skip
NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK))
TMP = "tmp"
MANIFEST = "manifest"
UNFINISHED = ".partial"
LEFT_BEHIND_S = 3_600.0


class FolderStore:
    """A Store in a folder, which is made when it is first written to.

    A file is written under another name in `tmp`, and moved when it is safe on the disk.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root))
        self.where = str(self._root)
        self._synced: set[Path] = set()  # folders that are safe on the disk, with their parents

    def connect(self) -> None:
        self._synced.clear()

    def folders(self) -> list[str]:
        with self._explained():
            try:
                return sorted(one.name for one in os.scandir(self._root) if os.path.isdir(f"{one.path}/{MANIFEST}"))
            except FileNotFoundError:
                return []

    def names(self, folder: str) -> list[str]:
        found: list[str] = []
        with self._explained():
            for path, folders, files in os.walk(self._root / folder, onerror=_raise_unless_missing):
                folders.sort()
                found += [os.path.relpath(os.path.join(path, one), self._root) for one in sorted(files)]
        return found

    def read(self, name: str) -> bytes | None:
        with self._explained():
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def open(self, name: str) -> BinaryIO:
        try:
            return (self._root / name).open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._away(error) from error

    def put(self, name: str, write: Callable[[IO[bytes]], None]) -> int:
        target = self._root / name
        with self._explained():
            unfinished = self._written(name, write)
            try:
                size = unfinished.stat().st_size
                self._make(target.parent)
                os.replace(unfinished, target)
            except OSError:
                _remove(unfinished)
                raise
            _sync(target.parent)
            return size

    def create(self, name: str, content: bytes) -> bool:
        target = self._root / name
        with self._explained():
            unfinished = self._written(name, lambda file: _write(file, content))
            try:
                self._make(target.parent)
                try:
                    # Unlike a rename, a link never replaces; unlike O_EXCL, it never shows half of the content.
                    os.link(unfinished, target)
                except FileExistsError:
                    return False
                except OSError as error:
                    if error.errno in NO_LINKS and os.access(target.parent, os.W_OK):
                        raise ClickstreamError(
                            f"The file system of {self.where} has no hard links ({error.strerror}), which an archive "
                            "is committed with: choose a folder on another one."
                        ) from error
                    raise
            finally:
                with suppress(OSError):
                    _remove(unfinished)
            _sync(target.parent)
            return True

    def delete(self, name: str) -> None:
        with self._explained():
            _remove(self._root / name)

    def sweep(self, folder: str) -> None:
        for name in self.names(f"{folder}/{TMP}"):
            self.delete(name)
        with self._explained():
            for one in self._root.glob(f".*{UNFINISHED}"):
                # Those beside the tables may be another sink's.
                if one.stat().st_mtime < time.time() - LEFT_BEHIND_S:
                    _remove(one)

    def address(self, name: str) -> str:
        return str(self._root / name)

    def _written(self, name: str, write: Callable[[IO[bytes]], None]) -> Path:
        """The content in a file of its own, safe on the disk, that is to be moved to its name."""
        folder, slash, _rest = name.partition("/")
        unfinished = self._root / (f"{folder}/{TMP}" if slash else "") / f".{uuid.uuid4().hex}{UNFINISHED}"
        self._make(unfinished.parent)
        try:
            with unfinished.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                _remove(unfinished)
            raise
        return unfinished

    def _make(self, folder: Path) -> None:
        """Make a folder with those above it, safe on the disk."""
        if folder in self._synced and folder.is_dir():
            return
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in reversed(missing):
            _sync(one.parent)
        self._synced.add(folder)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._away(error) from error

    def _away(self, error: OSError) -> ClickstreamError:
        said = f"{self.where} cannot be used: {error.strerror or error}"
        return Away(said) if error.errno in PASSES else ClickstreamError(f"{said}.")


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)


def _sync(folder: Path) -> None:
    """Make the names in a folder safe on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot do it for folders
            raise
    finally:
        os.close(handle)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
