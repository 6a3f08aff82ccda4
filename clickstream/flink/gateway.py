"""Flink's SQL gateway in a JVM of ours: statements go in by REST, jobs come out.

The REST interface: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/dev/table/sql-gateway/rest/
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from clickstream.errors import ClickstreamError
from clickstream.flink.child import Child, work_directory
from clickstream.flink.jvm import Runtime, configure, last_failure, last_words, log_file
from clickstream.flink.rest import Refused, Rest, Unreachable, root_cause
from clickstream.java import ports

START_TIMEOUT = 60.0  # s; it takes 1.5

_MAIN = "org.apache.flink.table.gateway.SqlGateway"
_POLL = 0.1
_RUNNING = ("INITIALIZED", "PENDING", "RUNNING")
_GONE = "MiniCluster is not yet running"  # what arrives when a local job failed

# For jobs that run inside the gateway's JVM. Flink's own numbers suit a few operators: a file with a dozen tables
# needs more buffers.
_LOCAL = {
    "taskmanager.memory.network.min": "192m",
    "taskmanager.memory.network.max": "192m",
    "taskmanager.memory.managed.size": "64m",
}
_OPTIONS = ("-Xmx1g", "-XX:MaxDirectMemorySize=512m")
# For one submission: half the CPU, as code is compiled quickly rather than well.
_SHORT = ("-XX:TieredStopAtLevel=1",)


class Gateway:
    """A gateway that answers; its JVM works in `directory`."""

    def __init__(self, rest: Rest, child: Child, directory: Path) -> None:
        self.directory = directory
        self._rest = rest
        self._child = child

    def session(self, settings: Mapping[str, str]) -> "Session":
        """A new session with these settings. Raises ClickstreamError."""
        answer = self.call("POST", "/v3/sessions", {"properties": dict(settings)})
        return Session(self, f"/v3/sessions/{answer['sessionHandle']}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """As Rest.call; that the JVM itself is gone is explained."""
        try:
            answer: dict[str, Any] = self._rest.call(method, path, body)
        except Unreachable as error:
            if not self._child.ended():
                raise
            raise ClickstreamError(_ended("ended", self.directory)) from error
        return answer


class Session:
    """One file's tables and settings."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self._gateway = gateway
        self._path = path

    def start(self, statement: str) -> "Operation":
        """Hand a statement over; what is wrong with it, the operation says."""
        answer = self._gateway.call("POST", f"{self._path}/statements", {"statement": statement})
        return Operation(self._gateway, f"{self._path}/operations/{answer['operationHandle']}")

    def execute(self, statement: str) -> None:
        """Run a statement to its end. Raises Refused with Flink's reason."""
        self.start(statement).result()

    def close(self) -> None:
        """Forget its tables and settings."""
        self._gateway.call("DELETE", self._path)


class Operation:
    """A statement at work."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self._gateway = gateway
        self._path = path

    def running(self) -> bool:
        """Whether the statement has not ended yet. Raises Refused."""
        return self._gateway.call("GET", f"{self._path}/status")["status"] in _RUNNING

    def result(self) -> str:
        """Waits for the end: the id of the job that was started, or "". Raises Refused with the root cause."""
        pause = Event()
        while self.running():
            pause.wait(_POLL)
        try:
            return str(self._gateway.call("GET", f"{self._path}/result/0?rowFormat=JSON").get("jobID") or "")
        except Refused as error:
            trace = last_failure(self._gateway.directory) if _GONE in str(error) else ""
            raise Refused(root_cause(trace) if trace else str(error), error.status) from error


@contextmanager
def gateway(runtime: Runtime, parent: Path, *, short: bool = False) -> Iterator[Gateway]:
    """A gateway for the length of the block, working below `parent`; `short`: no job runs in it.

    Raises ClickstreamError.
    """
    with work_directory(parent) as directory:
        port = ports.any_free()
        configure(directory, {**_LOCAL, **_endpoints(port)})
        child = Child(runtime.command(directory, _MAIN, (*_OPTIONS, *(_SHORT if short else ()))), directory)
        try:
            rest = Rest(f"{ports.HOST}:{port}")
            _wait_until_it_answers(rest, child, directory)
            yield Gateway(rest, child, directory)
        finally:
            child.end()


def _endpoints(port: int) -> dict[str, object]:
    return {
        "sql-gateway.endpoint.rest.address": ports.HOST,
        "sql-gateway.endpoint.rest.bind-address": ports.HOST,
        "sql-gateway.endpoint.rest.port": port,
        # Of a local job's mini cluster. Its port is a free one; rest.bind-port would be taken for the gateway's, too.
        "rest.address": ports.HOST,
        "rest.bind-address": ports.HOST,
    }


def _wait_until_it_answers(rest: Rest, child: Child, directory: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    pause = Event()
    while True:
        try:
            rest.call("GET", "/v3/info")
            return
        except (Unreachable, Refused):
            if child.ended():
                raise ClickstreamError(_ended("did not start", directory)) from None
            if time.monotonic() > deadline:
                raise ClickstreamError(
                    f"Flink did not start within {START_TIMEOUT:.0f} s. See {log_file(directory)}."
                ) from None
        pause.wait(_POLL)


def _ended(how: str, directory: Path) -> str:
    return f"Flink {how}: {last_words(directory)}. See {log_file(directory)}."
