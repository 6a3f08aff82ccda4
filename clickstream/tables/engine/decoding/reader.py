"""JSON messages to columns: fast for what is well-formed and typed as declared, and exact for the rest.

msgspec reads each message into a struct of the columns that are used. It takes no lax syntax and no other types, and
says of every message whether it could; what it refuses goes through `jackson` and `coerce`, alone. DuckDB's
json_transform costs the same, but it rounds 1.5 to 2, takes NaN, trailing commas and the first of two equal names.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clickstream.tables.engine.decoding.cells import maker
from clickstream.tables.engine.decoding.coerce import COARSER, change
from clickstream.tables.engine.decoding.jackson import Unreadable, objects
from clickstream.tables.sql.types import Type

# Rows at once: their objects stay in the processor's cache (0.75 us a record of 8 columns; 1.05 with 50,000).
CHUNK = 2000

Messages = Sequence[bytes | None]


@dataclass
class Read:
    """`columns` of all rows; `at[row]` is the index of the row's message. `bad`: messages without a row, and why.

    `nulled` counts, by their names, fields that were there and not null, but of no use for their column; `changed`, by
    name and rule, those that are another value there (see `coerce.change`).
    """

    columns: list[pa.Array]
    at: npt.NDArray[np.int64]
    bad: list[tuple[int, str]]
    nulled: Counter[str]
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)


class Reader:
    """Reads `columns`: pairs of a field's name in the JSON object and its column's type.

    `standard` is the option json.timestamp-format.standard. A message that is None is a row of NULLs if `absent`
    allows it, otherwise it is bad.
    """

    def __init__(self, columns: Sequence[tuple[str, Type]], standard: str, *, absent: bool = False) -> None:
        self._absent = absent
        self._makers = [maker(kind, standard) for _, kind in columns]
        self._settlers = [(name, kind, one.settle) for (name, kind), one in zip(columns, self._makers, strict=True)]
        # msgspec knows no names that JSON has to escape: with such a column everything is read carefully.
        awkward = any(_ESCAPED.search(name) for name, _ in columns)
        fields = [
            (f"c{number}", one.plain | None, msgspec.field(name=None if awkward else name, default=None))
            for number, ((name, _), one) in enumerate(zip(columns, self._makers, strict=True))
        ]
        self._row = msgspec.defstruct("Row", fields, gc=False)
        self._decode: Callable[[Any], Any] = _refuse if awkward else msgspec.json.Decoder(self._row).decode

    def read(self, messages: Messages) -> Read:
        """The rows of the messages, in their order."""
        chunks = [self._chunk(messages[start : start + CHUNK], start) for start in range(0, len(messages), CHUNK)]
        columns = [
            # In one piece: DuckDB takes 0.1 us a record more for the pieces.
            pa.chunked_array([chunk.columns[number] for chunk in chunks], one.arrow).combine_chunks()
            for number, one in enumerate(self._makers)
        ]
        at = np.concatenate([chunk.at for chunk in chunks]) if chunks else np.zeros(0, np.int64)
        bad = [one for chunk in chunks for one in chunk.bad]
        nulled: Counter[str] = Counter()
        changed: Counter[tuple[str, str]] = Counter()
        for chunk in chunks:
            nulled.update(chunk.nulled)
            changed.update(chunk.changed)
        return Read(columns, at, bad, nulled, changed)

    def _chunk(self, messages: Messages, start: int) -> Read:
        rows, refused = self._fast(messages)
        counts = np.ones(len(messages), np.int64)
        bad: list[tuple[int, str]] = []
        nulled: Counter[str] = Counter()
        changed: Counter[tuple[str, str]] = Counter()
        for index in refused:
            try:
                rows[index], useless, others = self._careful(messages[index])
                nulled.update(useless)
                changed.update(others)
            except Unreadable as reason:
                rows[index] = []
                bad.append((start + index, str(reason)))
            counts[index] = len(rows[index])
        if refused:
            rows = [row for found in rows for row in (found if isinstance(found, list) else (found,))]
        columns = []
        cells = list(zip(*map(msgspec.structs.astuple, rows), strict=True)) or [()] * len(self._makers)
        for (name, _, _), one, found in zip(self._settlers, self._makers, cells, strict=True):
            column, count, cut = one.array(found)
            columns.append(column)
            if count:
                nulled[name] += count
            if cut:
                changed[name, COARSER] += cut
        return Read(columns, np.repeat(np.arange(start, start + len(messages)), counts), bad, nulled, changed)

    def _fast(self, messages: Messages) -> tuple[list[Any], list[int]]:
        """A row for each message, and the indices of those that have none yet."""
        rows: list[Any] = []
        refused: list[int] = []
        left = iter(messages)
        while len(rows) < len(messages):
            try:
                rows.extend(map(self._decode, left))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):  # TypeError: None
                refused.append(len(rows))
                rows.append(None)
        # Texts that no column takes are not decoded, so that nobody has looked at their bytes yet.
        if not _utf8(_joined(messages)):
            strange = {index for index, message in enumerate(messages) if message is not None and not _utf8(message)}
            refused = sorted(strange.union(refused))
        return rows, refused

    def _careful(self, message: bytes | None) -> tuple[list[Any], list[str], list[tuple[str, str]]]:
        """The rows of one message, the names of fields of no use, and those that are changed, with the rule.

        Raises Unreadable.
        """
        if message is None:
            if self._absent:
                return [self._row()], [], []
            raise Unreadable("no value")
        rows = []
        useless: list[str] = []
        changed: list[tuple[str, str]] = []
        for found in objects(message):
            cells = []
            for name, kind, settle in self._settlers:
                value = found.get(name)
                if value is not None:
                    cell = settle(value)
                    if cell is None:
                        useless.append(name)
                    elif rule := change(kind, value, cell):
                        changed.append((name, rule))
                    value = cell
                cells.append(value)
            rows.append(self._row(*cells))
        return rows, useless, changed


_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def _refuse(_message: Any) -> Any:
    raise msgspec.DecodeError


def _joined(messages: Messages) -> bytes:
    try:
        return b"".join(messages)  # type: ignore[arg-type]
    except TypeError:  # None
        return b"".join(filter(None, messages))


def _utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class RawReader:
    """Reads messages that are one text as it is; None is NULL.

    `columns` is 0 where nobody reads the text: messages that are none are bad all the same, as bad JSON is.
    """

    def __init__(self, columns: int = 1) -> None:
        self._columns = columns

    def read(self, messages: Messages) -> Read:
        """A row for each message in UTF-8."""
        good = np.fromiter((one is None or _utf8(one) for one in messages), np.bool_, len(messages))
        at = np.flatnonzero(good)
        texts = pa.array([messages[index] for index in at.tolist()], pa.binary()).cast(pa.string())
        bad = [(index, "invalid UTF-8") for index in np.flatnonzero(~good).tolist()]
        return Read([texts] * self._columns, at, bad, Counter())
