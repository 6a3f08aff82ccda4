"""What planning carries along: the tables and views so far, where problems go, and the relations of FROM."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from clickstream.tables.sql.calls import Report
from clickstream.tables.sql.expressions import Visible
from clickstream.tables.sql.model import Field, Plan, Scan, Table, View


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
        """Of tables and views."""
        return [*self.tables, *self.views]


@dataclass(frozen=True)
class Relation:
    """A plan in FROM, and what its columns are called there."""

    plan: Plan
    visible: tuple[Visible, ...]


def relation(plan: Plan, alias: str | None) -> Relation:
    """A plan as it stands in FROM, under `alias` if it has one."""
    return Relation(plan, tuple(Visible(alias, one.name, one) for one in plan.fields))


def fresh(name: str, taken: Iterable[str]) -> str:
    """A name for a column that the file does not name; a column of the file may have any name."""
    known = set(taken)
    while name in known:
        name += "_"
    return name


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
