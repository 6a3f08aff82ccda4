"""The last records of an archive's tables, for questions about them."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.log import LogIdentity
from clickstream.sinks.parquet.columns import HOUR_MS, NO_HOUR, NUMBER, PLACE, TIME
from clickstream.sinks.parquet.manifest import DataFile
from clickstream.sinks.parquet.reading import READ, ROWS_AT_ONCE, ArchivedTable, tables
from clickstream.sinks.parquet.store import Store


class ArchiveTables:
    """The tables of an archive; of each the last `records`, by their time."""

    def __init__(
        self,
        store: Store,
        records: int,
        table_of: Callable[[Sequence[Message]], pa.Table],
        opened: Callable[[Message], None] = lambda message: None,
    ) -> None:
        """`table_of` makes the columns that questions are about, of records that were `opened`."""
        self._store = store
        self._records = records
        self._table_of = table_of
        self._opened = opened

    @cached_property
    def _names(self) -> list[str]:
        return tables(self._store)

    def names(self) -> Collection[str]:
        """Of the tables that there were when they were first asked for."""
        return self._names

    def load(self, name: str, stop: threading.Event) -> tuple[pa.Table, int | None]:
        """The records, and from when on (epoch ms) they reach, if the table has others.

        Raises ClickstreamError when there is no such table, or a file of it cannot be read.
        """
        table = ArchivedTable(self._store, name)
        messages = last(table, self._records, stop)
        for message in messages:
            self._opened(message)
        cut = 0 < len(messages) < table.state.rows
        return self._table_of(messages), messages[0].timestamp()[1] if cut else None


class OlderRecords:
    """What a topic held before it lost it: see history.backfill.Older."""

    def __init__(self, store: Store, table: str) -> None:
        """`table`: its name in the archive; it is looked for when it is asked."""
        self._store = store
        self._table = table

    def hours(
        self, topic: LogIdentity, ends: Mapping[int, int], since: int
    ) -> Iterator[tuple[int, Iterator[list[Message]]]]:
        """The records before the offsets `ends`, by hour, as in Older."""
        self._store.connect()
        table = ArchivedTable(self._store, self._table)
        state = table.state
        if state.topic_id != topic.topic_id:
            raise ClickstreamError(f"{self._store.where} is of another topic {state.topic} than that of now.")
        behind = {number: end for number, end in ends.items() if end > state.places.get(number, (0, 0))[1]}
        if behind:
            number, end = next(iter(behind.items()))
            raise ClickstreamError(
                f"{self._store.where} lacks records of {topic.topic} partition {number} from before offset {end}."
            )
        # Where the archive does not begin with the topic, its first hour is not whole.
        whole = not any(start for start, _end in state.places.values())
        hours = [files for files in _hours(list(state.files.values())) if NO_HOUR not in files[0].folder]
        for number, files in enumerate(hours):
            at = _hour_ms(files[0].folder)
            if at + HOUR_MS <= since:
                yield since, iter(())  # between the hours there is nothing
                return
            is_last = number == len(hours) - 1
            reaches = at if not is_last else 0 if whole else at + HOUR_MS
            yield reaches, self._before(table, files, ends)

    def _before(
        self, table: ArchivedTable, files: Sequence[DataFile], ends: Mapping[int, int]
    ) -> Iterator[list[Message]]:
        for one in files:
            if all(first >= ends.get(number, 0) for number, (first, _last) in one.offsets.items()):
                continue
            rows = table.read(one)
            bounds = np.array([ends.get(number, 0) for number in range(max(one.offsets) + 1)])
            rows = rows.filter(pa.array(rows[PLACE].to_numpy() < bounds[rows[NUMBER].to_numpy()]))
            for start in range(0, len(rows), ROWS_AT_ONCE):
                part = rows.slice(start, ROWS_AT_ONCE)
                columns = [part[name].to_pylist() for name in READ]
                yield [_message(table.state.topic, *row) for row in zip(*columns, strict=True)]


def _hour_ms(folder: str) -> int:
    """When the hour of `data/date=2026-01-01/hour=07` begins."""
    _data, date, hour = folder.split("/")
    start = datetime.fromisoformat(date.partition("=")[2]).replace(tzinfo=UTC)
    return (int(start.timestamp()) + 3_600 * int(hour.partition("=")[2])) * 1_000


def last(table: ArchivedTable, count: int, stop: threading.Event) -> list[Message]:
    """The last records by their time, the oldest first; not all of them when `stop` is set."""
    found: list[pa.Table] = []
    rows = 0
    for files in _hours(list(table.state.files.values())):
        if rows >= count or stop.is_set():
            break
        for one in files:
            found.append(table.read(one))
            rows += one.rows
    if not found:
        return []
    together = pa.concat_tables(found)
    order = np.argsort(together[TIME].to_numpy(), kind="stable")[-count:]
    columns = [together.take(pa.array(order))[name].to_pylist() for name in READ]
    return [_message(table.state.topic, *row) for row in zip(*columns, strict=True)]


def _hours(files: list[DataFile]) -> list[list[DataFile]]:
    """The files of each hour, the latest hour first; those without one are the last."""
    hours: dict[str, list[DataFile]] = {}
    for one in files:
        hours.setdefault(one.folder, []).append(one)
    return [hours[folder] for folder in sorted(hours, key=lambda name: (NO_HOUR not in name, name), reverse=True)]


def _message(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: list[dict[str, bytes]] | None,
    timestamp: int,
    partition: int,
    offset: int,
) -> Message:
    kind = TIMESTAMP_NOT_AVAILABLE if timestamp == -1 else TIMESTAMP_CREATE_TIME
    pairs = [(one["name"], one["value"]) for one in headers] if headers is not None else None
    return Message(
        topic=topic, partition=partition, offset=offset, key=key, value=value, headers=pairs,  # type: ignore[arg-type]
        timestamp=(kind, timestamp),
    )  # fmt: skip
