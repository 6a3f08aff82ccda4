"""Times and dates as texts, read as Flink's JSON format reads them.

The formats are org.apache.flink.formats.common.TimeFormats of Flink 2.3: those of java.time, with its ways to deal
with days that a month does not have. Digits after milliseconds are cut.
"""

import re
from collections.abc import Callable
from datetime import date

# What DuckDB's TIMESTAMP (microseconds) and DATE (days) can hold.
LONGEST_MS = 9_223_372_000_000_000
LONGEST_DAYS = 2**31 - 2

# Years have four digits, or a sign and more.
_DATE = r"([0-9]{4}|\+[0-9]{5,10}|-(?!0+-)[0-9]{4,10})-([0-9]{2})-([0-9]{2})"
_SECONDS = r":([0-9]{2})(?:\.([0-9]{0,9}))?"
_SQL = re.compile(rf"{_DATE} ([0-9]{{2}}):([0-9]{{2}}){_SECONDS}")
_ISO = re.compile(rf"{_DATE}[Tt]([0-9]{{2}}):([0-9]{{2}})(?:{_SECONDS})?")
_DAY = re.compile(_DATE)
_EPOCH = date(1970, 1, 1).toordinal()


def milliseconds(standard: str, *, zoned: bool) -> Callable[[str], int | None]:
    """The function that reads a text as milliseconds since 1970; with a Z behind it if `zoned`.

    `standard` is the option json.timestamp-format.standard, SQL or ISO-8601.
    """
    iso = standard.upper() != "SQL"
    pattern = _ISO if iso else _SQL
    # Java's strict and smart resolving: only the ready-made ISO format refuses February 30 and 24:00.
    strict = iso and not zoned

    def read(text: str) -> int | None:
        if zoned and (not text.endswith("Z") or "t" in text):
            return None
        match = pattern.fullmatch(text[:-1] if zoned else text)
        return _milliseconds(match, strict) if match else None

    return read


def days(text: str) -> int | None:
    """Days since 1970 of a text like 2023-11-14."""
    match = _DAY.fullmatch(text)
    day = _epoch_day(match, strict=True) if match else None
    return day if day is not None and abs(day) <= LONGEST_DAYS else None


def _milliseconds(match: re.Match[str], strict: bool) -> int | None:
    day = _epoch_day(match, strict)
    hour, minute, second = (int(part or 0) for part in match.group(4, 5, 6))
    fraction = (match[7] or "").ljust(3, "0")
    midnight = not strict and (hour, minute, second) == (24, 0, 0) and not fraction.strip("0")
    if day is None or not (midnight or (hour < 24 and minute < 60 and second < 60)):
        return None
    made = ((day * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + int(fraction[:3])
    return made if abs(made) <= LONGEST_MS else None


def _epoch_day(match: re.Match[str], strict: bool) -> int | None:
    year, month, day = (int(part) for part in match.group(1, 2, 3))
    # The calendar repeats every 400 years, which are 146,097 days; Python's has the years 1 to 9999 only.
    cycle, year = divmod(year, 400)
    year += 2000
    try:
        if not strict and 28 < day <= 31:
            day = min(day, _days_of(year, month))
        return date(year, month, day).toordinal() - _EPOCH + (cycle - 5) * 146_097
    except ValueError:
        return None


def _days_of(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return following.toordinal() - date(year, month, 1).toordinal()
