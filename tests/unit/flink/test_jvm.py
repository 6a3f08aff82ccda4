"""A JVM's configuration, and what its logs tell."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from pytest_mock import MockerFixture

from clickstream.flink import FLINK_VERSION, JAR_SET, jvm
from clickstream.flink.rest import root_cause
from clickstream.java.lockfile import read
from clickstream.java.runtime import Java

JOBS = """\
2026-01-01 00:00:00.000 INFO Job a.sql (1) switched from state RUNNING to FAILING.
x.JobException: first
Caused by: x.Y: first cause
2026-01-01 00:00:00.001 INFO Job a.sql (1) switched from state FAILING to FAILED.
x.JobException: again
Caused by: x.Y: the cause
2026-01-01 00:00:00.002 INFO Source: b (1/1) switched from RUNNING to CANCELED.
"""


def test_the_configuration_is_yaml_whatever_the_values(tmp_path: Path) -> None:
    jvm.configure(tmp_path / "a b", {"rest.port": 8081, "x": "it's: #1 \\ %d"})

    found = yaml.safe_load((tmp_path / "a b" / "config.yaml").read_text("utf-8"))
    assert (found["rest.port"], found["x"], found["io.tmp.dirs"]) == ("8081", "it's: #1 \\ %d", "tmp")


def test_why_the_last_job_failed(tmp_path: Path) -> None:
    (tmp_path / "flink.log.jobs").write_text(JOBS)

    assert root_cause(jvm.last_failure(tmp_path)) == "Y: the cause"


def test_no_job_failed(tmp_path: Path) -> None:
    assert jvm.last_failure(tmp_path) == ""
    (tmp_path / "flink.log.jobs").write_text("2026-01-01 x (1) switched from state RUNNING to FINISHED.\n")
    assert jvm.last_failure(tmp_path) == ""


def test_last_words_are_what_java_printed_or_the_last_errors(tmp_path: Path) -> None:
    assert jvm.last_words(tmp_path) == "it said nothing"
    (tmp_path / "flink.log").write_text("2026 INFO fine\n2026 ERROR bad (X)\n\tat a.b\n")
    assert jvm.last_words(tmp_path) == "2026 ERROR bad (X)"
    (tmp_path / "console.log").write_text("Error: cannot\n\tat a.b\n\nError: really\n")
    assert jvm.last_words(tmp_path) == "Error: cannot | Error: really"


@pytest.mark.parametrize(
    ("setting", "version", "used"), [("auto", 17, 17), ("auto", 21, 21), ("auto", 25, 21), ("PATH", 25, 25)]
)
def test_a_java_that_is_too_new_gives_way_unless_it_was_asked_for(
    mocker: MockerFixture, setting: str, version: int, used: int
) -> None:
    mocker.patch("clickstream.flink.jvm.jars.ensure", return_value=[])
    mocker.patch(
        "clickstream.flink.jvm.runtime.find",
        side_effect=lambda asked: Java(Path("java"), 21 if asked == "wheel" else version, ""),
    )

    assert jvm.find(setting, print).java.version == used


def test_the_pinned_jars_are_of_this_flink_with_one_kafka_connector_and_avro() -> None:
    names = [jar.file_name for jar in read()[JAR_SET].jars]

    assert f"flink-runtime-{FLINK_VERSION}.jar" in names
    assert f"flink-sql-gateway-{FLINK_VERSION}.jar" in names
    runtime = jvm.Runtime(Java(Path("java"), 21, ""), tuple(map(Path, names)))
    kafka = Path("flink-sql-connector-kafka-5.0.0-2.2.jar")
    assert runtime.connectors(avro=False) == [kafka]
    assert runtime.connectors(avro=True) == [kafka, Path(f"flink-sql-avro-confluent-registry-{FLINK_VERSION}.jar")]
