"""The target of a sink that keeps records in Parquet files."""

import logging
import time
import uuid
import zlib
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from clickstream.errors import ConfigError
from clickstream.kafka.log import LogIdentity
from clickstream.sinks.model import Batch, Claim, Input, Place, Rows, Stored, Written
from clickstream.sinks.parquet.columns import NUMBER, PLACE, by_hour, records, spans, together, typed
from clickstream.sinks.parquet.layout import Layout, small
from clickstream.sinks.parquet.manifest import FOLD_EVERY, DataFile, Manifest, State, Taken, Version
from clickstream.sinks.parquet.names import folder_name
from clickstream.sinks.parquet.store import Store
from clickstream.sinks.parquet.view import View
from clickstream.sinks.target import Away, Fenced

log = logging.getLogger(__name__)

ROW_GROUP_BYTES = 32 * 1024 * 1024  # of records, before they are compressed: what a reader holds in memory
ROW_GROUP_ROWS = 122_880
CLAIMS = 20  # tries, while others claim at the same time


@dataclass
class _Table:
    """A table that this process writes."""

    source: Input
    folder: str
    manifest: Manifest
    columns: list[tuple[str, str]]
    identity: LogIdentity | None = None
    state: State | None = None
    deleted: list[str] = field(default_factory=list)  # of `state.retired`
    unreadable: set[str] = field(default_factory=set)  # folders of hours that are left as they are

    def known(self) -> State:
        """Its state; it has been claimed."""
        assert self.state is not None
        return self.state


class ParquetTarget:
    """See `Target`. Each table has a manifest of its own: a batch is a commit for each table that it has records of."""

    kind = "parquet"

    def __init__(
        self,
        store: Store,
        layout: Layout | None = None,
        *,
        clock: Callable[[], float] = time.time,
        fold_every: int = FOLD_EVERY,
    ) -> None:
        """`clock`: seconds since 1970. `fold_every`: see Manifest."""
        self.where = store.where
        self._store = store
        self._view = View(store)
        self._layout = layout or Layout()
        self._clock = clock
        self._fold_every = fold_every
        self._tables: dict[str, _Table] = {}  # by topic
        self._sink = ""
        self._owner = ""
        self._epoch = 0
        self._unsaid = Written()  # of what was committed before `write` failed

    def connect(self) -> None:
        self._store.connect()

    def prepare(self, inputs: Sequence[Input]) -> None:
        self._tables = {}
        for source in sorted(inputs, key=lambda one: one.name):
            folder = folder_name(source.name)
            manifest = Manifest(self._store, folder, fold_every=self._fold_every)
            self._tables[source.topic] = _Table(source, folder, manifest, typed(source))

    def claim(self, claim: Claim) -> Stored:
        self._sink, self._owner = claim.sink, claim.owner
        identities = {one.topic: one for one in claim.topics}
        for table in self._tables.values():
            table.identity = identities[table.source.topic]
        if claim.epoch is None:
            self._take_over()
        else:
            self._epoch = claim.epoch
            for table in self._tables.values():
                self._verify(table)
        for table in self._tables.values():
            self._clean(table)
        self._refresh()
        places = {
            (table.source.topic, number): Place(table.known().topic_id, end)
            for table in self._tables.values()
            for number, (_start, end) in table.known().places.items()
        }
        return Stored(self._epoch, places)

    def write(self, batch: Batch) -> Written:
        written, self._unsaid = self._unsaid, Written()
        rows = {one.input.topic: one for one in batch.rows}
        places: dict[str, dict[int, int]] = {}
        for (topic, number), offset in batch.places.items():
            places.setdefault(topic, {})[number] = offset
        try:
            added = {topic: self._write_files(self._tables[topic], found) for topic, found in rows.items()}
            for topic, moved in places.items():
                found = rows.get(topic)
                self._commit(self._tables[topic], added.get(topic, []), moved, found)
                if found is not None:
                    gone = sum(message.value() is None for message in found.messages)
                    written.deleted += gone
                    written.appended += len(found) - gone
            self._refresh()
        except Away:
            self._unsaid = written
            raise
        self._keep_house(self._tables[topic] for topic in places)
        return written

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        for table in self._tables.values():
            while True:
                state = table.manifest.load()
                if state.version == 0:
                    break
                self._check_sink(table, state, sink)
                step = Version(
                    version=state.version + 1, epoch=state.epoch + 1, owner=f"a --reset of {sink}", sink=sink,
                    topic=table.source.topic, topic_id="", at=self._now_ms(), columns=table.columns, cleared=True,
                )  # fmt: skip
                try:
                    table.state = table.manifest.append(state, step)
                except Taken:
                    continue
                break
        self._refresh()
        for table in self._tables.values():
            for path in table.state.retired if table.state is not None else ():
                self._store.delete(f"{table.folder}/{path}")

    def close(self) -> None:
        pass

    # --- for repairs; all is claimed

    def state(self, topic: str) -> State:
        """What a topic's table has."""
        return self._tables[topic].known()

    def folder(self, topic: str) -> str:
        """The folder of a topic's table."""
        return self._tables[topic].folder

    def write_beside(self, rows: Rows) -> list[DataFile]:
        """Files of rows, which no version names yet."""
        return self._write_files(self._tables[rows.input.topic], rows)

    def rewrite_without(self, topic: str, one: DataFile, places: Container[tuple[int, int]]) -> list[DataFile]:
        """A file with the rows of one, but for those of some (partition, offset); no file when none is left."""
        table = self._tables[topic]
        with self._store.open(f"{table.folder}/{one.path}") as file:
            part = pq.ParquetFile(file).read()
        origins = zip(part[NUMBER].to_pylist(), part[PLACE].to_pylist(), strict=True)
        part = part.filter(pa.array([origin not in places for origin in origins], pa.bool_()))
        return [self._write_file(table, one.folder, part)] if len(part) else []

    def put_in_place(self, topic: str, added: Sequence[DataFile], removed: Sequence[str]) -> None:
        """Commit files in place of others. No place moves. Raises Fenced, Away."""
        table = self._tables[topic]
        self._append(table, replace(self._step(table, table.known()), added=list(added), removed=list(removed)))
        self._refresh()

    # --- whose it is

    def _take_over(self) -> None:
        """Write a version with the next epoch to each table, always in the same order.

        Of two processes that claim in the same moment, the one that is second at the first table begins again, with a
        higher epoch, and wins everywhere.
        """
        for _ in range(CLAIMS):
            states = [(table, self._checked(table)) for table in self._tables.values()]
            self._epoch = max(state.epoch for _table, state in states) + 1
            if all(self._take_over_table(table, state) for table, state in states):
                return
        raise Away(f"{self.where} is claimed by others all the time")

    def _take_over_table(self, table: _Table, state: State) -> bool:
        """False when another process claims it at the same time, too."""
        while state.epoch < self._epoch:
            assert table.identity is not None
            step = self._step(table, state)
            if not state.places:
                step = replace(step, topic_id=table.identity.topic_id)
            try:
                table.state = table.manifest.append(state, step)
            except Taken:
                state = self._checked(table)
                continue
            return True
        return False

    def _checked(self, table: _Table) -> State:
        """What a table has, if it is this sink's. Raises ConfigError if not, or if it has another shape."""
        state = table.manifest.load()
        if state.version:
            self._check_sink(table, state, self._sink)
            types = dict(state.columns)
            for name, kind in table.columns:
                if types.get(name, kind) != kind:
                    raise ConfigError(
                        f"Column {name} of {table.source.name} is {kind}, and {types[name]} in {self.where}. Give "
                        "another folder; or --reset deletes what is there."
                    )
        return state

    def _check_sink(self, table: _Table, state: State, sink: str) -> None:
        if (state.sink, state.topic) != (sink, table.source.topic):
            raise ConfigError(
                f"{self.where} has a table {table.source.name} of topic {state.topic}, by sink {state.sink}: give "
                f"another folder than for topic {table.source.topic} by sink {sink}."
            )

    def _verify(self, table: _Table) -> None:
        state = table.manifest.load()
        if state.version == 0:
            raise Away(f"{self.where} has no table {table.source.name} any more")
        if state.epoch != self._epoch:
            raise Fenced(f"{self.where}: {table.source.name} is written by {state.owner} now.")
        table.state = state

    def _clean(self, table: _Table) -> None:
        """Delete files that no version names: what a crash has left, or a process that was fenced."""
        # In this order. Files of a newer owner appear only after its version: either they are not listed, or its
        # epoch is found.
        found = self._store.names(f"{table.folder}/data")
        self._verify(table)
        state = table.known()
        lost = state.files.keys() - {name.partition("/")[2] for name in found}
        if lost:
            log.warning(
                "%s/%s lacks %d files that its manifest names, such as %s: they were deleted by somebody else, and "
                "archive.sql cannot be read.", self.where, table.folder, len(lost), min(lost),
            )  # fmt: skip
        for name in found:
            path = name.partition("/")[2]
            if path not in state.files and path not in state.retired:
                log.debug("%s/%s is in no version: deleted.", self.where, name)
                self._store.delete(name)
        self._store.sweep(table.folder)

    # --- a commit

    def _step(self, table: _Table, state: State) -> Version:
        names = [name for name, _kind in state.columns]
        columns = [*state.columns, *(one for one in table.columns if one[0] not in names)]
        return Version(
            version=state.version + 1, epoch=self._epoch, owner=self._owner, sink=self._sink, topic=table.source.topic,
            topic_id=state.topic_id, at=self._now_ms(), columns=columns, gone=list(table.deleted),
        )  # fmt: skip

    def _commit(self, table: _Table, added: list[DataFile], moved: dict[int, int], rows: Rows | None) -> None:
        known = table.known().places
        firsts: dict[int, int] = {}
        for message in rows.messages if rows is not None else ():
            firsts.setdefault(message.partition() or 0, message.offset() or 0)
        places = {
            number: (known[number][1] if number in known else firsts.get(number, end), end)
            for number, end in moved.items()
        }
        self._append(table, replace(self._step(table, table.known()), added=added, places=places))

    def _append(self, table: _Table, step: Version) -> None:
        try:
            table.state = table.manifest.append(table.known(), step)
            table.deleted = [path for path in table.deleted if path not in step.gone]
        except Taken:
            self._verify(table)
            # Its own: it was written, and the answer was lost.
            raise Away(f"{self.where} has a version of {table.source.name} whose answer was lost") from None

    def _write_files(self, table: _Table, rows: Rows) -> list[DataFile]:
        return [self._write_file(table, folder, part) for folder, part in by_hour(records(rows))]

    def _write_file(self, table: _Table, folder: str, part: pa.Table) -> DataFile:
        path = f"{folder}/{self._epoch:06d}-{uuid.uuid4().hex}.parquet"
        group = max(1, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES * len(part) // max(part.nbytes, 1)))

        def write(file: IO[bytes]) -> None:
            pq.write_table(part, file, compression="zstd", row_group_size=group)

        size = self._store.put(f"{table.folder}/{path}", write)
        shape = zlib.crc32("\0".join(part.schema.names).encode())
        return DataFile(path, len(part), size, part.nbytes, self._now_ms(), spans(part), shape)

    def _refresh(self) -> None:
        self._view.refresh({one.folder: one.state for one in self._tables.values() if one.state is not None})

    # --- few files

    def _keep_house(self, tables: Iterable[_Table]) -> None:
        """Put small files together, and delete those that were. What fails is done after the next batch."""
        try:
            for table in tables:
                due = small(table.known(), self._layout, self._now_ms())
                for files in due:
                    self._rewrite_if_readable(table, files)
                if due:
                    self._refresh()  # before anything is deleted: it must not name it any more
                self._delete_retired(table)
        except Away as away:
            log.debug("%s: small files stay for now.", away)

    def _rewrite_if_readable(self, table: _Table, files: Sequence[DataFile]) -> None:
        folder = files[0].folder
        if folder in table.unreadable:
            return
        try:
            self._rewrite(table, files)
        except (pa.ArrowException, OSError) as error:
            # What comes is archived all the same.
            table.unreadable.add(folder)
            log.warning("A file in %s/%s/%s cannot be read: %s.", self.where, table.folder, folder, error)

    def _rewrite(self, table: _Table, files: Sequence[DataFile]) -> None:
        """Have the records of some files of one hour in one file."""
        parts = []
        for one in files:
            with self._store.open(f"{table.folder}/{one.path}") as file:
                parts.append(pq.ParquetFile(file).read())
        new = self._write_file(table, files[0].folder, together(parts))
        assert new.rows == sum(one.rows for one in files)
        step = replace(self._step(table, table.known()), added=[new], removed=[one.path for one in files])
        self._append(table, step)

    def _delete_retired(self, table: _Table) -> None:
        too_old = self._now_ms() - self._layout.keep_s * 1000
        for path, at in table.known().retired.items():
            if at < too_old and path not in table.deleted:
                self._store.delete(f"{table.folder}/{path}")
                table.deleted.append(path)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
