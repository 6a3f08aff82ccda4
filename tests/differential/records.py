"""Records as rows of a table, and rows as records."""

from collections.abc import Mapping

from clickstream.tables.sql.model import Column, Kind, Table
from tests.differential.expressions import value_of
from tests.differential.rows import Record, Value, Values
from tests.differential.texts import from_json, load, to_json


class Unreadable(Exception):
    """The record is nothing that the table's formats know."""


def iso(table: Table, part: str) -> bool:
    """Whether times in the key or value are written with a T."""
    return (table.json("timestamp-format.standard", part) or "SQL").upper() == "ISO-8601"  # type: ignore[arg-type]


def _object(data: bytes | None) -> dict[str, object]:
    try:
        found = load(data or b"")
    except ValueError:
        raise Unreadable from None
    if not isinstance(found, dict):
        raise Unreadable
    return found


def _key(table: Table, record: Record, columns: dict[str, Column]) -> Values:
    if table.key_format is None:
        return {}
    if table.key_format == "raw":
        return {table.key_fields[0]: record.key.decode(errors="replace") if record.key is not None else None}
    found = _object(record.key)
    start = len(table.key_prefix)
    return {
        name: from_json(found.get(name[start:]), columns[name].type, iso(table, "key")) for name in table.key_fields
    }


def _value(table: Table, record: Record, columns: dict[str, Column]) -> Values:
    found = _object(record.value)
    names = [name for name in columns if table.key_in_value or name not in table.key_fields]
    return {name: from_json(found.get(name), columns[name].type, iso(table, "value")) for name in names}


def _metadata(table: Table, record: Record) -> Values:
    known: Values = {
        "topic": table.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "headers": dict(record.headers),
    }
    return {column.name: known[column.metadata] for column in table.columns if column.metadata is not None}


def decode(table: Table, record: Record) -> Values:
    """All columns of a record. Raises Unreadable."""
    columns = {column.name: column for column in table.columns if column.kind == Kind.PHYSICAL}
    values = {**_key(table, record, columns), **_value(table, record, columns), **_metadata(table, record)}
    computed = {
        column.name: value_of(column.expression, values) for column in table.columns if column.expression is not None
    }
    return values | computed


def decode_key(table: Table, record: Record) -> tuple[Value, ...]:
    """The primary key of an upsert-kafka record, by its key alone. Raises Unreadable."""
    columns = {column.name: column for column in table.columns}
    return tuple(_key(table, record, columns).values())


def version_time(table: Table, record: Record, values: Values | None) -> int:
    """ms from which on the reference's row is as the record says: its own time, or the record's if it has none."""
    assert table.watermark is not None
    time: int | None = values[table.watermark.column] if values else None
    return record.timestamp if time is None else time


# --- written records, parsed: what remains is JSON


def encode_key(table: Table, row: Values) -> object:
    """A written record's key: parsed JSON, a raw key's text, or None without a key."""
    if table.key_format is None:
        return None
    if table.key_format == "raw":
        return row[table.key_fields[0]]
    return _written(table, row, table.key_fields, "key", len(table.key_prefix))


def encode_value(table: Table, row: Values) -> dict[str, object]:
    """A written record's value, parsed; with what the table writes beside it."""
    names = [column.name for column in table.columns if column.kind == Kind.PHYSICAL]
    if not table.key_in_value:
        names = [name for name in names if name not in table.key_fields]
    beside: dict[str | None, Value] = {column.metadata: row[column.name] for column in table.written}
    return {**_written(table, row, tuple(names), "value"), **marked(beside)}


def marked(beside: Mapping[str | None, Value]) -> dict[str, object]:
    """A record's timestamp and headers as if they were fields of its value."""
    made: dict[str, object] = {}
    if beside.get("timestamp") is not None:
        made["$timestamp"] = beside["timestamp"]
    if beside.get("headers"):
        made["$headers"] = {name: value.hex() for name, value in beside["headers"].items()}
    return made


def _written(table: Table, row: Values, names: tuple[str, ...], part: str, prefix: int = 0) -> dict[str, object]:
    columns = {column.name: column for column in table.columns}
    made = {name[prefix:]: to_json(row[name], columns[name].type, iso(table, part)) for name in names}
    if table.json("encode.ignore-null-fields", part) == "true":  # type: ignore[arg-type]
        return {name: value for name, value in made.items() if value is not None}
    return made
