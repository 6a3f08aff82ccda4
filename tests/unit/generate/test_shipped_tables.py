"""What the generators make is what the shipped files of SQL declare."""

from typing import Any

import msgspec
import pytest

from clickstream.config import config_dir
from clickstream.generate.traffic import Traffic
from clickstream.generate.vip import vip
from clickstream.generate.web import web
from clickstream.tables.sql.check import check_file
from clickstream.tables.sql.model import Kind, Table
from clickstream.tables.sql.types import Type

START_MS = 1_767_225_600_000
PYTHON = {Type.INT: int, Type.BIGINT: int, Type.STRING: str}
REFERENCES = [
    ("clickstream.sql", "clickstream_codes"),
    ("clickstream.sql", "clickstream_users"),
    ("vip.sql", "vip_users"),
]
CLICKS = [("clickstream.sql", "clickstream"), ("vip.sql", "vip_clicks")]


def traffic(file: str) -> Traffic:
    if file == "vip.sql":
        return vip(20, seed=1, topic="vip-clicks", users_topic="vip-users")
    return web(20, seed=1, topic="clickstream", codes_topic="clickstream_codes", users_topic="clickstream_users")


def table(file: str, name: str) -> Table:
    return check_file(config_dir() / "tables" / file).program.tables[name]


def misfits(declared: Table, value: bytes) -> dict[str, Any]:
    """The columns that the record has not, or with a value of another type."""
    record = msgspec.json.decode(value)
    columns = [column for column in declared.columns if column.kind == Kind.PHYSICAL]
    return {
        column.name: record.get(column.name, "missing")
        for column in columns
        if column.name not in record or not isinstance(record[column.name], PYTHON[column.type] | None)
    }


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_a_references_key_is_its_primary_key_as_compact_json(file: str, name: str) -> None:
    declared = table(file, name)
    for key, value in traffic(file).references[declared.topic]:
        record = msgspec.json.decode(value)
        assert key == msgspec.json.encode({column: record[column] for column in declared.primary_key})


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_references_have_the_declared_columns(file: str, name: str) -> None:
    declared = table(file, name)
    found = [misfits(declared, value) for _, value in traffic(file).references[declared.topic]]
    assert found == [{}] * len(found) != []


@pytest.mark.parametrize(("file", "name"), CLICKS)
def test_clicks_have_the_declared_columns(file: str, name: str) -> None:
    declared, made = table(file, name), traffic(file)
    assert made.topic == declared.topic
    _, clicks = made.crowd.block()
    messages = made.messages(clicks, range(START_MS, START_MS + len(clicks)))
    assert [misfits(declared, message["value"]) for message in messages] == [{}] * len(clicks)
