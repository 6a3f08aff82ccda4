"""The embedded broker as its users see it: hold a lease, and there is a Kafka until it is released."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from clickstream import terminal
from clickstream.broker import disk, wire
from clickstream.broker.jvm import JvmError, end_orphan
from clickstream.broker.serverconfig import Node
from clickstream.broker.status import KAFKA_VERSION, NewerVersionError, Status, read_status
from clickstream.broker.storage import StateDir
from clickstream.broker.supervisor import ANOTHER, Launch
from clickstream.errors import ClickstreamError
from clickstream.interpreter import command_for, environment
from clickstream.java import jars, ports, runtime
from clickstream.java.complaints import REFUSED, REFUSED_REMEDY
from clickstream.java.locks import FileLock, is_free

START_TIMEOUT = 60.0  # s from the start to an answered metadata request
STOP_TIMEOUT = 30.0  # s; longer than supervisor and JVM need together
SPACE = 100_000_000  # bytes free on the disk, or it is not started: Kafka dies where it cannot write
JAR_SET = "kafka"
_POLL = 0.02
_REMEDIES = {  # the last one that fits is told
    REFUSED: REFUSED_REMEDY,
    "No space left on device": "Free some space, or choose another directory with --state-dir.",
    "heap": "Set broker.heap to a size like 512m that this machine's memory can hold.",
    "UnsupportedClassVersionError": "Its Java is too old: set CLICKSTREAM_JAVA=wheel.",
    "Permission denied": "Make the directory writable, or choose another one with --state-dir.",
}
_LAUNCHES = 3  # of a supervisor that is gone again without a reason left behind


def to_stderr(line: str) -> None:
    """Print a line for people, whatever it quotes harmless for a terminal."""
    print(terminal.message(line), file=sys.stderr, flush=True)


@dataclass(frozen=True)
class BrokerStatus:
    """A snapshot. `state` is running, starting, stopping, stopped or failed (then `error` says why)."""

    state: str
    address: str | None  # while it is running or starting
    pid: int | None  # of the JVM
    supervisor_pid: int | None
    pinned: bool
    data_dir: Path
    log_file: Path
    kafka_version: str
    cluster_id: str | None
    java: str | None
    started_at: float | None  # s since 1970
    restarts: int  # after the JVM died
    error: str | None
    disk_used: int = 0  # bytes
    disk_bound: int = 0  # bytes, see disk.py


class Lease:
    """Keeps the broker running while it is held; it ends with the process, however that ends."""

    def __init__(self, lock: FileLock, address: str, started: bool, watch: disk.Watch) -> None:
        """`watch` warns while the lease is held."""
        self.address = address
        self.started = started  # by the very call that gave this lease
        self._lock = lock
        self._watch = watch
        watch.start()

    def release(self) -> None:
        """Let go; the broker stops when nobody has used it for a while. Again does nothing."""
        self._watch.end()
        self._lock.touch()
        self._lock.release()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class EmbeddedBroker:
    """A real Kafka in `state_dir`, started on demand, shared by all processes that name the same directory.

    `port` DEFAULT_PORT gives way to another one if it is in use, 0 is any free one, another number is meant
    exactly; `heap` is as in -Xmx; `linger` is how many seconds it stays up without users; `class_data` False does
    without what makes starts quick (classdata.py); `disk` is how many bytes its records may take (disk.py); `node` is
    which of several it is (nodes.py). They apply when this object is the one that starts it. `java` is as in
    runtime.find.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        java: str = "auto",
        port: int = ports.DEFAULT_PORT,
        heap: str = "512m",
        linger: float = 60.0,
        notify: Callable[[str], None] = to_stderr,
        class_data: bool = True,
        disk: int = disk.DEFAULT,
        node: Node | None = None,
    ) -> None:
        self.state = StateDir(Path(state_dir).expanduser().absolute())
        self._java = java
        self._port = port
        self._heap = heap
        self._linger = linger
        self._notify = notify
        self._class_data = class_data
        self._disk = disk
        self._node = node

    def acquire(self) -> Lease:
        """A lease on a broker that answers. Starts one if none is running, and downloads it if it never was here.

        Raises ClickstreamError with cause and remedy, within a minute beside the download, if there is none.
        """
        before = time.monotonic()
        with self._explained():
            self.state.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.state.lease_lock)
            # Only a broker that is being stopped has it exclusively.
            if not lock.acquire(shared=True, timeout=STOP_TIMEOUT):
                raise ClickstreamError(
                    f"The embedded Kafka in {self.state.root} is being stopped, but does not end. "
                    f"See {self.state.log_file}."
                )
            try:
                lock.touch()
                status, started = self._wait_until_running()
            except BaseException:
                lock.release()
                raise
        if started:
            took = time.monotonic() - before
            self._notify(f"embedded Kafka {KAFKA_VERSION} at {status.address} (started, {took:.1f} s)")
        watch = disk.Watch(self.state.data, status.disk)
        if (warning := watch.look()) is not None:
            self._notify(f"warning: {warning}")
        return Lease(lock, status.address, started, watch)

    def start(self) -> str:
        """Like acquire, but it stays up until stop(); returns its address."""
        with self.acquire() as lease, self._explained():
            self.state.pinned.touch()
            return lease.address

    def stop(self, *, force: bool = False) -> bool:
        """Stop it and wait until it is dead; False if it was not running.

        Raises ClickstreamError if other processes use it, unless `force`.
        """
        with self._explained():
            if not self.state.root.exists() or not self._alive():
                return False
            lease = FileLock(self.state.lease_lock)
            # A second, as the supervisor looks at it now and then.
            if not force and not lease.acquire(timeout=1.0):
                raise ClickstreamError(
                    "Other clickstream commands use the embedded Kafka: end them first, or stop it with --force."
                )
            with lease:
                self.state.pinned.unlink(missing_ok=True)
                self._end()
        return True

    def status(self) -> BrokerStatus:
        """What is known without asking the broker itself. Raises ClickstreamError if the directory is unusable."""
        with self._explained():
            status = read_status(self.state) or Status()
            alive = self.state.root.exists() and not is_free(self.state.supervisor_lock)
            state = status.state
            if not alive and state in ("running", "starting", "stopping"):
                state = "stopped"
            elif alive and state == "stopped":
                state = "stopping"  # the supervisor has not ended yet
            up = state in ("running", "starting")
            return BrokerStatus(
                state=state,
                address=(status.address or None) if up else None,
                pid=(status.pid or None) if up else None,
                supervisor_pid=(status.supervisor_pid or None) if alive else None,
                pinned=alive and self.state.pinned.exists(),
                data_dir=self.state.data,
                log_file=self.state.log_file,
                kafka_version=status.kafka_version,
                cluster_id=status.cluster_id or None,
                java=status.java or None,
                started_at=status.started_at if up and status.started_at else None,
                restarts=status.restarts if alive else 0,
                error=status.error if state == "failed" else None,
                disk_used=disk.usage(self.state.data).total,
                disk_bound=(status.disk if up else 0) or self._disk,
            )

    def _wait_until_running(self) -> tuple[Status, bool]:
        """The status of a broker that answers, and whether it was started here."""
        launches = 0
        started = False
        deadline: float | None = None
        while True:
            status = read_status(self.state) or Status()
            if is_free(self.state.supervisor_lock):
                if launches and status.state == "failed":
                    raise self._failed(status.error)
                if launches == _LAUNCHES:
                    raise ClickstreamError(f"The embedded Kafka ends at once; see {self.state.supervisor_log}.")
                started = self._launch() or started
                launches += 1
            elif status.state == "running" and wire.accepts(ports.HOST, status.port):
                return status, started
            if deadline is None:  # from here, behind the download, which takes what it takes
                deadline = time.monotonic() + START_TIMEOUT
            elif time.monotonic() > deadline:
                raise ClickstreamError(
                    f"The embedded Kafka in {self.state.root} did not answer within {START_TIMEOUT:.0f} s. After a "
                    f"crash it may still be reading its logs: see {self.state.log_file}, or try again later."
                )
            time.sleep(_POLL)

    def _launch(self) -> bool:
        """Start a supervisor, in a session of its own: Ctrl-C here must not reach it. False: somebody else just did."""
        java = runtime.find(self._java)
        files = jars.ensure(JAR_SET, self._notify)
        free = shutil.disk_usage(self.state.root).free
        if free < SPACE:
            raise ClickstreamError(
                f"Only {free / 1e6:.0f} MB are free on the disk of {self.state.root}, the embedded Kafka needs "
                f"{SPACE / 1e6:.0f}. Free some space, or choose another directory with --state-dir."
            )
        launch = Launch(
            state_dir=str(self.state.root),
            java=str(java.path),
            class_path=[str(path) for path in files],
            port=self._port,
            heap=self._heap,
            linger=self._linger,
            class_data=str(jars.cache_dir().parent / "class-data") if self._class_data else "",
            disk=self._disk,
            node=self._node,
        )
        done = subprocess.run(
            command_for("clickstream.broker.supervisor"),
            input=launch.to_json(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment(),
            check=False,
        )
        if done.returncode not in (0, ANOTHER):
            raise self._failed(done.stderr.strip().rpartition("\n")[2])
        return done.returncode == 0

    def _alive(self) -> bool:
        return not is_free(self.state.supervisor_lock) or not is_free(self.state.jvm_lock)

    def _end(self) -> None:
        """Have the supervisor end the JVM and itself; end the JVM of a supervisor that is gone."""
        told = 0
        deadline = time.monotonic() + STOP_TIMEOUT
        lock = FileLock(self.state.supervisor_lock)
        while not lock.try_acquire():
            with contextlib.suppress(ValueError, ProcessLookupError):  # it has not written its pid yet, or just ended
                pid = int(self.state.supervisor_lock.read_text())
                if pid != told:
                    os.kill(pid, signal.SIGTERM)
                    told = pid
            if time.monotonic() > deadline:
                raise ClickstreamError(f"The embedded Kafka (process {told}) does not end; see {self.state.log_file}.")
            time.sleep(_POLL)
        with lock:
            if not is_free(self.state.jvm_lock):
                end_orphan(self.state)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what the state directory can do to us into sentences."""
        try:
            yield
        except NewerVersionError as error:
            raise ClickstreamError(
                f"{self.state.root} belongs to a newer clickstream: {error}. "
                "Upgrade, or choose another directory with --state-dir."
            ) from error
        except JvmError as error:
            raise ClickstreamError(f"{error}.") from error
        except OSError as error:
            raise ClickstreamError(
                f"Cannot use the state directory {self.state.root}: {error.strerror or error}. "
                "Make it writable and the disk not full, or choose another directory with --state-dir."
            ) from error

    def _failed(self, reason: str) -> ClickstreamError:
        remedy = f"See {self.state.log_file}."
        for symptom, known in _REMEDIES.items():
            if symptom in reason:
                remedy = known
        shortened = reason if len(reason) <= 500 else f"{reason[:250]} ... {reason[-250:]}"
        return ClickstreamError(f"The embedded Kafka in {self.state.root} did not start: {shortened}. {remedy}")
