"""The state of a program: one DuckDB file, in which every result stands beside the offsets that it accounts for.

DuckDB keeps recent transactions in a write-ahead log beside its file. Without that log it would go on from an older
state and not say so, so each transaction has a number, which is also written into a small file before the commit:
a database that is more than one behind that file has lost something.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.options import RESET
from clickstream.tables.engine.state.failures import opening_failed, os_failure
from clickstream.tables.engine.state.place import COMMITS, FILE, prepared, still_there
from clickstream.tables.engine.state.statements import Statements, differences

# Raised when the same statements would be computed in another way than before, or kept in other tables.
VERSION = 4

# Of a row in an append-only topic: its source partition and offset where the row has them, its key and value.
Identity = tuple[int | None, int | None, bytes | None, bytes | None]
_IDENTITY = pa.struct([("p", pa.int64()), ("o", pa.int64()), ("k", pa.binary()), ("v", pa.binary())])

_TABLES = (
    "CREATE TABLE IF NOT EXISTS about (version INTEGER, cluster VARCHAR, commits BIGINT)",
    "CREATE TABLE IF NOT EXISTS statements (target VARCHAR, name VARCHAR, text VARCHAR)",
    "CREATE TABLE IF NOT EXISTS targets (target VARCHAR, generation INTEGER, begins BIGINT)",
    "CREATE TABLE IF NOT EXISTS sources (name VARCHAR, topic_id VARCHAR, floor BIGINT, watermark BIGINT)",
    "CREATE TABLE IF NOT EXISTS offsets (name VARCHAR, partition INTEGER, next BIGINT, highest BIGINT)",
    "CREATE TABLE IF NOT EXISTS floors (name VARCHAR, floor BIGINT)",
    "CREATE TABLE IF NOT EXISTS topics (sink VARCHAR, topic_id VARCHAR)",
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


@dataclass(frozen=True)
class Membership:
    """When an INSERT came to the file: those of one generation share what they have in common.

    `begins` (ms): rows of windows that start at or before it are incomplete, since the INSERT came to a file that had
    read up to there. None: it was there from the beginning.
    """

    generation: int
    begins: int | None


class State:
    """The open state directory: one process at a time has it.

    Raises ClickstreamError when another process has it, when the file cannot be read, or when it belongs to another
    cluster or to other statements.
    """

    def __init__(
        self, directory: Path, statements: Statements, *, cluster_id: str, memory_limit: str, threads: int
    ) -> None:
        self.directory = directory
        self.added: list[str] = []
        self._lock = prepared(directory)
        try:
            self._numbers = _open_numbers(directory)
            self.db = _open(directory, memory_limit, threads)
            self._accept(statements, cluster_id)
            self._floors: dict[str, int] | None = None  # as they are stored, once that is known
            self._sinks_there = {sink for (sink,) in self.db.execute("SELECT DISTINCT sink FROM there").fetchall()}
        except BaseException:
            with contextlib.suppress(AttributeError):
                os.close(self._numbers)
            self._lock.close()
            raise

    def close(self) -> None:
        """Close the database and let go of the directory."""
        try:
            self.db.close()
        finally:
            os.close(self._numbers)
            self._lock.close()

    # --- transactions

    def begin(self) -> None:
        """Begin the transaction that `commit` ends."""
        self.db.execute("BEGIN")

    def commit(self) -> None:
        """Commit the transaction. Raises ClickstreamError when the directory is not there any more."""
        if not still_there(self._lock, self.directory):
            raise ClickstreamError(
                f"The state directory {self.directory} was removed while the tables ran. What was written since the "
                f"last start is in Kafka, but no state accounts for it. {RESET}"
            )
        self._commits += 1
        self.db.execute("UPDATE about SET commits = ?", [self._commits])
        try:
            os.pwrite(self._numbers, b"%020d\n" % self._commits, 0)
        except OSError as error:
            raise os_failure(error, self.directory) from error
        self.db.execute("COMMIT")

    # --- whose it is

    def _accept(self, statements: Statements, cluster_id: str) -> None:
        known = self.db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'about'").fetchall()
        if known:
            self._check_version()
        for table in _TABLES:
            self.db.execute(table)
        found = self.db.execute("SELECT cluster, commits FROM about").fetchall()
        self._commits = found[0][1] if found else 0
        self._check_commits()
        if not found:
            self.begin()
            self.db.execute("INSERT INTO about VALUES (?, ?, 0)", [VERSION, cluster_id])
            self._add(statements, generation=0)
            self.commit()
            return
        if found[0][0] != cluster_id:
            raise ClickstreamError(
                f"The state in {self.directory} belongs to another Kafka cluster, {found[0][0]}; this one is "
                f"{cluster_id}. Choose another --state-dir, or connect to that cluster."
            )
        self._check_statements(statements)

    def _check_version(self) -> None:
        found = self.db.execute("SELECT version FROM about").fetchall()
        if found and found[0][0] != VERSION:
            raise ClickstreamError(
                f"The state in {self.directory} was written by another version of the engine. {RESET}"
            )

    def _check_commits(self) -> None:
        text = os.pread(self._numbers, 64, 0)
        promised = int(text) if text.strip().isdigit() else 0
        if promised > self._commits + 1:
            raise ClickstreamError(
                f"The state in {self.directory} lacks its last {promised - self._commits:,} transactions: "
                f"{FILE} or its write-ahead log {FILE}.wal is missing or damaged. "
                f"Put back a copy of the directory. {RESET}"
            )

    def _check_statements(self, statements: Statements) -> None:
        before: dict[str, dict[str, str]] = {}
        for target, name, text in self.db.execute("SELECT target, name, text FROM statements").fetchall():
            before.setdefault(target, {})[name] = text
        changes = dict.fromkeys(
            change for target, texts in before.items() for change in differences(texts, statements.get(target, {}))
        )
        gone = [f"INSERT INTO {target} is gone" for target in before if target not in statements]
        if gone or changes:
            changes = dict.fromkeys([*gone, *(one for one in changes if not one.endswith(" is gone"))]) or changes
            raise ClickstreamError(
                f"The state in {self.directory} belongs to other statements: {'; '.join(changes)}. {RESET}"
            )
        self.added = [target for target in statements if target not in before]

    def add(self, targets: Statements, begins: int | None) -> None:
        """Have INSERTs that are new in the file begin where it stands: part of the caller's transaction."""
        last = self.db.execute("SELECT max(generation) FROM targets").fetchall()[0][0]
        self._add(targets, generation=(last if last is not None else -1) + 1, begins=begins)

    def _add(self, statements: Statements, *, generation: int, begins: int | None = None) -> None:
        for target, texts in statements.items():
            self.db.execute("INSERT INTO targets VALUES (?, ?, ?)", [target, generation, begins])
            rows = [[target, name, text] for name, text in texts.items()]
            self.db.executemany("INSERT INTO statements VALUES (?, ?, ?)", rows)

    def memberships(self) -> dict[str, Membership]:
        """When each INSERT came to the file, by target."""
        found = self.db.execute("SELECT target, generation, begins FROM targets").fetchall()
        return {target: Membership(generation, begins) for target, generation, begins in found}

    # --- sources

    def progress(self, name: str) -> Progress | None:
        """How far the source table was read; None: never."""
        found = self.db.execute("SELECT topic_id, floor, watermark FROM sources WHERE name = ?", [name]).fetchall()
        if not found:
            return None
        lanes = self.db.execute("SELECT partition, next, highest FROM offsets WHERE name = ?", [name]).fetchall()
        topic, floor, watermark = found[0]
        return Progress(topic, floor, watermark, {partition: (place, highest) for partition, place, highest in lanes})

    def save(self, name: str, progress: Progress) -> None:
        """Part of the caller's transaction."""
        self.db.execute("DELETE FROM sources WHERE name = ?", [name])
        self.db.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?)", [name, progress.topic_id, progress.floor, progress.watermark]
        )
        self.db.execute("DELETE FROM offsets WHERE name = ?", [name])
        if progress.lanes:
            self._insert("offsets", [(name, partition, *lane) for partition, lane in progress.lanes.items()])

    def forget_source(self, name: str) -> None:
        """Have the source read from its start again: part of the caller's transaction."""
        self.db.execute("DELETE FROM sources WHERE name = ?", [name])
        self.db.execute("DELETE FROM offsets WHERE name = ?", [name])

    def floors(self) -> dict[str, int]:
        """The event time (ms) below which every row is late: for operators over several tables, and for those whose
        windows a read to the end has closed."""
        self._floors = dict(self.db.execute("SELECT name, floor FROM floors").fetchall())
        return dict(self._floors)

    def save_floors(self, floors: Mapping[str, int]) -> None:
        """Part of the caller's transaction."""
        if floors == self._floors:
            return
        self._floors = dict(floors)
        self.db.execute("DELETE FROM floors")
        if floors:
            self._insert("floors", list(floors.items()))

    def _insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        # In one statement: each takes half a millisecond, however few rows it has.
        row = f"({', '.join('?' * len(rows[0]))})"
        cells = [cell for one in rows for cell in one]
        self.db.execute(f"INSERT INTO {table} VALUES {', '.join([row] * len(rows))}", cells)

    # --- results

    def topic_id(self, sink: str) -> str | None:
        """The id of the topic that a result was written to; None: never."""
        found = self.db.execute("SELECT topic_id FROM topics WHERE sink = ?", [sink]).fetchall()
        return str(found[0][0]) if found else None

    def save_topic_id(self, sink: str, topic_id: str) -> None:
        """Part of the caller's transaction."""
        self.db.execute("DELETE FROM topics WHERE sink = ?", [sink])
        self.db.execute("INSERT INTO topics VALUES (?, ?)", [sink, topic_id])

    def written(self, sink: str) -> dict[int, int]:
        """Where a topic's partitions ended when its rows were last accounted for."""
        return dict(self.db.execute("SELECT partition, next FROM written WHERE sink = ?", [sink]).fetchall())

    def there(self, sink: str) -> dict[Identity, int]:
        """Rows before those ends that are still to be computed again, and how often; they are written already."""
        found = self.db.execute("SELECT identity, times FROM there WHERE sink = ?", [sink]).fetchall()
        return {(one["p"], one["o"], one["k"], one["v"]): times for one, times in found}

    def save_written(self, sink: str, ends: Mapping[int, int], there: Mapping[Identity, int]) -> None:
        """Part of the caller's transaction."""
        self.db.execute("DELETE FROM written WHERE sink = ?", [sink])
        if ends:
            self._insert("written", [(sink, *one) for one in ends.items()])
        if sink in self._sinks_there:
            self.db.execute("DELETE FROM there WHERE sink = ?", [sink])
            self._sinks_there.discard(sink)
        if there:
            identities = pa.array([dict(zip("pokv", one, strict=True)) for one in there], _IDENTITY)
            rows = pa.table({"identity": identities, "times": list(there.values())})
            self.db.register("rows_there", rows)
            self.db.execute("INSERT INTO there SELECT ?, identity, times FROM rows_there", [sink])
            self.db.unregister("rows_there")
            self._sinks_there.add(sink)


def _open_numbers(directory: Path) -> int:
    try:
        return os.open(directory / COMMITS, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise os_failure(error, directory) from error


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
        raise opening_failed(error, path) from error
