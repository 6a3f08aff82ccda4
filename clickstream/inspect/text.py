"""Figures and times as people read them."""

import functools
from datetime import UTC, datetime, tzinfo


def utc(timestamp: int) -> str | int:
    """Epoch ms as ISO 8601 in UTC, `2020-03-25T19:05:49.123Z`; the number itself beyond year 9999."""
    try:
        return f"{_second(timestamp // 1000)}.{timestamp % 1000:03d}Z"
    except (OverflowError, ValueError, OSError):
        return timestamp


@functools.lru_cache(1024)  # most records share their second with others; formatting it costs 5 us
def _second(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat().removesuffix("+00:00")


def zone() -> tzinfo:
    """The zone of all local times of a view: with the offset from UTC that holds now, also for times in summer."""
    found = datetime.now().astimezone().tzinfo
    assert found is not None
    return found


def zone_name() -> str:
    """`CET`, for example."""
    return zone().tzname(None) or "local"


def in_zone(heading: str) -> str:
    """`heading` of a column of local times, with the name of their zone: `LAST WRITE (CET)`."""
    return f"{heading} ({zone_name()})"


def local(timestamp: int | None) -> str:
    """Epoch ms as date and time to the second in `zone`; `-` for none."""
    if timestamp is None:
        return "-"
    try:
        return datetime.fromtimestamp(timestamp / 1000, zone()).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(timestamp)


def count(number: int | None) -> str:
    """With thousands apart, `1,234`; `-` for unknown."""
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
    """With one decimal, `1,234.5`; `-` for unknown."""
    return "-" if per_second is None else f"{per_second:,.1f}"
