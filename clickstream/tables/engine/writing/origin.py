"""Which columns of a result say where a row comes from: the source's partition and offset."""

from sqlglot import exp

from clickstream.tables.sql.model import Insert, Kind, Plan, Read, Scan, Select, TemporalJoin


def origin_columns(insert: Insert) -> tuple[str, str] | None:
    """The target's columns with the partition and the offset of a stream's rows; None when it has not both."""
    found: dict[str, str] = {}
    for column, field in zip(insert.columns, insert.plan.fields, strict=True):
        kind = _metadata(insert.plan, field.name)
        if kind is not None and (insert.target.key_in_value or column not in insert.target.key_fields):
            found.setdefault(kind, column)
    return (found["partition"], found["offset"]) if len(found) == 2 else None


def _metadata(plan: Plan, name: str) -> str | None:
    """`partition` or `offset` if the field is that metadata of the one table that the rows come from."""
    match plan:
        case Scan():
            column = next(column for column in plan.table.columns if column.name == name)
            known = column.kind == Kind.METADATA and column.metadata in ("partition", "offset")
            return column.metadata if known else None
        case Read():
            inner = dict(zip((field.name for field in plan.fields), plan.view.plan.fields, strict=True))
            return _metadata(plan.view.plan, inner[name].name)
        case Select():
            value = next(output.expression for output in plan.outputs if output.field.name == name)
            return _metadata(plan.input, value.name) if isinstance(value, exp.Column) else None
        case TemporalJoin():
            return _metadata(plan.left, name) if name in {field.name for field in plan.left.fields} else None
    return None
