"""The rows of an INSERT over present rows of its operator, which are not final."""

from clickstream.tables.engine.compile.compiled import WINDOW_END
from clickstream.tables.engine.expressions.clauses import listed, selected, where_clause
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Plan, Read, Select
from clickstream.tables.sql.plans import is_having


def present_rows(plan: Plan, table: str, having: bool) -> str:
    """SQL: `plan` over `table`, another one of its operator's rows, and the end of each row's window.

    Without `having` the condition on groups is left out.
    """
    match plan:
        case Select():
            where = where_clause(plan.where) if having or not is_having(plan) else ""
            needed = {field.name for field in plan.fields}
            return f"{selected(plan, needed)}, {WINDOW_END} FROM ({present_rows(plan.input, table, having)}){where}"
        case Read():
            inner = present_rows(plan.view.plan, table, having)
            items = ", ".join(
                f"{identifier(one.name)} AS {identifier(field.name)}"
                for field, one in zip(plan.fields, plan.view.plan.fields, strict=True)
            )
            return f"SELECT {items}, {WINDOW_END} FROM ({inner})"
        case _:
            return f"SELECT {listed(plan, {field.name for field in plan.fields})}{WINDOW_END} FROM {identifier(table)}"
