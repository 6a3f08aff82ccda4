"""Texts as numbers, dates and times: what CAST of a STRING takes, as DuckDB's SQL."""

from clickstream.tables.engine.expressions.text import DUCKDB, TIMES, Argument, groups, once
from clickstream.tables.names import string
from clickstream.tables.sql.types import Type

_TRUE, _FALSE = "('t', 'true', 'y', 'yes', '1')", "('f', 'false', 'n', 'no', '0')"
# What Java's trim() takes away.
_BLANK = r"[\x00-\x20]*"
_DOUBLE = rf"^{_BLANK}([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[dDfF]?{_BLANK}$"
_NO_NUMBER = rf"^{_BLANK}([+-]?(?:NaN|Infinity)){_BLANK}$"
_DATE = rf"^{_BLANK}0*(\d{{1,4}}){_BLANK}(?:-{_BLANK}0*(\d{{1,2}}){_BLANK}(?:-{_BLANK}0*(\d{{1,2}}){_BLANK})?)?$"
_EXACT = r"[12]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?"
_FIRST = {"y": 1970, "m": 1, "d": 1, "h": 0, "i": 0, "s": 0}
_TIME = r"^(\d{4})-(\d{1,2})-(\d{0,2})(?: (\d{0,2}):(\d{0,2}):(\d{0,2})(?:\.(\d{0,9}))?)?$"


def read(text: Argument, wanted: Type, *, safe: bool) -> str:
    """A STRING as another type; what is none is NULL (`safe`) or raises with the text."""
    return once(text, lambda s: _read(s, wanted) if safe else _or_error(s, wanted))


def _or_error(s: str, wanted: Type) -> str:
    error = f"error('Cannot cast ''' || {s} || ''' to {wanted}.')"
    return f"coalesce({_read(s, wanted)}, CASE WHEN {s} IS NOT NULL THEN {error}::{DUCKDB[wanted]} END)"


def _read(s: str, wanted: Type) -> str:
    if wanted == Type.DOUBLE:
        return f"coalesce({_number(s, _DOUBLE, wanted)}, {_number(s, _NO_NUMBER, wanted)})"
    if wanted == Type.BOOLEAN:
        return f"(CASE WHEN lower({s}) IN {_TRUE} THEN TRUE WHEN lower({s}) IN {_FALSE} THEN FALSE END)"
    if wanted == Type.DATE:
        return date(s)
    if wanted in TIMES:
        return time(s)
    # Decimal places are cut, and '.' is 0.
    number = _number(f"trim({s}, ' ')", r"^([+-]?\d+)(?:\.\d*)?$", wanted)
    nought = rf"CASE WHEN regexp_full_match({s}, ' *[+-]?\.\d* *') THEN 0 END"
    return f"coalesce({number}, {nought})"


def _number(s: str, regex: str, wanted: Type) -> str:
    return f"TRY_CAST(regexp_extract({s}, {string(regex)}, 1) AS {DUCKDB[wanted]})"


def date(s: str) -> str:
    """The DATE that a text (named several times) begins with, up to a space; NULL if it is none.

    Also years and months alone, which are their first days.
    """
    first = f"(CASE WHEN {s} LIKE ' %' THEN {s} ELSE split_part({s}, ' ', 1) END)"

    def found(f: str) -> str:
        month, day = (f"(CASE {f}.{part} WHEN '' THEN '1' ELSE {f}.{part} END)" for part in "md")
        whole = f"lpad({f}.y, 4, '0') || '-' || {month} || '-' || {day}"
        return f"(CASE WHEN {f}.y <> '' THEN TRY_CAST({whole} AS DATE) END)"

    return groups(first, _DATE, "y m d", found)


def time(s: str) -> str:
    """The time of a text 'yyyy-MM-dd[ HH:mm:ss[.fraction]]'; NULL if it is none.

    As Java's SMART resolution has it: days go up to 31 and become the month's last, 24:00:00 is the next day.
    """
    found = groups(s, _TIME, "y m d h i s f", lambda f: resolved(f, "ymdhisf"))
    return f"coalesce({exactly(s, _EXACT, 'TRY_CAST({} AS TIMESTAMP)')}, {found})"


def exactly(s: str, regex: str, read: str) -> str:
    """DuckDB's own reading ({} is the text) where the text looks as it should: 0.15 us instead of 1."""
    return f"CASE WHEN regexp_full_match({s}, {string(regex)}) THEN {read.replace('{}', s)} END"


def resolved(f: str, fields: str) -> str:
    """The time of a struct with the texts of some of the fields y m d h i s f ('' where there is none).

    NULL where the first of them is '' or all together are no time. Milliseconds are cut from the fraction `f`.
    """
    part = {name: _field(f, name, least, fields) for name, least in _FIRST.items()}
    ms = f"rpad(left({f}.f, 3), 3, '0')::INTEGER" if "f" in fields else "0"
    whole = {"y", "m", "d"} <= set(fields)
    first = f"make_date({part['y']}, {part['m']}, 1)"
    last = f"day(last_day({first}))"
    place = f"least({part['d']}, {last})" if whole else part["d"]
    midnight = f"({first} + ({place} - 1)::INTEGER)"
    since = f"((({part['h']} * 60 + {part['i']}) * 60 + {part['s']}) * 1000 + {ms})"
    good = [f"{f}.{fields[0]} <> ''", f"{part['y']} > 0", f"{part['m']} BETWEEN 1 AND 12"]
    good += [f"{part['d']} BETWEEN 1 AND 31", f"{part['i']} < 60", f"{part['s']} < 60", f"{since} <= 86400000"]
    if not whole:
        # Without a date there is no next day for 24:00, and no day that could be the last.
        since = f"({since} % 86400000)"
        midnight = f"(CASE WHEN {part['d']} <= {last} THEN {midnight} END)"
    return f"(CASE WHEN {' AND '.join(good)} THEN {midnight} + to_milliseconds({since}) END)"


def _field(f: str, name: str, least: int, fields: str) -> str:
    return f"(CASE {f}.{name} WHEN '' THEN {least} ELSE {f}.{name}::INTEGER END)" if name in fields else str(least)
