"""What a person needs to know of a failed statement on the state."""

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.options import RESET

_FULL = ("No space left", "Disk quota exceeded", "max_temp_directory_size")
_READ_ONLY = ("Read-only file system", "Permission denied", "read-only")
_NO_MEMORY = ("Out of Memory", "could not allocate", "Cannot allocate memory", "bad_alloc", "failed to pin block")


def opening_failed(error: Exception, path: Path) -> ClickstreamError:
    """Why the state file cannot be opened. Only for a damaged file is forgetting it a way out."""
    reason = _first_line(error)
    known = _of_the_machine(reason, path.parent)
    return known or ClickstreamError(
        f"The state file {path} cannot be opened, it may be damaged: {reason}. "
        f"Put back a copy of its directory. {RESET}"
    )


def refuse(error: duckdb.Error, directory: Path) -> ClickstreamError:
    """Why a statement failed, named after the statement that was to be run (see `naming`)."""
    where = getattr(error, "__notes__", ["A statement"])[0]
    # What failed while something was cleaned up only says that the transaction had failed before.
    while isinstance(error.__context__, duckdb.Error):
        error = error.__context__
    text = _first_line(error)
    if (known := _of_the_machine(text, directory)) is not None:
        return known
    if isinstance(error, duckdb.IOException):
        return ClickstreamError(
            f"The state in {directory} cannot be read or written: {text}. What was committed is kept: start again."
        )
    return ClickstreamError(f"{where} cannot go on: {_plainly(text)}")


def _of_the_machine(text: str, directory: Path) -> ClickstreamError | None:
    """What is wrong with the disk or the memory, if that is it."""
    lowered = text.lower()
    if any(one.lower() in lowered for one in _FULL):
        return ClickstreamError(
            f"The disk with the state in {directory} is full: {text}. Nothing is lost: free some space and start again."
        )
    if any(one.lower() in lowered for one in _NO_MEMORY):
        return ClickstreamError(f"The tables need more memory than they may have: {text}. Raise --memory.")
    if any(one.lower() in lowered for one in _READ_ONLY):
        return ClickstreamError(
            f"The state in {directory} cannot be written: {text}. "
            "Nothing is lost: make the directory writable, or choose another with --state-dir."
        )
    if "could not write" in lowered:
        return ClickstreamError(
            f"The state in {directory} cannot be written: {text}. Nothing is lost: mend that, and start again."
        )
    return None


def os_failure(error: OSError, directory: Path) -> ClickstreamError:
    """The same for a file that is written beside the database."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ClickstreamError(
            f"The disk with the state in {directory} is full. Nothing is lost: free some space and start again."
        )
    return ClickstreamError(
        f"The state in {directory} cannot be written: {error.strerror}. "
        "Nothing is lost: make the directory writable, or choose another with --state-dir."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".!")


def _plainly(text: str) -> str:
    """What DuckDB says of a value, without its own terms."""
    if "Division by zero" in text:
        return "division by zero. NULLIF(divisor, 0) gives NULL instead."
    reason = re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", text).rstrip(".")
    return f"{reason}. TRY_CAST gives NULL instead." if reason.startswith("Cannot cast") else f"{reason}."


@contextlib.contextmanager
def naming(statement: str) -> Iterator[None]:
    """What fails in the block is that statement's: `refuse` says so."""
    try:
        yield
    except duckdb.Error as error:
        error.add_note(statement)
        raise


@contextlib.contextmanager
def told_as_refusals(directory: Path) -> Iterator[None]:
    """What fails in the block is raised as `refuse` tells it; the state is in `directory`."""
    try:
        yield
    except duckdb.Error as error:
        raise refuse(error, directory) from error
