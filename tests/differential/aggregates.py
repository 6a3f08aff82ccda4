"""Aggregates over all rows of a group at once."""

from collections.abc import Sequence

from clickstream.tables.sql.model import Aggregate
from clickstream.tables.sql.types import Type
from tests.differential.expressions import holds, value_of
from tests.differential.functions import divided
from tests.differential.rows import Row, Value
from tests.differential.texts import wrapped


def aggregated(aggregate: Aggregate, rows: Sequence[Row]) -> Value:
    """The aggregate's value over the rows for which its FILTER holds."""
    counted = [row for row in rows if holds(aggregate.filter, row.values)]
    if aggregate.argument is None:
        return len(counted)
    found = [value_of(aggregate.argument, row.values) for row in counted]
    values = [value for value in found if value is not None]
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
    total = sum(values)
    if aggregate.function == "AVG":
        return divided(total, len(values), aggregate.field.type != Type.DOUBLE)
    return wrapped(total, aggregate.field.type) if aggregate.field.type != Type.DOUBLE else float(total)
