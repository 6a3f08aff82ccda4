"""What stands in FROM: tables, views, subqueries, windows, temporal joins."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

from collections.abc import Callable

from sqlglot import exp

from clickstream.tables.sql.calls import did_you_mean
from clickstream.tables.sql.joins import TEMPORAL, Joins
from clickstream.tables.sql.model import Field, Plan, Read, Window, Windowed
from clickstream.tables.sql.nodes import WindowTable
from clickstream.tables.sql.plans import WINDOW_COLUMNS, remembers, window_of
from clickstream.tables.sql.scope import Catalog, Relation, relation, scan
from clickstream.tables.sql.types import Type


class Relations(Joins):
    """Plans of FROM clauses; `subquery` plans a query in parentheses."""

    def __init__(self, catalog: Catalog, subquery: Callable[[exp.Expr], Plan | None]) -> None:
        super().__init__(catalog)
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
                return self._refuse("FOR SYSTEM_TIME AS OF is supported after JOIN only.", node, TEMPORAL)
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
        if window_of(plan) or remembers(plan):
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
            "SESSION": "SESSION(TABLE t [PARTITION BY column or (columns)], DESCRIPTOR(time), gap)",
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
