"""Files through a gateway that answers as Flink's would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.flink import run as runner
from clickstream.flink.gateway import Gateway
from clickstream.flink.jvm import Runtime
from clickstream.flink.rest import Rest
from clickstream.flink.script import Script
from clickstream.java.runtime import Java
from clickstream.tables.sql.check import check
from clickstream.tables.sql.model import Program
from tests.unit.flink.fakes import FakeGateway, serving

KAFKA, AVRO = Path("/jars/flink-sql-connector-kafka-5.jar"), Path("/jars/flink-sql-avro-confluent-registry-2.jar")
RUNTIME = Runtime(Java(Path("java"), 21, ""), (AVRO, KAFKA))


def script(name: str, **settings: str) -> Script:
    named = {key.replace("_", "."): value for key, value in settings.items()}
    return Script(name, named, (f"CREATE TABLE {name}",), f"INSERT INTO {name}", Program({}, {}, (), {}))


@pytest.fixture
def fake(mocker: MockerFixture, tmp_path: Path) -> FakeGateway:
    """The gateway that run and submit get instead of a JVM with one."""
    fake = FakeGateway()

    @contextmanager
    def gateway(*_arguments: Any, **_options: Any) -> Iterator[Gateway]:
        child: Any = SimpleNamespace(ended=lambda: False)
        with serving(fake) as server:
            yield Gateway(Rest(server.address), child, tmp_path)

    mocker.patch("clickstream.flink.run.gateway", gateway)
    return fake


def run(*scripts: Script, stop: Event | None = None, bounded: bool = True, parallelism: int | None = None) -> bool:
    return runner.run(
        RUNTIME, Path(), scripts, stop or Event(), lambda _: None, bounded=bounded, parallelism=parallelism
    )


def test_files_one_after_the_other_each_in_a_session(fake: FakeGateway) -> None:
    assert run(script("a"), script("b"))

    assert fake.statements == ["CREATE TABLE a", "INSERT INTO a", "CREATE TABLE b", "INSERT INTO b"]
    assert [session["pipeline.name"] for session in fake.sessions] == ["a", "b"]
    assert fake.closed == 2


@pytest.mark.parametrize(
    ("settings", "parallelism", "expected"),
    [({}, None, "1"), ({"parallelism_default": "3"}, None, "3"), ({"parallelism_default": "3"}, 2, "2")],
)
def test_parallelism_is_the_command_lines_or_the_files_or_one(
    fake: FakeGateway, settings: dict[str, str], parallelism: int | None, expected: str
) -> None:
    run(script("a", **settings), parallelism=parallelism)

    assert fake.sessions[0]["parallelism.default"] == expected


def test_a_file_cannot_send_a_run_elsewhere(fake: FakeGateway) -> None:
    run(script("a", execution_target="remote", rest_address="elsewhere"))

    assert fake.sessions[0]["execution.target"] == "local"


def test_what_fails_names_its_file_and_root_cause_and_ends_the_run(fake: FakeGateway) -> None:
    fake.wrong["INSERT INTO a"] = "x.Outer: no\nCaused by: y.Inner: disk full\n"

    with pytest.raises(ClickstreamError, match=r"^a failed on Flink: Inner: disk full$"):
        run(script("a"), script("b"))

    assert fake.statements[-1] == "INSERT INTO a"


def test_why_a_local_job_failed_comes_from_the_log(fake: FakeGateway, tmp_path: Path) -> None:
    fake.wrong["INSERT"] = "java.lang.IllegalStateException: MiniCluster is not yet running or has been shut down.\n"
    (tmp_path / "flink.log.jobs").write_text("Job a switched from state FAILING to FAILED.\nx.Y: no number\n")

    with pytest.raises(ClickstreamError, match="a failed on Flink: Y: no number"):
        run(script("a"))


@pytest.mark.parametrize("bounded", [True, False])
def test_a_run_that_is_stopped_did_not_end_by_itself(fake: FakeGateway, bounded: bool) -> None:
    fake.endless = True
    stop = Event()
    stop.set()

    assert not run(script("a"), script("b"), stop=stop, bounded=bounded)

    assert ("INSERT INTO b" in fake.statements) is not bounded


def test_submit_gives_the_jobs_id_and_the_connector_goes_along(fake: FakeGateway) -> None:
    address = "flink.example.com:8081"
    job = runner.submit(RUNTIME, Path(), script("a"), address, parallelism=4, savepoint="file:///saved")

    assert job == "f" * 32

    session = fake.sessions[0]
    assert (session["execution.target"], session["table.dml-sync"]) == ("remote", "false")
    assert (session["rest.address"], session["rest.port"]) == ("flink.example.com", "8081")
    assert session["pipeline.jars"] == "file:///jars/flink-sql-connector-kafka-5.jar"
    assert (session["parallelism.default"], session["execution.state-recovery.path"]) == ("4", "file:///saved")


def test_what_reads_avro_goes_along_with_a_file_that_has_some(fake: FakeGateway) -> None:
    found = check(
        "CREATE TABLE a (n INT) WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'x', "
        "'format' = 'avro-confluent', 'avro-confluent.url' = 'http://registry')"
    )
    assert not found.problems
    runner.submit(RUNTIME, Path(), replace(script("a"), program=found.program), "h:1", parallelism=None, savepoint=None)
    assert fake.sessions[0]["pipeline.jars"] == f"{KAFKA.as_uri()};{AVRO.as_uri()}"


def cluster_with(free: int, *jobs: dict[str, Any]) -> Any:
    """What a cluster answers that has so many free slots and these jobs."""
    overview = {
        "flink-version": "2.3.0",
        "taskmanagers": 1,
        "slots-total": 4,
        "slots-available": free,
        "jobs-running": 1,
    }
    return lambda _method, path, _body: (200, {"jobs": jobs} if path == "/jobs/overview" else overview)


def job(name: str, state: str = "RUNNING") -> dict[str, Any]:
    return {"jid": "1" * 32, "name": name, "state": state}


@pytest.mark.parametrize(
    ("settings", "parallelism", "answers", "words"),
    [
        ({}, None, cluster_with(1), []),
        ({}, None, cluster_with(1, job("a", "CANCELED"), job("b")), []),
        ({}, None, cluster_with(1, job("a")), ["a runs already as job 1111"]),
        ({"pipeline_name": "x"}, None, cluster_with(1, job("x", "RESTARTING")), ["x runs already as job 1111"]),
        ({}, None, cluster_with(0), ["the job needs 1 slots, 0 are free"]),
        ({"parallelism_default": "4"}, None, cluster_with(3), ["the job needs 4 slots, 3 are free"]),
        ({"parallelism_default": "4"}, 2, cluster_with(3), []),
        ({}, 4, cluster_with(3, job("a")), ["a runs already", "the job needs 4 slots"]),
    ],
)
def test_what_is_said_before_a_file_is_submitted(
    settings: dict[str, str], parallelism: int | None, answers: Any, words: list[str]
) -> None:
    with serving(answers) as server:
        found = runner.warnings(Rest(server.address), script("a", **settings), parallelism)
    assert len(found) == len(words)
    assert all(said.startswith(expected) for said, expected in zip(found, words, strict=True))
