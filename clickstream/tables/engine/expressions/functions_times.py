"""Functions of dates and times.

Flink counts days and hours of a TIMESTAMP with Java's division, which cuts towards 1970: so do these.
"""

from collections.abc import Callable, Sequence

from clickstream.tables.engine.expressions.casts import day
from clickstream.tables.engine.expressions.text import TIMES, Argument, once, wrapped
from clickstream.tables.sql.types import Type

# From 0000-01-01 00:00:00 to 9999-12-31 23:59:59.999: what Flink takes for a time.
_FIRST_MS, _LAST_MS = -62_167_219_200_000, 253_402_300_799_999
_DAY_MS = 86_400_000
_UNIT_MS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": _DAY_MS, "WEEK": 7 * _DAY_MS}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_MODULUS = {"SECOND": 60_000, "MINUTE": 3_600_000, "HOUR": _DAY_MS}


def of_number(value: Argument, precision: Argument) -> str:
    """TO_TIMESTAMP_LTZ; NULL for years before 0 and after 9999."""
    factor = 1000 if precision.literal == "0" else 1

    def made(n: str) -> str:
        ms = f"{n} * {factor}::BIGINT" if factor > 1 else n
        return (
            f"(CASE WHEN {n} BETWEEN {_FIRST_MS // factor} AND {_LAST_MS // factor} THEN make_timestamp_ms({ms}) END)"
        )

    return once(value, made)


def extract(unit: str, value: Argument) -> str:
    """A part of a date or time, BIGINT. Hours and below are negative before 1970; weeks are ISO weeks."""
    if unit in _MODULUS:
        return f"(epoch_ms({value}) % {_MODULUS[unit]} // {_UNIT_MS[unit]})"
    date = day(value) if value.type in TIMES else value.sql
    return f"{unit.lower()}({date})"


def floor(value: Argument, unit: str) -> str:
    """The start of the unit; weeks start on Sundays."""
    if unit in ("SECOND", "MINUTE", "HOUR", "DAY"):
        return f"date_trunc('{unit.lower()}', {value})"
    if unit == "WEEK":
        return once(day(value), lambda d: f"({d} - dayofweek({d})::INTEGER)::TIMESTAMP")
    return f"date_trunc('{unit.lower()}', {day(value)})::TIMESTAMP"


def ceil(value: Argument, unit: str) -> str:
    """The next start of the unit, or the time itself if it is one.

    As in Flink, from weeks on only the date counts, and only the first of January is the start of its quarter.
    """
    if unit in ("SECOND", "MINUTE", "HOUR", "DAY"):
        return f"date_trunc('{unit.lower()}', {value} + to_milliseconds({_UNIT_MS[unit] - 1}))"
    if unit == "WEEK":
        return once(day(value), lambda d: f"({d} + ((7 - dayofweek({d})) % 7)::INTEGER)::TIMESTAMP")
    if unit == "QUARTER":
        return once(
            day(value),
            lambda d: (
                f"(CASE WHEN month({d}) = 1 AND day({d}) = 1 THEN {d}::TIMESTAMP "
                f"ELSE date_trunc('quarter', {d})::TIMESTAMP + to_months(3) END)"
            ),
        )
    return f"date_trunc('{unit.lower()}', {day(value)} + to_months({_MONTHS[unit]}) - to_days(1))::TIMESTAMP"


def later(unit: str, count: Argument, value: Argument) -> str:
    """TIMESTAMPADD. A day that the month does not have becomes its last; out of DuckDB's times raises."""
    return f"({value} + to_{unit.lower()}s({count}))"


def between(unit: str, start: Argument, end: Argument) -> str:
    """TIMESTAMPDIFF: whole units, cut towards zero."""
    if unit == "WEEK":  # of seconds that are an INT
        return f"({between('SECOND', start, end)} // 604800)"
    if unit in _UNIT_MS:
        return wrapped(f"((epoch_ms({end}) - epoch_ms({start})) // {_UNIT_MS[unit]})", Type.INT)
    months = once(start, lambda one: once(end, lambda other: _months(one, other)))
    return f"({months} // {_MONTHS[unit]})::INTEGER"


def _months(start: str, end: str) -> str:
    """Flink's months: of the dates, as many as can be added to the earlier one; one less where the later one is
    reached but for its time of day."""
    low, high = f"least({start}::DATE, {end}::DATE)", f"greatest({start}::DATE, {end}::DATE)"
    apart = f"((year({high}) - year({low})) * 12 + month({high}) - month({low}))"
    direction = f"CASE WHEN {end}::DATE < {start}::DATE THEN -1 ELSE 1 END"
    dates = f"(({apart} - ({low} + to_months({apart}::INTEGER) > {high})::INTEGER) * {direction})"
    return once(
        dates,
        lambda x: (
            f"({x} - (({start}::DATE + to_months({x}::INTEGER)) = {end}::DATE "
            f"AND {end}::TIME < {start}::TIME)::INTEGER)"
        ),
    )


def _unit(unit: str, name: str) -> tuple[str, Callable[[Sequence[Argument], Type], str]]:
    return name, lambda arguments, _: extract(unit, arguments[0])


FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {
    "TO_TIMESTAMP_LTZ": lambda arguments, _: of_number(*arguments),
    "EXTRACT": lambda arguments, _: extract(arguments[0].literal or "", arguments[1]),
    **dict(_unit(unit, unit) for unit in ("YEAR", "QUARTER", "MONTH", "WEEK", "HOUR", "MINUTE", "SECOND")),
    **dict([_unit("DAY", "DAYOFMONTH")]),
    "TIMESTAMPADD": lambda arguments, _: later(arguments[0].literal or "", arguments[1], arguments[2]),
    "TIMESTAMPDIFF": lambda arguments, _: between(arguments[0].literal or "", arguments[1], arguments[2]),
}
