"""Files that are replaced whole."""

import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from clickstream.errors import ClickstreamError

_UNFINISHED = ".partial"
_LONGEST = 200  # bytes of a name; with what is added, it stays below the 255 that file systems take


def replace_text(path: Path, text: str) -> None:
    """Write a file so that readers find the old or the new content whole, also after a crash or on a full disk.

    Raises OSError.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name only when the block ends well; until then a hidden one beside it grows.

    What stood at `path` stays until then, and stays if the block fails. Raises ClickstreamError when the file
    cannot be written, or another process is writing it in the same way.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing where it does
    try:
        if target.exists() and not target.is_file():
            # A device or a pipe: renaming would put a file in its place.
            with target.open("wb") as device:
                yield device
            return
        handle, name = _begin(target)
        try:
            with open(handle, "wb") as file:
                if _others_write(target, Path(name)):
                    raise ClickstreamError(f"Another process is writing {path}: wait for it, or choose another file.")
                yield file
                file.flush()
                os.fchmod(file.fileno(), _mode(target))
                os.fsync(file.fileno())
                os.replace(name, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise
    except OSError as error:
        raise ClickstreamError(f"Cannot write {path}: {error.strerror or error}.") from error


def _begin(target: Path) -> tuple[int, str]:
    """A new locked file beside `target`: its descriptor and its name."""
    while True:
        # Nobody can have prepared it: the name is random, and O_EXCL follows no link.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target), suffix=_UNFINISHED)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process found it before it was locked, and removed it as left behind


def _prefix(target: Path) -> str:
    return "." + os.fsdecode(os.fsencode(target.name)[:_LONGEST]) + "."


def _unfinished_name(target: Path) -> re.Pattern[str]:
    return re.compile(f"{re.escape(_prefix(target))}[^.]+{re.escape(_UNFINISHED)}", re.DOTALL)


def _others_write(target: Path, own: Path) -> bool:
    """Whether another unfinished file for `target` is being written; those of killed processes are removed.

    Of two processes that begin in the same moment both may be told so; never neither.
    """
    found = False
    name = _unfinished_name(target)
    for path in target.parent.iterdir():
        if path == own or not name.fullmatch(path.name):
            continue
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # a link, somebody else's, or just finished
        try:
            one = os.fstat(handle)
            if stat.S_ISREG(one.st_mode) and one.st_uid == os.geteuid():
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except BlockingIOError:
            found = True
        finally:
            os.close(handle)
    return found


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or of a new one."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return 0o666 & ~mask
