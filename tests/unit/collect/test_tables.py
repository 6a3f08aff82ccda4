"""What the collector stores is what the shipped files of SQL read."""

from typing import Any

import msgspec
import pytest

from clickstream.config import config_dir
from clickstream.records import WebEvent
from clickstream.tables.sql.check import check_file
from clickstream.tables.sql.model import Kind
from clickstream.tables.sql.types import Type

TYPES = {Type.STRING: "string", Type.BIGINT: "integer", Type.BOOLEAN: "boolean"}
PROPERTIES: dict[str, Any] = msgspec.json.schema(WebEvent)["$defs"]["WebEvent"]["properties"]


@pytest.mark.parametrize("name", ["web_events", "numbered_events"])
def test_columns_are_fields_of_the_record(name: str) -> None:
    table = check_file(config_dir() / "tables" / "web-events.sql").program.tables[name]
    assert table.topic == "web-events"
    for column in table.columns:
        if column.kind == Kind.PHYSICAL:
            field = PROPERTIES[column.name]
            types = [one["type"] for one in field.get("anyOf", [field])]
            assert TYPES[column.type] in types, column.name
