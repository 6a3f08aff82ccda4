"""The token: who has it may do what the address alone does not allow."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

MIN_CHARACTERS = 32


def token(folder: Path) -> str:
    """The one that is kept in `folder`, made if there is none: tabs that are open stay allowed over a restart.

    Where nothing can be written, one of this start only.
    """
    path = folder / "token"
    with suppress(OSError):
        return _kept(path) or _made(path)
    return _new()


def _new() -> str:
    return secrets.token_urlsafe(MIN_CHARACTERS)


def _kept(path: Path) -> str:
    """ "" if there is none, or others could have read it."""
    with suppress(FileNotFoundError, UnicodeDecodeError):
        text = path.read_text("ascii").strip()
        if len(text) >= MIN_CHARACTERS and text.isprintable() and not path.stat().st_mode & 0o077:
            return text
        path.unlink(missing_ok=True)
    return ""


def _made(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # for this user's eyes only
    try:
        with open(handle, "w") as file:
            file.write(_new())
        with suppress(FileExistsError):  # another one has just been made: it counts
            os.link(name, path)
    finally:
        os.unlink(name)
    return path.read_text("ascii").strip()
