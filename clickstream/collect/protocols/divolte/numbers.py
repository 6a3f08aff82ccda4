"""Divolte's numbers, in base 36, and its identifiers, which have one inside."""

import re
from typing import Final

_LONGEST: Final = 13  # digits of 64 bits
_USUAL: Final = re.compile(r"0:(?:0|-?[1-9a-z][0-9a-z]{0,11}):[^:]+")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_INT64: Final = 2**63


def base36(text: str | None) -> int | None:
    """A whole number of 64 bits with its sign; None for anything else."""
    if text is None:
        return None
    digits = text[1:] if text[:1] in ("+", "-") else text
    if len(digits) > _LONGEST or not (digits.isalnum() and digits.isascii()):
        return None
    number = int(text, 36)
    return number if -_INT64 <= number < _INT64 else None


def identifier(text: str | None) -> str | None:
    """A party's or session's id, `0:TIMESTAMP:UNIQUE`, in its usual spelling; None for anything else."""
    if text is None:
        return None
    if _USUAL.fullmatch(text):
        return text
    version, _, rest = text.partition(":")
    time, separator, unique = rest.partition(":")
    made = base36(time)
    if version != "0" or made is None or not separator or ":" in unique:
        return None
    return f"0:{in_base36(made)}:{unique}"


def in_base36(number: int) -> str:
    """In lower case, with a minus sign if it needs one."""
    left, digits = abs(number), ""
    while left:
        left, digit = divmod(left, 36)
        digits = _DIGITS[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")
