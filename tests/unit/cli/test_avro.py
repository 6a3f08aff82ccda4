"""Avro on the command line: what is refused before anything starts, and a registry that only a fake can be."""

import json
from pathlib import Path

import pytest

from clickstream.avro.shipped import shipped
from clickstream.cli.registry import schema_text
from tests.unit.avro.fakeregistry import fake_registry
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_sink_parquet import without

NOBODY = "http://127.0.0.1:1"
SINK = ("sink", "parquet", "--to", "x", "--format", "avro", "--schema-registry", NOBODY)
CONVERT = ("convert", "--from", "a", "--to", "b", "--to-format")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*CONVERT, "json"], "Which schema registry? Give --schema-registry URL"),
        (["run-producer", "--format", "avro"], "Which schema registry?"),
        (["run-counter", "--format", "avro"], "Which schema registry?"),
        (["schemas", "check"], "Which schema registry?"),
        (["run-producer", "--auto-register"], "--auto-register goes with --format avro"),
        ([*CONVERT, "json", "--schema", "event"], "go with --to-format avro"),
        ([*CONVERT, "avro", "--auto-register"], "--auto-register needs --schema"),
        (["convert", "--from", "a", "--to", "a", "--to-format", "json"], "--from and --to are both a"),
        ([*CONVERT, "avro", "--schema", "web-clik", "--schema-registry", NOBODY], "Did you mean web-click?"),
        ([*CONVERT, "avro", "--schema", "no/such.avsc", "--schema-registry", NOBODY], "Cannot read the schema"),
        ([*CONVERT, "json", "--schema-registry", "localhost:8081"], "http://host:port, or https://, is expected"),
        (["schemas", "register", "x.avsc", "--schema-registry", NOBODY], "Cannot read the schema x.avsc"),
        (["schemas", "register", "--subject", "s", "--schema-registry", NOBODY], "--subject needs one schema"),
        (["replay", "--from-archive", "x", "--format", "avro", "t"], "nor --format"),
        (["sink", "postgres", "t", "--format", "avro", "--dsn", "x"], "Which schema registry?"),
        (["sink", "plan", "webhook", "t", "--value-format", "avro", "--url", "http://h"], "Which schema registry?"),
        (["collect", "--format", "avro", "--port", "0"], "Which schema registry?"),
        (["collect", "--auto-register", "--port", "0"], "--auto-register goes with --format avro"),
        ([*SINK, "clickstream.sql"], "a FILE.sql says it itself"),
        ([*SINK, "t"], "archived byte by byte"),
        (["tables", "run", "products", "--auto-register"], "--auto-register goes with results in Avro: there is none"),
        (["schemas", "register", "no/such.sql"], "Cannot read no/such.sql"),
        (["schemas", "register", "x.sql", "--subject", "s"], "--subject needs one schema"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(run: Run, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["schemas", "list"],
        ["schemas", "register"],
        ["schemas", "show", "7"],
        ["run-producer", "--format", "avro"],
        ["collect", "--format", "avro"],
    ],
)
def test_a_registry_that_is_away_is_said_at_once(run: Run, arguments: list[str]) -> None:
    done = run(*arguments, "--schema-registry", NOBODY)
    assert done.code == 1
    assert "The schema registry at http://127.0.0.1:1 does not answer (Connection refused)." in done.err


def test_a_password_is_never_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_SCHEMA_REGISTRY_CREDENTIALS", "ann:s3cret")
    assert "s3cret" not in run("config", "show").out
    with fake_registry() as fake:
        fake.fail = 401, b'{"error_code": 40101, "message": "Unauthorized"}'
        done = run("schemas", "list", "--schema-registry", fake.url)
        assert fake.requests[0][2]["Authorization"].startswith("Basic ")
    assert done.code == 1
    assert "Unauthorized" in done.err
    assert "s3cret" not in done.err
    done = run("schemas", "list", "--schema-registry", "http://ann:s3cret@host")
    assert (done.code, "s3cret" in done.err) == (2, False)


RESULT = """
CREATE TABLE source (n INT) WITH ('connector' = 'kafka', 'topic' = 'a', 'properties.bootstrap.servers' = 'x',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TABLE target (n INT, s STRING, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = 'b',
  'properties.bootstrap.servers' = 'x', 'key.format' = 'avro-confluent', 'key.avro-confluent.url' = '${URL}',
  'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '${URL}', 'value.avro-confluent.subject' = 'mine');
SET 'table.exec.sink.require-on-conflict' = 'false';
INSERT INTO target SELECT n, 'x' FROM source;
"""


def test_the_schemas_of_a_files_results_are_registered(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.sql"
    path.write_text(RESULT)
    with fake_registry() as fake:
        told = (str(path), "--set", f"URL={fake.url}")
        done = run("schemas", "register", *told)
        assert (done.code, done.out) == (0, "b-key: schema 1.\nmine: schema 2.\n"), done.err
        assert run("schemas", "register", *told).out.count("is there already.") == 2
    names = [[field["name"] for field in json.loads(one["schema"])["fields"]] for one in fake.schemas.values()]
    assert names == [["n"], ["n", "s"]]
    path.write_text(RESULT.replace("avro-confluent", "json"))
    assert "Unknown option key.json.url" in run("schemas", "register", *told).err
    path.write_text(RESULT[: RESULT.index("CREATE TABLE target")])
    done = run("schemas", "register", *told)
    assert (done.code, "has no result in Avro" in done.err) == (2, True)


def test_without_a_registry_the_shipped_schemas_are_listed_and_shown(run: Run) -> None:
    rows = [json.loads(line) for line in run("schemas", "list", "--format", "json").out.splitlines()]
    assert {row["schema"] for row in rows} == set(shipped())
    assert {row["state"] for row in rows} == {None}
    assert json.loads(run("schemas", "show", "web-event").out)["name"] == "WebEvent"


@pytest.mark.parametrize(
    "arguments",
    [
        [*CONVERT, "json", "--schema-registry", NOBODY],
        ["run-producer", "--format", "avro", "--schema-registry", NOBODY],
        ["run-counter", "--format", "avro", "--schema-registry", NOBODY],
        ["topics", "tail", "t", "--schema-registry", NOBODY, "-b", "127.0.0.1:1"],
        [*SINK, "t"],
    ],
)
def test_the_missing_extra_is_named(arguments: list[str]) -> None:
    done = without("fastavro", *arguments)
    assert done.returncode == 2
    assert done.stderr == "Error: Avro needs fastavro. Install it: pip install 'clickstream[avro]'\n"


def test_schemas_and_help_need_no_extra() -> None:
    for arguments in (["schemas", "show", "event"], ["convert", "--help"]):
        done = without("fastavro", *arguments)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_file_with_a_schema_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.avsc"
    path.write_text('\ufeff"string"', "utf-8")
    assert schema_text(str(path)) == '"string"'
