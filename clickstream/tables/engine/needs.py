"""Which columns the plans really read: nothing else is decoded, joined or kept."""

from collections import defaultdict
from collections.abc import Iterable

from sqlglot import exp

from clickstream.tables.sql.model import (
    GroupBy,
    Plan,
    Program,
    Read,
    Scan,
    Select,
    TemporalJoin,
    TopN,
    Union,
    View,
    Windowed,
)


class Needs:
    """Of a program: the columns of each table, and the fields of each view, that are read."""

    def __init__(self, program: Program) -> None:
        self.tables: dict[str, set[str]] = defaultdict(set)
        self.views: dict[str, set[str]] = defaultdict(set)
        self.readers: dict[str, int] = defaultdict(int)
        self._streams: dict[str, None] = {}
        self._references: dict[str, None] = {}
        for insert in program.inserts:
            self._walk(insert.plan, {field.name for field in insert.plan.fields})

    @property
    def streams(self) -> list[str]:
        """Tables that are read as streams, in the order of the file."""
        return list(self._streams)

    @property
    def references(self) -> list[str]:
        """Tables that are joined with."""
        return list(self._references)

    def _walk(self, plan: Plan, needed: set[str]) -> None:
        match plan:
            case Scan():
                self._streams[plan.table.name] = None
                self.tables[plan.table.name] |= needed
            case Read():
                self.readers[plan.view.name] += 1
                self.views[plan.view.name] |= needed
                self._walk(plan.view.plan, below_view(plan.view, needed))
            case TemporalJoin():
                self._references[plan.reference.name] = None
                wanted = {column for column, field in plan.reference_fields if field.name in needed}
                self.tables[plan.reference.name] |= wanted | set(plan.reference.primary_key)
                self._walk(plan.left, below(plan, needed))
            case Union():
                for one in plan.inputs:
                    self._walk(one, below_union(plan, one, needed))
            case _:
                self._walk(plan.input, below(plan, needed))


def below(plan: Plan, needed: set[str]) -> set[str]:
    """The fields of a node's only input (a join's left) that it reads to give `needed`."""
    match plan:
        case Select():
            kept = [output.expression for output in plan.outputs if output.field.name in needed]
            return _columns([*kept, plan.where])
        case TemporalJoin():
            left = {field.name for field in plan.left.fields}
            return (needed & left) | {plan.time} | _columns(key for key, _ in plan.keys)
        case Windowed():
            left = {field.name for field in plan.input.fields}
            return (needed & left) | {plan.window.time, *plan.window.partition}
        case GroupBy():
            parts = [part for one in plan.aggregates for part in (one.argument, one.filter)]
            return _columns([*(key.expression for key in plan.keys), *parts])
        case TopN():
            return {field.name for field in plan.input.fields}
    raise TypeError(type(plan).__name__)


def below_view(view: View, needed: set[str]) -> set[str]:
    """A view's fields by position: those of its plan."""
    return {inner.name for outer, inner in zip(view.fields, view.plan.fields, strict=True) if outer.name in needed}


def below_union(union: Union, one: Plan, needed: set[str]) -> set[str]:
    """A union's fields by position: those of one of its inputs."""
    return {inner.name for outer, inner in zip(union.fields, one.fields, strict=True) if outer.name in needed}


def _columns(expressions: Iterable[exp.Expr | None]) -> set[str]:
    return {column.name for one in expressions if one is not None for column in one.find_all(exp.Column)}
