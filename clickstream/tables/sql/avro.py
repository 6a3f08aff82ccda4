"""The Avro schemas of results: those that Flink 2.3 derives of a table's columns (AvroSchemaConverter).

Flink's avro-confluent has one way to write times, whatever `avro.timestamp_mapping.legacy` says for `avro`: a
TIMESTAMP(3) is timestamp-millis, and a TIMESTAMP_LTZ(3) is refused.
"""

import json
import re
from typing import Any, Literal

from clickstream.tables.sql.model import Table
from clickstream.tables.sql.types import Type

NAME, SPACE = "record", "org.apache.flink.avro.generated"

_TYPES: dict[Type, Any] = {
    Type.BOOLEAN: "boolean",
    Type.INT: "int",
    Type.BIGINT: "long",
    Type.DOUBLE: "double",
    Type.STRING: "string",
    Type.DATE: {"type": "int", "logicalType": "date"},
    Type.TIMESTAMP: {"type": "long", "logicalType": "timestamp-millis"},
}
# https://avro.apache.org/docs/1.12.0/specification/#names
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def schema_of(table: Table, part: Literal["key", "value"]) -> str:
    """The schema of a result's keys or values as JSON, in the order in which Avro's Java library writes it."""
    fields = []
    for name, column in table.fields(part):
        kind = _TYPES[column.type]
        fields.append(
            {"name": name, "type": ["null", kind], "default": None}
            if table.takes_null(column)
            else {"name": name, "type": kind}
        )
    schema = {"type": "record", "name": NAME, "namespace": SPACE, "fields": fields}
    return json.dumps(schema, separators=(",", ":"))


def refusal(table: Table) -> tuple[str, str] | None:
    """Which column keeps a table from having such a schema, and what to do; None if it has one, or needs none."""
    for part in ("key", "value"):
        if table.avro(part) is None:
            continue
        for name, column in table.fields(part):
            if column.type not in _TYPES:
                return f"{column.name} is {column.type}, which avro-confluent does not have", "Use TIMESTAMP(3)."
            if not _NAME.fullmatch(name):
                return f"{name} cannot be a field's name in Avro", "It has letters, digits and _, no digit first."
    return None
