"""What becomes of a field's JSON value in a column: the rules of Flink's JSON format with ignore-parse-errors.

They are those of org.apache.flink.formats.json.JsonParserToRowDataConverters (Flink 2.3), and were compared with it,
with three exceptions. An object or array where a number, boolean or time is expected makes that column NULL and no
other one (Flink then takes its fields for the record's own). Of a name that comes twice the last value holds (in
Flink the last of the first so many fields as the table has columns). A -0 is 0.

Values are those of `jackson.objects`, or what msgspec makes of them: plain int and float. None: no such value.
"""

import math
import re
from decimal import Decimal
from typing import Any

from clickstream.tables.engine.decoding.jackson import Real, Whole, clean, has_half, write
from clickstream.tables.sql.types import Type

# What is told of values that are in their column, and not as they were.
HALF = "half of a surrogate pair became ?"
NO_FRACTION = "the fraction of a number was left out"
A_BOOLEAN = "a text or number became a boolean"
INFINITE = "a number beyond DOUBLE became Infinity"
COARSER = "a time was cut to milliseconds"

# What String.trim takes away.
_BLANK = "".join(map(chr, range(33)))


def boolean(value: Any) -> bool | None:
    """Any text or number but "true" is false."""
    if isinstance(value, str):
        return value.strip(_BLANK).lower() == "true"
    return value if isinstance(value, bool) else None


def whole(value: Any, low: int, high: int) -> int | None:
    """A number without its fraction, or a text that is a whole number, between `low` and `high`."""
    kind = type(value)
    if kind is int or kind is Whole:
        made = int(value)
    elif kind is Real:
        # Compared as doubles: 2^63 is BIGINT's highest value then.
        real = float(value)
        return max(low, min(high, int(real))) if float(low) <= real <= float(high) else None
    elif kind is str and _WHOLE.fullmatch(text := value.strip(_BLANK)) and len(text) <= _LONGEST:
        made = int(text)
    else:
        return None
    return made if low <= made <= high else None


_WHOLE = re.compile(r"[+-]?\d+")  # other scripts' digits too, as in Java
_LONGEST = 4000  # characters, leading zeros included: Python refuses to read more


def double(value: Any) -> float | None:
    """A number, or a text that is a decimal one in Java's way."""
    kind = type(value)
    if kind is float or kind is Whole or kind is Real:
        return float(value)
    if kind is str and _DOUBLE.fullmatch(text := value.strip(_BLANK)):
        return float(text.rstrip("fFdD"))
    return None


_DOUBLE = re.compile(r"[+-]?(?:NaN|Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?)")


def string(value: Any) -> str | None:
    """Anything as its JSON text; numbers as they were written. None for what is nested too deeply."""
    if isinstance(value, str):
        return clean(value)
    if type(value) is int:
        return str(value)
    try:
        return write(value)
    except RecursionError:
        return None


def text(value: Any) -> str | None:
    """Only a text: the columns of times read it."""
    return clean(value) if type(value) is str else None


def change(kind: Type, value: Any, cell: Any) -> str | None:
    """How the cell of a column is another value than the one that was found; None: it is the same."""
    match kind:
        case Type.STRING:
            return HALF if has_half(value) else None
        case Type.INT | Type.BIGINT:
            return NO_FRACTION if type(value) is Real and Decimal(value) != cell else None
        case Type.BOOLEAN:
            named = isinstance(value, str) and value.strip(_BLANK).lower() in ("true", "false")
            return None if named or isinstance(value, bool) else A_BOOLEAN
        case Type.DOUBLE:
            return INFINITE if isinstance(value, Whole | Real) and math.isinf(cell) else None
    return None
