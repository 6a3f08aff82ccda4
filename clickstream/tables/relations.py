"""What stands in FROM: tables, views, subqueries, windows, temporal joins."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

from collections.abc import Callable, Mapping

from sqlglot import exp

from clickstream.tables.expressions import Typing, Visible, did_you_mean
from clickstream.tables.model import Field, Plan, Read, Table, TemporalJoin, Window, Windowed
from clickstream.tables.nodes import WindowTable
from clickstream.tables.scope import (
    WINDOW_COLUMNS,
    Catalog,
    Relation,
    aggregated,
    columns_of,
    conjuncts,
    relation,
    scan,
    window_of,
)
from clickstream.tables.types import Type, type_of

_TEMPORAL = "Supported are [LEFT] JOIN table FOR SYSTEM_TIME AS OF stream.time AS alias ON stream.column = alias.key"


class Relations:
    """Plans of FROM clauses; `subquery` plans a query in parentheses."""

    def __init__(self, catalog: Catalog, subquery: Callable[[exp.Expr], Plan | None]) -> None:
        self.catalog = catalog
        self.report = catalog.report
        self.subquery = subquery

    def source(self, node: exp.Expr) -> Relation | None:
        """The relation that a FROM names first."""
        alias = node.args["alias"].name if node.args.get("alias") else None
        if node.args.get("alias") and node.args["alias"].columns:
            return self._refuse(
                "Renaming columns in an alias is not supported.", node.args["alias"], "Use AS in SELECT."
            )
        match node:
            case WindowTable():
                return self._window(node, alias)
            case exp.Subquery():
                plan = self.subquery(node.this)
                return relation(plan, alias) if plan is not None else None
            case exp.Table() if isinstance(node.this, exp.Identifier) and not node.args.get("version"):
                if node.args.get("db"):
                    return self._refuse(
                        "Names of databases are not supported.", node, "Tables and views have plain names."
                    )
                odd = [key for key, value in node.args.items() if value and key not in ("this", "alias")]
                if odd:
                    return self._refuse(f"{odd[0].upper()} is not supported here.", node)
                plan = self._named(node.this)
                return relation(plan, alias or node.name) if plan is not None else None
            case exp.Table() if node.args.get("version"):
                return self._refuse("FOR SYSTEM_TIME AS OF is supported after JOIN only.", node, _TEMPORAL)
        return self._refuse(
            "This is not supported in FROM.", node, "Supported are tables, views, subqueries and TABLE(TUMBLE(...))."
        )

    def _named(self, name: exp.Expr) -> Plan | None:
        table, view = self.catalog.tables.get(name.name), self.catalog.views.get(name.name)
        if view is not None:
            return Read(view, view.fields)
        if table is None:
            if name.name not in self.catalog.refused:
                self.report(f"Unknown table {name.name}.", name, did_you_mean(name.name, self.catalog.names))
            return None
        if table.upsert:
            hint = "Read it as a reference: JOIN ... FOR SYSTEM_TIME AS OF ..., or as 'connector' = 'kafka'."
            return self._refuse(f"{table.name} is an upsert-kafka table: its rows are updates.", name, hint)
        return scan(table)

    # --- windows

    def _window(self, node: WindowTable, alias: str | None) -> Relation | None:
        plan = self._named(node.this)
        if plan is None:
            return None
        kind, intervals = node.args["name"].name, [int(one.this.name) for one in node.args["intervals"]]
        time = self._time(node, plan)
        window = self._sizes(node, kind, intervals, time.name if time else "")
        partition = self._partition(node, plan)
        if time is None or window is None or partition is None:
            return None
        if window_of(plan) or aggregated(plan):
            return self._refuse(
                "A window over windows is not supported.", node, "Write the first result to a topic and read that."
            )
        taken = [one for one in plan.fields if one.name in WINDOW_COLUMNS]
        if taken:
            return self._refuse(
                f"The input has a column {taken[0].name} already.", node.this, "Give it another name in a view."
            )
        fields = (
            *(Field(one.name, one.type) for one in plan.fields),
            Field("window_start", Type.TIMESTAMP),
            Field("window_end", Type.TIMESTAMP),
            Field("window_time", time.type, event_time=True),
        )
        made = Window(window.kind, time.name, window.size_ms, window.slide_ms, window.gap_ms, partition)
        return relation(Windowed(plan, made, fields), alias)

    def _time(self, node: WindowTable, plan: Plan) -> Field | None:
        descriptor = node.args["descriptor"]
        found = next((one for one in plan.fields if one.name == descriptor.name), None)
        if found is None:
            self.report(
                f"Unknown column {descriptor.name}.",
                descriptor,
                did_you_mean(descriptor.name, (one.name for one in plan.fields)),
            )
        elif not found.event_time:
            times = [one.name for one in plan.fields if one.event_time]
            hint = f"The event time is {times[0]}." if times else (
                "A table has one by WATERMARK FOR; a view keeps it only if it selects the column as it is."
            )  # fmt: skip
            self.report(f"{descriptor.name} is not the event time of {node.this.name}.", descriptor, hint)
            found = None
        return found

    def _sizes(self, node: WindowTable, kind: str, intervals: list[int], time: str) -> Window | None:
        forms = {
            "TUMBLE": "TUMBLE(TABLE t, DESCRIPTOR(time), size)",
            "HOP": "HOP(TABLE t, DESCRIPTOR(time), slide, size)",
            "CUMULATE": "CUMULATE(TABLE t, DESCRIPTOR(time), step, size)",
            "SESSION": "SESSION(TABLE t [PARTITION BY column, ...], DESCRIPTOR(time), gap)",
        }
        wanted = 2 if kind in ("HOP", "CUMULATE") else 1
        if len(intervals) != wanted:
            problem = f"{kind} takes {wanted} interval{'s' if wanted > 1 else ''}."
            return self._refuse(problem, node.args["intervals"][-1] if intervals else node.args["name"], forms[kind])
        if any(value <= 0 for value in intervals):
            return self._refuse("A window's intervals are longer than nothing.", node.args["intervals"][0], forms[kind])
        if wanted == 2 and intervals[1] % intervals[0]:
            swapped = intervals[0] % intervals[1] == 0
            hint = f"The {'slide' if kind == 'HOP' else 'step'} comes first: {forms[kind]}" if swapped else forms[kind]
            return self._refuse(
                f"The size of {kind} is not a multiple of its first interval.", node.args["intervals"][1], hint
            )
        match kind:
            case "TUMBLE":
                return Window("TUMBLE", time, size_ms=intervals[0])
            case "HOP":
                return Window("HOP", time, size_ms=intervals[1], slide_ms=intervals[0])
            case "CUMULATE":
                return Window("CUMULATE", time, size_ms=intervals[1], slide_ms=intervals[0])
            case _:
                return Window("SESSION", time, gap_ms=intervals[0])

    def _partition(self, node: WindowTable, plan: Plan) -> tuple[str, ...] | None:
        nodes = node.args.get("partition") or []
        if nodes and node.args["name"].name != "SESSION":
            return self._refuse(
                "PARTITION BY is for SESSION.", nodes[0], "GROUP BY separates the groups of other windows."
            )
        known = [one.name for one in plan.fields]
        for one in nodes:
            if one.name not in known:
                return self._refuse(f"Unknown column {one.name}.", one, did_you_mean(one.name, known))
        return tuple(one.name for one in nodes)

    # --- joins

    def join(self, left: Relation, node: exp.Join) -> Relation | None:
        """`left` and a reference table; what is no temporal join is refused."""
        table = node.this
        version = table.args.get("version") if isinstance(table, exp.Table) else None
        if version is None:
            return self._refuse("Regular joins are not supported.", node, f"They keep everything for ever. {_TEMPORAL}")
        if (
            node.side not in ("", "LEFT")
            or node.kind not in ("", "INNER", "OUTER")
            or node.args.get("using")
            or node.method
        ):
            return self._refuse("This kind of temporal join is not supported.", node, _TEMPORAL)
        if aggregated(left.plan) or window_of(left.plan):
            return self._refuse("A temporal join of windowed rows is not supported.", node, "Join first, in a view.")
        reference = self._reference(table)
        if reference is None:
            return None
        time = Typing(left.visible, self.report).typed(version.expression)
        if time is None:
            return None
        event_time = isinstance(time, exp.Column) and any(
            one.name == time.name and one.event_time for one in left.plan.fields
        )
        if not event_time:
            hint = "It has a WATERMARK, and is selected as it is by every view before."
            return self._refuse("The event time of the left side is expected.", version.expression, hint)
        assert reference.watermark is not None
        marked = next(one for one in reference.columns if one.name == reference.watermark.column)
        if marked.type != type_of(time):
            message = f"The times differ in type: {type_of(time)} here, {marked.type} in {reference.name}."
            return self._refuse(message, version.expression, "Declare both the same.")
        return self._joined(left, node, reference, time.name)

    def _reference(self, table: exp.Table) -> Table | None:
        found = self.catalog.tables.get(table.name)
        if table.name in self.catalog.views:
            return self._refuse(f"{table.name} is a view.", table.this, "The reference of a temporal join is a table.")
        if found is None:
            if table.name not in self.catalog.refused:
                self.report(f"Unknown table {table.name}.", table.this, did_you_mean(table.name, self.catalog.tables))
            return None
        if not found.upsert or not found.primary_key:
            return self._refuse(
                f"{found.name} has no versions.",
                table.this,
                "The reference is an upsert-kafka table with a PRIMARY KEY.",
            )
        if found.watermark is None:
            hint = "For example  WATERMARK FOR time AS TO_TIMESTAMP_LTZ(0, 3), so that nothing waits for it."
            return self._refuse(f"{found.name} has no watermark.", table.this, hint)
        return found

    def _joined(self, left: Relation, node: exp.Join, reference: Table, time: str) -> Relation | None:
        alias = node.this.alias or reference.name
        taken = {one.name for one in left.plan.fields}
        fields: list[tuple[str, Field]] = []
        for one in reference.columns:
            name = one.name
            while name in taken:
                name = f"{alias}.{name}" if name == one.name else name + "_"
            taken.add(name)
            fields.append((one.name, Field(name, one.type)))
        right = tuple(Visible(alias, name, field) for name, field in fields)
        if any(one.qualifier == alias for one in left.visible):
            return self._refuse(f"A second table {alias}.", node.this, "Give it another alias with AS.")
        keys = self._keys(left, node, reference, right)
        if keys is None:
            return None
        kind = "LEFT" if node.side == "LEFT" else "INNER"
        plan = TemporalJoin(left.plan, reference, kind, time, keys, tuple(fields))  # type: ignore[arg-type]
        return Relation(plan, (*left.visible, *right))

    def _keys(
        self, left: Relation, node: exp.Join, reference: Table, right: tuple[Visible, ...]
    ) -> tuple[tuple[exp.Expr, str], ...] | None:
        if node.args.get("on") is None:
            return self._refuse("A temporal join needs ON.", node, _TEMPORAL)
        names = {one.field.name: one.name for one in right}
        keys: dict[str, exp.Expr] = {}
        whole = Typing((*left.visible, *right), self.report).condition(node.args["on"])
        if whole is None:
            return None
        for part in conjuncts(whole):
            pair = _sides(part, names)
            if pair is None or names[pair[1].name] not in reference.primary_key:
                return self._refuse(
                    "Only equality with the reference's key is supported here.", part, _key_hint(reference)
                )
            value, key = pair
            if type_of(value) != type_of(key):
                return self._refuse(
                    f"{type_of(value)} is joined with {type_of(key)}.", part, "Make one the other's type with CAST."
                )
            keys[names[key.name]] = value
        if missing := [name for name in reference.primary_key if name not in keys]:
            return self._refuse(f"{missing[0]} is missing.", node.args["on"], _key_hint(reference))
        return tuple((keys[name], name) for name in reference.primary_key)

    def _refuse(self, message: str, node: exp.Expr, hint: str = "") -> None:
        self.report(message, node, hint)


def _key_hint(reference: Table) -> str:
    return f"The primary key of {reference.name} is {', '.join(reference.primary_key)}."


def _sides(part: exp.Expr, names: Mapping[str, str]) -> tuple[exp.Expr, exp.Column] | None:
    """The stream's side of an equality, and the reference's column (one of `names`) on the other."""
    if isinstance(part, exp.EQ):
        for value, key in ((part.this, part.expression), (part.expression, part.this)):
            mixed = any(column.name in names for column in columns_of(value))
            if isinstance(key, exp.Column) and key.name in names and not mixed:
                return value, key
    return None
