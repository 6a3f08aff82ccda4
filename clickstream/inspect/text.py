"""Figures, times and columns as people read them."""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime

from clickstream import terminal


def utc(timestamp: int) -> str | int:
    """Epoch ms as ISO 8601 in UTC, `2020-03-25T19:05:49.123Z`; the number itself beyond year 9999."""
    try:
        return f"{_second(timestamp // 1000)}.{timestamp % 1000:03d}Z"
    except (OverflowError, ValueError, OSError):
        return timestamp


@functools.lru_cache(1024)  # most records share their second with others; formatting it costs 5 us
def _second(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat().removesuffix("+00:00")


def local(timestamp: int | None) -> str:
    """Epoch ms as local date and time to the second; `-` for none."""
    if timestamp is None:
        return "-"
    try:
        return datetime.fromtimestamp(timestamp / 1000).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(timestamp)


def count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def size(octets: int | None) -> str:
    """Bytes in powers of 1,000, `1.2 MB`; `-` for unknown."""
    if octets is None:
        return "-"
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95:
            return f"{octets} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def rate(per_second: float | None) -> str:
    return "-" if per_second is None else f"{per_second:,.1f}"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> list[str]:
    """Lines of aligned columns, two spaces apart; the headings in `right` have theirs aligned to the right.

    Never cut to a width: a pipe has none.
    """
    table = [list(header), *(list(map(terminal.escaped, row)) for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, header, strict=True)
        ).rstrip()
        for row in table
    ]
