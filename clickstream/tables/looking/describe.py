"""The tables of a program in words: for `tables show` and the documents."""

from typing import Any, Literal

from clickstream.tables.sql.model import Column, Kind, Program, Table


def role(program: Program, table: Table) -> Literal["source", "result"]:
    """Whether the program writes it."""
    return "result" if any(insert.target.name == table.name for insert in program.inserts) else "source"


def key(table: Table) -> str:
    """What the records' keys are: `userid, window_start (json)`; empty when they are not read."""
    return f"{', '.join(table.key_fields)} ({table.key_format})" if table.key_fields else ""


def origin(column: Column) -> str:
    """Where its value comes from, if not from a field of the record."""
    match column.kind:
        case Kind.COMPUTED:
            return "computed"
        case Kind.METADATA:
            return f"the record's {column.metadata}"
        case _:
            return ""


def as_json(program: Program, table: Table) -> dict[str, Any]:
    """For other programs."""
    return {
        "table": table.name,
        "role": role(program, table),
        "topic": table.topic,
        "connector": table.connector,
        "key": list(table.key_fields),
        "key_format": table.key_format,
        "columns": [{"name": one.name, "type": one.type.value, "kind": one.kind.value} for one in table.columns],
    }
