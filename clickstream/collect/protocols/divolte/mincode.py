"""Mincode: the values of JSON in few characters that need no escape in an address.

A value is a record: a letter for its kind, within an object its name, and what the kind needs. Names, texts and
numbers end with "!"; in them "!" and "~" have a "~" before them.

    s text!   d base 36!   j JSON's number!   t true   f false   n null   ( object )   a array .   o empty object
"""

import re
from typing import Any, Final

MAX_LEVELS: Final = 64  # of objects and arrays: far above what an event may have

# Nothing of a text is given back once it is read (*+): what does not end is known not to in one go.
_TEXT: Final = "((?:[^!~]+|~.)*+)!"
# A record's kind, name and text; or its kind and name; or the end of what it is in.
_MEMBER: Final = re.compile(rf"([sdj]){_TEXT}{_TEXT}|([tfn(ao]){_TEXT}|(\))", re.DOTALL)
_ELEMENT: Final = re.compile(rf"([sdj])(){_TEXT}|([tfn(ao])()|(\.)", re.DOTALL)

_ESCAPED: Final = re.compile(r"~(.)", re.DOTALL)
_BASE36: Final = re.compile(r"[+-]?[0-9A-Za-z]{1,60}")
_JSON_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,4})?")
_BARE: Final = {"t": True, "f": False, "n": None}


def decode(text: str) -> Any:
    """The value that `text` stands for. Raises ValueError, in time that grows with its length, when it is none.

    The error says where, and nothing of what stands there.
    """
    whole: list[Any] = []
    inside: list[list[Any] | dict[str, Any]] = [whole]
    at = 0
    while True:
        into = inside[-1]
        found = (_MEMBER if isinstance(into, dict) else _ELEMENT).match(text, at)
        if found is None:
            raise ValueError(f"no record at character {at}")
        kind, name, payload, bare, bare_name, end = found.groups()
        if end:
            inside.pop()
        else:
            value: Any = _value(kind, payload, at) if kind else _empty(bare)
            if isinstance(into, dict):
                into[_plain(name if kind else bare_name)] = value
            else:
                into.append(value)
            if bare in ("(", "a"):
                inside.append(value)
        at = found.end()
        if len(inside) <= 1:
            break
        if len(inside) > MAX_LEVELS:
            raise ValueError(f"more than {MAX_LEVELS} levels")
    if not whole or at != len(text):
        raise ValueError(f"no value alone: it ends at character {at}")
    return whole[0]


def _empty(kind: str) -> Any:
    if kind in _BARE:
        return _BARE[kind]
    return [] if kind == "a" else {}


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "~" in text else text


def _value(kind: str, payload: str, at: int) -> str | int | float:
    if kind == "s":
        return _plain(payload)
    if kind == "d" and _BASE36.fullmatch(payload):
        return int(payload, 36)
    if kind == "j" and _JSON_NUMBER.fullmatch(payload):
        if payload.lstrip("+-").isdigit():
            return int(payload)
        number = float(payload)
        if number not in (float("inf"), float("-inf")):
            return number
    raise ValueError(f"no number at character {at}")
