"""Small pieces of DuckDB's SQL that all expressions are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from clickstream.tables.names import string
from clickstream.tables.sql.types import Type

DUCKDB = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INT: "INTEGER",
    Type.BIGINT: "BIGINT",
    Type.DOUBLE: "DOUBLE",
    Type.STRING: "VARCHAR",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.TIMESTAMP_LTZ: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.HEADERS: "MAP(VARCHAR, BLOB)",
}
WHOLE = (Type.INT, Type.BIGINT)
TIMES = (Type.TIMESTAMP, Type.TIMESTAMP_LTZ)


@dataclass(frozen=True)
class Argument:
    """An operand as DuckDB's SQL. `literal`: the text of a constant; `plain`: costs nothing to write twice."""

    sql: str
    type: Type
    literal: str | None = None
    plain: bool = False

    def __str__(self) -> str:
        return self.sql

    @property
    def number(self) -> int | None:
        """The value of a whole constant."""
        return int(self.literal) if self.literal is not None and self.type in WHOLE else None


def number(text: str, type: Type) -> str:
    """A number's constant. A DECIMAL is made a DOUBLE: in Flink it becomes one wherever it is allowed."""
    if type in WHOLE:
        return str(int(text))
    value = repr(float(text))
    return value if "e" in value else f"{value}e0"


def once(argument: Argument | str, build: Callable[[str], str]) -> str:
    """`build` of the argument, which it may name several times: what is more than a column is computed once.

    DuckDB computes repeated expressions inside CASE each time; a list of one value costs 10 (numbers) to 40 ns.
    """
    if isinstance(argument, Argument) and argument.plain:
        return build(argument.sql)
    # The name differs from those of other arguments that may be inside.
    name = "v" + blake2b(str(argument).encode(), digest_size=6).hexdigest()
    return f"list_transform([{argument}], lambda {name}: {build(name)})[1]"


def groups(text: str, regex: str, names: str, build: Callable[[str], str]) -> str:
    """`build` of a struct with the regex's groups by their `names`; all are '' where it does not match."""
    listed = ", ".join(string(name) for name in names.split())
    return once(f"regexp_extract({text}, {string(regex)}, [{listed}])", build)


def wrapped(sum: str, type: Type) -> str:
    """A whole number that is too wide by half as Java keeps it: the lowest 32 (INT) or 64 bits (BIGINT).

    Costs 5 and 7 ns a row; DuckDB's own arithmetic would stop the run for an overflow.
    """
    if type == Type.INT:
        return f"(xor({sum} & 4294967295, 2147483648) - 2147483648)::INTEGER"
    return f"((({sum} + 9223372036854775808) & 18446744073709551615) - 9223372036854775808)::BIGINT"
