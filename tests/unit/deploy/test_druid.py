"""Druid's specs and questions in deploy/druid, as far as they can be judged without a Druid."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import sqlglot
from sqlglot import exp

from clickstream.records import WebClick, WebEvent
from tests.dashboards import DEPLOY, ROOT

FOLDER = DEPLOY / "druid"
QUESTIONS = sorted((FOLDER / "questions").glob("*.sql"))
RECORDS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "web-events": (WebEvent, "time"),
    "clickstream": (WebClick, "_time"),
}
DRUID_TYPES = {str: "string", int: "long", bool: "long", dict: "json"}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["spec"]["dataSchema"]
    return found


def fields(name: str) -> dict[str, str]:
    """The fields of the records on a topic, with Druid's types."""
    record, _ = RECORDS[name]
    found = {}
    for field in msgspec.structs.fields(record):
        [kind] = [one for one in (get_args(field.type) or (field.type,)) if one is not type(None)][:1]
        found[field.encode_name] = DRUID_TYPES[dict if str(field.type).startswith("dict") else kind]
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_a_spec_has_every_field_of_the_record_and_no_other(name: str) -> None:
    time = schema(name)["timestampSpec"]
    dimensions = {one["name"]: one["type"] for one in schema(name)["dimensionsSpec"]["dimensions"]}

    assert time == {"column": RECORDS[name][1], "format": "millis"}
    assert fields(name) == {**dimensions, time["column"]: "long"}


@pytest.mark.parametrize("name", RECORDS)
def test_a_spec_reads_its_topic_from_the_beginning_and_keeps_rows_as_they_are(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    reads = json.loads(text)["spec"]["ioConfig"]

    assert schema(name)["dataSource"] == reads["topic"] == name
    assert reads["useEarliestOffset"] is True
    assert reads["consumerProperties"] == {"bootstrap.servers": "${BOOTSTRAP_SERVERS}"}
    assert text.count("${") == 1
    granularity = schema(name)["granularitySpec"]
    assert (granularity["segmentGranularity"], granularity["queryGranularity"]) == ("HOUR", "NONE")
    assert granularity["rollup"] is False
    assert schema(name)["metricsSpec"] == []


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
def test_a_question_reads_columns_that_its_spec_makes(path: Path) -> None:
    select = sqlglot.parse_one(path.read_text("utf-8"), read="druid")
    [table] = select.find_all(exp.Table)
    columns = {column.name for column in select.find_all(exp.Column)}

    assert columns <= {"__time", *fields(table.name)} - {schema(table.name)["timestampSpec"]["column"]}
    assert "COUNT(DISTINCT" not in path.read_text("utf-8")


def test_all_questions_are_documented() -> None:
    page = (ROOT / "docs" / "deploy" / "druid.md").read_text("utf-8")
    rows = set(re.findall(r"^\| \[`([\w-]+)\.sql`\]", page, re.MULTILINE))
    assert rows == {path.stem for path in QUESTIONS}
