"""The values of a column, as the reader finds them, made an Arrow array of the column's type."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickstream.tables.engine.decoding import coerce
from clickstream.tables.engine.decoding.timetext import days, milliseconds
from clickstream.tables.sql.types import Type

Cells = Sequence[Any]


class Maker(Protocol):
    """Makes arrays of one column.

    `arrow` is their type, `plain` what msgspec may find: the column's own kind of value, numbers written as texts,
    ids written as numbers.
    """

    arrow: pa.DataType
    plain: Any

    def settle(self, value: Any) -> Any:
        """A cell of what `jackson.objects` found; None when it is of no use."""

    def array(self, cells: Cells) -> tuple[pa.Array, int, int]:
        """The array, how many cells became NULL because they are of no use, and how many times were cut."""


def maker(kind: Type, standard: str) -> Maker:
    """The maker for a type; `standard` is the option json.timestamp-format.standard."""
    match kind:
        case Type.BOOLEAN:
            return _Plain(pa.bool_(), bool, coerce.boolean)
        case Type.INT:
            return _Plain(pa.int32(), int | str, partial(coerce.whole, low=-(2**31), high=2**31 - 1))
        case Type.BIGINT:
            return _Plain(pa.int64(), int | str, partial(coerce.whole, low=-(2**63), high=2**63 - 1))
        case Type.DOUBLE:
            return _Plain(pa.float64(), float | str, coerce.double)
        case Type.STRING:
            return _Plain(pa.string(), str | int, coerce.string)
        case Type.DATE:
            return _Times(pa.date32(), days, _DAY)
    zoned = kind == Type.TIMESTAMP_LTZ
    pattern = f"{_DAY}{' ' if standard.upper() == 'SQL' else 'T'}{_CLOCK}{'Z' if zoned else ''}"
    return _Times(pa.timestamp("us"), milliseconds(standard, zoned=zoned), pattern, zoned=zoned)


class _Plain:
    def __init__(self, arrow: pa.DataType, plain: Any, rule: Callable[[Any], Any]) -> None:
        self.arrow = arrow
        self.plain = plain
        self.settle = rule

    def array(self, cells: Cells) -> tuple[pa.Array, int, int]:
        try:
            return pa.array(cells, self.arrow), 0, 0
        except (ValueError, TypeError, OverflowError):
            settled = [None if cell is None else self.settle(cell) for cell in cells]
            return pa.array(settled, self.arrow), settled.count(None) - cells.count(None), 0


# The texts that Arrow reads as Flink does; a day that not every month has only where the month has it.
_DAY = r"[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_FINER = re.compile(r"\.[0-9]{3}[0-9]*[1-9]")


class _Times:
    """Arrow reads the usual texts (0.1 us each), `read` the others (3 us)."""

    plain: Any = str

    def __init__(
        self, arrow: pa.DataType, read: Callable[[str], int | None], pattern: str, *, zoned: bool = False
    ) -> None:
        self.arrow = arrow
        self.settle: Callable[[Any], Any] = coerce.text
        self._read = read
        self._pattern = f"^(?:{pattern})$"
        # Arrow reads a Z for such a type only; it changes nothing.
        self._parsed = pa.timestamp("us", "UTC") if zoned else arrow
        self._whole, self._scale = (pa.int32(), 1) if arrow == pa.date32() else (pa.int64(), 1000)

    def array(self, cells: Cells) -> tuple[pa.Array, int, int]:
        texts = pa.array(cells, pa.string())
        usual = pc.match_substring_regex(texts, self._pattern).fill_null(False)
        known = pc.if_else(usual, texts, None).cast(self._parsed).cast(self._whole)
        found = known.fill_null(0).to_numpy(zero_copy_only=False)
        numbers = found // self._scale * self._scale
        cut = int(np.count_nonzero(numbers != found))
        empty = known.is_null().to_numpy(zero_copy_only=False)
        missing = np.flatnonzero(empty).tolist() if known.null_count else []
        nulled = 0
        for index in missing:
            text = cells[index]
            time = self._read(text) if text is not None else None
            nulled += text is not None and time is None
            if time is not None:
                numbers[index], empty[index] = time * self._scale, False
                cut += _FINER.search(text) is not None
        return pa.array(numbers, self._whole, mask=empty).view(self.arrow), nulled, cut
