"""What becomes of a field's JSON value in a column: the rules of Flink's JSON format with ignore-parse-errors.

They are those of org.apache.flink.formats.json.JsonParserToRowDataConverters (Flink 2.3), and were compared with it,
with three exceptions. An object or array where a number, boolean or time is expected makes that column NULL and no
other one (Flink then takes its fields for the record's own). Of a name that comes twice the last value holds (in
Flink the last of the first so many fields as the table has columns). A -0 is 0.

Values are those of `jackson.objects`, or what msgspec makes of them: plain int and float. None: no such value.
"""

import re
from typing import Any

from clickstream.tables.engine.decoding.jackson import Real, Whole, clean, write

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
