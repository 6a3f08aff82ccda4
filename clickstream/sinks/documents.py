"""Rows as JSON objects, for targets that take documents: a member for each column, under its name."""

import base64
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickstream.sinks.model import Rows
from clickstream.tables.sql.types import Type

NOT_A_NUMBER = "NaN or Infinity, sent as null"
NO_YEAR = "a time outside the years 1 to 9999, sent as null"
NO_TEXT = "a header that is no UTF-8, sent as base64"

_FIRST, _LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")

Cleaned = Counter[tuple[str, str]]


def documents(rows: Rows) -> tuple[list[dict[str, Any]], Cleaned]:
    """An object for each row, and how many values of each column could not be said as they are, by rule.

    Times are texts in UTC, `2026-03-25T19:05:49.123Z`; headers are an object, of which the last of a name counts.
    """
    cleaned: Cleaned = Counter()
    columns = [_values(rows.column(one.name), one.type, one.name, cleaned) for one in rows.input.columns]
    names = [one.name for one in rows.input.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)], cleaned


def _values(column: pa.ChunkedArray, kind: Type, name: str, cleaned: Cleaned) -> list[Any]:
    if kind in (Type.TIMESTAMP, Type.TIMESTAMP_LTZ):
        return _times(column, name, cleaned)
    if kind == Type.DATE:
        return _dates(column, name, cleaned)
    if kind == Type.HEADERS:
        return [None if pairs is None else _headers(pairs, name, cleaned) for pairs in column.to_pylist()]
    if kind == Type.DOUBLE:
        finite = pc.is_finite(column)
        strange = pc.sum(pc.invert(finite)).as_py() or 0
        if strange:
            cleaned[name, NOT_A_NUMBER] += strange
            column = pc.if_else(finite, column, None)
    values: list[Any] = column.to_pylist()
    return values


def _times(column: pa.ChunkedArray, name: str, cleaned: Cleaned) -> list[str | None]:
    return [None if text is None else f"{text}Z" for text in _texts(column, "us", "ms", name, cleaned)]


def _dates(column: pa.ChunkedArray, name: str, cleaned: Cleaned) -> list[str | None]:
    return _texts(column.cast(pa.int32()), "D", "D", name, cleaned)


def _texts(column: pa.ChunkedArray, unit: str, shown: str, name: str, cleaned: Cleaned) -> list[str | None]:
    # Not through datetime: it ends with the year 9999, and knows zones that may be anybody's.
    known = np.asarray(pc.is_valid(column), np.bool_)
    ticks: Any = np.asarray(pc.fill_null(column.cast(pa.int64()), 0), np.int64).view(f"datetime64[{unit}]")
    first, last = _FIRST.astype(ticks.dtype), _LAST.astype(ticks.dtype)
    fits = (ticks >= first) & (ticks <= last)
    strange = int(np.count_nonzero(known & ~fits))
    if strange:
        cleaned[name, NO_YEAR] += strange
    texts = np.datetime_as_string(np.where(fits, ticks, first), unit=shown)  # type: ignore[call-overload]
    return [str(text) if one else None for text, one in zip(texts, known & fits, strict=True)]


def _headers(pairs: Any, name: str, cleaned: Cleaned) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for key, octets in pairs:
        try:
            found[key] = None if octets is None else octets.decode()
        except UnicodeDecodeError:
            cleaned[name, NO_TEXT] += 1
            found[key] = base64.b64encode(octets).decode()
    return found
