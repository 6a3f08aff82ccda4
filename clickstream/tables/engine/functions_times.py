"""Functions of dates and times."""

from collections.abc import Callable, Sequence

from clickstream.tables.engine.expression_text import Argument
from clickstream.tables.sql.types import Type

# From 0000-01-01 00:00:00 to 9999-12-31 23:59:59.999: what Flink takes for a time.
_FIRST_MS, _LAST_MS = -62_167_219_200_000, 253_402_300_799_999


def _of_number(arguments: Sequence[Argument], _type: Type) -> str:
    value, precision = arguments
    if precision.literal == "0":
        seconds = f"{value} BETWEEN {_FIRST_MS // 1000} AND {_LAST_MS // 1000}"
        return f"(CASE WHEN {seconds} THEN make_timestamp_ms({value} * 1000::BIGINT) END)"
    return f"(CASE WHEN {value} BETWEEN {_FIRST_MS} AND {_LAST_MS} THEN make_timestamp_ms({value}) END)"


FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {"TO_TIMESTAMP_LTZ": _of_number}
