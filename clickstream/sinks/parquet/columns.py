"""Records as columns: the typed ones of a result of SQL, and the record itself, byte by byte."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from clickstream.errors import ConfigError
from clickstream.sinks.model import OFFSET, PARTITION, TIMESTAMP, Input, Rows
from clickstream.tables.sql.types import Type

KEY, VALUE, HEADERS, TIME, NUMBER, PLACE, GONE = (
    "_key", "_value", "_headers", "_timestamp", "_partition", "_offset", "_deleted",
)  # fmt: skip

RECORD = pa.schema(
    [
        pa.field(KEY, pa.binary()),
        pa.field(VALUE, pa.binary()),
        pa.field(HEADERS, pa.list_(pa.struct([pa.field("name", pa.string()), pa.field("value", pa.binary())]))),
        pa.field(TIME, pa.int64(), nullable=False),
        pa.field(NUMBER, pa.int32(), nullable=False),
        pa.field(PLACE, pa.int64(), nullable=False),
        pa.field(GONE, pa.bool_(), nullable=False),
    ]
)
"""A record so that it can be put back: `_timestamp` in ms, `_deleted` for one without a value."""

ARROW = {
    Type.BOOLEAN: pa.bool_(),
    Type.INT: pa.int32(),
    Type.BIGINT: pa.int64(),
    Type.DOUBLE: pa.float64(),
    Type.STRING: pa.string(),
    # Both are instants.
    Type.TIMESTAMP: pa.timestamp("us", "UTC"),
    Type.TIMESTAMP_LTZ: pa.timestamp("us", "UTC"),
    Type.DATE: pa.date32(),
    Type.HEADERS: pa.map_(pa.string(), pa.binary()),
}

HOUR_MS = 3_600_000
NO_HOUR = "__HIVE_DEFAULT_PARTITION__"
"""What Hive calls the folder of NULLs."""
_EPOCH = datetime(1970, 1, 1)
_FIRST_HOUR = (datetime.min - _EPOCH) // timedelta(hours=1)
_LAST_HOUR = (datetime.max - _EPOCH) // timedelta(hours=1)


def typed(source: Input) -> list[tuple[str, str]]:
    """The columns of SQL that are stored beside the record, with the names of their types.

    Raises ConfigError for a name that one of the record's own columns has.
    """
    if source.table is None:
        return []
    taken = {one.casefold() for one in RECORD.names}
    for one in source.columns:
        if one.name.casefold() in taken:
            raise ConfigError(f"Column {one.name} of {source.name}: the archive has its own column of that name.")
    return [(one.name, one.type.value) for one in source.columns]


def records(rows: Rows) -> pa.Table:
    """All columns of some records, as they are stored, in their order."""
    columns: list[pa.ChunkedArray | pa.Array] = []
    fields: list[pa.Field] = []
    for name, kind in typed(rows.input):
        fields.append(pa.field(name, ARROW[Type(kind)]))
        columns.append(rows.column(name).cast(fields[-1].type))
    messages = rows.messages
    values = list(map(Message.value, messages))
    columns += [
        pa.array(list(map(Message.key, messages)), pa.binary()),
        pa.array(values, pa.binary()),
        pa.array([_headers(message) for message in messages], RECORD.field(HEADERS).type),
        rows.table[TIMESTAMP].cast(pa.int64()),
        rows.table[PARTITION].cast(pa.int32()),
        rows.table[OFFSET].cast(pa.int64()),
        pa.array([value is None for value in values], pa.bool_()),
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([*fields, *RECORD]))


def _headers(message: Message) -> list[dict[str, str | bytes | None]] | None:
    headers: Any = message.headers()
    return None if headers is None else [{"name": name, "value": value} for name, value in headers]


def by_hour(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The records of each hour, with its folder, in the order of partition and offset."""
    hours = np.floor_divide(table[TIME].to_numpy(), HOUR_MS)
    # A record without a timestamp has -1.
    hours[(hours < _FIRST_HOUR) | (hours > _LAST_HOUR) | (table[TIME].to_numpy() == -1)] = _LAST_HOUR + 1
    order = np.lexsort((table[PLACE].to_numpy(), table[NUMBER].to_numpy(), hours))
    table, hours = table.take(pa.array(order)), hours[order]
    starts = np.flatnonzero(np.diff(hours, prepend=hours[:1] - 1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(hours)], strict=True):
        yield folder(int(hours[start])), table.slice(start, end - start)


def folder(hour: int) -> str:
    """Where records of an hour are: hours since 1970 in UTC, the folder of NULLs for one that no calendar has."""
    if not _FIRST_HOUR <= hour <= _LAST_HOUR:
        return f"data/date={NO_HOUR}/hour={NO_HOUR}"
    when = _EPOCH + timedelta(hours=hour)
    return f"data/date={when.date().isoformat()}/hour={when.hour:02d}"


def spans(table: pa.Table) -> dict[int, tuple[int, int]]:
    """The first offset and the last, plus one, of each partition; `table` is in the order of partition and offset."""
    numbers, places = table[NUMBER].to_numpy(), table[PLACE].to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1)).tolist()
    ends = [*starts[1:], len(numbers)]
    return {
        int(numbers[one]): (int(places[one]), int(places[end - 1]) + 1) for one, end in zip(starts, ends, strict=True)
    }


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """Several tables as one, in the order of partition and offset; a column that some lack is NULL there."""
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    return table.take(pa.array(np.lexsort((table[PLACE].to_numpy(), table[NUMBER].to_numpy()))))
