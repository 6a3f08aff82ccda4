"""Small pieces of DuckDB's SQL that all expressions are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from clickstream.tables.sql.types import Type


@dataclass(frozen=True)
class Argument:
    """An operand as DuckDB's SQL. `literal`: the text of a constant; `plain`: costs nothing to write twice."""

    sql: str
    type: Type
    literal: str | None = None
    plain: bool = False

    def __str__(self) -> str:
        return self.sql


def column(name: str) -> str:
    """A column's quoted name."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A string constant."""
    return "'" + text.replace("'", "''") + "'"


def once(argument: Argument, build: Callable[[str], str]) -> str:
    """`build` of the argument, which it may name several times: what is more than a column is computed once."""
    if argument.plain:
        return build(argument.sql)
    # The name differs from those of other arguments that may be inside.
    name = "v" + blake2b(argument.sql.encode(), digest_size=6).hexdigest()
    return f"list_transform([{argument}], lambda {name}: {build(name)})[1]"


def wrapped(sum: str, type: Type) -> str:
    """A whole number that is too wide by half as Java keeps it: the lowest 32 (INT) or 64 bits (BIGINT).

    Costs 5 and 7 ns a row; DuckDB's own arithmetic would stop the run for an overflow.
    """
    if type == Type.INT:
        return f"(xor({sum} & 4294967295, 2147483648) - 2147483648)::INTEGER"
    return f"((({sum} + 9223372036854775808) & 18446744073709551615) - 9223372036854775808)::BIGINT"


def number(text: str, type: Type) -> str:
    """A number's constant. A DECIMAL is a DOUBLE: it is one wherever it is allowed, but beside whole numbers."""
    if type not in (Type.DECIMAL, Type.DOUBLE):
        return str(int(text))
    value = repr(float(text))
    return value if "e" in value else f"{value}e0"
