"""Calls of functions as DuckDB's SQL."""

from collections.abc import Callable, Sequence

from clickstream.tables.engine import functions_numbers, functions_strings, functions_times
from clickstream.tables.engine.expression_text import Argument
from clickstream.tables.sql.types import Type

Render = Callable[[Sequence[Argument], Type], str]


def _conditional(arguments: Sequence[Argument], _type: Type) -> str:
    condition, then, otherwise = arguments
    return f"(CASE WHEN {condition} THEN {then} ELSE {otherwise} END)"


def _coalesce(arguments: Sequence[Argument], _type: Type) -> str:
    return f"coalesce({', '.join(map(str, arguments))})"


def _nullif(arguments: Sequence[Argument], _type: Type) -> str:
    one, other = arguments
    return f"(CASE WHEN {one} = {other} THEN NULL ELSE {one} END)"


_FUNCTIONS: dict[str, Render] = {
    "COALESCE": _coalesce,
    "IFNULL": _coalesce,
    "NULLIF": _nullif,
    "IF": _conditional,
    **functions_numbers.FUNCTIONS,
    **functions_strings.FUNCTIONS,
    **functions_times.FUNCTIONS,
}


def call(name: str, arguments: Sequence[Argument], type: Type) -> str:
    """A function's call; `type` is what it gives."""
    return _FUNCTIONS[name](arguments, type)
