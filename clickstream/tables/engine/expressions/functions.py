"""Calls of functions as DuckDB's SQL."""

from collections.abc import Callable, Sequence

from clickstream.tables.engine.expressions import (
    functions_json,
    functions_numbers,
    functions_regex,
    functions_strings,
    functions_time_texts,
    functions_times,
)
from clickstream.tables.engine.expressions.operators import compared
from clickstream.tables.engine.expressions.text import Argument, once
from clickstream.tables.sql.types import Type

Rendered = Callable[[Sequence[Argument], Type], str]


def _coalesce(arguments: Sequence[Argument], _type: Type) -> str:
    return f"coalesce({', '.join(map(str, arguments))})"


def _nullif(arguments: Sequence[Argument], _type: Type) -> str:
    one, other = arguments

    def kept(value: str) -> str:
        same = compared("=", Argument(value, one.type, one.literal), other)
        return f"(CASE WHEN {same} THEN NULL ELSE {value} END)"

    return once(one, kept)


def _if(arguments: Sequence[Argument], _type: Type) -> str:
    condition, then, otherwise = arguments
    return f"(CASE WHEN {condition} THEN {then} ELSE {otherwise} END)"


def _extreme(function: str, order: str) -> Rendered:
    """The largest or smallest, NULL if one is NULL; to DuckDB's functions NULLs are nothing."""

    def build(arguments: Sequence[Argument], _type: Type) -> str:
        listed = ", ".join(map(str, arguments))
        if not all(argument.plain for argument in arguments):
            return f"list_sort([{listed}], '{order}', 'NULLS FIRST')[1]"
        known = " AND ".join(f"{one} IS NOT NULL" for one in arguments if one.literal is None)
        return f"(CASE WHEN {known or 'TRUE'} THEN {function}({listed}) END)"

    return build


def _rounded(function: str) -> Rendered:
    """FLOOR and CEIL, of numbers and times."""
    of_times = functions_times.floor if function == "floor" else functions_times.ceil

    def build(arguments: Sequence[Argument], _type: Type) -> str:
        if len(arguments) == 1:
            return functions_numbers.whole(function, arguments[0])
        return of_times(arguments[0], arguments[1].literal or "")

    return build


_FUNCTIONS: dict[str, Rendered] = {
    "COALESCE": _coalesce,
    "IFNULL": _coalesce,
    "NULLIF": _nullif,
    "IF": _if,
    "GREATEST": _extreme("greatest", "DESC"),
    "LEAST": _extreme("least", "ASC"),
    "FLOOR": _rounded("floor"),
    "CEIL": _rounded("ceil"),
    **functions_numbers.FUNCTIONS,
    **functions_strings.FUNCTIONS,
    **functions_regex.FUNCTIONS,
    **functions_times.FUNCTIONS,
    **functions_time_texts.FUNCTIONS,
    **functions_json.FUNCTIONS,
}


def call(name: str, arguments: Sequence[Argument], type: Type) -> str:
    """A function's call; `type` is what it gives."""
    return _FUNCTIONS[name](arguments, type)
