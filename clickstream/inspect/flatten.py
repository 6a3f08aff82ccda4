"""Records as rows of a table that say as much as the records' JSON lines (render.py).

Columns are partition, offset, timestamp, key, headers, `value.<field>` for the fields of values that are JSON
objects, and value for everything else. A cell is empty when there is nothing (no key, no such field, a
tombstone). Otherwise it is JSON if it reads as JSON, and else a text: only a text that reads as JSON, is empty
or has control characters stands in quotes, as JSON. So each record is one line, and `"404"` is not `404`.
"""

import json
from collections.abc import Sequence

import msgspec

from clickstream.inspect import render, text

FIXED = ("partition", "offset", "timestamp", "key", "headers")
FIELD_PREFIX = "value."
# More names than that are not fields but data, for example ids: then each value stays in one piece.
MAX_FIELDS = 1_000


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What a table needs of a record; `headers` is JSON or empty."""

    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    headers: str
    value: bytes | None


def header(fields: Sequence[str] | None) -> list[str]:
    """Names of the columns; without `fields`, values stay in one piece."""
    return [*FIXED, *(FIELD_PREFIX + text.escaped(field) for field in fields or ()), "value"]


def cells(row: Row, fields: Sequence[str] | None) -> list[str]:
    """One cell for each column of `header`."""
    members = None if fields is None else members_of(row.value)
    rest = value_cell(row.value) if members is None else ""
    found = members or {}
    return [
        str(row.partition),
        str(row.offset),
        "" if row.timestamp is None else str(text.utc(row.timestamp)),
        key_cell(row.key),
        row.headers,
        *(found.get(field, "") for field in fields or ()),
        rest,
    ]


def members_of(value: bytes | None) -> dict[str, str] | None:
    """The cells of a JSON object's fields; None for any other value, and when a row could not hold it.

    An empty object and one that has a field twice would not come back from their cells.
    """
    try:
        fields = msgspec.json.decode(value or b"", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not fields or _repeats(value or b"", fields):
        return None
    members = {name: _json_cell(bytes(raw)) for name, raw in fields.items()}
    return None if None in members.values() else {name: cell or "" for name, cell in members.items()}


def _repeats(value: bytes, fields: dict[str, msgspec.Raw]) -> bool:
    # Quick: what was decoded is as long as what was there. Otherwise look closely: escapes and white space differ.
    if len(msgspec.json.encode(fields)) == len(value):
        return False
    try:
        pairs: list[tuple[str, object]] = json.loads(value, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return True
    return len(pairs) != len(fields)


def _json_cell(raw: bytes) -> str | None:
    if raw[:1] == b'"':
        try:
            return text_cell(msgspec.json.decode(raw, type=str))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
    compact = render.compact_json(raw)
    return None if compact is None else text.escaped(compact)


def text_cell(content: str) -> str:
    """A text that may stand where JSON may."""
    return _quoted(content) if _reads_as_json(content) or text.has_controls(content) else content


def _reads_as_json(content: str) -> bool:
    # Most texts begin with a letter that no JSON begins with.
    if content and content[0] not in '{["-0123456789tfn \t\r\n':
        return False
    return not content or render.compact_json(content.encode()) is not None


def _quoted(content: str) -> str:
    return text.escaped(msgspec.json.encode(content).decode())


def value_cell(value: bytes | None) -> str:
    """A whole value: empty for a tombstone."""
    if value is None:
        return ""
    compact = render.compact_json(value)
    return key_cell(value) if compact is None else text.escaped(compact)


def key_cell(key: bytes | None) -> str:
    """Bytes that are not meant to be JSON: numbers stand as they are."""
    if key is None:
        return ""
    content = render.string(key)
    if not isinstance(content, str):
        return msgspec.json.encode(content).decode()
    if not content or content[0] in '"{' or text.has_controls(content):
        return _quoted(content)
    return content
