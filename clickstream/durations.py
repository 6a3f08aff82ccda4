"""Lengths of time as people type them: one way for every option and setting."""

import re
from typing import Any

SHORTEST_S = 0.001
LONGEST_S = 366 * 86_400.0

_UNIT_S = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h|d|)")


def seconds(value: Any) -> float:
    """`500ms`, `90s`, `2m`, `1.5h` or `1d` in seconds; a bare number is seconds.

    Raises ValueError for anything else, for less than a millisecond, and for more than a year.
    """
    found = _DURATION.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    length = float(found[1]) * _UNIT_S[found[2]] if found else 0.0
    if not SHORTEST_S <= length <= LONGEST_S:
        raise ValueError("a time such as 500ms, 90s, 2m or 1h is expected, a bare number is seconds; at most a year")
    return length
