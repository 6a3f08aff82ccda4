"""What an input's columns are in PostgreSQL, and which names it takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickstream.errors import ConfigError
from clickstream.sinks.model import Input
from clickstream.tables.sql.model import Column
from clickstream.tables.sql.types import Type

LONGEST_NAME = 63  # bytes: PostgreSQL cuts the rest off without a word, and two names become one

PARTITION, OFFSET, IS_FINAL = "_partition", "_offset", "is_final"

TYPES = {
    Type.BOOLEAN: "boolean",
    Type.INT: "integer",
    Type.BIGINT: "bigint",
    Type.DOUBLE: "double precision",
    Type.STRING: "text",
    Type.TIMESTAMP: "timestamp with time zone",
    Type.TIMESTAMP_LTZ: "timestamp with time zone",
    Type.DATE: "date",
    Type.HEADERS: "jsonb",
}

# Types of tables that others made which hold every value unchanged. `numeric` and texts only without a length, since
# PostgreSQL rounds and cuts without a word.
ALSO = {
    Type.INT: {"bigint", "numeric"},
    Type.BIGINT: {"numeric"},
    Type.STRING: {"character varying", "jsonb", "uuid"},
    Type.TIMESTAMP: {f"timestamp({digits}) with time zone" for digits in range(3, 7)},
    Type.TIMESTAMP_LTZ: {f"timestamp({digits}) with time zone" for digits in range(3, 7)},
}


@dataclass(frozen=True)
class Wanted:
    """A table's column: its name, the type that rows have, the one that it gets, and whether the key has it."""

    name: str
    type: Type
    sql_type: str
    key: bool = False

    def fits(self, found: str) -> bool:
        """Whether a column of the type `found`, as PostgreSQL writes it, holds every value of this one."""
        return found == TYPES[self.type] or found in ALSO.get(self.type, ())


def wanted(source: Input, *, early: bool, jsonb: bool = False) -> list[Wanted]:
    """The columns of an input's table: its own, and those that say which record a row is of.

    `jsonb`: the value of a topic that nothing is known of becomes jsonb instead of text.
    """
    own = [Wanted(one.name, one.type, _type(source, one, jsonb), one.name in source.primary_key)
           for one in source.columns]  # fmt: skip
    append = not source.upsert
    own.append(Wanted(PARTITION, Type.INT, TYPES[Type.INT], append))
    own.append(Wanted(OFFSET, Type.BIGINT, TYPES[Type.BIGINT], append))
    if early:
        own.append(Wanted(IS_FINAL, Type.BOOLEAN, TYPES[Type.BOOLEAN]))
    return own


def _type(source: Input, column: Column, jsonb: bool) -> str:
    if jsonb and source.table is None and column.name == "value":
        return "jsonb"
    return TYPES[column.type]


def key_of(source: Input) -> tuple[str, ...]:
    """The columns by which a row replaces another one: those of the primary key, or the record's place."""
    return source.primary_key or (PARTITION, OFFSET)


def check(inputs: Sequence[Input], *, early: bool) -> None:
    """Raises ConfigError for a name that PostgreSQL would cut, or that a column of ours has."""
    for source in inputs:
        ours = {PARTITION, OFFSET} | ({IS_FINAL} if early else set())
        _check_name("Table", source.name)
        for column in source.columns:
            _check_name(f"Table {source.name}: column", column.name)
            if column.name in ours:
                raise ConfigError(
                    f"Table {source.name}: the sink has a column {column.name} of its own. Rename this one in the SQL."
                )


def _check_name(what: str, name: str) -> None:
    size = len(name.encode())
    if size > LONGEST_NAME:
        raise ConfigError(
            f"{what} {name}: this name has {size} bytes, PostgreSQL takes {LONGEST_NAME} and would cut it. Rename it."
        )
    if "\0" in name or not name:
        raise ConfigError(f"{what} {name!r}: PostgreSQL takes no such name. Rename it.")
