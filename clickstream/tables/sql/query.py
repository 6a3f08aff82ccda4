"""SELECT and UNION ALL as plans."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from clickstream.tables.sql.calls import did_you_mean, is_aggregate, span
from clickstream.tables.sql.expressions import Typing, Visible, column
from clickstream.tables.sql.grouping import Grouping
from clickstream.tables.sql.model import Field, Output, Plan, Select, Union, Windowed
from clickstream.tables.sql.plans import WINDOW_COLUMNS, columns_of
from clickstream.tables.sql.ranking import Rank, rank_of, ranked
from clickstream.tables.sql.relations import Relations
from clickstream.tables.sql.scope import Catalog, Relation, conjunction, fresh
from clickstream.tables.sql.types import Type, common, type_of

Add = Callable[[str, exp.Expr | None, exp.Expr], None]
_CLAUSES = {
    "distinct": "Use GROUP BY, or ROW_NUMBER to keep the first of each.",
    "limit": "A stream has no end to count to. Use ROW_NUMBER for the first rows of a window.",
    "order": "A stream comes as it comes. Use ROW_NUMBER for an order within a window.",
    "with_": "Use CREATE TEMPORARY VIEW.",
    "qualify": "Use ROW_NUMBER in a subquery and WHERE.",
    "offset": "",
}
_SELECT = {"expressions", "from_", "joins", "where", "group", "having"}


@dataclass
class Outputs:
    """The SELECT list while it is read."""

    made: list[Output] = field(default_factory=list)
    rank: Rank | None = None
    hidden: set[str] = field(default_factory=set)
    ok: bool = True


class Queries:
    """Plans queries over a catalog. None wherever a problem was reported."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.report = catalog.report
        self.relations = Relations(catalog, self.plan)

    def plan(self, node: exp.Expr) -> Plan | None:
        """The plan of a query whose columns need names of their own: a view's or a subquery's."""
        return self._query(node, top=False)

    def insert(self, node: exp.Expr) -> Plan | None:
        """The plan of an INSERT's query: columns go by position, their names are made unique."""
        return self._query(node, top=True)

    def _query(self, node: exp.Expr, top: bool) -> Plan | None:
        match node:
            case exp.Subquery() | exp.Paren():
                return self._query(node.this, top)
            case exp.Union():
                return self._union(node, top)
            case exp.Select():
                return self._select(node, top)
        return self._refuse(f"{node.key.upper()} is not supported.", node, "Supported are SELECT and UNION ALL.")

    def _union(self, node: exp.Union, top: bool) -> Plan | None:
        """All queries that it joins; in the tree each union is the first part of the next one."""
        unions = [node]
        while isinstance(unions[-1].this, exp.Union):
            unions.append(unions[-1].this)
        whole = self._query(unions[-1].this, top)
        good = True
        for union in reversed(unions):
            good = self._joins_all(union) and good
            part = self._query(union.expression, top)
            whole = self._united(whole, part, union) if whole is not None and part is not None else None
        return whole if good else None

    def _joins_all(self, node: exp.Union) -> bool:
        if node.args.get("distinct"):
            hint = "It would keep every row for ever. Use UNION ALL."
            self._refuse("UNION without ALL is not supported.", node, hint)
            return False
        for clause in ("limit", "order", "with_"):
            if node.args.get(clause):
                self._refuse(f"{clause.strip('_').upper()} is not supported.", node.args[clause], _CLAUSES[clause])
                return False
        return True

    def _united(self, left: Plan, right: Plan, node: exp.Union) -> Plan | None:
        if len(left.fields) != len(right.fields):
            message = f"The sides of UNION ALL have {len(left.fields)} and {len(right.fields)} columns."
            return self._refuse(message, node.expression)
        fields = []
        for one, other in zip(left.fields, right.fields, strict=True):
            kind = common(one.type, other.type)
            if kind is None:
                return self._refuse(
                    f"{one.name} is {one.type} on one side, {other.type} on the other.", node.expression, "Use CAST."
                )
            fields.append(Field(one.name, kind, one.event_time and other.event_time and one.type == other.type))
        parts = [part for side in (left, right) for part in (side.inputs if isinstance(side, Union) else (side,))]
        return Union(tuple(parts), tuple(fields))

    def _select(self, node: exp.Select, top: bool) -> Plan | None:
        for clause, value in node.args.items():
            if value and clause not in _SELECT:
                at = value if isinstance(value, exp.Expr) and span(value) else node
                return self._refuse(f"{clause.strip('_').upper()} is not supported.", at, _CLAUSES.get(clause, ""))
        if node.args.get("from_") is None:
            return self._refuse("A SELECT without FROM is not supported.", node)
        inner = node.args["from_"].this
        rank = rank_of(inner.this) if isinstance(inner, exp.Subquery) and isinstance(inner.this, exp.Select) else None
        if rank is not None:
            return self._ranked(node, inner, top)
        source = self._from(node)
        if source is None:
            return None
        made, _rank = self._over(node, source, top)
        return made

    def _from(self, node: exp.Select) -> Relation | None:
        found = self.relations.source(node.args["from_"].this)
        for join in node.args.get("joins") or []:
            if found is None:
                return None
            found = self.relations.join(found, join)
        return found

    def _over(
        self, node: exp.Select, source: Relation, top: bool, *, ranks: bool = False
    ) -> tuple[Plan | None, Rank | None]:
        """The SELECT list over its FROM; with `ranks`, also its ROW_NUMBER."""
        typing = Typing(source.visible, self.report)
        where = self._where(node, source, typing)
        plan = _filtered(source.plan, where)
        group = node.args.get("group") or node.args.get("having") or _first_aggregate(node)
        if isinstance(plan, Windowed) and group is None and not ranks:
            hint = "GROUP BY window_start and window_end, or use ROW_NUMBER."
            return self._refuse(
                "Windows are supported with GROUP BY or ROW_NUMBER.", node.args["from_"].this, hint
            ), None
        grouping = Grouping(plan, typing, self.report) if group is not None else None
        if grouping is not None and not grouping.read(node, group or node):
            return None, None
        outputs = self._outputs(node, source, typing, grouping, top, ranks)
        having = node.args.get("having")
        condition = grouping.condition(having.this) if grouping is not None and having is not None else None
        if not outputs.ok or (having is not None and condition is None) or (node.args.get("where") and where is None):
            return None, None
        return Select(grouping.plan() if grouping else plan, tuple(outputs.made), condition), outputs.rank

    def _where(self, node: exp.Select, source: Relation, typing: Typing) -> exp.Expr | None:
        where = node.args.get("where")
        if where is None:
            return None
        made = typing.condition(where.this)
        if made is None:
            return None
        if isinstance(source.plan, Windowed):
            for part in columns_of(made):
                if part.name in WINDOW_COLUMNS:
                    return self._refuse(f"{part.name} is not supported in WHERE.", part, "Use HAVING.")
        return made

    # --- the SELECT list

    def _outputs(
        self, node: exp.Select, source: Relation, typing: Typing, grouping: Grouping | None, top: bool, ranks: bool
    ) -> Outputs:
        outputs = Outputs()
        taken: set[str] = set()
        fields = {one.name: one for one in (grouping.fields if grouping else source.plan.fields)}

        def add(name: str, typed: exp.Expr | None, at: exp.Expr) -> None:
            if typed is None:
                outputs.ok = False
                return
            if name in taken and not top:
                self.report(f"Two columns are called {name}.", at, "Rename one with AS.")
                outputs.ok = False
            while name in taken:
                name += "_"
            taken.add(name)
            kept = fields.get(typed.name) if isinstance(typed, exp.Column) else None
            outputs.made.append(Output(Field(name, type_of(typed), bool(kept and kept.event_time)), typed))

        for index, item in enumerate(node.expressions):
            inner, name = (item.this, item.alias) if isinstance(item, exp.Alias) else (item, "")
            if isinstance(inner, exp.Window) and ranks:
                outputs.rank = self._rank(inner, name, typing, grouping, outputs)
                outputs.ok = outputs.ok and outputs.rank is not None
            elif isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
                self._star(inner, source, grouping, add, outputs)
            else:
                typed = grouping.typed(inner) if grouping else typing.typed(inner)
                if typed is not None and type_of(typed) in (Type.DECIMAL, Type.INTERVAL, Type.NULL):
                    typed = self._refuse(f"A column cannot be of type {type_of(typed)}.", inner, "Use CAST.")
                add(name or (inner.name if isinstance(inner, exp.Column) else f"EXPR${index}"), typed, item)
        return outputs

    def _star(self, star: exp.Expr, source: Relation, grouping: Grouping | None, add: Add, outputs: Outputs) -> None:
        qualifier = star.table if isinstance(star, exp.Column) else None
        if any((star.this if isinstance(star, exp.Column) else star).args.values()):
            outputs.ok = False
            return self._refuse("* with exceptions is not supported.", star, "Name the columns.")
        chosen = [one for one in source.visible if qualifier in (None, one.qualifier)]
        if grouping is not None or not chosen:
            outputs.ok = False
            known = {one.qualifier for one in source.visible if one.qualifier}
            hint = did_you_mean(qualifier, known) if qualifier else ""
            return self._refuse(
                f"Unknown table {qualifier}." if not chosen else "* beside GROUP BY is not supported.", star, hint
            )
        for one in chosen:
            add(one.name, column(one.field), star)
        return None

    # --- ROW_NUMBER

    def _rank(
        self, window: exp.Window, name: str, typing: Typing, grouping: Grouping | None, outputs: Outputs
    ) -> Rank | None:
        """ROW_NUMBER's partition and order; what they need becomes outputs."""
        typed_by = grouping.typed if grouping else typing.typed
        select = window.find_ancestor(exp.Select)
        aliases = [item.alias for item in select.expressions] if select is not None else []

        def output(node: exp.Expr) -> str | None:
            typed = typed_by(node)
            if typed is None:
                return None
            for one in outputs.made:
                if one.expression == typed:
                    return one.field.name
            taken = {*aliases, *(one.name for one in typing.visible), *(one.field.name for one in outputs.made)}
            hidden = Output(Field(fresh(f"$order{len(outputs.made)}", taken), type_of(typed)), typed)
            if isinstance(typed, exp.Column):
                source = grouping.fields if grouping else [one.field for one in typing.visible]
                kept = next(one for one in source if one.name == typed.name)
                hidden = Output(Field(hidden.field.name, kept.type, kept.event_time), typed)
            outputs.made.append(hidden)
            outputs.hidden.add(hidden.field.name)
            return hidden.field.name

        for one in window.args["order"].expressions:
            if bool(one.args.get("nulls_first")) == bool(one.args.get("desc")):
                return self._refuse(
                    "This order of NULLs is not supported.", one, "NULLs are lowest: leave NULLS ... out."
                )
        partition = [output(one) for one in window.args.get("partition_by") or []]
        order = [(output(one.this), bool(one.args.get("desc"))) for one in window.args["order"].expressions]
        if None in partition or None in [one for one, _ in order]:
            return None
        ordered = tuple((str(one), descending) for one, descending in order)
        return Rank(name, tuple(map(str, partition)), ordered, window, outputs.hidden)

    def _ranked(self, node: exp.Select, inner: exp.Subquery, top: bool) -> Plan | None:
        """The outer SELECT of ROW_NUMBER: `WHERE rank <= n` makes it the first rows."""
        if node.args.get("joins") or node.args.get("group"):
            return self._refuse("ROW_NUMBER is supported in a SELECT of its own.", node, "Put it into a view.")
        source = self._from(inner.this)
        if source is None:
            return None
        below, rank = self._over(inner.this, source, False, ranks=True)
        if not isinstance(below, Select) or rank is None:
            return None
        plan, rest = ranked(below, rank, node, self.report)
        if plan is None:
            return None
        alias = inner.alias or None
        shown = [one for one in plan.fields if one.name not in rank.hidden]
        visible = tuple(Visible(alias, one.name, one) for one in shown)
        outer = node.copy()
        whole = conjunction(rest)
        outer.set("where", exp.Where(this=whole) if whole is not None else None)
        made, _rank = self._over(outer, Relation(plan, visible), top)
        return made

    def _refuse(self, message: str, node: exp.Expr, hint: str = "") -> None:
        self.report(message, node, hint)


def _first_aggregate(node: exp.Select) -> exp.Expr | None:
    """An aggregate in the SELECT list that is not one of OVER."""
    parts = (part for item in node.expressions for part in item.walk() if is_aggregate(part))
    return next((part for part in parts if part.find_ancestor(exp.Window) is None), None)


def _filtered(plan: Plan, where: exp.Expr | None) -> Plan:
    """The plan's rows for which `where` holds; below a window, since no condition on the window is left."""
    if where is None:
        return plan
    if isinstance(plan, Windowed):
        return Windowed(_filtered(plan.input, where), plan.window, plan.fields)
    return Select(plan, tuple(Output(one, column(one)) for one in plan.fields), where)
