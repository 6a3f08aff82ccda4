"""Where states lie: `<state-dir>/tables/<cluster id>/<file>`, and who has one of them.

A state belongs to one Kafka cluster: its offsets mean nothing elsewhere. So the cluster's id is part of the path, and
the tables of one file can be run against two clusters with one `--state-dir`.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from clickstream.errors import ClickstreamError

FILE = "state.duckdb"
# The number of the last transaction, written before it is committed: see store.State.
COMMITS = "commits"


def directory_of(state_dir: Path, cluster_id: str, name: str) -> Path:
    """Where the state of the tables `name` is for one cluster. A state of the old layout is moved there, once.

    Raises ClickstreamError when it cannot be moved.
    """
    place = state_dir / "tables" / _safe(cluster_id) / name
    old = state_dir / "tables" / name
    try:
        if (old / FILE).exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            old.rename(place)
    except OSError as error:
        raise _unusable(old, error) from error
    return place


def clusters_with(state_dir: Path, name: str) -> list[str]:
    """The ids of the clusters for which there is a state of the tables `name`."""
    return sorted(found.parent.parent.name for found in (state_dir / "tables").glob(f"*/{name}/{FILE}"))


def _safe(cluster_id: str) -> str:
    """A cluster's id as the name of a folder: Kafka's own are 22 letters, digits, - and _; others may be anything."""
    return "".join(one if one.isalnum() or one in "-_" else f"%{ord(one):02x}" for one in cluster_id) or "unknown"


@contextlib.contextmanager
def held(directories: Iterable[Path]) -> Iterator[None]:
    """Keep other processes from all of these states meanwhile.

    Raises ClickstreamError, and holds none of them, when another process has one, or a directory cannot be made.
    """
    with contextlib.ExitStack() as locks:
        for directory in directories:
            locks.enter_context(prepared(directory))
        yield


def forget(directory: Path) -> None:
    """Remove the state, which the caller holds. Raises ClickstreamError when that cannot be."""
    try:
        for path in directory.iterdir():
            if path.name.startswith(FILE) or path.name == COMMITS:
                path.unlink()
    except OSError as error:
        raise ClickstreamError(f"The state in {directory} cannot be removed: {error.strerror}.") from error
    shutil.rmtree(directory / "spill", ignore_errors=True)


def reset(directory: Path) -> None:
    """Forget the state, if there is one. Raises ClickstreamError while another process has it."""
    if directory.exists():
        with held([directory]):
            forget(directory)


def prepared(directory: Path) -> IO[str]:
    """Make the directory, and lock it. Raises ClickstreamError when that cannot be, or another process has it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return locked(directory)
    except OSError as error:
        raise _unusable(directory, error) from error


def _unusable(directory: Path, error: OSError) -> ClickstreamError:
    return ClickstreamError(
        f"The state directory {directory} cannot be used: {error.strerror}. Choose another with --state-dir."
    )


def locked(directory: Path) -> IO[str]:
    """The directory's lock. Raises ClickstreamError when another process has it, OSError when it cannot be made."""
    # Locks free themselves when a process dies, however it dies.
    lock = open(directory / "lock", "a")  # noqa: SIM115 - held as long as the state is open
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ClickstreamError(
            f"Another process runs these tables: it has the state in {directory}. "
            "Stop it first, or give this one another --state-dir."
        ) from None
    return lock


def still_there(lock: IO[str], directory: Path) -> bool:
    """Whether the directory is the one that was locked: nobody has removed or replaced it meanwhile."""
    try:
        found = (directory / "lock").stat()
    except OSError:
        return False
    return os.path.samestat(found, os.fstat(lock.fileno()))
