"""Files of SQL on the real Flink: in a JVM of ours, and on a session cluster."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from tests.integration.flinksupport import (
    ENVIRONMENT,
    command,
    flink,
    job_state,
    need_flink,
    session_cluster,
    to_the_end,
)
from tests.integration.support import is_an_error_for_people, make_topic, produce, records, running, value
from tests.integration.tablesupport import generate, same_results, shipped, stream, table, tables
from tests.support import wait_until

# Events of 4 minutes; the last one only closes what is before it in a run that does not end.
MINUTES = ("12:00", "12:00", "12:01", "12:02", "12:09")
NAMES = ("view", "click", "view", "view", "late")

COPY = """
CREATE TABLE source (eventName STRING, productId STRING) WITH ('connector' = 'kafka', 'topic' = '{topic}',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${{BOUNDED}}', 'format' = 'json');
CREATE TABLE target (name STRING, city STRING) WITH ('connector' = 'kafka', 'topic' = '{topic}-copy',
  'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'format' = 'json');
INSERT INTO target SELECT {column}, '${{CITY}}' FROM source;
"""


@pytest.fixture(scope="module", autouse=True)
def _flink() -> None:
    need_flink()


@pytest.fixture
def source(kafka: str) -> str:
    """What the names of the test's topics begin with; `-event-topic` has five events."""
    name = f"flink-{uuid.uuid4().hex[:8]}"
    make_topic(kafka, f"{name}-event-topic")
    events = [
        {"date": f"2026-01-01T{minute}:30UTC", "productId": "p", "eventName": name, "userId": "u"}
        for minute, name in zip(MINUTES, NAMES, strict=True)
    ]
    produce(kafka, f"{name}-event-topic", [json.dumps(event).encode() for event in events], partition=0)
    return name


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="module")
def cluster(state_dir: Path) -> Iterator[str]:
    with session_cluster(state_dir) as address:
        yield address


def copying(path: Path, topic: str, column: str = "eventName") -> Path:
    """A file that copies a topic and needs the variable CITY."""
    path.write_text(COPY.format(topic=topic, column=column))
    return path


def test_files_run_to_the_end_one_after_the_other_in_one_jvm(kafka: str, source: str, tmp_path: Path) -> None:
    products = shipped("products", tmp_path, source, source)
    after = copying(tmp_path / "after.sql", f"{source}-events-per-name", "CAST(productId AS STRING)")

    done = flink(
        *("run", str(products), str(after), "-b", kafka, "--exit-at-end", "--set", "CITY=Bonn"), state_dir=tmp_path
    )

    assert done.code == 0, done.said
    assert done.said.splitlines() == [
        "products.sql: running",
        "products.sql: finished",
        "after.sql: running",
        "after.sql: finished",
    ]
    rows = table(kafka, f"{source}-events-per-name")
    assert {(row["event_name"], row["window_start"]): (row["events"], row["users"]) for row in rows.values()} == {
        ("view", "2026-01-01 12:00:00"): (1, 1),
        ("click", "2026-01-01 12:00:00"): (1, 1),
        ("view", "2026-01-01 12:01:00"): (1, 1),
        ("view", "2026-01-01 12:02:00"): (1, 1),
        ("late", "2026-01-01 12:09:00"): (1, 1),
    }
    assert stream(kafka, f"{source}-events-per-name-copy") == Counter({(None, b'{"name":null,"city":"Bonn"}'): 5})
    assert not list((tmp_path / "flink").glob("run-*"))


def test_live_rows_until_it_is_stopped(kafka: str, source: str, tmp_path: Path) -> None:
    path = shipped("products", tmp_path, source, source)
    target = f"{source}-events-per-name"

    with running(*command("run", str(path), "-b", kafka, state_dir=tmp_path), **ENVIRONMENT) as part:
        # All partitions must have come as far: a window closes when the last of them has.
        for partition in (1, 2):
            event = {"date": "2026-01-01T12:09:30UTC", "productId": "p", "eventName": "x", "userId": "u"}
            produce(kafka, f"{source}-event-topic", [json.dumps(event).encode()], partition=partition)
        wait_until(lambda: _has_topic_with_rows(kafka, target, 4), 90, "rows of closed windows", poll=0.5)
        assert part.running, part.said()

        assert part.stop() == 0
        assert part.said() == "products.sql: running\n"


def _has_topic_with_rows(kafka: str, topic: str, number: int) -> bool:
    return topic in existing(Cluster(kafka)) and len(table(kafka, topic)) >= number


def test_a_job_that_fails_says_why_in_a_line(kafka: str, source: str, tmp_path: Path) -> None:
    path = copying(tmp_path / "broken.sql", f"{source}-event-topic", "CAST(CAST(eventName AS INT) AS STRING)")

    done = flink("run", str(path), "-b", kafka, "--exit-at-end", "--set", "CITY=Bonn", state_dir=tmp_path)

    assert done.code == 1
    assert done.said.splitlines()[1].startswith(
        "Error: broken.sql failed on Flink: NumberFormatException: For input string: 'view'."
    )
    assert len(done.said.splitlines()) == 2


def test_an_input_that_does_not_exist(kafka: str, tmp_path: Path) -> None:
    done = to_the_end(kafka, shipped("products", tmp_path, "nobody", "nobody"))

    assert is_an_error_for_people(done, "Topic nobody-event-topic does not exist")
    assert done.code == 1


def test_clicks_on_two_task_managers(kafka: str, tmp_path: Path, state_dir: Path, cluster: str) -> None:
    source = f"flink-{uuid.uuid4().hex[:8]}"
    path = shipped("clickstream", tmp_path, source, source)
    generate(kafka, source, "--count", "2000", "--rate", "max", "--seed", "1")

    done = flink(
        *("submit", str(path), "--rest", cluster, "-b", kafka, "--exit-at-end", "--parallelism", "2"),
        state_dir=state_dir,
    )

    assert done.code == 0, done.said
    job = done.printed.strip()
    wait_until(lambda: job_state(job, state_dir) == "FINISHED", 90, "the job has finished", poll=0.5)
    assert len(records(kafka, f"{source}-user_clickstream")) == 2000
    minutes = table(kafka, f"{source}-traffic_per_min").values()
    assert sum(row["hits"] for row in minutes) == 2000
    ours = shipped("clickstream", tmp_path / "ours", source, f"{source}-ours")
    assert tables(kafka, ours).code == 0
    same_results(kafka, ours, path)


def test_a_job_goes_on_from_its_savepoint(
    kafka: str, source: str, tmp_path: Path, state_dir: Path, cluster: str
) -> None:
    submit = ["submit", str(copying(tmp_path / "copy.sql", f"{source}-event-topic")), "-b", kafka, "--set", "CITY=Bonn"]
    copied = f"{source}-event-topic-copy"
    job = flink(*submit, state_dir=state_dir).printed.strip()
    wait_until(lambda: len(records(kafka, copied)) == 5, 60, "five rows", poll=0.5)
    assert job_state(job, state_dir) == "RUNNING"

    saved = flink("cancel", job, "--savepoint", state_dir=state_dir).printed.strip()
    assert job_state(job, state_dir) == "FINISHED"
    produce(kafka, f"{source}-event-topic", [b'{"eventName":"new"}'])
    job = flink(*submit, "--from", saved, state_dir=state_dir).printed.strip()

    wait_until(lambda: len(records(kafka, copied)) > 5, 60, "the new row", poll=0.5)
    assert flink("cancel", job, state_dir=state_dir).said == "cancelled\n"
    assert job_state(job, state_dir) == "CANCELED"
    assert sorted(json.loads(value(record))["name"] for record in records(kafka, copied)) == sorted([*NAMES, "new"])


def test_a_second_job_of_a_file_is_warned_of_and_a_savepoint_waits_for_its_tasks(
    kafka: str, source: str, tmp_path: Path, state_dir: Path, cluster: str
) -> None:
    path = copying(tmp_path / "twice.sql", f"{source}-event-topic")
    submit = ["submit", str(path), "-b", kafka, "--set", "CITY=Bonn"]
    first = flink(*submit, state_dir=state_dir).printed.strip()

    done = flink(*submit, state_dir=state_dir)

    second = done.printed.strip()
    assert f"warning: twice.sql runs already as job {first}" in done.said
    # At once, while its tasks are being deployed.
    saved = flink("cancel", second, "--savepoint", state_dir=state_dir)
    assert (saved.code, saved.said) == (0, "")
    assert flink("cancel", first, state_dir=state_dir).said == "cancelled\n"


def test_a_job_that_failed_on_the_cluster_is_listed_with_its_reason(
    kafka: str, source: str, tmp_path: Path, state_dir: Path, cluster: str
) -> None:
    path = copying(tmp_path / "broken.sql", f"{source}-event-topic", "CAST(CAST(eventName AS INT) AS STRING)")
    job = flink("submit", str(path), "-b", kafka, "--set", "CITY=Bonn", state_dir=state_dir).printed.strip()

    wait_until(lambda: job_state(job, state_dir) == "FAILED", 60, "the job has failed", poll=0.5)

    said = flink("list", state_dir=state_dir).said
    assert f"{job} FAILED: NumberFormatException: For input string: 'view'." in said


def test_a_cluster_tells_its_slots_and_starts_once(state_dir: Path, cluster: str) -> None:
    status = flink("cluster", "status", state_dir=state_dir)

    assert status.code == 0
    assert f"http://{cluster}" in status.printed
    assert "of 4 free, 2 TaskManagers" in status.printed
    assert flink("cluster", "start", state_dir=state_dir).printed.strip() == cluster
