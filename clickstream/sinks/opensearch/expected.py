"""What an index should hold, and how it differs: in a file beside, so that memory stays bounded however much it is."""

import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

MISSING, FOREIGN, CHANGED = "missing", "foreign", "changed"

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE expected (
    id BLOB PRIMARY KEY, partition INT, at INT, digest BLOB, seen INT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE later (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE differing (
    id BLOB PRIMARY KEY, kind TEXT, partition INT, at INT, seq_no INT, primary_term INT
) WITHOUT ROWID;
CREATE INDEX differing_places ON differing (partition, at);
"""


@dataclass(frozen=True)
class Document:
    """A document that an index should have: for which record, and the digest of its fields."""

    partition: int
    offset: int
    digest: bytes


@dataclass(frozen=True)
class Differing:
    """One that is not as it should be. `partition` and `offset` are those of the record that it should be of; None: of
    none. `condition`: that it is still what was compared; None: it was not there."""

    id: str
    kind: str
    partition: int | None
    offset: int | None
    condition: Mapping[str, int] | None


class Expected:
    """The documents by id. Used in a `with`, which deletes the file at its end."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="clickstream-check-")
        self._db = sqlite3.connect(Path(self._folder.name) / "expected.db", isolation_level=None)
        self._db.executescript(_TABLES)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._db.close()
        self._folder.cleanup()

    def put(self, documents: Iterable[tuple[str, Document | None]]) -> None:
        """Take in what the records of a batch say, in their order; None: there is no such document any more."""
        rows = [(_octets(id), one) for id, one in documents]
        with self._at_once():
            self._db.executemany("DELETE FROM expected WHERE id = ?", [(id,) for id, one in rows if one is None])
            self._db.executemany(
                "INSERT OR REPLACE INTO expected (id, partition, at, digest) VALUES (?, ?, ?, ?)",
                [(id, one.partition, one.offset, one.digest) for id, one in rows if one is not None],
            )

    def leave_out(self, ids: Iterable[str]) -> None:
        """These have records that the sink has not written yet: they are not compared."""
        with self._at_once():
            self._db.executemany("INSERT OR IGNORE INTO later VALUES (?)", [(_octets(id),) for id in ids])

    def finish(self) -> tuple[int, int]:
        """No more documents come. Returns how many there are, and how many are left out."""
        self._db.execute("DELETE FROM expected WHERE id IN (SELECT id FROM later)")
        return self._count("SELECT count(*) FROM expected"), self._count("SELECT count(*) FROM later")

    def find(self, ids: Sequence[str]) -> dict[str, Document]:
        """Those of the documents that should be there; they are seen now."""
        marks = ", ".join("?" * len(ids))
        given = [_octets(id) for id in ids]
        found = self._db.execute(f"SELECT id, partition, at, digest FROM expected WHERE id IN ({marks})", given)
        documents = {id.decode(): Document(*rest) for id, *rest in found}
        self._db.execute(f"UPDATE expected SET seen = 1 WHERE id IN ({marks})", given)
        return documents

    def left_out(self, ids: Sequence[str]) -> set[str]:
        """Those that are not compared."""
        marks = ", ".join("?" * len(ids))
        found = self._db.execute(f"SELECT id FROM later WHERE id IN ({marks})", [_octets(id) for id in ids])
        return {id.decode() for (id,) in found}

    def note(self, differing: Iterable[Differing]) -> None:
        """Remember what differs."""
        rows = [
            (
                _octets(one.id), one.kind, one.partition, one.offset,
                one.condition and one.condition["if_seq_no"], one.condition and one.condition["if_primary_term"],
            )
            for one in differing
        ]  # fmt: skip
        with self._at_once():
            self._db.executemany("INSERT OR REPLACE INTO differing VALUES (?, ?, ?, ?, ?, ?)", rows)

    def note_missing(self) -> None:
        """All that was not seen is missing."""
        self._db.execute(
            "INSERT OR REPLACE INTO differing SELECT id, ?, partition, at, NULL, NULL FROM expected WHERE NOT seen",
            (MISSING,),
        )

    def counts(self) -> dict[str, int]:
        """How many differ, by kind."""
        return dict(self._db.execute("SELECT kind, count(*) FROM differing GROUP BY kind").fetchall())

    def examples(self, count: int) -> list[tuple[str, str]]:
        """Some ids that differ, and how, in the order of ids."""
        found = self._db.execute("SELECT id, kind FROM differing ORDER BY id LIMIT ?", (count,))
        return [(id.decode(), kind) for id, kind in found]

    def foreign(self, after: str | None, count: int) -> list[Differing]:
        """Some that should not be there, with ids after one, in their order."""
        found = self._db.execute(
            "SELECT * FROM differing WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
            (FOREIGN, b"" if after is None else _octets(after), count),
        )
        return [_differing(*row) for row in found]

    def to_write(self, partition: int, start: int, end: int) -> list[Differing]:
        """Those that should be of records of a partition in [start, end)."""
        found = self._db.execute(
            "SELECT * FROM differing WHERE partition = ? AND at >= ? AND at < ?", (partition, start, end)
        )
        return [_differing(*row) for row in found]

    def spans(self) -> dict[int, tuple[int, int]]:
        """In each partition, the first offset of a record to write again, and the last, plus one."""
        found = self._db.execute(
            "SELECT partition, min(at), max(at) + 1 FROM differing WHERE partition IS NOT NULL GROUP BY partition"
        )
        return {number: (start, end) for number, start, end in found}

    def missing_among(self, ids: Iterable[str]) -> list[str]:
        """Those of some ids that were missing."""
        return [
            id
            for id in ids
            if self._count("SELECT count(*) FROM differing WHERE id = ? AND kind = ?", (_octets(id), MISSING))
        ]

    def _count(self, statement: str, given: Sequence[object] = ()) -> int:
        [found] = self._db.execute(statement, given).fetchone()
        return int(found)

    def _at_once(self) -> sqlite3.Connection:
        # With a transaction for each statement it takes ten times as long.
        self._db.execute("BEGIN")
        return self._db


def _octets(id: str) -> bytes:
    return id.encode()


def _differing(
    id: bytes, kind: str, partition: int | None, offset: int | None, seq_no: int | None, term: int | None
) -> Differing:
    condition = None if seq_no is None or term is None else {"if_seq_no": seq_no, "if_primary_term": term}
    return Differing(id.decode(), kind, partition, offset, condition)
