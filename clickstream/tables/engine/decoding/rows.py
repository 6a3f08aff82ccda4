"""The rows of records as an Arrow table: physical columns out of keys and values, and what Kafka says of a record."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Message

from clickstream.tables.engine.decoding.reader import RawReader, Read, Reader
from clickstream.tables.engine.decoding.timetext import LONGEST_MS
from clickstream.tables.names import engine_name
from clickstream.tables.sql.model import Column, Table
from clickstream.tables.sql.options import AvroOptions

if TYPE_CHECKING:
    from clickstream.tables.engine.decoding.avro import AvroMessages

NO_TIME = "a record's time that no calendar has became NULL"
REPEATED = "a header that is repeated: only the last of a name is taken"


@dataclass
class Records:
    """One table's records of a batch in the order of their arrival. `timestamps` are Kafka's, in ms.

    `keys` and `headers` are empty when they are not needed.
    """

    values: list[bytes | None]
    keys: list[bytes | None]
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    headers: list[Any]

    @classmethod
    def of(cls, messages: Sequence[Message], *, keys: bool, headers: bool) -> "Records":
        """The records of messages without errors."""
        # C-level passes over the batch; a Python loop over messages costs three times as much.
        count = len(messages)
        return cls(
            list(map(Message.value, messages)),
            list(map(Message.key, messages)) if keys else [],
            np.fromiter(map(Message.partition, messages), np.int32, count),
            np.fromiter(map(Message.offset, messages), np.int64, count),
            np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count),
            list(map(Message.headers, messages)) if headers else [],
        )


@dataclass
class Rows:
    """`table` has the physical columns by their `engine_name`, "$p", "$o", "$ts" (ms), "$i" (the record's index), and
    what is asked for of "$time", "$headers" and "$deleted". `bad` says of the records that have no row why.
    `nulled` counts by column the fields that were there and not null, but are NULL because they have another type;
    `changed`, by column (or "$time", "$headers") and rule, those that are not the value that they were.
    """

    table: pa.Table
    bad: dict[int, str]
    nulled: Counter[str]
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True)
class Wanted:
    """What is read of a table's records: `columns`, which are physical ones, "$time" and "$headers".

    Of an upsert table the primary key is among the columns.
    """

    table: Table
    columns: tuple[Column, ...]
    time: bool
    headers: bool


class RowReader:
    """Reads what is wanted.

    Where key and value both have a column, the value's holds; a record without a value has only its key.
    """

    def __init__(self, wanted: Wanted, stop: threading.Event | None = None, *, unknown_waits: bool = True) -> None:
        """`stop` ends the wait for a schema of Avro: then `read` raises Stopped.

        Unless `unknown_waits`, a record of a schema that the registry does not know is bad.
        """
        self._stop = stop
        table, columns = wanted.table, wanted.columns
        self._upsert = table.upsert
        self._primary_key = [(name, engine_name(name)) for name in table.primary_key]
        self._time = wanted.time
        self.needs_headers = wanted.headers
        in_value = [one for one in columns if table.key_in_value or one.name not in table.key_fields]
        self._in_value = [engine_name(one.name) for one in in_value]
        fields = [(one.name, one.type) for one in in_value]
        self._values = Reader(fields, _standard(table, "value"), absent=table.upsert)
        self.needs_keys = table.upsert or (bool(table.key_fields) and not table.key_in_value)
        in_key = [one for one in columns if self.needs_keys and one.name in table.key_fields]
        self._in_key = [engine_name(one.name) for one in in_key]
        self._key_prefix = table.key_prefix
        keys = [(one.name.removeprefix(table.key_prefix), one.type) for one in in_key]
        self._keys = RawReader(len(keys)) if table.key_format == "raw" else Reader(keys, _standard(table, "key"))
        self._avro_values = _avro(table.avro(), in_value, "", unknown_waits)
        self._avro_keys = _avro(table.avro("key"), in_key, table.key_prefix, unknown_waits)

    def read(self, records: Records) -> Rows:
        """The rows of records, in their order. Values and keys in Avro become JSON, in `records`, too."""
        not_avro: dict[int, str] = {}
        if self._avro_values is not None:
            records.values, not_avro = self._avro_values.to_json(records.values, self._stop)
        values = self._values.read(records.values)
        columns: dict[str, Any] = dict(zip(self._in_value, values.columns, strict=True))
        rows = Rows(pa.table({}), {**dict(values.bad), **not_avro}, values.nulled, values.changed)
        at = values.at
        if self._upsert:
            gone = np.fromiter((value is None for value in records.values), np.bool_, len(records.values))
            columns["$deleted"] = pa.array(gone[at])
        good = np.ones(len(at), np.bool_)
        if self.needs_keys:
            good = self._add_keys(columns, records, rows, at)
        rows.table = pa.table({**columns, **self._about(records, at, rows.changed)})
        if self._upsert:
            good = self._without_key(rows, good)
        if not good.all():
            rows.table = rows.table.filter(pa.array(good))
        return rows

    def _add_keys(
        self, columns: dict[str, Any], records: Records, rows: Rows, at: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Add the key's columns; returns which rows have a key that can be read."""
        not_avro: dict[int, str] = {}
        if self._avro_keys is not None:
            records.keys, not_avro = self._avro_keys.to_json(records.keys, self._stop)
        keys = self._keys.read(records.keys)
        rows.nulled.update({self._key_prefix + name: count for name, count in keys.nulled.items()})
        for (name, rule), count in keys.changed.items():
            if engine_name(self._key_prefix + name) not in columns:  # else the value's holds
                rows.changed[self._key_prefix + name, rule] += count
        place = _places(keys, len(records.keys))
        for index, reason in keys.bad:
            rows.bad.setdefault(index, f"key: {not_avro.get(index, reason)}")
        for index in np.flatnonzero(place == _SEVERAL).tolist():
            rows.bad.setdefault(index, "key: an array instead of an object")
        place = place[at]
        for name, column in zip(self._in_key, keys.columns, strict=True):
            found = column.take(pa.array(place, mask=place < 0))
            columns[name] = pc.if_else(columns["$deleted"], found, columns[name]) if name in columns else found
        return place >= 0

    def _without_key(self, rows: Rows, good: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Rows with a NULL in the primary key are bad: they would be nobody's."""
        for name, at in self._primary_key:
            column = rows.table[at]
            if not column.null_count:
                continue
            missing = column.is_null().to_numpy()
            for index in rows.table["$i"].filter(pa.array(missing & good)).to_pylist():
                rows.bad.setdefault(index, f"the primary key column {name} is missing or NULL")
            good = good & ~missing
        return good

    def _about(self, records: Records, at: npt.NDArray[np.int64], changed: Counter[tuple[str, str]]) -> dict[str, Any]:
        """What Kafka says of the rows' records."""
        stamps = records.timestamps[at]
        found: dict[str, Any] = {
            "$p": records.partitions[at],
            "$o": records.offsets[at],
            "$ts": stamps,
            "$i": at.astype(np.int32),
        }
        if self._time:
            beyond = np.abs(stamps) > LONGEST_MS
            if beyond.any():
                changed["$time", NO_TIME] += int(np.count_nonzero(beyond))
            found["$time"] = pa.array(stamps * 1000, mask=beyond).view(pa.timestamp("us"))
        if self.needs_headers:
            # Of headers with the same name Flink has the last one.
            every = [records.headers[index] or () for index in at]
            pairs = [list(dict(one).items()) for one in every]
            if repeated := sum(map(len, every)) - sum(map(len, pairs)):
                changed["$headers", REPEATED] += repeated
            found["$headers"] = pa.array(pairs, pa.map_(pa.string(), pa.binary()))
        return found


_SEVERAL = -2


def _places(keys: Read, count: int) -> npt.NDArray[np.int64]:
    """Of each record, the row that has its key; negative if there is none, or more than one."""
    found = np.full(count, -1)
    found[keys.at] = np.arange(len(keys.at))
    found[np.bincount(keys.at, minlength=count) > 1] = _SEVERAL
    return found


def _avro(
    options: AvroOptions | None,
    columns: Sequence[Column],
    prefix: str,
    unknown_waits: bool,
) -> "AvroMessages | None":
    if options is None:
        return None
    from clickstream.tables.engine.decoding.avro import AvroMessages  # its extra is for those who use it
    from clickstream.tables.engine.registry import registry_of

    return AvroMessages(registry_of(options), columns, prefix, unknown_waits=unknown_waits)


def _standard(table: Table, part: Any) -> str:
    return table.json("timestamp-format.standard", part) or "SQL"
