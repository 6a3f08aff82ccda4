"""What planning carries along: the tables and views so far, where problems go, and facts about plans."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from clickstream.tables.sql.calls import Report
from clickstream.tables.sql.expressions import Visible
from clickstream.tables.sql.model import (
    Field,
    GroupBy,
    Kind,
    Plan,
    Read,
    Scan,
    Select,
    Table,
    TopN,
    View,
    Window,
    Windowed,
    children,
)

WINDOW_COLUMNS = ("window_start", "window_end", "window_time")


@dataclass
class Catalog:
    """Tables and views by name, and which tables were read."""

    report: Report
    tables: dict[str, Table] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    # Names whose statement was refused: reading them is no second problem.
    refused: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        return [*self.tables, *self.views]


@dataclass(frozen=True)
class Relation:
    """A plan in FROM, and what its columns are called there."""

    plan: Plan
    visible: tuple[Visible, ...]


def relation(plan: Plan, alias: str | None) -> Relation:
    return Relation(plan, tuple(Visible(alias, one.name, one) for one in plan.fields))


def scan(table: Table) -> Scan:
    """All columns of a table; its watermark's column is the event time."""
    event_time = table.watermark.column if table.watermark else None
    return Scan(table, tuple(Field(one.name, one.type, one.name == event_time) for one in table.columns))


def conjuncts(condition: exp.Expr | None) -> list[exp.Expr]:
    """The parts of a condition that AND joins."""
    if condition is None:
        return []
    if isinstance(condition, exp.Paren):
        return conjuncts(condition.this)
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def conjunction(parts: list[exp.Expr]) -> exp.Expr | None:
    """The parts joined by AND; None without parts."""
    whole: exp.Expr | None = None
    for part in parts:
        if whole is not None:
            kind = whole.type
            whole = exp.And(this=whole, expression=part)
            whole.type = kind
        else:
            whole = part
    return whole


def columns_of(node: exp.Expr) -> Iterator[exp.Column]:
    return node.find_all(exp.Column)


def window_of(plan: Plan) -> tuple[Window, Mapping[str, str]] | None:
    """The window that the plan's rows belong to, and the fields that still are its start, end and time."""
    match plan:
        case Windowed():
            return plan.window, {name: name for name in WINDOW_COLUMNS}
        case GroupBy():
            return (plan.window, plan.window_keys) if plan.window else None
        case TopN():
            return window_of(plan.input)
        case Read():
            return window_of(plan.view.plan)
        case Select():
            below = window_of(plan.input)
            if below is None:
                return None
            renamed = {
                output.expression.name: output.field.name
                for output in plan.outputs
                if isinstance(output.expression, exp.Column)
            }
            return below[0], {role: renamed[name] for role, name in below[1].items() if name in renamed}
        case _:
            return None


def walk(plan: Plan) -> Iterator[Plan]:
    """The plan and all that it reads from, views included."""
    yield plan
    for child in children(plan):
        yield from walk(child)


def aggregated(plan: Plan) -> bool:
    """Whether the rows come out of a GROUP BY or a ROW_NUMBER."""
    return any(isinstance(node, GroupBy | TopN) for node in walk(plan))


def key_columns(plan: Plan, name: str) -> str | None:
    """The key of the plan's GroupBy that the field `name` is, unchanged; None if it is something else."""
    match plan:
        case GroupBy():
            return name if name in {key.field.name for key in plan.keys} else None
        case Select():
            output = next(one for one in plan.outputs if one.field.name == name)
            return (
                key_columns(plan.input, output.expression.name) if isinstance(output.expression, exp.Column) else None
            )
        case Read():
            return key_columns(plan.view.plan, name)
        case _:
            return None


def grouping(plan: Plan) -> GroupBy | None:
    """The GROUP BY whose rows these are, one by one."""
    match plan:
        case GroupBy():
            return plan
        case Select():
            return grouping(plan.input)
        case Read():
            return grouping(plan.view.plan)
        case _:
            return None


def physical(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.kind == Kind.PHYSICAL]
