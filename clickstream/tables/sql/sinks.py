"""INSERT INTO: whether the query's rows fit the table, and what their key is."""

from sqlglot import exp

from clickstream.tables.sql.avro import refusal
from clickstream.tables.sql.calls import Report, did_you_mean
from clickstream.tables.sql.model import Column, GroupBy, Plan, Table
from clickstream.tables.sql.nodes import InsertNode
from clickstream.tables.sql.plans import grouping, key_columns, split_union, walk
from clickstream.tables.sql.types import stores

CONFLICT = "table.exec.sink.require-on-conflict"


def target_columns(node: InsertNode, table: Table, report: Report) -> list[Column] | None:
    """The columns that the INSERT names, or all that can be written."""
    if refused := refusal(table):
        report(f"{table.name}: {refused[0]}.", node.this, refused[1])
        return None
    written = {column.name: column for column in table.written}
    if node.args.get("columns") is None:
        return list(written.values())
    found: list[Column] = []
    for name in node.args["columns"]:
        if name.name not in written:
            hint = (
                "It is computed or VIRTUAL."
                if any(c.name == name.name for c in table.columns)
                else did_you_mean(name.name, written)
            )
            report(f"{table.name} has no column {name.name} to be written.", name, hint)
            return None
        if written[name.name] in found:
            report(f"A second column {name.name}.", name, "")
            return None
        found.append(written[name.name])
    names = [column.name for column in found]
    for key in table.primary_key:
        if key not in names:
            report(f"The key column {key} is missing.", node.this, "Every row needs its key.")
            return None
    return found


def fits(node: InsertNode, plan: Plan, columns: list[Column], report: Report) -> bool:
    """Whether the query has a column of a fitting type for each target column."""
    if len(plan.fields) != len(columns):
        names = ", ".join(column.name for column in columns)
        message = f"The query has {len(plan.fields)} columns, {node.this.name} takes {len(columns)}."
        report(message, node.this, f"They are {names}.")
        return False
    ok = True
    selected = node.expression.expressions if isinstance(node.expression, exp.Select) else []
    for index, (field, column) in enumerate(zip(plan.fields, columns, strict=True)):
        if not stores(field.type, column.type):
            one_by_one = len(selected) == len(columns)
            at = selected[index] if one_by_one else node.this
            report(f"{column.name} is {column.type}, the query gives {field.type}.", at, f"CAST(... AS {column.type})")
            ok = False
    return ok


def keyed(
    node: InsertNode, plan: Plan, table: Table, columns: list[Column], settings: dict[str, str], report: Report
) -> bool:
    """Whether rows that stand for different things have different keys, in the way Flink wants it said."""
    group = grouping(plan)
    if group is None and any(isinstance(one, GroupBy) and one.window is None for one in walk(plan)):
        report("Rows of GROUP BY without a window change: they are not supported in UNION ALL.", node.this, "")
        return False
    if group is not None and group.window is None and not table.upsert:
        hint = "Use 'connector' = 'upsert-kafka' with the GROUP BY columns as PRIMARY KEY, or GROUP BY a window."
        report(f"Rows of GROUP BY without a window change; {table.name} only appends.", node.this, hint)
        return False
    if not table.upsert:
        return True
    if (group is None or group.window is not None) and settings.get(CONFLICT, "true").lower() != "false":
        hint = f"Write  SET '{CONFLICT}' = 'false';  before it: Flink asks for it where appended rows get a key."
        report(f"{table.name} is an upsert-kafka table, the query only appends.", node.this, hint)
        return False
    groups = [(part.plan, found) for part in split_union(plan) if (found := grouping(part.plan)) is not None]
    return all(_identifies(node, one, found, table, columns, report) for one, found in groups)


def _identifies(
    node: InsertNode, plan: Plan, group: GroupBy, table: Table, columns: list[Column], report: Report
) -> bool:
    names = {column.name: field.name for column, field in zip(columns, plan.fields, strict=True)}
    keys = {key_columns(plan, names[name]) if name in names else None for name in table.primary_key}
    wanted = {key.field.name for key in group.keys} - set(group.window_keys.values())
    if group.window is not None:
        roles = ("window_end",) if group.window.kind == "CUMULATE" else ("window_start", "window_end")
        times = [group.window_keys[role] for role in roles]
        if not keys & set(times):
            return _unkeyed(node, table, f"{' or '.join(times)}, or a window overwrites the one before", report)
    if missing := sorted(wanted - keys, key=str):
        named = {key.field.name for key in group.keys if isinstance(key.expression, exp.Column)}
        shown = ", ".join(name if name in named else "an expression" for name in missing)
        return _unkeyed(node, table, f"{shown}, or groups overwrite each other", report)
    if group.window is None and None in keys:
        report(
            f"The PRIMARY KEY of {table.name} has more than the GROUP BY columns.",
            node.this,
            "Without a window they are the same.",
        )
        return False
    return True


def _unkeyed(node: InsertNode, table: Table, what: str, report: Report) -> bool:
    report(f"The PRIMARY KEY of {table.name} needs {what}.", node.this, f"It is ({', '.join(table.primary_key)}) now.")
    return False
