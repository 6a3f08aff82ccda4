"""`clickstream tables show`, as far as it needs no Kafka."""

import json
from pathlib import Path

import pytest

from clickstream.config import config_dir
from tests.unit.cli.conftest import Run

CLICKSTREAM = str(config_dir() / "tables" / "clickstream.sql")


def test_without_a_table_the_files_tables_are_listed(run: Run) -> None:
    outcome = run("tables", "show", CLICKSTREAM)
    assert outcome.code == 0
    blocks = outcome.out.split("\n\n")
    assert blocks[1] == (
        "clickstream_codes (source)\n"
        "  topic    clickstream_codes, upsert-kafka\n"
        "  key      code (json)\n"
        "  columns  code INT, definition STRING, changed TIMESTAMP_LTZ(3) (the record's timestamp)"
    )
    assert "key" not in blocks[0]
    assert "ts TIMESTAMP_LTZ(3) (computed)" in blocks[0]
    assert [block for block in blocks if block.startswith("user_clickstream (result)\n")]


def test_the_list_as_json(run: Run) -> None:
    found = [json.loads(line) for line in run("tables", "show", CLICKSTREAM, "--format", "json").out.splitlines()]
    [one] = [table for table in found if table["table"] == "events_per_min"]
    assert one == {
        "table": "events_per_min",
        "role": "result",
        "topic": "events_per_min",
        "connector": "upsert-kafka",
        "key": ["userid", "window_start"],
        "key_format": "json",
        "columns": [
            {"name": "userid", "type": "INT", "kind": "physical"},
            {"name": "window_start", "type": "TIMESTAMP(3)", "kind": "physical"},
            {"name": "window_end", "type": "TIMESTAMP(3)", "kind": "physical"},
            {"name": "events", "type": "BIGINT", "kind": "physical"},
        ],
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("errors_per_mim", "has no table errors_per_mim. Did you mean errors_per_min"),
        ("nothing_like_it", "has no table nothing_like_it. See them all with: clickstream tables show"),
        ("clicks_with_user", "clicks_with_user is a view: its rows are in no topic."),
    ],
)
def test_a_table_that_is_none_is_said_before_anything_starts(run: Run, name: str, said: str) -> None:
    outcome = run("tables", "show", CLICKSTREAM, name, "-b", "127.0.0.1:1")
    assert outcome.code == 2
    assert said in outcome.err


def test_a_file_with_problems_is_shown_with_them(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_text("SET 'a' = 'b';\n")
    outcome = run("tables", "show", str(bad), "t")
    assert outcome.code == 1
    assert "bad.sql:1:5: Unknown setting a." in outcome.err


@pytest.mark.parametrize("limit", ["0", "100001", "x"])
def test_a_limit_that_is_none(run: Run, limit: str) -> None:
    assert run("tables", "show", CLICKSTREAM, "events_per_min", "--limit", limit).code == 2
