"""CAST and TRY_CAST as DuckDB's SQL."""

from clickstream.tables.engine.expression_text import Argument
from clickstream.tables.sql.types import Type

_NAMES = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INT: "INTEGER",
    Type.BIGINT: "BIGINT",
    Type.DOUBLE: "DOUBLE",
    Type.STRING: "VARCHAR",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.TIMESTAMP_LTZ: "TIMESTAMP",
    Type.DATE: "DATE",
}


def cast(value: Argument, wanted: Type, *, safe: bool) -> str:
    """A value as another type; what cannot be is NULL (`safe`) or raises."""
    if value.type == wanted:
        return value.sql
    word = "TRY_CAST" if safe else "CAST"
    if value.type == Type.DOUBLE and wanted in (Type.INT, Type.BIGINT):
        return f"{word}(trunc({value}) AS {_NAMES[wanted]})"
    if value.type == Type.BOOLEAN and wanted == Type.STRING:
        return f"upper({value}::VARCHAR)"
    if value.type in (Type.TIMESTAMP, Type.TIMESTAMP_LTZ) and wanted == Type.STRING:
        return f"strftime({value}, '%Y-%m-%d %H:%M:%S.%g')"
    return f"{word}({value} AS {_NAMES[wanted]})"
