"""Functions of strings."""

from collections.abc import Callable, Sequence

from clickstream.tables.engine.expression_text import Argument
from clickstream.tables.sql.types import Type

FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {
    "CONCAT": lambda arguments, _: f"({' || '.join(map(str, arguments))})",
    "CHAR_LENGTH": lambda arguments, _: f"length({arguments[0]})::INTEGER",
    "UPPER": lambda arguments, _: f"upper({arguments[0]})",
    "LOWER": lambda arguments, _: f"lower({arguments[0]})",
}
