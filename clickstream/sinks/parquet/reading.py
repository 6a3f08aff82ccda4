"""The records of a table of an archive, in the order in which they were in the topic."""

import heapq
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.parquet.columns import HEADERS, KEY, NUMBER, PLACE, TIME, VALUE
from clickstream.sinks.parquet.manifest import DataFile, Manifest, State
from clickstream.sinks.parquet.names import folder_name, table_name
from clickstream.sinks.parquet.store import Store

READ = [KEY, VALUE, HEADERS, TIME, NUMBER, PLACE]
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Archived:
    """A record as it was in its topic; `timestamp` in ms, -1: none."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None
    timestamp: int
    partition: int
    offset: int


class Unreadable(ClickstreamError):
    """A file that a version names is damaged."""


class Gone(Unreadable):
    """It was deleted."""


class ArchivedTable:
    """What a table has now: what is committed later is not seen."""

    def __init__(self, store: Store, table: str) -> None:
        """Raises ClickstreamError when there is no such table."""
        self._store = store
        self._folder = folder_name(table)
        self._manifest = Manifest(store, self._folder)
        self.state: State = self._manifest.load()
        if self.state.version == 0:
            names = ", ".join(tables(store)) or "none"
            raise ClickstreamError(f"{store.where} has no table {table}. Its tables: {names}.")
        self._ends = {number: end for number, (_start, end) in self.state.places.items()}

    @property
    def rows(self) -> int:
        """How many records there are."""
        return self.state.rows

    @property
    def partitions(self) -> int:
        """How many partitions the topic had, as far as the records tell."""
        return max(self._ends, default=-1) + 1

    def records(self) -> Iterator[Archived]:
        """All records: those of a partition in the order of their offsets, all of them about in that of their times.

        Raises Gone or Unreadable for a file that is missing or damaged.
        """
        partitions = [self.partition(number) for number in sorted(self._ends)]
        # Each partition stays in its own order whatever its times are: merge() compares only the first of each.
        return heapq.merge(*partitions, key=lambda one: one.timestamp)

    def partition(self, number: int) -> Iterator[Archived]:
        """The records of one partition, in the order of their offsets; otherwise as `records`."""
        start = 0
        while True:
            state = self.state  # another partition may have looked again meanwhile
            try:
                for record in self._following(state.files, number, start):
                    start = record.offset + 1
                    yield record
                return
            except Gone:
                # It was put together with others since: its records are in one that a later version names.
                self.state = self._manifest.load()
                if self.state.version == state.version:
                    raise

    def _following(self, files: Mapping[str, DataFile], number: int, start: int) -> Iterator[Archived]:
        """Of one partition, from an offset on.

        Files of several hours share a range of offsets: they are open together, no others are.
        """
        waiting = sorted(
            (one.offsets[number][0], one.path)
            for one in files.values()
            if number in one.offsets and one.offsets[number][1] > start
        )
        waiting.reverse()
        opened: list[tuple[int, str, Archived, Iterator[Archived]]] = []
        while waiting or opened:
            while waiting and (not opened or waiting[-1][0] <= opened[0][0]):
                _first, path = waiting.pop()
                _push(opened, path, self._file(files[path], number, start))
            _offset, path, record, rest = heapq.heappop(opened)
            yield record
            _push(opened, path, rest)

    def _file(self, one: DataFile, number: int, start: int) -> Iterator[Archived]:
        with self._open(one) as reader:
            for group in range(reader.num_row_groups):
                if not _may_have(reader, group, number):
                    continue
                table = reader.read_row_group(group, READ)
                places = table[PLACE]
                inside = pc.and_(pc.greater_equal(places, start), pc.less(places, self._ends[number]))
                table = table.filter(pc.and_(pc.equal(table[NUMBER], number), inside))
                for first in range(0, len(table), ROWS_AT_ONCE):
                    columns = [table.slice(first, ROWS_AT_ONCE)[column].to_pylist() for column in READ]
                    for key, value, headers, time, partition, offset in zip(*columns, strict=True):
                        found = headers and [(header["name"], header["value"]) for header in headers]
                        yield Archived(key, value, found, time, partition, offset)

    def read(self, one: DataFile) -> pa.Table:
        """The records of one of its files, with the columns of READ.

        Raises Gone, or Unreadable when it is damaged.
        """
        with self._open(one) as reader:
            return reader.read(READ)

    @contextmanager
    def _open(self, one: DataFile) -> Iterator[pq.ParquetFile]:
        name = f"{self._folder}/{one.path}"
        try:
            with self._store.open(name) as file:
                yield pq.ParquetFile(file)
        except FileNotFoundError:
            raise Gone(f"{self._store.where}/{name} is gone. Begin again, if the archive is being written.") from None
        except (pa.ArrowInvalid, OSError) as error:
            raise Unreadable(f"{self._store.where}/{name} is damaged: {error}.") from None


def _push(opened: list[tuple[int, str, Archived, Iterator[Archived]]], path: str, rest: Iterator[Archived]) -> None:
    record = next(rest, None)
    if record is not None:
        heapq.heappush(opened, (record.offset, path, record, rest))


def _may_have(reader: pq.ParquetFile, group: int, number: int) -> bool:
    found = reader.metadata.row_group(group)
    for index in range(found.num_columns):
        column = found.column(index)
        if column.path_in_schema == NUMBER and column.statistics is not None and column.statistics.has_min_max:
            return bool(column.statistics.min <= number <= column.statistics.max)
    return True


def tables(store: Store) -> list[str]:
    """The names of an archive's tables."""
    return [table_name(folder) for folder in store.folders() if Manifest(store, folder).newest()]


def only_table(store: Store, topic: str) -> str:
    """The table to read when none is named: the only one, or that of `topic`. Raises ConfigError when neither is."""
    found = tables(store)
    if len(found) == 1:
        return found[0]
    of_topic = [one for one in found if Manifest(store, folder_name(one)).load().topic == topic]
    if len(of_topic) == 1:
        return of_topic[0]
    if not found:
        raise ConfigError(f"{store.where} is no archive: there is no table.")
    raise ConfigError(f"{store.where} has the tables {', '.join(found)}: name one with --table.")
