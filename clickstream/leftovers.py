"""What clickstream keeps on this machine beside its own installation: where, how much, and removing it."""

import contextlib
import glob
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream.broker import nodes
from clickstream.broker.storage import StateDir
from clickstream.collect.spoollock import LOCK as SPOOL_LOCK
from clickstream.errors import ClickstreamError
from clickstream.flink.cluster import SessionCluster
from clickstream.java.locks import FileLock, is_free
from clickstream.tables.engine.state.place import FILE as STATE_FILE
from clickstream.tables.engine.state.place import held

# By name: a state or cache directory may be one that its owner keeps other things in.
_BROKER = (
    *("broker.json", "data", "data.new", "tmp", "pinned", "jvm.out", "jvm.pid", "server.properties", "classes.lst"),
    *("log4j2.properties", "kafka.log*", "supervisor.log*", "hs_err*.log", ".broker.json.*", ".server.properties.*"),
    *("jvm.lock", "supervisor.lock", "lease.lock"),
)
_COLLECTOR = (
    *("salts.json", "salts.json.lock", ".salts.json.*", "sessions-*-*", "schemas.json", ".schemas.json.*"),
    *(f"spool/{name}" for name in ("worker-*", ".new-worker-*", "*.bad", SPOOL_LOCK)),
)
_JARS = ("*.jar", ".lock", ".download-*")
_CLASS_DATA = ("*.jsa", "*.tmp", ".lock")


@dataclass(frozen=True)
class Leftover:
    """`what` in a person's words, the directory it is in, its files and directories there, and their bytes.

    `root` is the state or cache directory, the uppermost that may go when it is empty.
    """

    what: str
    root: Path
    directory: Path
    paths: tuple[Path, ...]
    size: int


def leftovers(state_dir: Path, cache_dir: Path | None) -> list[Leftover]:
    """What is there, without what is empty; `cache_dir` None: without downloads. Raises OSError."""
    below = nodes.directory(state_dir)
    broker = _BROKER if StateDir(state_dir).supervisor_lock.exists() else ()
    found = [
        _leftover("records and logs of the embedded Kafka", state_dir, ".", broker),
        _leftover("records and logs of its cluster of three", below, ".", ("cluster.json", *_nodes(below))),
        _leftover("states of tables", state_dir, "tables", _named(_states(state_dir), state_dir / "tables")),
        _leftover("the collector's salts, sessions and spool", state_dir, "collect", _COLLECTOR),
        _leftover("the dashboard's token", state_dir, "ui", ("token", "open.html")),
        _leftover("Flink's work and savepoints", state_dir, "flink", ("cluster", "run-*")),
    ]
    if cache_dir is not None:
        found.append(_leftover("downloaded jars (Kafka, Flink)", cache_dir, "jars", _JARS))
        found.append(_leftover("prepared Java classes", cache_dir, "class-data", _CLASS_DATA))
    return [one for one in found if one.paths]


def _nodes(below: Path) -> list[str]:
    """The names of the directories of nodes."""
    return sorted(path.parent.name for path in below.glob("*/supervisor.lock"))


def _states(state_dir: Path) -> list[Path]:
    tables = state_dir / "tables"
    before = tables.glob(f"*/{STATE_FILE}")  # of the old layout, without a cluster's id
    return sorted(path.parent for path in (*before, *tables.glob(f"*/*/{STATE_FILE}")))


def _named(paths: Iterable[Path], directory: Path) -> list[str]:
    """Patterns that match these, and nothing else."""
    return [glob.escape(str(path.relative_to(directory))) for path in paths]


def _leftover(what: str, root: Path, below: str, patterns: Iterable[str]) -> Leftover:
    directory = root / below
    paths = tuple(dict.fromkeys(path for pattern in patterns for path in sorted(directory.glob(pattern))))
    return Leftover(what, root, directory, paths, sum(map(_size, paths)))


def _size(path: Path) -> int:
    """Bytes on the disk, all below it included."""
    files = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
        return sum(file.lstat().st_blocks for file in files) * 512
    return 0


def remove(found: Sequence[Leftover]) -> None:
    """Remove them, and the directories that are empty then. Raises OSError."""
    for one in found:
        for path in one.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        parents = {parent for path in one.paths for parent in path.parents if parent.is_relative_to(one.root)}
        for directory in sorted(parents, reverse=True):
            with contextlib.suppress(OSError):  # something else is in it
                directory.rmdir()


@contextlib.contextmanager
def unused(state_dir: Path, spool: Path | None = None) -> Iterator[None]:
    """Nothing that is started meanwhile uses the state directory; `spool` is the collector's, if it is elsewhere.

    Raises ClickstreamError when something does already: the embedded Kafka, Flink, tables, or a collector.
    """
    state = StateDir(state_dir)
    if SessionCluster(state_dir / "flink" / "cluster").alive():
        raise ClickstreamError("The Flink cluster runs. Stop it first: clickstream flink cluster stop")
    if any(not is_free(lock) for lock in (state_dir / "flink").glob("run-*/lock")):
        raise ClickstreamError(f"A Flink runs in {state_dir / 'flink'}. End that command first.")
    with contextlib.ExitStack() as locks:
        below = nodes.directory(state_dir)
        for name in _nodes(below):
            if not locks.enter_context(FileLock(StateDir(below / name).supervisor_lock)).try_acquire():
                raise ClickstreamError(f"A Kafka of three nodes in {state_dir} runs. Stop it: clickstream broker stop")
        if state.supervisor_lock.exists():
            lease, supervisor, jvm = (
                locks.enter_context(FileLock(path))
                for path in (state.lease_lock, state.supervisor_lock, state.jvm_lock)
            )
            if not (lease.try_acquire() and supervisor.try_acquire() and jvm.try_acquire()):
                raise ClickstreamError(
                    f"The embedded Kafka in {state_dir} runs. End the commands that use it, then stop it: "
                    "clickstream broker stop"
                )
        locks.enter_context(held(_states(state_dir)))
        own = state_dir / "collect" / "spool"
        for lock in {place / SPOOL_LOCK for place in (own, spool or own)}:
            if lock.exists() and not locks.enter_context(FileLock(lock)).try_acquire():
                raise ClickstreamError(f"A collector runs, with its spool in {lock.parent}. End that command first.")
        yield
