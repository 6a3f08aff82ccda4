"""ROW_NUMBER: the first rows of each window, and the first row of each key."""

from collections.abc import Set
from dataclasses import dataclass

from sqlglot import exp

from clickstream.tables.sql.calls import Report
from clickstream.tables.sql.model import Field, Select, TopN
from clickstream.tables.sql.plans import remembers, window_of
from clickstream.tables.sql.scope import conjuncts
from clickstream.tables.sql.types import Type

_FORM = "SELECT ... FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ...) AS n FROM ...) WHERE n <= 3"


@dataclass(frozen=True)
class Rank:
    """A ROW_NUMBER over named outputs of its SELECT; the names of those that the file does not name are `hidden`."""

    name: str
    partition: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    node: exp.Window
    hidden: Set[str]


def rank_of(select: exp.Select) -> exp.Window | None:
    """The ROW_NUMBER() OVER (...) AS name among the SELECT's columns."""
    for item in select.expressions if select.args.get("from_") else []:
        window = item.this if isinstance(item, exp.Alias) else None
        if isinstance(window, exp.Window) and isinstance(window.this, exp.Anonymous) and window.args.get("order"):
            extra = window.args.get("spec") or window.this.expressions
            if str(window.this.this).upper() == "ROW_NUMBER" and not extra:
                return window
    return None


def ranked(below: Select, rank: Rank, outer: exp.Select, report: Report) -> tuple[TopN | None, list[exp.Expr]]:
    """The first rows by `rank` over `below`, and what is left of the outer WHERE."""
    where = outer.args.get("where")
    parts = conjuncts(where.this if where else None)
    limits = [(part, limit) for part in parts if (limit := _limit(part, rank.name)) is not None]
    rest = [part for part in parts if part not in [one for one, _ in limits]]
    if len(limits) != 1 or limits[0][1] < 1:
        report(f"How many rows {rank.name} keeps is not said.", where.this if where else rank.node, _FORM)
        return None, rest
    limit = limits[0][1]
    used = any(column.name == rank.name for item in [*outer.expressions, *rest] for column in item.find_all(exp.Column))
    used = used or any(isinstance(item, exp.Star) for item in outer.expressions)
    below_window = window_of(below)
    shown = Field(rank.name, Type.BIGINT) if used else None
    made = TopN(below, rank.partition, rank.order, limit, below_window[0] if below_window else None, shown)
    if below_window is not None:
        start, end = (below_window[1].get(role) for role in ("window_start", "window_end"))
        if start not in rank.partition or end not in rank.partition:
            hint = "PARTITION BY window_start, window_end, and what else separates the rows."
            report("window_start and window_end are missing in PARTITION BY.", rank.node, hint)
            return None, rest
        return made, rest
    return (made if _keeps_first(below, rank, limit, used, report) else None), rest


def _keeps_first(below: Select, rank: Rank, limit: int, used: bool, report: Report) -> bool:
    """Without a window only the first row of each key is final when it comes."""
    times = {one.name for one in below.fields if one.event_time}
    first = limit == 1 and len(rank.order) == 1 and rank.order[0][0] in times and not rank.order[0][1]
    if remembers(below) or not first or used or not rank.partition:
        hint = "Supported: the first rows of windows, or PARTITION BY key ORDER BY event time with WHERE n = 1."
        report("This ROW_NUMBER would change its rows for ever.", rank.node, hint)
        return False
    return True


def _limit(part: exp.Expr, name: str) -> int | None:
    """N of `name <= N`, `name < N + 1` and `name = 1`."""
    column, number = part.args.get("this"), part.args.get("expression")
    if not (
        isinstance(column, exp.Column)
        and column.name == name
        and isinstance(number, exp.Literal)
        and number.name.isdigit()
    ):
        return None
    match part:
        case exp.LTE():
            return int(number.name)
        case exp.LT():
            return int(number.name) - 1
        case exp.EQ() if number.name == "1":
            return 1
    return None
