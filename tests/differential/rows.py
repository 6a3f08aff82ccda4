"""What the oracle computes with: records of topics, and rows of relations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

# BOOLEAN bool; INT and BIGINT int; DOUBLE float; STRING str; TIMESTAMP and TIMESTAMP_LTZ int (ms since 1970, UTC);
# DATE datetime.date; headers dict[str, bytes]; NULL None. An interval is int (ms).
Value = Any
Values = dict[str, Value]

# A watermark before any.
NONE_YET = -(2**62)


@dataclass(frozen=True)
class Record:
    """A record of a topic. `timestamp` is ms since 1970."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


# All records of each topic, each partition's in the order of its offsets.
Topics = Mapping[str, Sequence[Record]]

# Of a record: topic, partition, offset.
Origin = tuple[str, int, int]


@dataclass(frozen=True)
class Row:
    """A row of a relation. `watermark` (ms) is its partition's before it; `time` its event time.

    Rows of a window are added by `pane`. `lane` numbers the tables of a union: of rows with one watermark those of the
    first table come first.
    """

    values: Values
    origin: Origin
    time: int | None = None
    watermark: int = NONE_YET
    pane: int = 0
    lane: int = 0

    def with_values(self, values: Values) -> "Row":
        return replace(self, values=values)


def nulls_lowest(value: Value) -> tuple[bool, Value]:
    """A sort key: NULL comes before every value."""
    return (value is not None, value)


def in_order(rows: Sequence[Row], key: Callable[[Row], Value], descending: bool) -> list[Row]:
    """Sorted, equal ones as they came."""
    return sorted(rows, key=lambda row: nulls_lowest(key(row)), reverse=descending)
