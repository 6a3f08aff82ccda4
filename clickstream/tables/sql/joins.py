"""Temporal joins: each row of a stream beside a reference's row of its key, as of the row's time."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

from collections.abc import Mapping

from sqlglot import exp

from clickstream.tables.sql.calls import did_you_mean
from clickstream.tables.sql.expressions import Typing, Visible
from clickstream.tables.sql.model import Field, Table, TemporalJoin
from clickstream.tables.sql.plans import columns_of, remembers, window_of
from clickstream.tables.sql.scope import Catalog, Relation, conjuncts
from clickstream.tables.sql.types import type_of

TEMPORAL = "Supported are [LEFT] JOIN table FOR SYSTEM_TIME AS OF stream.time AS alias ON stream.column = alias.key"


class Joins:
    """Plans of JOIN clauses over a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.report = catalog.report

    def join(self, left: Relation, node: exp.Join) -> Relation | None:
        """`left` and a reference table; what is no temporal join is refused."""
        table = node.this
        version = table.args.get("version") if isinstance(table, exp.Table) else None
        if version is None:
            return self._refuse("Regular joins are not supported.", node, f"They keep everything for ever. {TEMPORAL}")
        if (
            node.side not in ("", "LEFT")
            or node.kind not in ("", "INNER", "OUTER")
            or node.args.get("using")
            or node.method
        ):
            return self._refuse("This kind of temporal join is not supported.", node, TEMPORAL)
        if remembers(left.plan) or window_of(left.plan):
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
            return self._refuse("A temporal join needs ON.", node, TEMPORAL)
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
