"""JSON as browsers send it."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

# Half of a pair is no character, and no text to anything behind us; a script that cuts a text in the middle of an
# emoji sends one. Each escape is looked at as a whole, so that an escaped backslash hides none.
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_REPLACEMENT: Final = rb"\ufffd"

_UNKNOWN_FIELD: Final = re.compile(r"unknown field `([a-z_]{1,30})`")
_PLACE: Final = re.compile(r"`\$(?:\[\d+\])?\.([a-z_]{1,30})")
_MISSING: Final = re.compile(r"missing required field `([a-z_]{1,30})`")


def decoded(decode: Callable[[bytes], T], text: bytes) -> T:
    """`text` decoded; if it cannot be, with U+FFFD in the place of each half of a surrogate pair.

    Raises msgspec.ValidationError for JSON of something else, ValueError for what is no JSON, and RecursionError.
    """
    try:
        return decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return decode(_ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], text))


def told(error: msgspec.ValidationError) -> str:
    """The complaint in words that hold nothing of what was sent, but names that look like those of fields."""
    message = str(error)
    missing = _MISSING.search(message)
    if missing:
        return f"{missing[1]}: missing"
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown:
        return f"{unknown[1]}: there is no such field"
    if "unknown field" in message:
        return "a field that does not exist"
    place = _PLACE.search(message)
    return f"{place[1]}: not of its type" if place else "not an event"
