"""What Flink computes and this engine does not, where only the whole plan shows it."""

from clickstream.tables.sql.model import GroupBy, Plan, Scan, TemporalJoin, TopN, Windowed
from clickstream.tables.sql.plans import columns_of, walk


def beyond(plan: Plan) -> tuple[str, str] | None:
    """What is wrong with the plan, and what to do instead."""
    grouped = {id(node.input) for node in walk(plan) if isinstance(node, GroupBy)}
    for node in walk(plan):
        if isinstance(node, Windowed | TemporalJoin | TopN) and (still := _stands_still(node)):
            return (
                f"The watermark of {still} stands still: no window ends, and no row of a join is ever due.",
                "A stream needs one that follows its times, for example  ts - INTERVAL '5' SECOND.",
            )
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


def _stands_still(node: Plan) -> str | None:
    """A table with a constant watermark that is read as a stream: Flink waits for ever, or until the read ends."""
    tables = (one.table for one in walk(node) if isinstance(one, Scan))
    return next((one.name for one in tables if one.watermark and one.watermark.constant_ms is not None), None)


def _window_column(node: GroupBy) -> str | None:
    """A column of the window that is used in a key or an aggregate: panes, which windows share, have none."""
    assert isinstance(node.input, Windowed)
    known = {field.name for field in node.input.input.fields}
    keys = [key.expression for key in node.keys if key.field.name not in node.window_keys.values()]
    parts = [part for one in node.aggregates for part in (one.argument, one.filter)]
    return next((column.name for column in columns_of(*keys, *parts) if column.name not in known), None)
