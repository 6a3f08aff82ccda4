"""Questions about plans: what a plan's rows are, where they come from, and which columns they need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

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
    View,
    Window,
    Windowed,
    children,
)

WINDOW_COLUMNS = ("window_start", "window_end", "window_time")


def walk(plan: Plan) -> Iterator[Plan]:
    """The plan and all that it reads from, each once, views included."""
    seen: set[int] = set()
    left = [plan]
    while left:
        node = left.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            left += reversed(children(node))


def depth(plan: Plan) -> int:
    """How many plans stand on each other at most, views included."""
    level, found = {id(plan): plan}, 0
    while level:
        found += 1
        level = {id(child): child for node in level.values() for child in children(node)}
    return found


# --- what the rows are


def remembers(plan: Plan) -> bool:
    """Whether rows leave later than they came, by a GROUP BY or a ROW_NUMBER."""
    return any(isinstance(node, GroupBy | TopN) for node in walk(plan))


def plain(plan: Plan) -> bool:
    """Whether rows are only picked: that costs less each time than keeping them (0.4 us for a row of 10 columns)."""
    match plan:
        case Select():
            return all(isinstance(output.expression, exp.Column) for output in plan.outputs) and plain(plan.input)
        case Read():
            return plain(plan.view.plan)
    return isinstance(plan, Scan | TemporalJoin)


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


def grouping(plan: Plan) -> GroupBy | None:
    """The GROUP BY whose rows the plan only selects from."""
    match plan:
        case GroupBy():
            return plan
        case Select():
            return grouping(plan.input)
        case Read():
            return grouping(plan.view.plan)
        case _:
            return None


def is_having(plan: Select) -> bool:
    """Whether the condition is one of groups."""
    return grouping(plan) is not None


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


def keeps_last(plan: TopN) -> bool:
    """Whether of equal times the last row holds: where the only row of a window is its last one by event time.

    Flink takes a ROW_NUMBER of windows with limit 1 by one time attribute for a deduplication (WindowDeduplicate; what
    replaces a row is told by DeduplicateFunctionHelper.isDuplicate); every other one keeps the row that came first.
    """
    if plan.limit != 1 or plan.window is None or len(plan.order) != 1:
        return False
    name, descending = plan.order[0]
    return descending and _is_time(plan.input, name)


def _is_time(plan: Plan, name: str) -> bool:
    """Whether a field of windows' rows is their event time or the window's time, unchanged."""
    match plan:
        case Windowed():
            return name in (plan.window.time, "window_time")
        case Select():
            value = next(output.expression for output in plan.outputs if output.field.name == name)
            return isinstance(value, exp.Column) and _is_time(plan.input, value.name)
        case Read():
            inner = dict(zip((field.name for field in plan.fields), plan.view.plan.fields, strict=True))
            return _is_time(plan.view.plan, inner[name].name)
        case _:
            return False


# --- where they come from


def is_joined(plan: Plan) -> bool:
    """Whether rows of the plan may have waited in a join."""
    return any(isinstance(one, TemporalJoin) for one in walk(plan))


def stream_tables(plan: Plan) -> dict[str, None]:
    """The tables that are read as streams below the plan."""
    if isinstance(plan, Scan):
        return {plan.table.name: None}
    return {name: None for child in children(plan) for name in stream_tables(child)}


def lanes(plan: Plan) -> list[str]:
    """The tables of a plan's rows by the number that a union of several tables gives them; one may be there twice."""
    tables = list(stream_tables(plan))
    if len(tables) < 2:
        return tables
    return [table for one in children(plan) for table in lanes(one)]


@dataclass(frozen=True)
class Part:
    """An input of a UNION ALL as a plan of its own. `view`: what it stands in, if that is no statement but a view."""

    plan: Plan
    view: str | None = None


def split_union(plan: Plan) -> list[Part]:
    """The inputs of a UNION ALL at the top; those of views that are such a union as well."""
    match plan:
        case Select() if splits(plan):
            return [Part(Select(one.plan, plan.outputs, plan.where), one.view) for one in split_union(plan.input)]
        case Union() if splits(plan):
            return [part for one in plan.inputs for part in split_union(renamed(plan, one))]
        case Read() if splits(plan):
            parts = split_union(plan.view.plan)
            return [Part(renamed(plan, one.plan), one.view or plan.view.name) for one in parts]
    return [Part(plan)]


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


# --- which columns they need


def fed(plan: GroupBy | TopN, source: Plan) -> set[str]:
    """The fields of `source` that an operator reads."""
    needed = below(plan, {field.name for field in plan.fields})
    return needed & {field.name for field in source.fields}


def below(plan: Plan, needed: set[str]) -> set[str]:
    """The fields of a node's only input (a join's left) that it reads to give `needed`."""
    match plan:
        case Select():
            kept = [output.expression for output in plan.outputs if output.field.name in needed]
            return names_in(*kept, plan.where)
        case TemporalJoin():
            left = {field.name for field in plan.left.fields}
            return (needed & left) | {plan.time} | names_in(*(key for key, _ in plan.keys))
        case Windowed():
            left = {field.name for field in plan.input.fields}
            return (needed & left) | {plan.window.time, *plan.window.partition}
        case GroupBy():
            parts = [part for one in plan.aggregates for part in (one.argument, one.filter)]
            return names_in(*(key.expression for key in plan.keys), *parts)
        case TopN():
            return {field.name for field in plan.input.fields}
    raise TypeError(type(plan).__name__)


def below_view(view: View, needed: set[str]) -> set[str]:
    """A view's fields by position: those of its plan."""
    return {inner.name for outer, inner in zip(view.fields, view.plan.fields, strict=True) if outer.name in needed}


def below_union(union: Union, one: Plan, needed: set[str]) -> set[str]:
    """A union's fields by position: those of one of its inputs."""
    return {inner.name for outer, inner in zip(union.fields, one.fields, strict=True) if outer.name in needed}


def columns_of(*expressions: exp.Expr | None) -> Iterator[exp.Column]:
    """The columns that expressions name."""
    return (found for one in expressions if one is not None for found in one.find_all(exp.Column))


def names_in(*expressions: exp.Expr | None) -> set[str]:
    """The names of the fields that expressions read."""
    return {found.name for found in columns_of(*expressions)}
