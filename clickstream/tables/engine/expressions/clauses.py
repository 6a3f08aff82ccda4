"""Clauses of DuckDB's SQL for the nodes of a plan."""

from sqlglot import exp

from clickstream.tables.engine.expressions.translate import to_duckdb
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Plan, Select


def listed(plan: Plan, needed: set[str]) -> str:
    """The needed fields, each followed by a comma."""
    return "".join(f"{identifier(field.name)}, " for field in plan.fields if field.name in needed)


def selected(plan: Select, needed: set[str]) -> str:
    """SELECT and the needed outputs."""
    items = [
        f"{to_duckdb(output.expression)} AS {identifier(output.field.name)}"
        for output in plan.outputs
        if output.field.name in needed
    ]
    return f"SELECT {', '.join(items) or 'NULL'}"


def where_clause(condition: exp.Expr | None) -> str:
    """WHERE and the condition, or nothing."""
    return f" WHERE {to_duckdb(condition)}" if condition is not None else ""
