"""What a state belongs to: statements, not their layout."""

import pytest

from clickstream.tables.engine.state.statements import statements_of
from clickstream.tables.sql.check import VARIABLES, check
from tests.unit.tables.sql.support import TABLES, sink

SQL = TABLES + sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks WHERE status = 200;"


def of(sql: str, **variables: str) -> dict[str, dict[str, str]]:
    found = check(sql, {**VARIABLES, **variables})
    assert not found.problems, found.render()
    return statements_of(found)


def test_an_insert_depends_on_what_it_reads_and_writes() -> None:
    assert {target: list(texts) for target, texts in of(SQL).items()} == {
        "results": ["INSERT INTO results", "CREATE TABLE results", "CREATE TABLE clicks"]
    }


def test_views_are_followed_and_unused_statements_are_none_of_its_business() -> None:
    views = "CREATE VIEW v1 AS SELECT ip, status FROM clicks; CREATE VIEW v2 AS SELECT ip FROM v1;"
    found = of(SQL.replace("INSERT", views + "INSERT").replace("FROM clicks WHERE status = 200", "FROM v2"))
    assert {"CREATE VIEW v1", "CREATE VIEW v2", "CREATE TABLE clicks"} < set(found["results"])
    assert "CREATE TABLE users" not in found["results"]


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


def test_where_kafka_is_does_not_matter() -> None:
    assert of(SQL, BOOTSTRAP_SERVERS="elsewhere:1") == of(SQL)


def test_where_a_registry_is_does_not_matter_and_its_password_is_not_kept() -> None:
    def at(url: str, password: str, subject: str = "s") -> dict[str, dict[str, str]]:
        options = {
            "url": url,
            "basic-auth.user-info": f"ann:{password}",
            "ssl.truststore.location": f"{url}.pem",
            "subject": subject,
        }
        avro = ", ".join(f"'value.avro-confluent.{name}' = '{value}'" for name, value in options.items())
        target = sink("ip STRING").replace("'format' = 'json'", f"'value.format' = 'avro-confluent', {avro}")
        return of(SQL.replace(sink("ip STRING"), target))

    assert at("http://a", "s3cret") == at("http://b", "another")
    assert at("http://a", "x") != at("http://a", "x", "another")
    assert "s3cret" not in str(at("http://a", "s3cret"))


def test_what_else_a_variable_stands_for_does_matter() -> None:
    sql = SQL.replace("status = 200", "ip = '${IP}'")
    assert of(sql, IP="a") == of(sql.replace("${IP}", "a"))
    assert of(sql, IP="a") != of(sql, IP="b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("table.exec.source.idle-timeout", "2 s"),
        ("table.exec.sink.not-null-enforcer", "DROP"),
        ("table.exec.sink.require-on-conflict", "true"),
        ("table.local-time-zone", "UTC"),
    ],
)
def test_settings_may_come_and_change(name: str, value: str) -> None:
    assert of(f"SET '{name}' = '{value}';" + SQL) == of(SQL)


@pytest.mark.parametrize(
    ("change", "into"), [("status = 200", "status = 201"), ("'topic' = 'clicks'", "'topic' = 'c'")]
)
def test_what_is_meant_does_matter(change: str, into: str) -> None:
    before, after = of(SQL)["results"], of(SQL.replace(change, into))["results"]
    [different] = [name for name in before if before[name] != after[name]]
    assert different == ("INSERT INTO results" if "status" in change else "CREATE TABLE clicks")


def test_spaces_in_a_text_do_matter() -> None:
    one = SQL.replace("status = 200", "ip = 'a b'")
    assert of(one) != of(one.replace("'a b'", "'a  b'"))
