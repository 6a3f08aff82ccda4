"""Jobs of a cluster, by what its REST interface answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.flink.jobs import Job, cancel, jobs, overview, require_flink, running_as, stop_with_savepoint
from clickstream.flink.rest import Rest, Unreachable
from tests.unit.flink.fakes import Answer, serving

ONE, TWO = "1" * 32, "2" * 32
OVERVIEW = {
    "taskmanagers": 2,
    "slots-total": 4,
    "slots-available": 3,
    "jobs-running": 1,
    "flink-version": "2.3.0",
}


def vertex(status: str, **tasks: int) -> dict[str, Any]:
    """One of a job, as it is answered: also the numbers of tasks in states that none is in."""
    return {"status": status, "tasks": {"CREATED": 0, "DEPLOYING": 0, "RUNNING": 0, "FINISHED": 0, **tasks}}


RUNNING = [vertex("RUNNING", RUNNING=2), vertex("FINISHED", FINISHED=1)]


class FakeCluster:
    """Job ONE failed; job TWO runs until it has been cancelled, and is asked for its state once more."""

    def __init__(self) -> None:
        self.version = "2.3.0"
        self.cancelling = 0
        self.asked = 0
        self.vertices: list[list[dict[str, Any]]] = []  # what is answered before all run, the last one first
        self.saved: dict[str, Any] = {"location": "file:///saved"}

    def __call__(self, method: str, path: str, _body: Any) -> Answer:
        match method, *path.strip("/").split("/"):
            case "GET", "overview":
                return 200, {**OVERVIEW, "flink-version": self.version}
            case "GET", "jobs", "overview":
                one = {"jid": ONE, "name": "a.sql", "state": "FAILED", "start-time": 1_000_500, "duration": 2_000}
                two = {"jid": TWO, "name": "b.sql", "state": "RUNNING", "start-time": 2_000_000, "duration": 50}
                return 200, {"jobs": [one, two]}
            case "GET", "jobs", job, "exceptions" if job == ONE:
                trace = "x.JobException: no restart\nCaused by: java.io.IOException: disk full\n"
                return 200, {"exceptionHistory": {"entries": [{"stacktrace": trace}]}}
            case "GET", "jobs", job if job == TWO:
                self.cancelling += bool(self.cancelling)
                now = ("RUNNING", "RUNNING", "CANCELLING", "CANCELED")[min(self.cancelling, 3)]
                return 200, {"state": now, "vertices": self.vertices.pop() if self.vertices else RUNNING}
            case "GET", "jobs", job if job == ONE:
                return 200, {"state": "FAILED", "vertices": []}
            case "POST", "jobs", job, "stop" if job == TWO and self.vertices:
                return 409, {"errors": ["Not all required tasks are currently running."]}
            case "POST", "jobs", job, "stop" if job == TWO:
                return 202, {"request-id": "r"}
            case "GET", "jobs", job, "savepoints", "r" if job == TWO:
                self.asked += 1
                if self.asked == 1:
                    return 200, {"status": {"id": "IN_PROGRESS"}}
                return 200, {"status": {"id": "COMPLETED"}, "operation": self.saved}
            case "PATCH", "jobs", what if what == f"{TWO}?mode=cancel":
                self.cancelling = 1
                return 202, {}
        return 404, {"errors": ["not found"]}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def rest(cluster: FakeCluster) -> Iterator[Rest]:
    with serving(cluster) as server:
        yield Rest(server.address)


def test_jobs_with_the_reason_of_a_failure(rest: Rest) -> None:
    assert jobs(rest) == [
        Job(TWO, "b.sql", "RUNNING", 2000.0, 0.05, ""),
        Job(ONE, "a.sql", "FAILED", 1000.5, 2.0, "IOException: disk full"),
    ]


def test_overview(rest: Rest) -> None:
    found = overview(rest)

    assert (found.version, found.task_managers, found.slots, found.free, found.jobs) == ("2.3.0", 2, 4, 3, 1)


def test_cancel_waits_for_the_end(rest: Rest) -> None:
    assert cancel(rest, TWO)


def test_cancel_of_a_job_that_ended(rest: Rest) -> None:
    assert not cancel(rest, ONE)


@pytest.mark.parametrize(
    ("job_id", "message"), [("3" * 32, "There is no job 3333.* See: clickstream flink list"), ("x", "is no job's id")]
)
def test_cancel_of_what_is_not_there(rest: Rest, job_id: str, message: str) -> None:
    with pytest.raises(ClickstreamError, match=message):
        cancel(rest, job_id)


def test_a_savepoint(rest: Rest) -> None:
    assert stop_with_savepoint(rest, TWO) == "file:///saved"


def test_a_savepoint_waits_until_all_tasks_run(rest: Rest, cluster: FakeCluster) -> None:
    # Flink calls a vertex RUNNING when one of its tasks runs.
    cluster.vertices = [[vertex("RUNNING", RUNNING=1, DEPLOYING=1)], [vertex("CREATED", CREATED=2)], []]
    assert stop_with_savepoint(rest, TWO) == "file:///saved"
    assert cluster.vertices == []


def test_a_savepoint_of_a_job_whose_tasks_do_not_run(
    rest: Rest, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream.flink.jobs.RUNNING_TIMEOUT", 0.0)
    cluster.vertices = [[vertex("RUNNING", RUNNING=1, CREATED=2)]]
    with pytest.raises(ClickstreamError, match="is RUNNING, 1 of its 3 tasks run: a savepoint needs all"):
        stop_with_savepoint(rest, TWO)


def test_which_jobs_of_a_name_run(rest: Rest) -> None:
    assert running_as(rest, "b.sql") == [TWO]
    assert running_as(rest, "a.sql") == []  # it failed


def test_a_savepoint_that_cannot_be_written(rest: Rest, cluster: FakeCluster) -> None:
    cluster.saved = {"failure-cause": {"stack-trace": "x.Y: no\nCaused by: x.IOException: disk full\n"}}

    with pytest.raises(ClickstreamError, match=f"There is no savepoint of job {TWO}: IOException: disk full"):
        stop_with_savepoint(rest, TWO)


def test_no_savepoint_of_a_job_that_ended(rest: Rest) -> None:
    with pytest.raises(ClickstreamError, match="has ended before"):
        stop_with_savepoint(rest, ONE)


@pytest.mark.parametrize("version", ["2.3.0", "2.3.7"])
def test_a_cluster_that_takes_our_jobs(rest: Rest, cluster: FakeCluster, version: str) -> None:
    cluster.version = version
    require_flink(rest)


@pytest.mark.parametrize("version", ["1.20.1", "2.30.0"])
def test_a_cluster_of_another_version_is_refused(rest: Rest, cluster: FakeCluster, version: str) -> None:
    cluster.version = version
    with pytest.raises(ClickstreamError, match=f"is Flink {version}; jobs are made for 2.3.0"):
        require_flink(rest)


def test_something_else_that_speaks_json() -> None:
    with serving(lambda *_: (200, {"hello": 1})) as server, pytest.raises(Unreachable, match="is no Flink"):
        overview(Rest(server.address))
