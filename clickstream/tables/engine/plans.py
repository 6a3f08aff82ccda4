"""Questions about plans, and pieces of SQL for them."""

from sqlglot import exp

from clickstream.tables.engine.expressions.translate import to_duckdb
from clickstream.tables.engine.needs import below
from clickstream.tables.engine.operators.operator import quoted
from clickstream.tables.sql.expressions import column
from clickstream.tables.sql.model import (
    GroupBy,
    Output,
    Plan,
    Read,
    Scan,
    Select,
    TemporalJoin,
    TopN,
    Union,
    children,
)


def split_union(plan: Plan) -> list[Plan]:
    """The inputs of a UNION ALL at the top, each as a plan of its own."""
    match plan:
        case Select():
            return (
                [Select(one, plan.outputs, plan.where) for one in split_union(plan.input)] if splits(plan) else [plan]
            )
        case Union() if splits(plan):
            return [part for one in plan.inputs for part in split_union(renamed(plan, one))]
        case Read() if splits(plan):
            return [renamed(plan, one) for one in split_union(plan.view.plan)]
    return [plan]


def splits(plan: Plan) -> bool:
    """Whether there is a union at the top of which some inputs remember rows: the others must not wait for them."""
    match plan:
        case Select():
            return splits(plan.input)
        case Union():
            return any(remembers(one) for one in plan.inputs)
        case Read():
            return splits(plan.view.plan)
    return False


def renamed(plan: Union | Read, one: Plan) -> Plan:
    """An input of a union, with the union's fields; or a part of a view, with those by which it is read."""
    outputs = []
    for outer, inner in zip(plan.fields, one.fields, strict=True):
        value: exp.Expr = column(inner)
        if outer.type != inner.type:
            value = exp.Cast(this=value, to=outer.type.node())
            value.type = outer.type.node()
        outputs.append(Output(outer, value))
    return Select(one, tuple(outputs))


def remembers(plan: Plan) -> bool:
    """Whether rows leave later than they came, by a window or a group."""
    return isinstance(plan, GroupBy | TopN) or any(map(remembers, children(plan)))


def plain(plan: Plan) -> bool:
    """Whether rows are only picked: that costs less each time than keeping them (0.4 us for a row of 10 columns)."""
    match plan:
        case Select():
            return all(isinstance(output.expression, exp.Column) for output in plan.outputs) and plain(plan.input)
        case Read():
            return plain(plan.view.plan)
    return isinstance(plan, Scan | TemporalJoin)


def group_below(plan: Plan) -> GroupBy | None:
    """The GROUP BY whose rows the plan only selects from."""
    while isinstance(plan, Select | Read):
        plan = plan.view.plan if isinstance(plan, Read) else plan.input
    return plan if isinstance(plan, GroupBy) else None


def is_having(plan: Select) -> bool:
    """Whether the condition is one of groups."""
    return group_below(plan) is not None


def stream_tables(plan: Plan) -> dict[str, None]:
    """The tables that are read as streams below the plan."""
    if isinstance(plan, Scan):
        return {plan.table.name: None}
    return {name: None for child in children(plan) for name in stream_tables(child)}


def fed(plan: GroupBy | TopN, source: Plan) -> set[str]:
    """The fields of `source` that an operator reads."""
    needed = below(plan, {field.name for field in plan.fields})
    return needed & {field.name for field in source.fields}


def listed(plan: Plan, needed: set[str]) -> str:
    """The needed fields, each followed by a comma."""
    return "".join(f"{quoted(field.name)}, " for field in plan.fields if field.name in needed)


def selected(plan: Select, needed: set[str]) -> str:
    """SELECT and the needed outputs."""
    items = [
        f"{to_duckdb(output.expression)} AS {quoted(output.field.name)}"
        for output in plan.outputs
        if output.field.name in needed
    ]
    return f"SELECT {', '.join(items) or 'NULL'}"


def where_clause(condition: exp.Expr | None) -> str:
    """WHERE and the condition, or nothing."""
    return f" WHERE {to_duckdb(condition)}" if condition is not None else ""
