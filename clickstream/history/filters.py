"""Filters as SQL with parameters: what comes from outside never becomes part of a statement."""

from collections.abc import Iterable, Mapping
from typing import Any

from clickstream.history.codes import Coding
from clickstream.history.model import Filter, known_dimensions


def condition(filters: Iterable[Filter], codings: Mapping[str, Coding]) -> tuple[str, dict[str, Any]]:
    """What to put behind WHERE, and its parameters. Raises ValueError for a dimension that there is not."""
    chosen = list(filters)
    known_dimensions([one.dim for one in chosen])
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    for dim in dict.fromkeys(one.dim for one in chosen):
        for include in (True, False):
            values = [one.value for one in chosen if one.dim == dim and one.include is include]
            if values:
                parts.append(_condition(dim, include, values, codings[dim], parameters))
    return " AND ".join(parts) or "true", parameters


def _condition(dim: str, include: bool, values: list[str | None], coding: Coding, parameters: dict[str, Any]) -> str:
    # A value that no row has has no code, and selects nothing.
    codes = [code for value in values if value is not None and (code := coding.find(value)) is not None]
    places = []
    for code in codes:
        name = f"f{len(parameters)}"
        parameters[name] = code
        places.append(f"${name}")
    among = f'"{dim}" IN ({", ".join(places)})' if places else "false"
    either = f'({among} OR "{dim}" IS NULL)' if None in values else f'("{dim}" IS NOT NULL AND {among})'
    return either if include else f"NOT {either}"
