"""Operators as DuckDB's SQL: comparison, arithmetic, LIKE, TRIM."""

from clickstream.tables.engine.expression_text import Argument, quoted, wrapped
from clickstream.tables.sql.types import Type, common

_INFINITY = "'infinity'::DOUBLE"


def compared(sign: str, left: Argument, right: Argument) -> str:
    """A comparison. To DuckDB NaN equals itself and is above all else; to Flink it is neither (but distinct it is
    not)."""
    plain = f"({left} {sign} {right})"
    if Type.DOUBLE not in (left.type, right.type) or "DISTINCT" in sign:
        return plain
    matters = {
        "=": (left, right) if _may_be_nan(left) and _may_be_nan(right) else (),
        "<>": (left, right) if _may_be_nan(left) and _may_be_nan(right) else (),
        ">": (left,),
        ">=": (left,),
        "<": (right,),
        "<=": (right,),
    }[sign]
    odd = [side for side in matters if _may_be_nan(side)]
    if not odd:
        return plain
    guard = odd[0]
    other = right if guard is left else left
    if sign == "<>":
        return f"(CASE WHEN isnan({guard}) THEN {other} IS NOT NULL OR NULL ELSE {left} {sign} {right} END)"
    if other.literal is not None:
        return f"({left} {sign} {right} AND {guard} <= {_INFINITY})"
    return f"(CASE WHEN isnan({guard}) THEN {other} IS NULL AND NULL ELSE {left} {sign} {right} END)"


def _may_be_nan(side: Argument) -> bool:
    return side.type == Type.DOUBLE and side.literal is None


def arithmetic(sign: str, left: Argument, right: Argument, type: Type) -> str:
    """+ - * / %. Whole numbers overflow as in Java: they go on at the other end. Division by zero raises."""
    if type == Type.DOUBLE or Type.INTERVAL in (left.type, right.type):
        return f"({left} {sign} {right})"
    if sign == "%":
        return remainder(left, right, type)
    if sign == "/":
        return _quotient(left, right, type)
    wide = "BIGINT" if type == Type.INT else "HUGEINT"
    return wrapped(f"({left}::{wide} {sign} {right})", type)


def _quotient(left: Argument, right: Argument, type: Type) -> str:
    if right.literal is not None:
        return f"({left} // {right})"
    if type == Type.INT:
        return wrapped(f"({left}::BIGINT // {right})", type)
    # Only the smallest BIGINT divided by -1 overflows; HUGEINT would cost 80 ns.
    negated = wrapped(f"(-({left}::HUGEINT))", type)
    return f"(CASE WHEN {right} = -1 THEN {negated} ELSE {left} // {right} END)"


def remainder(left: Argument, right: Argument, type: Type) -> str:
    """With the sign of the left side, and the right side's type."""
    divisor = right.sql
    if right.literal is None:
        # Of -1 it is 0 as of 1, but DuckDB overflows for the smallest number.
        divisor = f"(CASE WHEN {right} = -1 THEN 1 ELSE {right} END)"
    found = f"({left} % {divisor})"
    return f"{found}::INTEGER" if common(left.type, right.type) != type else found


def negative(value: Argument) -> str:
    """The sign turned round; the smallest whole number stays as it is, as in Java."""
    if value.literal is not None and value.type in (Type.INT, Type.BIGINT):
        return f"(-{value})" if value.type == Type.INT else f"(-{value})::BIGINT"
    if value.type in (Type.INT, Type.BIGINT):
        return wrapped(f"(-({value}::{'BIGINT' if value.type == Type.INT else 'HUGEINT'}))", value.type)
    return f"(-{value})"


def like(text: Argument, pattern: Argument, escape: str | None) -> str:
    """LIKE, of which the escape character is none unless given."""
    ending = f" ESCAPE {quoted(escape)}" if escape is not None else ""
    return f"({text} LIKE {pattern}{ending})"


def trim(text: Argument, characters: Argument | None, position: str) -> str:
    """Without any of the characters (spaces) at its ends."""
    function = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[position]
    return f"{function}({text}, {characters or quoted(' ')})"
