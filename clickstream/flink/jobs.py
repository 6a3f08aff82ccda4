"""What runs on a Flink cluster, by its REST interface, and ending it.

https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/ops/rest_api/
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

from clickstream.errors import ClickstreamError
from clickstream.flink import FLINK_VERSION
from clickstream.flink.rest import Refused, Rest, Unreachable, root_cause

ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})
_FAILING = ("FAILED", "FAILING", "RESTARTING")
CANCEL_TIMEOUT = 60.0  # s
RUNNING_TIMEOUT = 120.0  # s until all tasks of a job run; on a busy machine a job with many takes a while
SAVEPOINT_TIMEOUT = 600.0  # s; gigabytes of state take their time
_POLL = 0.2
_LIST = "See: clickstream flink list"
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Overview:
    """A cluster: `slots` in all, and how many of them are free."""

    version: str
    task_managers: int
    slots: int
    free: int
    jobs: int


@dataclass(frozen=True)
class Job:
    """`state` is as Flink names it, RUNNING for example; `started` in seconds since 1970, `duration` in seconds.

    `failure` is the root cause of one that failed, or that is started again and again.
    """

    id: str
    name: str
    state: str
    started: float
    duration: float
    failure: str


def overview(rest: Rest) -> Overview:
    """What a cluster says of itself. Raises Unreachable or Refused."""
    with _understood(rest):
        found = rest.call("GET", "/overview")
        return Overview(
            found["flink-version"],
            found["taskmanagers"],
            found["slots-total"],
            found["slots-available"],
            found["jobs-running"],
        )


def require_flink(rest: Rest) -> None:
    """Raises ClickstreamError unless a Flink answers that takes jobs made by ours."""
    found = overview(rest).version
    if found.split(".")[:2] != FLINK_VERSION.split(".")[:2]:
        raise ClickstreamError(
            f"The cluster at {rest.address} is Flink {found}; jobs are made for {FLINK_VERSION} here, "
            "and run on a cluster of that version."
        )


def jobs(rest: Rest) -> list[Job]:
    """The cluster's jobs, also those that ended lately; the latest first. Raises Unreachable or Refused."""
    with _understood(rest):
        found = [
            Job(
                one["jid"],
                one["name"],
                one["state"],
                one["start-time"] / 1e3,
                one["duration"] / 1e3,
                _failure(rest, one["jid"]) if one["state"] in _FAILING else "",
            )
            for one in rest.call("GET", "/jobs/overview")["jobs"]
        ]
    return sorted(found, key=lambda job: job.started, reverse=True)


def _failure(rest: Rest, job_id: str) -> str:
    entries = rest.call("GET", f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
    return root_cause(entries[0]["stacktrace"]) if entries else ""


def state(rest: Rest, job_id: str) -> str:
    """A job's state. Raises ClickstreamError naming a job that is not there."""
    with _understood(rest):
        return str(_job(rest, job_id)["state"])


def _job(rest: Rest, job_id: str) -> dict[str, Any]:
    if not _ID.fullmatch(job_id):
        raise ClickstreamError(
            f"{job_id!r} is no job's id: those have 32 digits and letters. See: clickstream flink list"
        )
    try:
        found: dict[str, Any] = rest.call("GET", f"/jobs/{job_id}")
        return found
    except Refused as error:
        if error.status == 404:
            raise ClickstreamError(
                f"There is no job {job_id} at {rest.address}. See: clickstream flink list"
            ) from error
        raise


def cancel(rest: Rest, job_id: str) -> bool:
    """Cancel a job and wait until it ended; False if it had ended before. Raises ClickstreamError."""
    if state(rest, job_id) in ENDED:
        return False
    rest.call("PATCH", f"/jobs/{job_id}?mode=cancel")
    deadline = time.monotonic() + CANCEL_TIMEOUT
    pause = Event()
    while (now := state(rest, job_id)) not in ENDED:
        if time.monotonic() > deadline:
            raise ClickstreamError(f"Job {job_id} is {now} {CANCEL_TIMEOUT:.0f} s after it was cancelled.")
        pause.wait(_POLL)
    return True


def stop_with_savepoint(rest: Rest, job_id: str) -> str:
    """End a job and keep its state; where it is. Raises ClickstreamError when that fails: the job goes on then.

    Waits until all its tasks run: before that Flink refuses. The cluster's execution.checkpointing.savepoint-dir says
    where it goes.
    """
    _wait_until_all_tasks_run(rest, job_id)
    request = rest.call("POST", f"/jobs/{job_id}/stop", {"drain": False})["request-id"]
    deadline = time.monotonic() + SAVEPOINT_TIMEOUT
    pause = Event()
    while (found := rest.call("GET", f"/jobs/{job_id}/savepoints/{request}"))["status"]["id"] != "COMPLETED":
        if time.monotonic() > deadline:
            raise ClickstreamError(f"The savepoint of job {job_id} is not written after {SAVEPOINT_TIMEOUT:.0f} s.")
        pause.wait(_POLL)
    if "location" not in found["operation"]:
        trace = found["operation"]["failure-cause"]["stack-trace"]
        raise ClickstreamError(f"There is no savepoint of job {job_id}: {root_cause(trace)}")
    return str(found["operation"]["location"])


def _wait_until_all_tasks_run(rest: Rest, job_id: str) -> None:
    deadline = time.monotonic() + RUNNING_TIMEOUT
    pause = Event()
    while True:
        job = _job(rest, job_id)
        counts = Counter[str]()
        with _understood(rest):
            now = str(job["state"])
            # Not a vertex's own status: that is RUNNING when one of its tasks runs.
            for vertex in job["vertices"]:
                counts.update(vertex["tasks"])
        if now in ENDED:
            raise ClickstreamError(f"Job {job_id} has ended before. {_LIST}")
        running = counts["RUNNING"] + counts["FINISHED"]
        if now == "RUNNING" and running and running == counts.total():
            return
        if time.monotonic() > deadline:
            raise ClickstreamError(
                f"Job {job_id} is {now}, {running} of its {counts.total()} tasks run: a savepoint needs all. {_LIST}"
            )
        pause.wait(_POLL)


def running_as(rest: Rest, name: str) -> list[str]:
    """The ids of the jobs of that name that have not ended. Raises Unreachable or Refused."""
    with _understood(rest):
        found = rest.call("GET", "/jobs/overview")["jobs"]
        return [one["jid"] for one in found if one["name"] == name and one["state"] not in ENDED]


@contextmanager
def _understood(rest: Rest) -> Iterator[None]:
    """An answer of another program than Flink has not what is looked for."""
    try:
        yield
    except (LookupError, TypeError) as error:
        raise Unreachable(f"What answers at {rest.address} is no Flink.") from error
