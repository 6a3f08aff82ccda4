"""Comparison and arithmetic as DuckDB's SQL."""

from clickstream.tables.engine.expressions.text import WHOLE, Argument, once, wrapped
from clickstream.tables.sql.types import Type, common

INVERSE = {
    "=": "<>",
    "<>": "=",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "IS DISTINCT FROM": "IS NOT DISTINCT FROM",
    "IS NOT DISTINCT FROM": "IS DISTINCT FROM",
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NAN, _INFINITY = "'nan'::DOUBLE", "'infinity'::DOUBLE"


def compared(sign: str, left: Argument, right: Argument) -> str:
    """A comparison by its sign in SQL."""
    if left.literal is not None and right.literal is None:
        left, right, sign = right, left, _MIRRORED.get(sign, sign)
    if Type.DECIMAL in (left.type, right.type):
        return _with_decimal(sign, left, right)
    if Type.DOUBLE in (left.type, right.type):
        return _doubles(sign, left, right)
    return f"({left} {sign} {right})"


def _with_decimal(sign: str, left: Argument, right: Argument) -> str:
    """With a DECIMAL constant. Flink orders as Double.compare does: as DuckDB, but -0.0 is below 0.0."""
    if left.type in WHOLE and right.literal is not None:
        return f"({left} {sign} {right.literal})"
    if right.literal is None or float(right.literal) != 0:
        return f"({left} {sign} {right})"
    return once(left, lambda x: _with_zero(sign, x, right.sql))


def _with_zero(sign: str, x: str, zero: str) -> str:
    plain, below = f"({x} {sign} {zero})", f"({x} = 0 AND signbit({x}))"
    match sign:
        case "<":
            return f"({plain} OR {below})"
        case ">=":
            return f"({plain} AND NOT {below})"
        case "IS DISTINCT FROM":
            return f"({plain} OR coalesce({below}, FALSE))"
        case "IS NOT DISTINCT FROM":
            return f"({plain} AND NOT {below})"
    return plain


def _doubles(sign: str, left: Argument, right: Argument) -> str:
    """To DuckDB NaN equals NaN and is above all else; in Java every comparison with it is false but <>."""
    if sign in ("<", "<="):
        return _doubles(_MIRRORED[sign], right, left)
    if not _may_be_nan(left) or (sign not in _MIRRORED and not _may_be_nan(right)):
        return f"({left} {sign} {right})"
    return once(left, lambda x: _with_nan(sign, x, right))


def _with_nan(sign: str, x: str, right: Argument) -> str:
    plain = f"{x} {sign} {right}"
    if sign == "IS NOT DISTINCT FROM":
        return f"({plain} AND {x} IS DISTINCT FROM {_NAN})"
    if sign == "IS DISTINCT FROM":
        return f"({plain} OR {x} IS NOT DISTINCT FROM {_NAN})"
    if right.literal is not None:
        return f"({plain} AND {x} <= {_INFINITY})"
    nan = "IS NOT NULL OR NULL" if sign == "<>" else "IS NULL AND NULL"
    return f"(CASE WHEN isnan({x}) THEN {right} {nan} ELSE {plain} END)"


def _may_be_nan(side: Argument) -> bool:
    return side.type == Type.DOUBLE and side.literal is None


def arithmetic(sign: str, left: Argument, right: Argument, type: Type) -> str:
    """+ - * / %. Whole numbers overflow as in Java: they go on at the other end. Division of them by zero raises."""
    if type == Type.DOUBLE or Type.INTERVAL in (left.type, right.type):
        return f"({left} {sign} {right})"
    if sign == "%":
        return remainder(left, right, type)
    if sign == "/":
        return _quotient(left, right, type)
    wide = "BIGINT" if type == Type.INT else "HUGEINT"
    return wrapped(f"({left}::{wide} {sign} {right})", type)


def _quotient(left: Argument, right: Argument, type: Type) -> str:
    if right.literal is not None and right.number != -1:
        return f"({left} // {right})"
    if type == Type.INT:
        return wrapped(f"({left}::BIGINT // {right})", type)
    # Only the smallest BIGINT divided by -1 overflows; HUGEINT for all would cost 80 ns.
    return f"(CASE WHEN {right} = -1 THEN {negative(left, type)} ELSE {left} // {right} END)"


def remainder(left: Argument, right: Argument, type: Type) -> str:
    """With the sign of the left side, and the right side's type."""
    divisor = right.sql
    if right.literal is None or right.number == -1:
        # Of -1 it is 0 as of 1, but DuckDB overflows for the smallest number.
        divisor = f"(CASE WHEN {right} = -1 THEN 1 ELSE {right} END)"
    found = f"({left} % {divisor})"
    return f"{found}::INTEGER" if common(left.type, right.type) != type else found


def negative(value: Argument, type: Type) -> str:
    """The sign turned round; the smallest whole number stays as it is, as in Java."""
    if type not in WHOLE:
        return f"(-{value})"
    return wrapped(f"(-({value}::{'BIGINT' if type == Type.INT else 'HUGEINT'}))", type)
