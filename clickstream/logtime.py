"""The time of an access log, `17/May/2015:10:05:03 +0000`, to and from epoch milliseconds."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINUTE = re.compile(
    r"([0-9]{2})/(" + "|".join(_MONTHS) + r")/([0-9]{4}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-5][0-9])"
)
_SECONDS = {f":{second:02}": second * 1000 for second in range(60)}
_EPOCH = datetime(1970, 1, 1)


def epoch_ms(text: str) -> int | None:
    """Milliseconds since 1970 UTC, or None when `text` is no such time."""
    # A busy log repeats its minutes, not always its seconds: parse the minute once, look the second up.
    minute = _minute_ms(text[:17] + text[20:])
    second = _SECONDS.get(text[17:20])
    return None if minute is None or second is None else minute + second


@lru_cache(maxsize=4096)
def _minute_ms(text: str) -> int | None:
    match = _MINUTE.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute = match.group(1, 2, 3, 4, 5)
    try:
        local = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute))
    except ValueError:
        return None
    return (local - _EPOCH) // timedelta(milliseconds=1) - _offset_ms(text[-5:])


def log_time(ms: int, zone: str) -> str:
    """The log's text for epoch milliseconds `ms` in `zone` (such as +0200), in whole seconds.

    Raises OverflowError outside the years 1 to 9999.
    """
    seconds = (ms + _offset_ms(zone)) // 1000
    return f"{_minute_text(seconds // 60)}:{seconds % 60:02} {zone}"


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    local = _EPOCH + timedelta(minutes=minute)
    # Not strftime("%b"): month names must not follow the locale.
    return f"{local.day:02}/{_MONTHS[local.month - 1]}/{local.year:04}:{local.hour:02}:{local.minute:02}"


def _offset_ms(zone: str) -> int:
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    return minutes * (-60_000 if zone[0] == "-" else 60_000)


def now_ms() -> int:
    """Milliseconds since 1970 by the system's clock."""
    return int(datetime.now(UTC).timestamp() * 1000)
