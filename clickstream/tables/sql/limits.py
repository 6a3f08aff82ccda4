"""What Flink computes and this engine does not, where only the whole plan shows it."""

from sqlglot import exp

from clickstream.tables.sql.model import GroupBy, Plan, Windowed
from clickstream.tables.sql.scope import walk


def beyond(plan: Plan) -> tuple[str, str] | None:
    """What is wrong with the plan, and what to do instead."""
    grouped = {id(node.input) for node in walk(plan) if isinstance(node, GroupBy)}
    for node in walk(plan):
        if isinstance(node, Windowed) and node.window.kind == "SESSION" and id(node) not in grouped:
            return (
                "The rows of a SESSION window without GROUP BY are not supported.",
                "GROUP BY its columns, window_start and window_end: a session is known only when it ends.",
            )
        if isinstance(node, GroupBy) and isinstance(node.input, Windowed) and (name := _window_column(node)):
            return (
                f"An expression of {name} beside GROUP BY is not supported.",
                "GROUP BY the window's columns as they are; compute with them in SELECT.",
            )
    return None


def _window_column(node: GroupBy) -> str | None:
    """A column of the window that is used in a key or an aggregate: panes, which windows share, have none."""
    assert isinstance(node.input, Windowed)
    known = {field.name for field in node.input.input.fields}
    keys = [key.expression for key in node.keys if key.field.name not in node.window_keys.values()]
    parts = [part for one in node.aggregates for part in (one.argument, one.filter) if part is not None]
    used = [column.name for one in [*keys, *parts] for column in one.find_all(exp.Column)]
    return next((name for name in used if name not in known), None)
