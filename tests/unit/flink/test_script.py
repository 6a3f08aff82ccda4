"""What of a file goes to Flink."""

from pathlib import Path

import pytest

from clickstream.config import config_dir
from clickstream.errors import ClickstreamError
from clickstream.flink.script import Script, script, variables
from clickstream.flink.topics import sources
from clickstream.kafka.clients import Cluster
from clickstream.tables.sql.check import VARIABLES, check, check_file

TABLES = """
CREATE TABLE a (x INT) WITH ('connector' = 'kafka', 'topic' = 'a', 'properties.bootstrap.servers' = 'k',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TABLE b (x INT) WITH ('connector' = 'kafka', 'topic' = 'b', 'properties.bootstrap.servers' = 'k',
  'format' = 'json');
CREATE TABLE c (x INT) WITH ('connector' = 'kafka', 'topic' = 'c', 'properties.bootstrap.servers' = 'k',
  'format' = 'json');
"""
B = "INSERT INTO b SELECT x FROM a WHERE x > 1 -- a comment; with a semicolon"
C = "INSERT INTO c SELECT x /* ; */ FROM a"


def made(text: str) -> Script:
    found = check(text)
    assert not found.problems, found.render()
    return script(found)


def given(cluster: Cluster, **more: str) -> dict[str, str]:
    return variables(cluster, Path("some/shop.sql"), bounded=False, given=more)


def test_settings_are_set_apart_with_their_quotes_undone() -> None:
    found = made("SET 'pipeline.name' = 'it''s';" + TABLES + B + "\n;")

    assert found.settings == {"pipeline.name": "it's"}


def test_definitions_have_the_text_of_the_file() -> None:
    found = made(TABLES + B + "\n;")

    assert ";\n".join(found.definitions) + ";" == TABLES.strip()


def test_one_insert_is_the_job() -> None:
    assert made(TABLES + B + "\n;").job == B.partition(" --")[0]


def test_a_statement_set_is_the_job_with_the_text_of_the_file() -> None:
    whole = f"EXECUTE STATEMENT SET BEGIN\n{B}\n; {C}; END"

    assert made(TABLES + whole + ";").job == whole


@pytest.mark.parametrize(
    "statements",
    [f"{B}\n;{C};", f"EXECUTE STATEMENT SET BEGIN {B}\n; END; {C};", f"{B}\n; EXECUTE STATEMENT SET BEGIN {C}; END;"],
)
def test_all_inserts_of_a_file_become_one_statement_set(statements: str) -> None:
    job = made(TABLES + statements).job

    assert job == f"EXECUTE STATEMENT SET BEGIN\n{B.partition(' --')[0]}\n;\n{C}\n;\nEND"
    assert not check(TABLES + job + ";").problems


def test_a_file_without_an_insert_is_refused() -> None:
    with pytest.raises(ClickstreamError, match="no INSERT INTO"):
        made(TABLES)


@pytest.mark.parametrize("name", ["products", "clickstream", "vip"])
def test_shipped_files_have_one_job(name: str) -> None:
    path = config_dir() / "tables" / f"{name}.sql"
    found = script(check_file(path))

    assert found.name == f"{name}.sql"
    assert found.job.count("INSERT INTO") == len(found.program.inserts)
    assert sources(found.program)


def test_references_are_read_too() -> None:
    found = check_file(config_dir() / "tables" / "clickstream.sql")

    assert set(sources(found.program)) == {"clickstream", "clickstream_codes", "clickstream_users"}


def test_every_variable_has_a_value() -> None:
    assert given(Cluster("kafka:9092")).keys() == VARIABLES.keys()


def test_a_run_that_ends_is_told_so() -> None:
    found = variables(Cluster("kafka:9092"), Path("shop.sql"), bounded=True, given={})

    assert (found["BOUNDED"], found["REF_IDLE"]) == ("latest-offset", "0 s")
    assert given(Cluster("kafka:9092"))["BOUNDED"] == "unbounded"


def test_what_is_given_wins() -> None:
    found = given(Cluster("kafka:9092"), GROUP_ID="mine", CITY="Bonn")

    assert (found["GROUP_ID"], found["CITY"], found["BOOTSTRAP_SERVERS"]) == ("mine", "Bonn", "kafka:9092")


@pytest.mark.parametrize(
    ("mechanism", "module"), [("PLAIN", "plain.PlainLoginModule"), ("SCRAM-SHA-512", "scram.ScramLoginModule")]
)
def test_a_login_for_the_connectors_own_kafka_client(mechanism: str, module: str) -> None:
    properties = {"security.protocol": "sasl_ssl", "sasl.mechanism": mechanism}
    properties |= {"sasl.username": "me", "sasl.password": 'p"w\\'}
    found = given(Cluster("kafka:9092", common=properties))

    assert found["SECURITY_PROTOCOL"] == "SASL_SSL"
    assert found["SASL_MECHANISM"] == mechanism
    assert found["SASL_JAAS_CONFIG"] == (
        f"org.apache.flink.kafka.shaded.org.apache.kafka.common.security.{module} "
        'required username="me" password="p\\"w\\\\";'
    )
