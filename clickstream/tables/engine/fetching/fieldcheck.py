"""Columns that no record has, and fields of another type: rows full of NULL would say nothing of either."""

import difflib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from clickstream import terminal
from clickstream.tables.engine.decoding.jackson import Unreadable, objects, write
from clickstream.tables.names import engine_name
from clickstream.tables.sql.types import Type

log = logging.getLogger(__name__)

# After so many records a column that none of them has is worth a word; one whose name only looks wrong, sooner.
ENOUGH_RECORDS = 1_000
SOON_S = 10.0
# Records that are looked at for the names of their fields.
SAMPLE = 100
SHOWN_FIELDS = 12
SHOWN_TEXT = 40


class FieldCheck:
    """Looks at the records of one table, and says in the log, once each, what is wrong with them.

    `types` has the columns that are read from the records' values.
    """

    def __init__(
        self, table: str, topic: str, types: Mapping[str, Type], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._topic = topic
        self._clock = clock
        self._absent = list(types)
        self._types = types
        self._said = dict.fromkeys(types, False)  # whether a value of another type was said
        self._records = 0
        self._fields: dict[str, None] = {}
        self._inside: dict[str, str] = {}  # where a field of that name is in another one
        self._sampled = 0
        self._began: float | None = None

    def look(self, values: Sequence[bytes | None], rows: pa.Table, nulled: Mapping[str, int]) -> None:
        """Take note of records and the rows made of them ("$i": the record's index); `nulled` as in rows.Rows."""
        if self._began is None:
            self._began = self._clock()
        if self._absent:
            self._look_for_absent(values, rows)
        if nulled:
            self._look_at_types(values, rows, nulled)

    def speak(self, *, last: bool = False) -> None:
        """Say what columns no record has, if enough were seen; `last`: no more come."""
        if not self._absent or not self._records:
            return
        soon = self._began is not None and self._clock() - self._began >= SOON_S
        said = []
        for name in self._absent:
            similar = self._similar(name)
            if last or self._records >= ENOUGH_RECORDS or (soon and similar is not None):
                said.append(name)
                self._say(name, similar)
        self._absent = [name for name in self._absent if name not in said]

    def _look_for_absent(self, values: Sequence[bytes | None], rows: pa.Table) -> None:
        present = [value for value in values if value is not None]
        self._records += len(present)
        left = [name for name in self._absent if rows[engine_name(name)].null_count == rows.num_rows]
        # A field that is there may be null, or of no use for its column.
        self._absent = [name for name in left if not self._has(name, present)]
        for value in present[: SAMPLE - self._sampled] if self._absent else ():
            self._sampled += 1
            for found in _objects(value):
                self._fields |= dict.fromkeys(found)

    def _has(self, name: str, values: Sequence[bytes]) -> bool:
        """Whether any record has the field; notes where one has it in another field."""
        # As it stands in JSON, if not with escapes. To look for the text costs little; it may be of something else.
        quoted = msgspec.json.encode(name)
        for value in values:
            for one in _objects(value) if quoted in value or b"\\u" in value else ():
                if name in one:
                    return True
                if name not in self._inside and (place := _place(name, one)):
                    self._inside[name] = place
        return False

    def _look_at_types(self, values: Sequence[bytes | None], rows: pa.Table, nulled: Mapping[str, int]) -> None:
        for name in nulled.keys() & self._said.keys():
            if self._said[name]:
                continue
            self._said[name] = True
            example = _example(name, values, rows)
            log.warning(
                "Table %s: column %s is NULL where a record of %s has a value that is no %s%s.",
                self._table,
                name,
                self._topic,
                self._types[name],
                f", such as {example}" if example else "",
            )

    def _similar(self, name: str) -> str | None:
        others = [field for field in self._fields if field != name]
        same = next((field for field in others if field.casefold() == name.casefold()), None)
        return same or next(iter(difflib.get_close_matches(name, others, 1, 0.75)), None)

    def _say(self, name: str, similar: str | None) -> None:
        fields = list(self._fields)
        more = ", ..." if len(fields) > SHOWN_FIELDS else ""
        if (there := self._inside.get(name, similar)) is not None:
            hint = f"there is {there}"
        elif fields:
            hint = f"they have {', '.join(fields[:SHOWN_FIELDS])}{more}"
        else:
            hint = "they are no JSON objects"
        log.warning(
            "Table %s: column %s is in none of %s records of %s; %s.",
            self._table,
            name,
            f"{self._records:,}",
            self._topic,
            hint,
        )


def _objects(value: bytes) -> list[dict[str, Any]]:
    try:
        return objects(value)
    except Unreadable:
        return []


def _place(name: str, record: Mapping[str, Any]) -> str | None:
    """The path of the uppermost field of that name."""
    waiting: deque[tuple[str, Mapping[str, Any]]] = deque([("", record)])
    while waiting:
        path, one = waiting.popleft()
        if name in one:
            return f"{path}{name}"
        waiting.extend((f"{path}{key}.", inner) for key, inner in one.items() if isinstance(inner, dict))
    return None


def _example(name: str, values: Sequence[bytes | None], rows: pa.Table) -> str:
    """The first value that is there, and NULL in the column, for people; "" if it is not found again."""
    index = rows["$i"].to_numpy()
    for row in np.flatnonzero(rows[engine_name(name)].is_null().to_numpy()).tolist():
        try:
            found = objects(values[index[row]] or b"")
            place = row - int(np.searchsorted(index, index[row]))
            if place < len(found) and found[place].get(name) is not None:
                return _shown(found[place][name])
        except (Unreadable, RecursionError):
            continue
    return ""


def _shown(value: Any) -> str:
    text = write(value)
    return terminal.escaped(text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}...")
