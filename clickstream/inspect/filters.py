"""Choosing records by fields of their JSON values."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from confluent_kafka import Message

from clickstream.fieldpath import values_at
from clickstream.inspect import render


@dataclass(frozen=True)
class Filter:
    """`path` (dots step into objects and, by position, into arrays) equals `wanted`."""

    path: str
    wanted: str

    def accepts(self, value: Any) -> bool:
        """Whether the decoded JSON value has the field with the wanted value."""
        return any(_equals(found, self.wanted) for found in values_at(value, self.path))


def parse(text: str) -> Filter:
    """A filter from `field=value`; raises ValueError when there is no `=` or no field."""
    path, equals, wanted = text.partition("=")
    if not equals or not path:
        raise ValueError("field=value is expected, for example status=404 or user.country=NO")
    return Filter(path, wanted)


def keep(filters: Sequence[Filter], message: Message) -> bool:
    """Whether the record's value is JSON that all filters accept."""
    if not filters:
        return True
    value = render.decoded(message.value())
    if value is render.NO_JSON:
        return False
    return all(one.accepts(value) for one in filters)


def _equals(found: Any, wanted: str) -> bool:
    """Scalars as JSON writes them, strings without quotes, numbers by value (1.50 is 1.5); nothing equals an object."""
    match found:
        case str():
            return found == wanted
        case bool() | None:
            return wanted == {True: "true", False: "false", None: "null"}[found]
        case int() | float() | Decimal():
            return _number(wanted) == found
    return False


def _number(text: str) -> int | float | Decimal | None:
    value = render.decoded(text.encode("utf-8", "replace"))
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
