"""The shipped files pass the check, and say what they are meant to say."""

import pytest

from clickstream.config import config_dir
from clickstream.tables.sql.check import VARIABLES, check_file
from clickstream.tables.sql.model import Plan, Program, Scan, Table, TemporalJoin
from clickstream.tables.sql.plans import walk

FILES = sorted((config_dir() / "tables").glob("*.sql"))

TARGETS = {
    "user_clickstream",
    "enriched_error_codes",
    "events_per_min",
    "pages_per_min",
    "click_user_sessions",
    "errors_per_min_alert",
    "errors_per_min",
    "enriched_error_codes_count",
    "user_ip_activity",
    "malicious_user_sessions",
    "traffic_per_min",
}


def program(name: str) -> Program:
    found = check_file(config_dir() / "tables" / name)
    assert not found.problems, found.render()
    return found.program


def sources(plan: Plan) -> list[Table]:
    nodes = list(walk(plan))
    joined = [node.reference for node in nodes if isinstance(node, TemporalJoin)]
    return joined + [node.table for node in nodes if isinstance(node, Scan)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_has_no_problems(path) -> None:  # type: ignore[no-untyped-def]
    found = check_file(path)

    assert not found.problems, found.render()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_statement_stands_in_the_file_as_it_is(path) -> None:  # type: ignore[no-untyped-def]
    found = check_file(path)

    for statement in found.statements:
        assert statement.text in found.source.text


def test_clickstream_has_its_tables_and_streams() -> None:
    targets = [insert.target.name for insert in program("clickstream.sql").inserts]

    assert set(targets) == TARGETS
    assert len(targets) == len(TARGETS)


def test_references_may_be_idle_and_clicks_may_not() -> None:
    tables = program("clickstream.sql").tables

    assert {name: table.idle_timeout_ms for name, table in tables.items() if table.watermark} == {
        "clickstream": None,
        "clickstream_codes": 2000,
        "clickstream_users": 2000,
    }
    assert not any(table.bounded for table in tables.values())
    assert tables["clickstream"].json("ignore-parse-errors") == "true"
    assert tables["clickstream_users"].json("ignore-parse-errors") == "true"


def test_a_run_that_ends_is_the_same_file() -> None:
    variables = {**VARIABLES, "BOUNDED": "latest-offset", "REF_IDLE": "0 s"}
    for path in FILES:
        found = check_file(path, variables)

        assert not found.problems, found.render()
        read = {table.name for insert in found.program.inserts for table in sources(insert.plan)}
        assert all(found.program.tables[name].bounded for name in read)


def test_rows_with_null_keys_are_dropped() -> None:
    assert all(program(path.name).drops_null_keys for path in FILES)
