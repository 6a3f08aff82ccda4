"""Copies of a file of SQL."""

import pytest

from bench.tables import SQL, STREAMS, cases
from bench.tables_sql import inserts, renamed, variant
from clickstream.tables.sql.check import check

TEXT = """\
CREATE TABLE a (x INT) WITH ('connector' = 'kafka', 'topic' = 'in');
CREATE TABLE b (x INT) WITH ('topic' = 'out');
INSERT INTO b SELECT x FROM a;

INSERT INTO c
SELECT x
FROM a;
"""


def test_inserts_are_found_in_order() -> None:
    assert inserts(TEXT) == ["b", "c"]


def test_an_insert_that_is_not_kept_is_gone_to_its_semicolon() -> None:
    assert variant(TEXT, lambda table: table == "b", lambda topic: topic).endswith("INSERT INTO b SELECT x FROM a;\n\n")


def test_sources_get_their_names_and_results_a_prefix() -> None:
    text = variant(TEXT, lambda _table: True, renamed({"in": "clicks"}, "run-1-"))
    assert "'topic' = 'clicks'" in text
    assert "'topic' = 'run-1-out'" in text


@pytest.mark.parametrize(("case", "tables"), [("windows", 9), ("all", 11), ("hop", 1), ("keys", 9)])
def test_every_case_is_a_valid_file(case: str, tables: int) -> None:
    for one in cases([case]):
        checked = check(variant(SQL.read_text("utf-8"), one.keeps, renamed({}, "x-")))
        assert checked.problems == []
        assert len(checked.program.inserts) == tables
        assert all(insert.target.topic.startswith("x-") for insert in checked.program.inserts)


def test_the_streams_are_in_the_file() -> None:
    assert set(inserts(SQL.read_text("utf-8"))) > STREAMS
