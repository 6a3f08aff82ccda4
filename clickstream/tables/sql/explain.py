"""A checked program as a graph (topics, tables, views) and as the steps of each statement."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from clickstream.tables.sql.model import (
    Aggregate,
    GroupBy,
    Insert,
    Output,
    Plan,
    Program,
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


@dataclass(frozen=True)
class Edge:
    """Rows go from one to the other; each end is a kind (topic, table, view) and a name."""

    start: tuple[str, str]
    end: tuple[str, str]


def edges(program: Program) -> list[Edge]:
    """Topics -> tables -> views -> tables -> topics, each once, sources first."""
    found: dict[Edge, None] = {}
    for insert in program.inserts:
        for start in _inputs(insert.plan, found):
            found[Edge(start, ("table", insert.target.name))] = None
        found[Edge(("table", insert.target.name), ("topic", insert.target.topic))] = None
    return list(found)


def _inputs(plan: Plan, found: dict[Edge, None]) -> list[tuple[str, str]]:
    """What the plan reads by name; the edges that lead there go to `found`."""
    if isinstance(plan, Read):
        for start in _inputs(plan.view.plan, found):
            found[Edge(start, ("view", plan.view.name))] = None
        return [("view", plan.view.name)]
    starts = [start for child in children(plan) for start in _inputs(child, found)]
    tables = [plan.table] if isinstance(plan, Scan) else [plan.reference] if isinstance(plan, TemporalJoin) else []
    for table in tables:
        found[Edge(("topic", table.topic), ("table", table.name))] = None
        starts.append(("table", table.name))
    return list(dict.fromkeys(starts))


def text(program: Program) -> str:
    """For people: the graph, then every view and statement from its result down to its source."""
    lines = [f"{_end(edge.start)} -> {_end(edge.end)}" for edge in edges(program)]
    for view in program.views.values():
        lines += ["", f"view {view.name} (line {view.line})", *(f"  {step}" for step in steps(view.plan))]
    for insert in program.inserts:
        lines += ["", _target(insert), *(f"  {step}" for step in steps(insert.plan))]
    return "\n".join(lines)


def mermaid(program: Program) -> str:
    """The graph as Mermaid's flowchart."""
    found = edges(program)
    ends = list(dict.fromkeys(end for edge in found for end in (edge.start, edge.end)))
    names = {end: f"n{number}" for number, end in enumerate(ends)}
    shapes = {"topic": ('[("', '")]'), "table": ('["', '"]'), "view": ('(["', '"])')}
    nodes = [f"  {names[end]}{shapes[end[0]][0]}{end[1]}{shapes[end[0]][1]}" for end in ends]
    return "\n".join(["flowchart LR", *nodes, *(f"  {names[edge.start]} --> {names[edge.end]}" for edge in found)])


def as_json(program: Program) -> dict[str, Any]:
    """The graph and the steps, for other programs."""

    def named(steps_of: View | Insert, name: str) -> dict[str, Any]:
        return {"name": name, "line": steps_of.line, "steps": list(steps(steps_of.plan))}

    return {
        "edges": [{"from": _end(edge.start), "to": _end(edge.end)} for edge in edges(program)],
        "views": [named(view, view.name) for view in program.views.values()],
        "inserts": [
            {**named(insert, insert.target.name), "topic": insert.target.topic, "key": insert.target.primary_key}
            for insert in program.inserts
        ],
    }


def steps(plan: Plan) -> Iterator[str]:
    """What is done, last step first; branches are indented."""
    match plan:
        case Scan():
            yield f"read table {plan.table.name} (topic {plan.table.topic})"
            return
        case Read():
            yield f"read view {plan.view.name}"
            return
        case Select():
            yield from _select(plan)
        case TemporalJoin():
            keys = " and ".join(f"{_sql(value)} = {name}" for value, name in plan.keys)
            yield f"{plan.kind.lower()} join {plan.reference.name} as of {plan.time}: {keys}"
        case Windowed():
            yield _window(plan.window)
        case GroupBy():
            aggregates = ", ".join(map(_aggregate, plan.aggregates))
            yield f"group by {', '.join(map(_named, plan.keys))}" + (f": {aggregates}" if aggregates else "")
        case TopN():
            order = ", ".join(f"{name}{' desc' if descending else ''}" for name, descending in plan.order)
            yield f"first {plan.limit} of each {', '.join(plan.partition)} by {order}"
        case Union():
            yield "union all"
            for one in plan.inputs:
                yield from (f"  {step}" for step in steps(one))
            return
    for child in children(plan):
        yield from steps(child)


def _select(plan: Select) -> Iterator[str]:
    same = [field.name for field in plan.input.fields] == [_sql(output.expression) for output in plan.outputs]
    if not same:
        yield f"select {', '.join(map(_named, plan.outputs))}"
    if plan.where is not None:
        yield f"where {_sql(plan.where)}"


def _named(output: Output) -> str:
    text = _sql(output.expression)
    return text if text == output.field.name else f"{text} as {output.field.name}"


def _aggregate(one: Aggregate) -> str:
    argument = "*" if one.argument is None else _sql(one.argument)
    where = f" filter ({_sql(one.filter)})" if one.filter is not None else ""
    return f"{one.function}({'distinct ' if one.distinct else ''}{argument}){where} as {one.field.name}"


def _window(window: Window) -> str:
    sizes = {"size": window.size_ms, "every": window.slide_ms, "gap": window.gap_ms}
    said = [f"{name} {value / 1000:g} s" for name, value in sizes.items() if value]
    by = f" of each {', '.join(window.partition)}" if window.partition else ""
    return f"{window.kind.lower()} window{by} on {window.time}, {', '.join(said)}"


def _target(insert: Insert) -> str:
    key = f", key {', '.join(insert.target.primary_key)}" if insert.target.primary_key else ""
    return (
        f"table {insert.target.name} (line {insert.line}): {insert.target.connector} topic {insert.target.topic}{key}"
    )


def _end(end: tuple[str, str]) -> str:
    return f"{end[0]} {end[1]}"


def _sql(expression: exp.Expr) -> str:
    """The expression in short: names without quotes."""
    shown = expression.copy()
    for name in shown.find_all(exp.Identifier):
        name.set("quoted", False)
    return shown.sql()
