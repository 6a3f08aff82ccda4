"""What goes from topics to a target: inputs, rows, batches and places."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

import pyarrow as pa
from confluent_kafka import Message

from clickstream.avro.registry import Registry
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import Partition
from clickstream.tables.names import engine_name
from clickstream.tables.sql.model import Column, Table

# Hidden columns of `Rows.table`.
PARTITION, OFFSET, TIMESTAMP, DELETED, FINAL = "$p", "$o", "$ts", "$deleted", "$final"


@dataclass(frozen=True)
class Avro:
    """Where the schemas are of an input whose values, or keys, are Avro; None: those are not.

    `strict_keys`: a key that is no Avro is unreadable; otherwise it stays as it is. `unknown_waits`: what is of a
    schema that the registry does not know (yet) is waited for; otherwise it is unreadable.
    """

    values: Registry | None
    keys: Registry | None
    strict_keys: bool = False
    unknown_waits: bool = True


@dataclass(frozen=True)
class Input:
    """A topic as the rows of a table in the target, called `name`.

    `primary_key` names the columns that a row replaces another one by; without it, rows are only appended. `table` is
    the SQL by which records are read; None: a topic of which nothing else is known. Its columns are then `key` and
    `value`, as texts, and `timestamp`; or there are none, for a target that takes the records as they are. With `avro`
    they are read of the JSON that keys and values become.
    """

    topic: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    table: Table | None = None
    avro: Avro | None = None

    @property
    def upsert(self) -> bool:
        """Whether a row replaces the one before it with the same key."""
        return bool(self.primary_key)


@dataclass(frozen=True)
class Rows:
    """Records of one input that have a row, in offset order within each partition.

    `table` has a column for each of `input.columns` under its `engine_name` (see `column`), and PARTITION (int32),
    OFFSET (int64), TIMESTAMP (the record's, in ms), DELETED (the record is a tombstone: only the columns of the
    primary key have values) and FINAL (false: its window is still open). `messages` are the records, one for each row.
    """

    input: Input
    table: pa.Table
    messages: Sequence[Message]

    def __len__(self) -> int:
        return len(self.messages)

    def column(self, name: str) -> pa.ChunkedArray:
        """The values of one of the input's columns."""
        return self.table[engine_name(name)]

    def part(self, start: int, end: int) -> "Rows":
        """Some of the rows, in their order."""
        return Rows(self.input, self.table.slice(start, end - start), self.messages[start:end])


@dataclass(frozen=True)
class Batch:
    """Rows, and the offset to read next of each partition once they are written: both are committed together.

    A partition may have a place and no rows: its records were dead-lettered, ignored, or are control records.
    """

    rows: tuple[Rows, ...]
    places: Mapping[Partition, int]

    def __len__(self) -> int:
        return sum(map(len, self.rows))

    def halves(self) -> "tuple[Batch, Batch]":
        """Two batches of about half the rows, to be written one after the other; there are at least two rows."""
        middle, before = len(self) // 2, 0
        first: list[Rows] = []
        second: list[Rows] = []
        for rows in self.rows:
            cut = min(max(middle - before, 0), len(rows))
            first += [rows.part(0, cut)] if cut else []
            second += [rows.part(cut, len(rows))] if cut < len(rows) else []
            before += len(rows)
        left = {(_topic(rows), place) for rows in second for place in rows.table[PARTITION].unique().to_pylist()}
        places = {one: offset for one, offset in self.places.items() if one not in left}
        for rows in first:
            pairs = zip(rows.table[PARTITION].to_pylist(), rows.table[OFFSET].to_pylist(), strict=True)
            places |= {(_topic(rows), number): offset + 1 for number, offset in pairs if (_topic(rows), number) in left}
        return Batch(tuple(first), places), Batch(tuple(second), self.places)

    def without(self, messages: Sequence[Message]) -> "Batch":
        """The same places, and not the rows of these records."""
        left_out = {(one.topic(), one.partition(), one.offset()) for one in messages}
        rows = []
        for one in self.rows:
            keep = [(m.topic(), m.partition(), m.offset()) not in left_out for m in one.messages]
            rows.append(Rows(one.input, one.table.filter(keep), list(compress(one.messages, keep))))
        return Batch(tuple(one for one in rows if len(one)), self.places)

    def after(self, stored: "Mapping[Partition, Place]") -> "Batch":
        """What of it is not stored yet."""
        has = {one: place.offset for one, place in stored.items()}
        rows = [_rows_after(one, has) for one in self.rows]
        places = {one: at for one, at in self.places.items() if at > has.get(one, -1)}
        return Batch(tuple(one for one in rows if len(one)), places)

    def messages(self) -> Iterator[Message]:
        """The records, input by input."""
        for rows in self.rows:
            yield from rows.messages


def _topic(rows: Rows) -> str:
    return rows.input.topic


def _rows_after(rows: Rows, has: Mapping[Partition, int]) -> Rows:
    keep = [
        (message.offset() or 0) >= has.get((rows.input.topic, message.partition() or 0), -1)
        for message in rows.messages
    ]
    return rows if all(keep) else Rows(rows.input, rows.table.filter(keep), list(compress(rows.messages, keep)))


@dataclass(frozen=True)
class Place:
    """What a target has of a partition: everything before `offset` of the topic with that id."""

    topic_id: str
    offset: int


@dataclass(frozen=True)
class Claim:
    """Who writes: `sink` names the sink (its places in the target are its own), `owner` this process, for people.

    `topics` are those that it reads, as they are now. `epoch` is what the target gave this process; None: it asks for
    the next one, and whoever had one before is fenced.
    """

    sink: str
    owner: str
    topics: Sequence[LogIdentity]
    epoch: int | None = None


@dataclass(frozen=True)
class Stored:
    """What a target has for a claim: the epoch of its owner, and the places it was left at."""

    epoch: int
    places: Mapping[Partition, Place]


@dataclass
class Written:
    """What came of a batch. `cleaned` counts values that could not be written as they are, by column and rule."""

    upserted: int = 0
    deleted: int = 0
    appended: int = 0
    cleaned: Counter[tuple[str, str]] = field(default_factory=Counter)
