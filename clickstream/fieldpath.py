"""One reading of a dotted path such as `user.address.0`, for every option that names a field of a JSON value."""

from collections.abc import Callable
from typing import Any


def values_at(value: Any, path: str, opened: Callable[[Any], Any] = lambda value: value) -> list[Any]:
    """What stands at `path`: dots step into objects and, by position, into arrays.

    More than one value when a field's own name has a dot in it; the one with the longest name counts first. `opened`
    makes a dict or a list of an object or an array that is not decoded yet.
    """
    value = opened(value)
    if isinstance(value, list):
        head, dot, rest = path.partition(".")
        if not head.isdecimal() or int(head) >= len(value):
            return []
        return values_at(value[int(head)], rest, opened) if dot else [value[int(head)]]
    if not isinstance(value, dict):
        return []
    found = [value[path]] if path in value else []
    for position, character in enumerate(path):
        if character == "." and path[:position] in value:
            found += values_at(value[path[:position]], path[position + 1 :], opened)
    return found
