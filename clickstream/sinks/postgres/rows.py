"""Rows as PostgreSQL takes them: values it cannot hold are replaced by rule and counted, the last row of each key is
kept, and all of it becomes CSV for COPY."""

import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, Rows
from clickstream.sinks.postgres import columns
from clickstream.sinks.target import Refused
from clickstream.tables.sql.types import Type

Cleaned = Counter[tuple[str, str]]

NUL = "character NUL became U+FFFD"
SURROGATE = "half of a surrogate pair became U+FFFD"
YEAR = "year outside of 1 to 9999 became NULL"
OCTETS = "header that is no UTF-8: bytes became U+FFFD"

# An index entry takes 2,704 bytes after compression, which depends on the text: refused by length, always.
LONGEST_KEY = 2_000

# What most programs that read from PostgreSQL can hold; it could itself hold 4713 BC to 294276 AD. In microseconds and
# days since 1970.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY_US = 86_400_000_000
_FIRST_US, _LAST_US = _FIRST_DAY * _DAY_US, (_LAST_DAY + 1) * _DAY_US - 1

# Escapes of JSON, of which an even number of backslashes before is none.
_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u(?:(0000)|([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
                     r"|([dD][89a-fA-F][0-9a-fA-F]{2}))")  # fmt: skip


@dataclass(frozen=True)
class Staged:
    """Rows for the staging table: `csv` has `names` in this order. `deleted` counts the tombstones among them."""

    names: Sequence[str]
    csv: pa.Buffer
    count: int
    deleted: int
    cleaned: Cleaned


DELETED_NAME = "_deleted"


def staged(rows: Rows, wanted: Sequence[columns.Wanted], types: Mapping[str, str]) -> Staged:
    """`rows` for the staging table; `types` are those that the table's columns really have.

    Raises Refused for a key that the table could not take.
    """
    cleaned: Cleaned = Counter()
    found = {PARTITION: columns.PARTITION, OFFSET: columns.OFFSET, FINAL: columns.IS_FINAL}
    hidden = {name: at for at, name in found.items()}
    # Our own integers come first: a line that begins with `\.` would end the COPY.
    order = sorted(wanted, key=lambda one: one.name not in (columns.PARTITION, columns.OFFSET))
    values: dict[str, pa.ChunkedArray] = {}
    for one in order:
        if one.name in hidden:
            values[one.name] = rows.table[hidden[one.name]]
        else:
            values[one.name] = _clean(one, rows.column(one.name), types.get(one.name, one.sql_type), cleaned)
    values[DELETED_NAME] = rows.table[DELETED]
    table = pa.table(list(values.values()), names=list(values))
    keys = [one.name for one in wanted if one.key]
    if rows.input.upsert:
        _check_keys(table, [one for one in wanted if one.key])
        table = _last_of_each(table, keys)
    sink = io.BytesIO()
    pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=False))
    deleted = pc.sum(table[DELETED_NAME]).as_py() or 0
    return Staged(list(values), pa.py_buffer(sink.getbuffer()), len(table), deleted, cleaned)


def _clean(one: columns.Wanted, values: pa.ChunkedArray, sql_type: str, cleaned: Cleaned) -> pa.ChunkedArray:
    """The values that PostgreSQL can hold; what is replaced is counted."""
    if one.type == Type.STRING:
        values = _without_nul(one.name, values, cleaned)
        return _without_escapes(one.name, values, cleaned) if sql_type == "jsonb" else values
    if one.type in (Type.TIMESTAMP, Type.TIMESTAMP_LTZ):
        return _in_years(one.name, values, values.cast(pa.int64()), _FIRST_US, _LAST_US, cleaned)
    if one.type == Type.DATE:
        return _in_years(one.name, values, values.cast(pa.int32()), _FIRST_DAY, _LAST_DAY, cleaned)
    if one.type == Type.HEADERS:
        return pa.chunked_array([[_headers(one.name, pairs, cleaned) for pairs in values.to_pylist()]], pa.string())
    return values


def _without_nul(name: str, values: pa.ChunkedArray, cleaned: Cleaned) -> pa.ChunkedArray:
    bad = pc.sum(pc.match_substring(values, "\0")).as_py()
    if not bad:
        return values
    cleaned[name, NUL] += bad
    return pc.replace_substring(values, "\0", "\ufffd")


def _without_escapes(name: str, values: pa.ChunkedArray, cleaned: Cleaned) -> pa.ChunkedArray:
    r"""JSON without \u0000 and halves of surrogate pairs: jsonb takes neither."""
    suspects = pc.match_substring_regex(values, r"\\u(0000|[dD][89a-fA-F])").to_pylist()
    if not any(suspects):
        return values
    texts = values.to_pylist()
    for index, suspect in enumerate(suspects):
        if suspect:
            texts[index] = _clean_json(name, texts[index], cleaned)
    return pa.chunked_array([texts], pa.string())


def _clean_json(name: str, text: str, cleaned: Cleaned) -> str:
    rules: set[str] = set()

    def replaced(match: re.Match[str]) -> str:
        if match[3]:
            return match[0]
        rules.add(NUL if match[2] else SURROGATE)
        return f"{match[1]}\\ufffd"

    text = _ESCAPE.sub(replaced, text)
    cleaned.update((name, rule) for rule in rules)
    return text


def _in_years(
    name: str, values: pa.ChunkedArray, numbers: pa.ChunkedArray, first: int, last: int, cleaned: Cleaned
) -> pa.ChunkedArray:
    inside = pc.and_(pc.greater_equal(numbers, first), pc.less_equal(numbers, last))
    bad = pc.sum(pc.invert(inside)).as_py()
    if not bad:
        return values
    cleaned[name, YEAR] += bad
    return pc.if_else(inside, values, pa.scalar(None, values.type))


def _headers(name: str, pairs: Sequence[tuple[str, bytes | None]] | None, cleaned: Cleaned) -> str | None:
    if pairs is None:
        return None
    found = {}
    for key, octets in pairs:
        text = None if octets is None else octets.decode("utf-8", "replace")
        if text is not None and text.encode() != octets:
            cleaned[name, OCTETS] += 1
        found[key] = text
    return _clean_json(name, json.dumps(found), cleaned)


def _check_keys(table: pa.Table, keys: Sequence[columns.Wanted]) -> None:
    """Raises Refused for a NULL in a key, which only an unreadable time can be here, or a key that is too long."""
    size: np.ndarray | int = 0
    for one in keys:
        values = table[one.name]
        if values.null_count:
            raise Refused("23502", "the key has a time outside of the years 1 to 9999", one.name)
        if one.type == Type.STRING:
            size = size + pc.binary_length(values).to_numpy()
    longest = int(np.max(size, initial=0))
    if longest > LONGEST_KEY:
        names = ", ".join(one.name for one in keys)
        raise Refused("54000", f"the key has {longest:,} bytes, an index takes {LONGEST_KEY:,}", names)


def _last_of_each(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The last row of each key. One key is in one partition, and there rows are in offset order."""
    numbered = table.select(list(keys)).append_column("$at", pa.array(np.arange(len(table))))
    last = numbered.group_by(list(keys)).aggregate([("$at", "max")])["$at_max"]
    return table if len(last) == len(table) else table.take(last.sort())
