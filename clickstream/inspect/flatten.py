"""Records as rows of a table that say as much as the records' JSON lines (render.py).

Columns are partition, offset, timestamp, key, headers, `value.<field>` for the fields of values that are JSON
objects, and value for everything else. A cell is empty when there is nothing (no key, no such field, a
tombstone). Otherwise it is JSON if it reads as JSON, and else a text: only a text that reads as JSON, is empty
or has control characters stands in quotes, as JSON. So each record is one line, and `"404"` is not `404`.
"""

import json
import re
from collections.abc import Sequence

import msgspec

from clickstream import terminal
from clickstream.inspect import render, text

FIXED = ("partition", "offset", "timestamp", "key", "headers")
FIELD_PREFIX = "value."
# More names than that are not fields but data, for example ids: then each value stays in one piece.
MAX_FIELDS = 1_000

# The first characters of what a spreadsheet computes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


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
    return [*FIXED, *(FIELD_PREFIX + terminal.escaped(field) for field in fields or ()), "value"]


def cells(row: Row, fields: Sequence[str] | None) -> list[str]:
    """One cell for each column of `header`."""
    members = None if fields is None else _members(row.value)
    found = members or {}
    return [
        str(row.partition),
        str(row.offset),
        "" if row.timestamp is None else str(text.utc(row.timestamp)),
        key_cell(row.key),
        row.headers,
        *(found.get(field, "") for field in fields or ()),
        value_cell(row.value) if members is None else "",
    ]


def fields_of(value: bytes | None) -> dict[str, msgspec.Raw] | None:
    """A JSON object's fields; None for any other value, and for objects that would not come back from columns.

    Those are the empty object, and one that has a field twice.
    """
    try:
        fields = _OBJECT.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return fields if fields and not _repeats(value or b"", fields) else None


def _repeats(value: bytes, fields: dict[str, msgspec.Raw]) -> bool:
    # Quick: what was decoded is as long as what was there. Otherwise look closely: escapes and white space differ.
    if len(msgspec.json.encode(fields)) == len(value):
        return False
    try:
        pairs: list[tuple[str, object]] = json.loads(value, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return True
    return len(pairs) != len(fields)


def _members(value: bytes | None) -> dict[str, str] | None:
    """The cells of the fields; None when the value stays in one piece."""
    fields = fields_of(value)
    if fields is None:
        return None
    try:
        return {name: _member(bytes(raw)) for name, raw in fields.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # an object only at first sight: deeper down is something that is no JSON


def _member(raw: bytes) -> str:
    if raw[0] == ord('"'):
        return text_cell(_STRING.decode(raw))
    return terminal.escaped(msgspec.json.format(raw.decode(), indent=-1)) if raw[0] in b"[{" else raw.decode()


def text_cell(content: str) -> str:
    """A text that may stand where JSON may."""
    return _quoted(content) if _reads_as_json(content) or terminal.has_controls(content) else content


def _reads_as_json(content: str) -> bool:
    stripped = content.strip(" \t\r\n")
    if not stripped:
        return content == ""
    if stripped[0] in '{["':
        return render.compact_json(content.encode()) is not None
    return _SCALAR.fullmatch(stripped) is not None


def _quoted(content: str) -> str:
    return terminal.escaped(msgspec.json.encode(content).decode())


def not_a_formula(content: str) -> str:
    """The cell behind an apostrophe if a spreadsheet would compute it; numbers stay as they are.

    What begins a formula: https://owasp.org/www-community/attacks/CSV_Injection, and its full-width forms.
    """
    if content.startswith(_FORMULA) and not _SCALAR.fullmatch(content):
        return f"'{content}"
    return content


def value_cell(value: bytes | None) -> str:
    """A whole value: empty for a tombstone."""
    if value is None:
        return ""
    compact = render.compact_json(value)
    return key_cell(value) if compact is None else terminal.escaped(compact)


def key_cell(key: bytes | None) -> str:
    """Bytes that are not meant to be JSON: numbers stand as they are."""
    if key is None:
        return ""
    content = render.string(key)
    if not isinstance(content, str):
        return msgspec.json.encode(content).decode()
    if not content or content[0] in '"{' or terminal.has_controls(content):
        return _quoted(content)
    return content
