"""Times written and read by a pattern: yyyy MM dd HH mm ss SSS, 'quoted text', and signs that stand for themselves."""

import re
from collections.abc import Callable, Iterator, Sequence

from clickstream.tables.engine.expressions import reading
from clickstream.tables.engine.expressions.text import Argument, groups, once
from clickstream.tables.names import string
from clickstream.tables.sql.types import Type

_TOKEN = re.compile(r"yyyy|MM|dd|HH|mm|ss|SSS|'(?:[^']|'')*'|[^A-Za-z']")
_STRFTIME = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%g"}
_NAMES = {"yyyy": "y", "MM": "m", "dd": "d", "HH": "h", "mm": "i", "ss": "s", "SSS": "f"}
_DEFAULT = "yyyy-MM-dd HH:mm:ss"
_BLANK = r"[\x00-\x20]*"
# What java.sql.Date and java.sql.Timestamp read: Flink tries them where the pattern does not fit.
_DATE = rf"^{_BLANK}(\d{{4}})-(\d{{1,2}})-(\d{{1,2}}){_BLANK}$"
_TIME = (
    rf"^{_BLANK}(\d{{4}})-(\d{{1,2}})-(\d{{1,2}}) ([+-]?\d{{1,6}}):([+-]?\d{{1,6}}):([+-]?\d{{1,6}})"
    rf"(?:\.(\d{{1,9}}))?{_BLANK}$"
)
_CLOCK = {"h": "hours", "i": "minutes", "s": "seconds"}
_LEAST = {"y": 1970, "m": 1, "d": 1, "h": 0, "i": 0, "s": 0, "f": 0}
_NO_TIME = "(-9223372036854775808)"


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    """The pattern's parts: a field ('yyyy') and nothing, or nothing and a text."""
    for match in _TOKEN.finditer(pattern):
        part = match[0]
        if part in _NAMES:
            yield part, ""
        elif part == "''":
            yield "", "'"
        else:
            yield "", part[1:-1].replace("''", "'") if part.startswith("'") else part


def formatted(value: Argument | str, pattern: str) -> str:
    """DATE_FORMAT: a time as a text."""
    form = _strftime(pattern)
    return f"strftime({value}, {string(form)})" if form else f"(CASE WHEN {value} IS NOT NULL THEN '' END)"


def _strftime(pattern: str) -> str:
    return "".join(_STRFTIME[field] if field else text.replace("%", "%%") for field, text in _tokens(pattern))


def from_unix(seconds: Argument, pattern: str) -> str:
    """FROM_UNIXTIME; NULL after the year 294246, the last of DuckDB's."""

    def written(n: str) -> str:
        time = formatted(f"make_timestamp_ms({n} * 1000::BIGINT)", pattern)
        return f"(CASE WHEN {n} BETWEEN -9223372022400 AND 9223372036854 THEN {time} END)"

    return once(seconds, written)


def to_timestamp(text: Argument, pattern: str | None) -> str:
    """TO_TIMESTAMP: by the pattern, of which every field has its length; or by Flink's own reading."""
    if pattern is None:
        return once(text, reading.time)
    parts = list(_tokens(pattern))
    fields = "".join(_NAMES[field] for field, _ in parts if field)
    if not fields:
        words = string("".join(one for _, one in parts))
        return f"(CASE WHEN {text} = {words} THEN TIMESTAMP '1970-01-01' END)"
    regex = "".join(rf"(\d{{{len(field)}}})" if field else _escaped(one) for field, one in parts)

    def read(s: str) -> str:
        found = groups(s, f"^{regex}$", " ".join(fields), lambda f: reading.resolved(f, fields))
        ways = (_exactly(s, pattern), found, _legacy(s))
        return f"coalesce({', '.join(way for way in ways if way)})"

    return once(text, read)


def _exactly(s: str, pattern: str) -> str | None:
    """DuckDB's own reading of a text that fits to the digit; None for a pattern without a date."""
    fields = {field for field, _ in _tokens(pattern)}
    if not fields >= {"yyyy", "MM", "dd"}:
        return None
    # Years before 1000 are left to the slow way: DuckDB has a year 0.
    digits = {field: r"[12]\d{3}" if field == "yyyy" else rf"\d{{{len(field)}}}" for field in _NAMES}
    regex = "".join(digits[field] if field else _escaped(one) for field, one in _tokens(pattern))
    return reading.exactly(s, regex, f"try_strptime({{}}, {string(_strftime(pattern))})")


def _legacy(s: str) -> str:
    """As java.sql has it: what is too much goes on, 2023-02-30 is 2023-03-02."""

    def read(f: str, clock: str) -> str:
        good = f"{f}.y <> '' AND {f}.m::INTEGER BETWEEN 1 AND 12 AND {f}.d::INTEGER BETWEEN 1 AND 31"
        first = f"make_date(greatest({f}.y::INTEGER, 1), {f}.m::INTEGER, 1)"
        return f"(CASE WHEN {good} THEN {first} + to_days({f}.d::INTEGER - 1){clock} END)"

    def with_clock(f: str) -> str:
        clock = " + ".join(f"to_{unit}({f}.{name}::INTEGER)" for name, unit in _CLOCK.items())
        return read(f, f" + {clock} + to_milliseconds(rpad(left({f}.f, 3), 3, '0')::INTEGER)")

    date = groups(s, _DATE, "y m d", lambda f: read(f, ""))
    return f"coalesce({date}, {groups(s, _TIME, 'y m d h i s f', with_clock)})"


def unix_timestamp(text: Argument, pattern: str) -> str:
    """UNIX_TIMESTAMP: seconds, and Flink's smallest BIGINT where there is no time.

    As Java's SimpleDateFormat in its lenient way: numbers of any length, with blanks before and a sign; what is too
    much goes on (2023-02-30 is 2023-03-02), and a text behind does not matter.
    """
    parts = list(_tokens(pattern))
    fields = "".join(_NAMES[field] for field, _ in parts if field)
    if not fields:
        return f"(CASE WHEN {text} IS NOT NULL THEN {_NO_TIME} END)"
    regex = "^"
    for (field, one), (following, _) in zip(parts, [*parts[1:], ("", "")], strict=True):
        beside = following or (regex.endswith("})") and field)
        number = rf"(\d{{{len(field)}}})" if following else (r"(\d{1,9})" if beside else r"[ \t]*(-?\d{1,9})")
        regex += number if field else _escaped(one)
    regex += r"(?:\D|$)" if parts[-1][0] else ""

    def seconds(f: str) -> str:
        part = {name: f"{f}.{name}::BIGINT" if name in fields else str(least) for name, least in _LEAST.items()}
        first = f"make_date({part['y']}::INTEGER, 1, 1)"
        day = f"{first} + to_months(({part['m']} - 1)::INTEGER) + to_days(({part['d']} - 1)::INTEGER)"
        ms = f"(epoch_ms({day}) + (({part['h']} * 60 + {part['i']}) * 60 + {part['s']}) * 1000 + {part['f']})"
        good = f"abs({part['y']}) < 200000 AND abs({part['m']}) < 600000 AND abs({part['d']}) < 10000000"
        read = f"CASE WHEN {good} THEN {ms} // 1000 ELSE {_NO_TIME} END"
        return f"(CASE WHEN {f}.{fields[0]} = '' THEN {_NO_TIME} WHEN {f}.{fields[0]} <> '' THEN {read} END)"

    def read(s: str) -> str:
        found = groups(s, regex, " ".join(fields), seconds)
        exact = _exactly(s, pattern)
        return f"coalesce(epoch_ms({exact}) // 1000, {found})" if exact else found

    return once(text, read)


def _escaped(text: str) -> str:
    return "".join(rf"\x{{{ord(one):x}}}" for one in text)


def _pattern(arguments: Sequence[Argument], otherwise: str) -> str:
    return arguments[1].literal or "" if len(arguments) > 1 else otherwise


FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {
    "DATE_FORMAT": lambda arguments, _: formatted(arguments[0], arguments[1].literal or ""),
    "FROM_UNIXTIME": lambda arguments, _: from_unix(arguments[0], _pattern(arguments, _DEFAULT)),
    "TO_TIMESTAMP": lambda arguments, _: to_timestamp(
        arguments[0], arguments[1].literal if len(arguments) > 1 else None
    ),
    "UNIX_TIMESTAMP": lambda arguments, _: unix_timestamp(arguments[0], _pattern(arguments, _DEFAULT)),
    "TO_DATE": lambda arguments, _: once(arguments[0], reading.date),
}
