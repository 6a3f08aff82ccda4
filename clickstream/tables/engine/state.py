"""The state of a program: one DuckDB file, in which every result stands beside the offsets that it accounts for."""

import contextlib
import fcntl
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.tables.engine.operators.operator import first_row
from clickstream.tables.engine.options import RESET

# Raised when the same statements would be computed in another way than before.
VERSION = 2
FILE = "state.duckdb"

# Of a row in an append-only topic: its source partition and offset, or its key and value.
Identity = tuple[int, int] | tuple[bytes | None, bytes | None]
_IDENTITY = pa.struct([("p", pa.int64()), ("o", pa.int64()), ("k", pa.binary()), ("v", pa.binary())])

_TABLES = (
    "CREATE TABLE IF NOT EXISTS about (version INTEGER)",
    "CREATE TABLE IF NOT EXISTS statements (name VARCHAR, text VARCHAR)",
    "CREATE TABLE IF NOT EXISTS sources (name VARCHAR, topic_id VARCHAR, floor BIGINT, watermark BIGINT)",
    "CREATE TABLE IF NOT EXISTS offsets (name VARCHAR, partition INTEGER, next BIGINT, highest BIGINT)",
    "CREATE TABLE IF NOT EXISTS written (sink VARCHAR, partition INTEGER, next BIGINT)",
    "CREATE TABLE IF NOT EXISTS there "
    "(sink VARCHAR, identity STRUCT(p BIGINT, o BIGINT, k BLOB, v BLOB), times BIGINT)",
)


@dataclass(frozen=True)
class Progress:
    """How far a source table was read: next offset and highest event time (ms) of each partition."""

    topic_id: str
    floor: int
    watermark: int
    lanes: Mapping[int, tuple[int, int]]


class State:
    """The open state directory: one process at a time has it.

    Raises ClickstreamError when another process has it, when the file cannot be read, or when it belongs to other
    statements; `statements` maps a name for people to a text.
    """

    def __init__(self, directory: Path, statements: Mapping[str, str], *, memory_limit: str, threads: int) -> None:
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(directory)
        except OSError as error:
            raise ClickstreamError(
                f"The state directory {directory} cannot be used: {error.strerror}. Choose another with --state-dir."
            ) from error
        try:
            self.db = _open(directory, memory_limit, threads)
            self._accept(statements)
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        self.db.close()
        self._lock.close()

    def _accept(self, statements: Mapping[str, str]) -> None:
        for table in _TABLES:
            self.db.execute(table)
        found = first_row(self.db, "SELECT version FROM about")
        if found is None:
            self.db.execute("BEGIN")
            self.db.execute("INSERT INTO about VALUES (?)", [VERSION])
            if statements:
                self.db.executemany("INSERT INTO statements VALUES (?, ?)", [list(one) for one in statements.items()])
            self.db.execute("COMMIT")
            return
        if found[0] != VERSION:
            raise ClickstreamError(
                f"The state in {self.directory} was written by another version of the engine. {RESET}"
            )
        before = dict(self.db.execute("SELECT name, text FROM statements").fetchall())
        if changes := _differences(before, statements):
            raise ClickstreamError(
                f"The state in {self.directory} belongs to other statements: {'; '.join(changes)}. {RESET}"
            )

    def progress(self, name: str) -> Progress | None:
        """How far the source table was read; None: never."""
        found = first_row(self.db, "SELECT topic_id, floor, watermark FROM sources WHERE name = ?", [name])
        if found is None:
            return None
        lanes = self.db.execute("SELECT partition, next, highest FROM offsets WHERE name = ?", [name]).fetchall()
        topic, floor, watermark = found
        return Progress(topic, floor, watermark, {partition: (place, highest) for partition, place, highest in lanes})

    def save(self, name: str, progress: Progress) -> None:
        """Part of the caller's transaction."""
        self.db.execute("DELETE FROM sources WHERE name = ?", [name])
        self.db.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?)", [name, progress.topic_id, progress.floor, progress.watermark]
        )
        self.db.execute("DELETE FROM offsets WHERE name = ?", [name])
        if progress.lanes:
            rows = [[name, partition, *lane] for partition, lane in progress.lanes.items()]
            self.db.executemany("INSERT INTO offsets VALUES (?, ?, ?, ?)", rows)

    def written(self, sink: str) -> dict[int, int]:
        """Where an append-only topic's partitions ended when its rows were last accounted for."""
        return dict(self.db.execute("SELECT partition, next FROM written WHERE sink = ?", [sink]).fetchall())

    def there(self, sink: str) -> dict[Identity, int]:
        """Rows before those ends that are still to be computed again, and how often; they are written already."""
        found = self.db.execute("SELECT identity, times FROM there WHERE sink = ?", [sink]).fetchall()
        return {(one["p"], one["o"]) if one["o"] is not None else (one["k"], one["v"]): times for one, times in found}

    def save_written(self, sink: str, ends: Mapping[int, int], there: Mapping[Identity, int]) -> None:
        """Part of the caller's transaction."""
        self.db.execute("DELETE FROM written WHERE sink = ?", [sink])
        if ends:
            self.db.executemany("INSERT INTO written VALUES (?, ?, ?)", [[sink, *one] for one in ends.items()])
        self.db.execute("DELETE FROM there WHERE sink = ?", [sink])
        if there:
            rows = pa.table({"identity": pa.array(map(_stored, there), _IDENTITY), "times": list(there.values())})
            self.db.register("rows_there", rows)
            self.db.execute("INSERT INTO there SELECT ?, identity, times FROM rows_there", [sink])
            self.db.unregister("rows_there")


def _stored(identity: Identity) -> dict[str, Any]:
    names = ("p", "o") if isinstance(identity[1], int) else ("k", "v")
    return dict(zip(names, identity, strict=True))


def reset(directory: Path) -> None:
    """Forget the state. Raises ClickstreamError while another process has it."""
    if not directory.exists():
        return
    lock = _locked(directory)
    try:
        for path in directory.iterdir():
            if path.name.startswith(FILE):
                path.unlink()
        shutil.rmtree(directory / "spill", ignore_errors=True)
    finally:
        lock.close()


def _locked(directory: Path) -> IO[str]:
    # Locks free themselves when a process dies, however it dies.
    lock = open(directory / "lock", "w")  # noqa: SIM115 - held as long as the state is open
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ClickstreamError(
            f"Another process runs these tables: it has the state in {directory}. "
            "Stop it first, or give this one another --state-dir."
        ) from None
    return lock


def _open(directory: Path, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    path = directory / FILE
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": str(directory / "spill"),
        "autoinstall_known_extensions": False,
        "checkpoint_threshold": "64MB",
        # DuckDB 2.0.0 deletes other rows than were asked for, or dies, where `rowid IN (...)` meets rows that the same
        # transaction inserted: its filter of row ids does not know theirs.
        "disabled_optimizers": "join_filter_pushdown",
    }
    try:
        return duckdb.connect(str(path), config=config)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise ClickstreamError(f"The state file {path} cannot be opened: {reason}. {RESET}") from error


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> Sequence[str]:
    changed = [f"{name} was changed" for name in before if name in now and before[name] != now[name]]
    gone = [f"{name} is gone" for name in before if name not in now]
    new = [f"{name} is new" for name in now if name not in before]
    return [*changed, *gone, *new]


def refuse(error: duckdb.Error, directory: Path) -> ClickstreamError | ConfigError:
    """What a person needs to know of a failed statement on the state."""
    where = getattr(error, "__notes__", ["A statement"])[0]
    # What failed while something was cleaned up only says that the transaction had failed before.
    while isinstance(error.__context__, duckdb.Error):
        error = error.__context__
    text = str(error).splitlines()[0]
    if isinstance(error, duckdb.IOException) or "Could not write" in text or "No space left" in text:
        return ClickstreamError(
            f"The state in {directory} cannot be written: {text}. Nothing is lost: free some space and start again."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return ClickstreamError(f"The tables need more memory than they may have: {text}. Raise --memory.")
    return ClickstreamError(f"{where} cannot go on: {_plainly(text)}")


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
