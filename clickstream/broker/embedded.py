"""The embedded broker as its users see it: acquire a lease, and there is a Kafka until it is released."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from clickstream.broker import jars, java
from clickstream.broker.locks import FileLock, is_free
from clickstream.broker.ports import DEFAULT_PORT
from clickstream.broker.storage import (
    KAFKA_VERSION,
    NewerVersionError,
    StateDir,
    Status,
    read_status,
    write_status,
)
from clickstream.broker.supervisor import Launch
from clickstream.errors import ClickstreamError

START_TIMEOUT = 60.0  # s until a metadata request must have succeeded
STOP_TIMEOUT = 40.0
_POLL = 0.03
JAR_SET = "kafka"


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class BrokerStatus:
    """A snapshot. `state` is running, starting, stopped or failed (then `error` says why)."""

    state: str
    address: str | None
    pid: int | None  # of the JVM
    supervisor_pid: int | None
    pinned: bool
    data_dir: Path
    log_file: Path
    kafka_version: str
    cluster_id: str | None
    java: str | None
    started_at: float | None  # s since 1970
    restarts: int
    error: str | None


class Lease:
    """Keeps the broker running while it is held. It ends with the process, however that ends."""

    def __init__(self, lock: FileLock, address: str, started: bool) -> None:
        self.address = address
        self.started = started  # by this very call
        self._lock = lock

    def release(self) -> None:
        """Let go; the broker stops when nobody has used it for a while."""
        self._lock.touch()
        self._lock.release()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class EmbeddedBroker:
    """A real Kafka in `state_dir`, started on demand and shared by all processes that name the same directory.

    `port` DEFAULT_PORT gives way to another one if it is taken, 0 is any free one, another number is meant exactly.
    `heap` is as in -Xmx, `linger` in seconds; these apply to whoever starts it.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        java: str = "auto",
        port: int = DEFAULT_PORT,
        heap: str = "512m",
        linger: float = 60.0,
        notify: Callable[[str], None] = to_stderr,
    ) -> None:
        self.state = StateDir(Path(state_dir).expanduser().absolute())
        self._java = java
        self._port = port
        self._heap = heap
        self._linger = linger
        self._notify = notify

    def acquire(self) -> Lease:
        """A lease on a broker that answers; starts one if none is running (the first time of all, downloads it).

        Raises ClickstreamError with cause and remedy if there is no broker within about a minute.
        """
        before = time.monotonic()
        lock = self._lease()
        try:
            status, started = self._running()
        except BaseException:
            lock.release()
            raise
        how = f"started, {time.monotonic() - before:.1f} s" if started else "running"
        self._notify(f"embedded Kafka {KAFKA_VERSION} at {status.address} ({how})")
        return Lease(lock, status.address, started)

    def start(self) -> str:
        """As acquire, but it stays up until stop(); returns the address."""
        with self.acquire() as lease:
            self.state.pinned.touch()
            return lease.address

    def _lease(self) -> FileLock:
        try:
            self.state.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.state.lease_lock)
            # Only a broker that is stopping, or `stop`, holds it exclusively.
            if not lock.acquire(shared=True, timeout=STOP_TIMEOUT):
                raise ClickstreamError(
                    f"The embedded Kafka in {self.state.root} does not stop; see {self.state.log_file}."
                )
            lock.touch()
        except OSError as error:
            raise self._unusable(error) from error
        return lock

    def _running(self) -> tuple[Status, bool]:
        started = False
        attempts = 0
        deadline: float | None = None
        while True:
            if is_free(self.state.supervisor_lock):
                status = self._status()
                if attempts and status.state == "failed":
                    raise self._failed(status)
                if attempts == 3:
                    raise ClickstreamError(f"The embedded Kafka does not stay up; see {self.state.supervisor_log}.")
                started = self._launch() or started
                attempts += 1
            elif self._status().state == "running" and (found := self._answering()):
                return found, started
            if deadline is None:  # after a first download, which takes its own time
                deadline = time.monotonic() + START_TIMEOUT
            elif time.monotonic() > deadline:
                raise ClickstreamError(
                    f"The embedded Kafka in {self.state.root} did not answer within {START_TIMEOUT:.0f} s; "
                    f"see {self.state.log_file}."
                )
            time.sleep(_POLL)

    def _launch(self) -> bool:
        runtime = java.find(self._java)
        files = jars.ensure(JAR_SET, self._notify)
        launch = Launch(
            state_dir=str(self.state.root),
            java=str(runtime.path),
            class_path=[str(path) for path in files],
            port=self._port,
            heap=self._heap,
            linger=self._linger,
            jvm_options=["-XX:+ExitOnOutOfMemoryError"],
        )
        done = subprocess.run(
            [sys.executable, "-m", "clickstream.broker.supervisor"],
            input=launch.to_json(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=Path(__file__).parent.parent.parent,
        )
        if done.returncode != 0:
            raise ClickstreamError(f"The embedded Kafka could not be started: {done.stderr.strip()[-300:]}")
        return True

    def _answering(self) -> Status | None:
        """The status, if the broker that it names answers a metadata request."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        status = self._status()
        admin = AdminClient({"bootstrap.servers": status.address, "log_level": 0})
        try:
            return status if admin.list_topics(timeout=2.0).brokers else None
        except KafkaException:
            return None

    def stop(self, *, force: bool = False) -> bool:
        """Stop it and wait until it is dead; False if it was not running.

        Raises ClickstreamError if other processes use it, unless `force`.
        """
        self.state.pinned.unlink(missing_ok=True)
        if not self.state.root.exists() or is_free(self.state.supervisor_lock):
            return False
        lease = FileLock(self.state.lease_lock)
        if not force and not lease.acquire(timeout=0.5):
            raise ClickstreamError("Other clickstream commands use the embedded Kafka; end them, or stop with --force.")
        with lease:
            pid = self._status().supervisor_pid
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT
            while not is_free(self.state.supervisor_lock):
                if time.monotonic() > deadline:
                    raise ClickstreamError(f"The embedded Kafka (process {pid}) does not stop.")
                time.sleep(_POLL)
        return True

    def status(self) -> BrokerStatus:
        """What is known without asking the broker itself."""
        status = self._status()
        alive = self.state.root.exists() and not is_free(self.state.supervisor_lock)
        state = status.state
        if not alive and state in ("running", "starting", "stopping"):
            state = "stopped"
        return BrokerStatus(
            state=state,
            address=status.address or None,
            pid=status.pid or None,
            supervisor_pid=status.supervisor_pid or None,
            pinned=self.state.pinned.exists(),
            data_dir=self.state.data,
            log_file=self.state.log_file,
            kafka_version=status.kafka_version,
            cluster_id=status.cluster_id or None,
            java=status.java or None,
            started_at=status.started_at or None,
            restarts=status.restarts,
            error=status.error or None,
        )

    def _status(self) -> Status:
        try:
            return read_status(self.state) or Status()
        except NewerVersionError as error:
            raise ClickstreamError(
                f"{self.state.root} was written by a newer clickstream ({error}). "
                "Use that version, or another --state-dir."
            ) from error
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> ClickstreamError:
        return ClickstreamError(
            f"Cannot use the state directory {self.state.root}: {error.strerror or error}. "
            "Make it writable or free some space, or choose another one with --state-dir."
        )

    def _failed(self, status: Status) -> ClickstreamError:
        return ClickstreamError(f"The embedded Kafka did not start: {status.error}. See {self.state.log_file}.")
