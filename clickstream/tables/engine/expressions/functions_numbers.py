"""Functions of numbers."""

from collections.abc import Callable, Sequence

from clickstream.tables.engine.expressions.operators import remainder
from clickstream.tables.engine.expressions.text import WHOLE, Argument, once, wrapped
from clickstream.tables.sql.types import Type

_NAN = "'nan'::DOUBLE"


def absolute(value: Argument) -> str:
    """Without its sign; the smallest whole number has no other and stays, as in Java."""
    if value.type not in WHOLE:
        return f"abs({value})"
    return wrapped(f"abs({value}::{'BIGINT' if value.type == Type.INT else 'HUGEINT'})", value.type)


def sign(value: Argument) -> str:
    """-1, 0 or 1 of the value's type; of -0.0 and NaN they themselves."""
    if value.type == Type.DOUBLE:
        # NaN is above everything in DuckDB.
        return once(
            value,
            lambda x: f"(CASE WHEN {x} < 0 THEN -1e0 WHEN {x} BETWEEN 5e-324 AND 'infinity' THEN 1e0 ELSE {x} END)",
        )
    return f"sign({value})::{'INTEGER' if value.type == Type.INT else 'BIGINT'}"


def whole(function: str, value: Argument) -> str:
    """floor or ceil; whole numbers are it."""
    return value.sql if value.type in WHOLE else f"{function}({value})"


def rounded(value: Argument, places: Argument | None) -> str:
    """Half away from zero, of the number as it is written in decimal: 1.005 with 2 places is 1.01.

    NaN and infinity raise, as in Flink.
    """
    if value.type in WHOLE:
        return value.sql
    digits = places.number if places else 0
    return once(value, lambda x: _rounded(x, digits or 0))


def _rounded(x: str, digits: int) -> str:
    """DuckDB's round scales and rounds, which is right but near a half. There the decimal text decides: 4 us."""
    scaled = f"abs({x} * 1e{digits})"
    surely = f"{scaled} < 1e15 AND abs({scaled} - trunc({scaled}) - 0.5e0) > {scaled} * 1e-15"
    # From 2^53 on a DOUBLE is whole. DECIMAL to DOUBLE is not exact in DuckDB, a text is.
    text = f"{x}::VARCHAR::DECIMAL(38, {digits})::VARCHAR::DOUBLE"
    large = f"abs({x}) BETWEEN 9007199254740992 AND 1.7976931348623157e308"
    return f"(CASE WHEN {surely} THEN round({x}, {digits}) + 0e0 WHEN {large} THEN {x} ELSE {text} END)"


def power(base: Argument, exponent: Argument) -> str:
    """To a power; 1 to the power of NaN or infinity is NaN in Java, but not in C."""
    if exponent.literal is not None or exponent.type in WHOLE:
        return f"pow({base}, {exponent})"

    def of(x: str, y: str) -> str:
        return f"(CASE WHEN NOT isfinite({y}) AND abs({x}) = 1 THEN {_NAN} ELSE pow({x}, {y}) END)"

    return once(base, lambda x: once(exponent, lambda y: of(x, y)))


def _one(build: Callable[[Argument], str]) -> Callable[[Sequence[Argument], Type], str]:
    return lambda arguments, _type: build(arguments[0])


FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {
    "MOD": lambda arguments, type: remainder(arguments[0], arguments[1], type),
    "ABS": _one(absolute),
    "SIGN": _one(sign),
    "ROUND": lambda arguments, _: rounded(arguments[0], arguments[1] if len(arguments) > 1 else None),
    "POWER": lambda arguments, _: power(arguments[0], arguments[1]),
    # Flink's SQRT is POWER(x, 0.5): of -0.0 it is 0.0.
    "SQRT": _one(lambda value: f"pow({value}, 0.5e0)"),
    "EXP": _one(lambda value: f"exp({value})"),
    "LN": _one(lambda value: f"ln({value})"),
    "LOG10": _one(lambda value: f"log10({value})"),
}
