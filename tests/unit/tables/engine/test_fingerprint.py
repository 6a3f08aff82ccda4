"""What a state belongs to: statements, not their layout."""

import pytest

from clickstream.tables.engine.fingerprint import statements_of
from clickstream.tables.sql.check import VARIABLES, check
from tests.unit.tables.sql.support import TABLES, sink

SQL = TABLES + sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks WHERE status = 200;"


def of(sql: str, **variables: str) -> dict[str, str]:
    found = check(sql, {**VARIABLES, **variables})
    assert not found.problems, found.render()
    return statements_of(found)


def test_every_statement_has_a_name_for_people() -> None:
    assert list(of(SQL)) == [
        "SET 'table.exec.sink.require-on-conflict'",
        *("CREATE TABLE clicks", "CREATE TABLE users", "CREATE TABLE results", "INSERT INTO results"),
    ]


@pytest.mark.parametrize(
    ("change", "into"),
    [
        ("SELECT ip FROM", "SELECT ip\n   FROM"),
        ("SELECT ip FROM", "SELECT /* who */ ip -- that is\nFROM"),
        ("INSERT INTO results", "-- results\nINSERT INTO results"),
        ("INSERT", "EXECUTE STATEMENT SET BEGIN INSERT"),
    ],
)
def test_layout_and_comments_do_not_matter(change: str, into: str) -> None:
    other = SQL.replace(change, into, 1) + (" END;" if "BEGIN" in into else "")
    assert of(other) == of(SQL)


def test_what_variables_stand_for_does_not_matter() -> None:
    assert of(SQL, BOOTSTRAP_SERVERS="elsewhere:1") == of(SQL)


@pytest.mark.parametrize(
    ("change", "into"), [("status = 200", "status = 201"), ("'topic' = 'clicks'", "'topic' = 'c'")]
)
def test_what_is_meant_does_matter(change: str, into: str) -> None:
    before, after = of(SQL), of(SQL.replace(change, into))
    [different] = [name for name in before if before[name] != after[name]]
    assert different == ("INSERT INTO results" if "status" in change else "CREATE TABLE clicks")


def test_spaces_in_a_text_do_matter() -> None:
    one = SQL.replace("status = 200", "ip = 'a b'")
    assert of(one) != of(one.replace("'a b'", "'a  b'"))
