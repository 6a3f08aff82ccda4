"""CAST and TRY_CAST as DuckDB's SQL."""

from decimal import Decimal

from clickstream.tables.engine.expressions.reading import read
from clickstream.tables.engine.expressions.text import DUCKDB, TIMES, WHOLE, Argument, once, wrapped
from clickstream.tables.sql.types import Type

_LIMITS = {Type.INT: (-(2**31), 2**31 - 1), Type.BIGINT: (-(2**63), 2**63 - 1)}


def cast(value: Argument, wanted: Type, *, safe: bool) -> str:
    """A value as another type. Texts that are none raise, or are NULL (`safe`); numbers always become another."""
    if value.type == wanted:
        return value.sql
    if value.type == Type.NULL:
        return f"CAST(NULL AS {DUCKDB[wanted]})"
    if value.type == Type.STRING:
        return read(value, wanted, safe=safe)
    if wanted == Type.STRING:
        return _text(value)
    if wanted in WHOLE:
        return _whole(value, wanted)
    if wanted == Type.DATE and value.type == Type.TIMESTAMP:
        return day(value)
    if value.type in TIMES and wanted in TIMES:
        return value.sql
    return f"CAST({value} AS {DUCKDB[wanted]})"


def day(time: Argument | str) -> str:
    """The date of a TIMESTAMP. As in Flink, of times before 1970 that are no midnight it is the next one."""
    return f"(DATE '1970-01-01' + (epoch_ms({time}) // 86400000)::INTEGER)"


def _whole(value: Argument, wanted: Type) -> str:
    lowest, highest = _LIMITS[wanted]
    if value.type == Type.DECIMAL:
        span = highest - lowest + 1
        cut = (int(Decimal(value.literal or "0")) - lowest) % span + lowest
        return f"({cut})::{DUCKDB[wanted]}"
    if value.type == Type.INT:
        return f"CAST({value} AS BIGINT)"
    if value.type == Type.BIGINT:
        return wrapped(value.sql, Type.INT)
    # Java's (int) and (long): cut towards zero, NaN is 0, what is too large is the largest.
    kind = DUCKDB[wanted]
    return once(
        value,
        lambda x: (
            f"(CASE WHEN isnan({x}) THEN 0 WHEN {x} >= {highest}e0 THEN {highest} "
            f"WHEN {x} <= {lowest}e0 THEN ({lowest})::{kind} ELSE trunc({x})::{kind} END)"
        ),
    )


def _text(value: Argument) -> str:
    if value.type == Type.BOOLEAN:
        return once(value, lambda b: f"(CASE WHEN {b} THEN 'TRUE' WHEN NOT {b} THEN 'FALSE' END)")
    if value.type == Type.DOUBLE:
        return once(value, double_text)
    if value.type in TIMES:
        return f"strftime({value}, '%Y-%m-%d %H:%M:%S.%g')"
    if value.type == Type.DATE:
        return f"strftime({value}, '%Y-%m-%d')"
    return f"CAST({value} AS VARCHAR)"


def double_text(x: str) -> str:
    """The text of a DOUBLE (named several times) as Java's Double.toString (19 and later) writes it.

    DuckDB's has the same digits, but an exponent from 1e16 on and below 1e-4; Java's from 1E7 on and below 1E-3.
    """
    text = f"{x}::VARCHAR"
    exponent = rf"regexp_replace(regexp_replace({text}, '^(-?\d)e', '\1.0e'), 'e(-?)\+?0*(\d)', 'E\1\2')"
    # 12345678.5: the point goes behind the first digit.
    moved = rf"rtrim(regexp_replace({text}, '^(-?\d)(\d*)\.(\d*)$', '\1.\2\3'), '0')"
    large = f"regexp_replace({moved}, '\\.$', '.0') || 'E' || (strpos(ltrim({text}, '-'), '.') - 2)"
    small = rf"regexp_replace(regexp_replace({text}, '0\.000(\d)', '\1.'), '\.$', '.0') || 'E-4'"
    return (
        f"(CASE WHEN abs({x}) < 1e7 AND (abs({x}) >= 1e-3 OR {x} = 0) THEN {text} "
        f"WHEN isnan({x}) THEN 'NaN' WHEN isinf({x}) THEN (CASE WHEN {x} > 0 THEN '' ELSE '-' END) || 'Infinity' "
        f"WHEN contains({text}, 'e') THEN {exponent} WHEN abs({x}) >= 1 THEN {large} ELSE {small} END)"
    )
