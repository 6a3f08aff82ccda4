"""The functions that the differential files use, by Flink's rules."""

import re
from collections.abc import Callable, Sequence
from datetime import date

from clickstream.tables.sql.types import Type
from tests.differential.rows import Value
from tests.differential.texts import format_time, milliseconds, moment, parse_time, read_date

_UNIT_MS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}


def _mod(one: int, other: int) -> int:
    return one - other * _quotient(one, other)


def _quotient(one: int, other: int) -> int:
    """Cut, not rounded down."""
    quotient = abs(one) // abs(other)
    return quotient if (one < 0) == (other < 0) else -quotient


def divided(one: float, other: float, whole: bool) -> float:
    return _quotient(int(one), int(other)) if whole else one / other


remainder = _mod


def _substring(text: str, start: int, length: int | None = None) -> str:
    # Position 0 is as 1; a negative one counts from the end.
    begin = start - 1 if start > 0 else (0 if start == 0 else len(text) + start)
    if begin < 0:
        return ""
    return text[begin:] if length is None else text[begin : begin + max(length, 0)]


def _split_index(text: str, separator: str, index: int) -> str | None:
    parts = text.split(separator)
    return parts[index] if 0 <= index < len(parts) else None


def _extracted(text: str, pattern: str, group: int = 0) -> str | None:
    match = re.search(pattern, text)
    return match[group] if match else None


def _floor(value: Value, unit: str | None = None) -> Value:
    if unit is None:
        return value if isinstance(value, int) else float(value // 1)
    if unit in _UNIT_MS:
        return value // _UNIT_MS[unit] * _UNIT_MS[unit]
    first = {"MONTH": {"day": 1}, "YEAR": {"month": 1, "day": 1}}[unit]
    start = moment(value).replace(hour=0, minute=0, second=0, microsecond=0, **first)  # type: ignore[arg-type]
    return milliseconds(start)


def _ceil(value: Value, unit: str | None = None) -> Value:
    if unit is None:
        return value if isinstance(value, int) else -float(-value // 1)
    size = _UNIT_MS[unit]
    return -(-value // size) * size


def _extract(unit: str, value: int | date) -> int:
    shown = moment(value) if isinstance(value, int) else value
    return int(getattr(shown, unit.lower()))


def _to_date(text: str, pattern: str = "yyyy-MM-dd") -> date | None:
    found = parse_time(text, pattern) if pattern != "yyyy-MM-dd" else None
    return moment(found).date() if found is not None else read_date(text)


def _difference(unit: str, start: int, end: int) -> int:
    return _quotient(end - start, _UNIT_MS[unit])


# NULL for a NULL argument.
STRICT: dict[str, Callable[..., Value]] = {
    "ABS": abs,
    "MOD": _mod,
    "FLOOR": _floor,
    "CEIL": _ceil,
    "GREATEST": max,
    "LEAST": min,
    "CHAR_LENGTH": len,
    "UPPER": str.upper,
    "LOWER": str.lower,
    "SUBSTRING": _substring,
    "REPLACE": lambda text, old, new: text.replace(old, new),
    "CONCAT": lambda *texts: "".join(texts),
    "SPLIT_INDEX": _split_index,
    "REGEXP_EXTRACT": _extracted,
    "TO_TIMESTAMP": lambda text, pattern="yyyy-MM-dd HH:mm:ss": parse_time(text, pattern),
    "TO_TIMESTAMP_LTZ": lambda number, precision: number * 1000 if precision == 0 else number,
    "TO_DATE": _to_date,
    "DATE_FORMAT": format_time,
    "EXTRACT": _extract,
    **{unit: lambda value, unit=unit: _extract(unit, value) for unit in ("YEAR", "MONTH", "HOUR", "MINUTE", "SECOND")},
    "TIMESTAMPADD": lambda unit, count, time: time + count * _UNIT_MS[unit],
    "TIMESTAMPDIFF": _difference,
}


def _first(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _joined(separator: str | None, *texts: str | None) -> str | None:
    return None if separator is None else separator.join(text for text in texts if text is not None)


LENIENT: dict[str, Callable[..., Value]] = {
    "COALESCE": _first,
    "IFNULL": _first,
    "NULLIF": lambda one, other: None if one is not None and one == other else one,
    "IF": lambda condition, one, other: one if condition is True else other,
    "CONCAT_WS": _joined,
}


def call(name: str, arguments: Sequence[Value], result: Type) -> Value:
    """The function's value; a whole number becomes the DOUBLE that its result is."""
    if name in LENIENT:
        value = LENIENT[name](*arguments)
    elif None in arguments:
        return None
    else:
        value = STRICT[name](*arguments)
    return float(value) if result == Type.DOUBLE and value is not None else value
