"""What a function has returned, as records."""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from clickstream.terminal import escaped
from clickstream.transform.api import Headers, Record

MAX_TIMESTAMP = 2**63 - 1


class NoResult(ValueError):
    """What was returned is nothing that can be written; the message says what it is, and where."""


def results_of(returned: Any, given: Record) -> list[Record]:
    """The records that a function means by what it returned for `given`. Raises NoResult.

    A generator runs here, so it raises whatever the function raises.
    """
    if returned is None:
        return []
    if isinstance(returned, Record | dict):
        return [_record(returned, given, "the result")]
    if isinstance(returned, list | tuple) or inspect.isgenerator(returned):
        items: Iterable[Any] = returned
        return [_record(item, given, f"result {number}") for number, item in enumerate(items, 1)]
    raise NoResult(f"the result is {_named(returned)}: None, a Record, a dict or a list of these is expected")


def _record(item: Any, given: Record, what: str) -> Record:
    if isinstance(item, dict):
        try:
            return Record(msgspec.json.encode(item), given.key, (), given.timestamp)
        except (TypeError, ValueError, RecursionError) as problem:
            raise NoResult(f"{what} cannot be written as JSON: {problem}") from None
    if not isinstance(item, Record):
        raise NoResult(f"{what} is {_named(item)}: a Record or a dict is expected")
    for name in ("key", "value"):
        if not isinstance(getattr(item, name), bytes | None):
            raise NoResult(f"the {name} of {what} is {_named(getattr(item, name))}: bytes or None is expected")
    timestamp = given.timestamp if item.timestamp is None else item.timestamp
    if timestamp is not None and (type(timestamp) is not int or not 0 <= timestamp <= MAX_TIMESTAMP):
        raise NoResult(f"the timestamp of {what} is {timestamp!r}: whole ms since 1970 are expected")
    return Record(item.value, item.key, _headers(item.headers, what), timestamp)


def _headers(headers: Any, what: str) -> Headers:
    try:
        found = tuple((name, value) for name, value in headers)
    except (TypeError, ValueError):
        raise NoResult(f"the headers of {what} are no pairs of a name and bytes") from None
    for name, value in found:
        if not isinstance(name, str) or not isinstance(value, bytes | None):
            raise NoResult(f"a header of {what} is {_named(name)} and {_named(value)}: a str and bytes are expected")
        if not _is_utf8(name):
            raise NoResult(f"the name of a header of {what} is no UTF-8: {escaped(name)}")
    return found


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(value: Any) -> str:
    return type(value).__name__
