"""What is in a table of an archive: a chain of versions, of which nobody can write one twice."""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, TypeVar

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.sinks.parquet.store import Store
from clickstream.sinks.target import Away

FORMAT = 1
FOLD_EVERY = 50  # versions: so many, twice at most, are read at a start
READ_AGAIN = 10

_VERSION = re.compile(r"(\d{12})\.json")
_CHECKPOINT = re.compile(r"checkpoint-(\d{12})\.json")


class DataFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of records. `offsets` has the first and the last offset, plus one, of each partition that is in it.

    `shape` stands for the names of its columns, in their order: files of one shape need no comparing.
    """

    path: str  # below the table's folder
    rows: int
    size: int  # bytes
    memory: int  # bytes, when it is read
    at: int  # ms: when it was written
    offsets: dict[int, tuple[int, int]]
    shape: int

    @property
    def folder(self) -> str:
        """`data/date=2026-01-01/hour=07`."""
        return self.path.rpartition("/")[0]


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step. `places` are [from, to) of the partitions that moved.

    `removed` files are read no more, and deleted a while later; `gone` files have been deleted. With `cleared`
    the table is empty before this step.
    """

    version: int
    epoch: int
    owner: str
    sink: str
    topic: str
    topic_id: str
    at: int  # ms
    format: int = FORMAT
    columns: list[tuple[str, str]] = []
    places: dict[int, tuple[int, int]] = {}
    added: list[DataFile] = []
    removed: list[str] = []
    gone: list[str] = []
    cleared: bool = False


class State(msgspec.Struct, omit_defaults=True):
    """What versions add up to: everything in [from, to) of `places` is in `files`, once.

    `columns` are the typed ones, by the name of their SQL type. `retired` are files that are to be deleted, with the
    time (ms) since when no version has them.
    """

    version: int = 0
    epoch: int = 0
    owner: str = ""
    sink: str = ""
    topic: str = ""
    topic_id: str = ""
    format: int = FORMAT
    columns: list[tuple[str, str]] = []
    places: dict[int, tuple[int, int]] = {}
    files: dict[str, DataFile] = {}
    retired: dict[str, int] = {}

    @property
    def rows(self) -> int:
        """How many records there are."""
        return sum(one.rows for one in self.files.values())

    def after(self, step: Version) -> "State":
        """The state that a version leads to."""
        places, files = ({}, {}) if step.cleared else (dict(self.places), dict(self.files))
        retired = dict(self.retired)
        if step.cleared:
            retired |= dict.fromkeys(self.files, 0)
        for path in step.removed:
            del files[path]
            retired[path] = step.at
        for path in step.gone:
            retired.pop(path, None)
        files |= {one.path: one for one in step.added}
        for number, (start, end) in step.places.items():
            known = places.get(number)
            places[number] = (start if known is None else known[0], end)
        return State(
            version=step.version, epoch=step.epoch, owner=step.owner, sink=step.sink, topic=step.topic,
            topic_id=step.topic_id, columns=list(step.columns), places=places, files=files, retired=retired,
        )  # fmt: skip


Decoded = TypeVar("Decoded", State, Version)


class Taken(Exception):
    """Another process has written the next version, or one after it."""


class Manifest:
    """The versions of one table."""

    def __init__(self, store: Store, table: str, *, fold_every: int = FOLD_EVERY) -> None:
        """`table`: the name of its folder."""
        self._store = store
        self._folder = f"{table}/manifest"
        self._where = f"{store.where}/{table}"
        self._fold_every = fold_every

    def newest(self) -> int:
        """The number of the newest version; 0: there is none."""
        return max((*self._numbers(_VERSION), *self._numbers(_CHECKPOINT)), default=0)

    def load(self) -> State:
        """What the table has now; version 0 when it has no version yet. Raises ClickstreamError for a damaged one."""
        for _ in range(READ_AGAIN):
            state = self._load()
            if state is not None:
                return state
            time.sleep(0.05)  # versions were folded and deleted meanwhile
        raise ClickstreamError(f"The manifest of {self._where} has a gap: a file in {self._folder} was deleted.")

    def _load(self) -> State | None:
        names = self._store.names(self._folder)
        checkpoint = max(_found(_CHECKPOINT, names), default=0)
        state = State()
        if checkpoint:
            content = self._store.read(self._checkpoint(checkpoint))
            if content is None:
                return None
            state = self._decoded(content, State, self._checkpoint(checkpoint))
        for number in sorted(one for one in _found(_VERSION, names) if one > checkpoint):
            content = self._store.read(self._name(number))
            if content is None or number != state.version + 1:
                return None
            state = state.after(self._decoded(content, Version, self._name(number)))
        return state

    def append(self, state: State, step: Version) -> State:
        """Commit the version after `state`. Raises Taken when others write, too: `load` tells what came of it."""
        assert step.version == state.version + 1
        if not self._store.create(self._name(step.version), msgspec.json.encode(step)):
            raise Taken
        if self.newest() > step.version:
            # Either others went on from it, or its number was free only because they have folded and deleted the one
            # that had it, and nobody reads it. It stays: to tell takes a fresh look.
            raise Taken
        found = state.after(step)
        if found.version % self._fold_every == 0:
            with suppress(Away):  # it only spares readers: the version is there
                self._fold(found)
        return found

    def _fold(self, state: State) -> None:
        """Write what all versions add up to, and delete those that nobody has to read any more."""
        self._store.put(self._checkpoint(state.version), lambda file: _write(file, msgspec.json.encode(state)))
        # The one before and what followed it stay: a reader that has listed them finds them.
        kept = state.version - self._fold_every
        for name in self._store.names(self._folder):
            versions, checkpoints = _found(_VERSION, [name]), _found(_CHECKPOINT, [name])
            if any(number <= kept for number in versions) or any(number < kept for number in checkpoints):
                self._store.delete(name)

    def _numbers(self, pattern: re.Pattern[str]) -> list[int]:
        return _found(pattern, self._store.names(self._folder))

    def _name(self, version: int) -> str:
        return f"{self._folder}/{version:012d}.json"

    def _checkpoint(self, version: int) -> str:
        return f"{self._folder}/checkpoint-{version:012d}.json"

    def _decoded(self, content: bytes, kind: type[Decoded], name: str) -> Decoded:
        try:
            found = msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ClickstreamError(f"{self._store.where}/{name} is damaged: {error}.") from None
        if found.format != FORMAT:
            raise ClickstreamError(
                f"{self._store.where}/{name} has format {found.format}, and this program knows {FORMAT}: update it."
            )
        return found


def _found(pattern: re.Pattern[str], names: Iterable[str]) -> list[int]:
    """The numbers of files whose names fit."""
    return [int(match[1]) for name in names if (match := pattern.fullmatch(name.rpartition("/")[2]))]


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)
