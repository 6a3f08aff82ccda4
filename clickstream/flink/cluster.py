"""A session cluster on this machine, 1 JobManager and 2 TaskManagers, that stays up until it is stopped."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from clickstream.errors import ClickstreamError
from clickstream.files import replace_text
from clickstream.flink.jobs import Overview, overview
from clickstream.flink.jvm import Runtime, configure, console_file, last_words, log_file
from clickstream.flink.rest import Refused, Rest, Unreachable
from clickstream.java import ports
from clickstream.java.locks import FileLock, is_free

DEFAULT_PORT = 8081
TASK_MANAGERS = 2
SLOTS = 2  # each: together a file at parallelism 2, and a second one beside it

START_TIMEOUT = 90.0  # s; it takes 6
STOP_PATIENCE = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
_POLL = 0.1

# The process that holds the lock writes its pid before it becomes Java: while the lock is held, the pid is right.
_SHELL = 'echo $$ > "$0" && exec "$@"'

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_MANAGER_OPTIONS = ("-Xmx512m", "-XX:MaxMetaspaceSize=256m")
# Flink's scripts would compute these of taskmanager.memory.process.size. Heap: framework and tasks; direct memory:
# framework, tasks and network.
_TASK_MANAGER_OPTIONS = ("-Xmx512m", "-XX:MaxDirectMemorySize=320m", "-XX:MaxMetaspaceSize=256m")
_MEMORY = {
    "taskmanager.cpu.cores": "1.0",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.task.heap.size": "384m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.off-heap.size": "0m",
    "taskmanager.memory.network.min": "192m",
    "taskmanager.memory.network.max": "192m",
    "taskmanager.memory.managed.size": "64m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "64m",
    "taskmanager.memory.jvm-overhead.max": "64m",
}


@dataclass(frozen=True)
class Member:
    """One JVM of the cluster, working in `directory`."""

    directory: Path
    main: str
    options: tuple[str, ...]

    @property
    def lock(self) -> Path:
        """Held by the JVM for as long as it lives."""
        return self.directory / "lock"

    @property
    def pid_file(self) -> Path:
        """Written by who starts the JVM."""
        return self.directory / "pid"

    def alive(self) -> bool:
        """Whether its JVM runs."""
        return self.lock.exists() and not is_free(self.lock)


class SessionCluster:
    """The cluster that lives in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        manager = Member(directory / "jobmanager", _JOB_MANAGER, _JOB_MANAGER_OPTIONS)
        workers = [
            Member(directory / f"taskmanager-{number}", _TASK_MANAGER, _TASK_MANAGER_OPTIONS)
            for number in range(1, TASK_MANAGERS + 1)
        ]
        self.members = [manager, *workers]

    @property
    def address(self) -> str:
        """HOST:PORT of its REST interface, whether it runs or not."""
        try:
            return self._address_file.read_text("utf-8").strip()
        except FileNotFoundError:
            return f"{ports.HOST}:{DEFAULT_PORT}"

    @property
    def _address_file(self) -> Path:
        return self.directory / "address"

    def start(self, runtime: Runtime, port: int, notify: Callable[[str], None] = lambda _: None) -> str:
        """Start it and wait until all slots are offered; its address. One that runs already is left as it is.

        `notify` gets a line for each step: it takes seconds.
        Raises ClickstreamError if the port is taken or it does not come up.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory / "start.lock") as lock:
            if not lock.acquire(timeout=START_TIMEOUT):
                raise ClickstreamError("Another process has been starting the Flink cluster for a long time; end it.")
            if all(member.alive() for member in self.members):
                return self.address
            self.stop()  # what is left of one that lost a member
            if not ports.is_free(port):
                raise ClickstreamError(f"Port {port} of {ports.HOST} is in use. Choose another with --rest-port.")
            replace_text(self._address_file, f"{ports.HOST}:{port}\n")
            settings = _settings(port, self.directory)
            try:
                notify(f"Flink: starting 1 JobManager and {TASK_MANAGERS} TaskManagers")
                for member in self.members:
                    _launch(member, runtime, settings)
                self._wait_until_ready(notify)
            except BaseException:
                self.stop()
                raise
        return self.address

    def stop(self) -> bool:
        """End all its processes, and with them its jobs; False if none ran. Raises ClickstreamError."""
        running = [member for member in self.members if member.alive()]
        for number, patience in STOP_PATIENCE:
            _end(running, number, patience)
        left = [member.directory.name for member in running if member.alive()]
        if left:
            raise ClickstreamError(f"{', '.join(left)} of the Flink cluster in {self.directory} cannot be ended.")
        return bool(running)

    def alive(self) -> bool:
        """Whether any of its processes runs."""
        return any(member.alive() for member in self.members)

    def _wait_until_ready(self, notify: Callable[[str], None]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        pause = Event()
        slots, all_slots = -1, TASK_MANAGERS * SLOTS
        while True:
            found = self.overview()
            if found is not None and found.slots != slots:
                slots = found.slots
                notify(f"Flink: the JobManager answers, {slots} of {all_slots} slots are there")
            if slots == all_slots:
                return
            for member in self.members:
                if not member.alive():
                    raise ClickstreamError(
                        f"Flink's {member.directory.name} did not start: {last_words(member.directory)}. "
                        f"See {log_file(member.directory)}."
                    )
            if time.monotonic() > deadline:
                raise ClickstreamError(
                    f"The Flink cluster did not start within {START_TIMEOUT:.0f} s. "
                    f"See {log_file(self.members[0].directory)}."
                )
            pause.wait(_POLL)

    def overview(self) -> Overview | None:
        """What it tells of itself; None if it does not answer."""
        try:
            return overview(Rest(self.address))
        except (Unreachable, Refused):
            return None


def _end(members: list[Member], number: signal.Signals, patience: float) -> None:
    """Send each a signal, and wait up to `patience` seconds until all are dead."""
    told: set[Path] = set()
    deadline = time.monotonic() + patience
    pause = Event()
    while (left := [member for member in members if member.alive()]) and time.monotonic() < deadline:
        for member in left:
            # It may be about to write its pid, or just have ended.
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                if member.directory not in told:
                    os.kill(int(member.pid_file.read_text()), number)
                    told.add(member.directory)
        pause.wait(_POLL)


def _settings(port: int, directory: Path) -> dict[str, object]:
    """Reachable from this machine only; jars cannot be uploaded through the web page."""
    return {
        "jobmanager.rpc.address": ports.HOST,
        "jobmanager.rpc.port": ports.any_free(),
        "jobmanager.bind-host": ports.HOST,
        "taskmanager.host": ports.HOST,
        "taskmanager.bind-host": ports.HOST,
        "taskmanager.numberOfTaskSlots": SLOTS,
        "rest.address": ports.HOST,
        "rest.bind-address": ports.HOST,
        "rest.port": port,
        "web.submit.enable": "false",
        "execution.checkpointing.savepoint-dir": (directory / "savepoints").as_uri(),
        "execution.checkpointing.dir": (directory / "checkpoints").as_uri(),
        **_MEMORY,
    }


def _launch(member: Member, runtime: Runtime, settings: dict[str, object]) -> None:
    """Start a JVM that outlives this process: in a session of its own, and nobody's child."""
    shutil.rmtree(member.directory / "tmp", ignore_errors=True)
    member.pid_file.unlink(missing_ok=True)
    configure(member.directory, settings)
    words = runtime.command(member.directory, member.main, member.options, "--configDir", str(member.directory))
    with FileLock(member.lock) as lock, console_file(member.directory).open("wb") as console:
        if not lock.try_acquire():
            raise ClickstreamError(f"Another process holds {member.lock}.")
        subprocess.run(
            ["/bin/sh", "-c", '"$0" "$@" &', "/bin/sh", "-c", _SHELL, str(member.pid_file), *words],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={**os.environ, "FLINK_CONF_DIR": str(member.directory)},
            cwd=member.directory,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            check=True,
        )
