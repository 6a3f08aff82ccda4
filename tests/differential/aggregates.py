"""Aggregates over all rows of a group at once."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add

from clickstream.tables.sql.model import Aggregate
from clickstream.tables.sql.types import Type, type_of
from tests.differential.expressions import holds, value_of
from tests.differential.functions import divided
from tests.differential.rows import Row, Value
from tests.differential.texts import wrapped


def _in_parts(values: Iterable[tuple[Row, float]]) -> float:
    """One sum for each pane of a partition, in the order of the log; then these, and then the partitions'."""
    panes: dict[tuple[int, int], float] = {}
    for row, value in sorted(values, key=lambda one: one[0].origin):
        _topic, partition, _offset = row.origin
        panes[partition, row.pane] = panes.get((partition, row.pane), 0.0) + value
    partitions: dict[int, float] = {}
    for partition, pane in sorted(panes):
        partitions[partition] = partitions.get(partition, 0.0) + panes[partition, pane]
    # sum() of floats is more exact than adding is.
    return reduce(add, partitions.values())


def aggregated(aggregate: Aggregate, rows: Sequence[Row]) -> Value:
    """The aggregate's value over the rows for which its FILTER holds."""
    counted = [row for row in rows if holds(aggregate.filter, row.values)]
    if aggregate.argument is None:
        return len(counted)
    found = [(row, value_of(aggregate.argument, row.values)) for row in counted]
    known = [(row, value) for row, value in found if value is not None]
    values = [value for _row, value in known]
    if aggregate.distinct:
        values = list(dict.fromkeys(values))
    if aggregate.function == "COUNT":
        return len(values)
    if not values:
        return None
    match aggregate.function:
        case "MIN":
            return min(values)
        case "MAX":
            return max(values)
    doubles = type_of(aggregate.argument) == Type.DOUBLE
    # Sums of distinct numbers have to be exact ones.
    total: Value = _in_parts(known) if doubles and not aggregate.distinct else sum(values)
    if aggregate.function == "AVG":
        return divided(total, len(values), aggregate.field.type != Type.DOUBLE)
    return wrapped(total, aggregate.field.type) if aggregate.field.type != Type.DOUBLE else float(total)
