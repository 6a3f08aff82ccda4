"""One Kafka JVM on one state directory: format the storage once, start, stop, and say why it died."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from clickstream.broker.disk import DEFAULT
from clickstream.broker.serverconfig import JVM_OPTIONS, Node, log_config, server_properties
from clickstream.broker.storage import StateDir
from clickstream.files import replace_text
from clickstream.java.complaints import complaints
from clickstream.java.locks import FileLock

TERM_TIMEOUT = 15.0  # s that a JVM has to shut down before it is killed; it takes 0.5 s
FORMAT_TIMEOUT = 60.0
DISK_FULL = 10_000_000  # bytes left; Kafka's files grow by more at once
ORPHAN_PATIENCE = (10.0, 5.0)  # s after SIGTERM, and after SIGKILL

_SERVER = "kafka.Kafka"
_STORAGE_TOOL = "kafka.tools.StorageTool"

# The process that holds jvm.lock writes its pid before it becomes Java: while the lock is held, the pid is right.
_SHELL = 'echo $$ > "$0" && exec "$@"'


class JvmError(Exception):
    """The JVM cannot be started, or its storage not be prepared."""


class Jvm:
    """A Kafka to be. Only the holder of supervisor.lock may make one."""

    def __init__(
        self,
        state: StateDir,
        java: str,
        class_path: list[str],
        heap: str,
        class_data: list[str] | None = None,
        disk: int = DEFAULT,
        node: Node | None = None,
    ) -> None:
        self.state = state
        self._disk = disk
        self._node = node
        self._command = [java, f"-Xmx{heap}", *JVM_OPTIONS, *(class_data or []), "-cp", ":".join(class_path)]
        self._lock = FileLock(state.jvm_lock)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._log_size = 0

    @property
    def pid(self) -> int:
        """Of the process; 0 before the first start."""
        return self._process.pid if self._process is not None else 0

    def prepare(self) -> str:
        """End a JVM that a killed supervisor left behind, and format the storage unless it is; its cluster id.

        Raises JvmError or OSError.
        """
        if not self._lock.try_acquire():
            end_orphan(self.state)
            if not self._lock.acquire(timeout=1.0):
                raise JvmError(f"another process holds {self.state.jvm_lock}")
        self.state.jvm_pid_file.unlink(missing_ok=True)
        shutil.rmtree(self.state.tmp, ignore_errors=True)
        self.state.tmp.mkdir()
        replace_text(self.state.log_config, log_config(self.state.log_file))
        return cluster_id_of(self.state.data) or self._format()

    def _format(self) -> str:
        data, new = self.state.data, self.state.unfinished
        if has_records(data):
            raise JvmError(
                f"{data} holds records, but {data / 'meta.properties'} is missing or damaged: "
                "restore that file, or move the directory away to begin with an empty one"
            )
        for left in (data, new):  # of an interrupted start
            shutil.rmtree(left, ignore_errors=True)
        cluster_id = random_id() if self._node is None else self._node.cluster_id
        # The ports do not matter.
        replace_text(self.state.properties, server_properties(1, 2, new, node=self._node))
        self._launch(_STORAGE_TOOL, "format", "--cluster-id", cluster_id, "--config", self.state.properties.name)
        assert self._process is not None
        try:
            code = self._process.wait(FORMAT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code != 0 or cluster_id_of(new) != cluster_id:
            raise JvmError(f"formatting {data} failed: {self._last_output() or f'exit code {code}'}")
        new.rename(data)
        return cluster_id

    def start(self, port: int, controller_port: int) -> None:
        """Start Kafka; it is not ready yet. Call prepare() first. Raises OSError."""
        settings = server_properties(
            port, controller_port, self.state.data, self._disk, self._node, after_kill=self.state.was_killed
        )
        replace_text(self.state.properties, settings)
        self._log_size = self.state.log_file.stat().st_size if self.state.log_file.exists() else 0
        self._launch(_SERVER, self.state.properties.name)
        # The JVM alone holds the lock from here on, and frees it by dying.
        self._lock.release()

    def _launch(self, main_class: str, *arguments: str) -> None:
        options = [
            f"-Djava.io.tmpdir={self.state.tmp}",  # absolute: native libraries are loaded from it
            f"-Dlog4j2.configurationFile={self.state.log_config.name}",
        ]
        with self.state.console_file.open("wb") as console:
            self._process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    _SHELL,
                    self.state.jvm_pid_file.name,
                    *self._command,
                    *options,
                    main_class,
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=self.state.root,
                pass_fds=[self._lock.fileno()],
            )
        self._started_at = time.monotonic()

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started_at

    def crashed(self) -> bool:
        """Whether it died of itself, of a signal that nobody sends."""
        return -(self.exit_code() or 0) in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL)

    def exit_code(self) -> int | None:
        """Of the process that has ended, minus the signal's number after a signal; None while it runs, or never did."""
        return self._process.poll() if self._process is not None else None

    def stop(self) -> None:
        """Shut it down, by force after TERM_TIMEOUT; returns when it is dead."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(TERM_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def why_it_died(self) -> str:
        """The exit code or signal, and the last errors that it logged or printed."""
        code = self.exit_code() or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        detail = last_errors(self.state.log_file, self._log_size) or self._last_output()
        if "No space left" not in detail and shutil.disk_usage(self.state.root).free < DISK_FULL:
            detail = f"No space left on device ({detail or 'nothing could be logged'})"  # it often says something else
        return f"Kafka {how}: {detail}" if detail else f"Kafka {how}"

    def _last_output(self) -> str:
        return complaints(self.state.console_file.read_text(encoding="utf-8", errors="replace"))


def end_orphan(state: StateDir) -> None:
    """End the JVM that holds jvm.lock; returns when it is dead. For the holder of supervisor.lock only.

    Raises JvmError if it cannot be ended.
    """
    lock = FileLock(state.jvm_lock)
    for number, patience in zip((signal.SIGTERM, signal.SIGKILL), ORPHAN_PATIENCE, strict=True):
        deadline = time.monotonic() + patience
        told = False
        while time.monotonic() < deadline:
            # It may be about to write its pid.
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                if not told:
                    os.kill(int(state.jvm_pid_file.read_text()), number)
                    told = True
            if lock.acquire(timeout=0.1):
                lock.release()
                return
    raise JvmError(f"a Java process holds {state.jvm_lock} and cannot be ended; end it by hand")


def cluster_id_of(data: Path) -> str | None:
    """The cluster id of formatted storage; None if it is not formatted."""
    try:
        text = (data / "meta.properties").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
    return found.group(1) if found else None


def has_records(data: Path) -> bool:
    """Whether there is anything that formatting would destroy."""
    return any(path.stat().st_size > 0 for path in data.glob("*/*.log"))


def last_errors(log: Path, since: int, limit: int = 2) -> str:
    """The last lines of level ERROR or FATAL behind byte `since`, or of the whole log if it was rotated."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since if since <= size else 0, size - 256 * 1024))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    errors = [found.group(1) for line in lines if (found := re.match(r"\S+ \S+ (?:ERROR|FATAL) (.*)$", line))]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    return " | ".join([*errors[-limit:], *causes[-1:]])


def random_id() -> str:
    """A cluster id as Kafka makes them: 16 random bytes, base64; not one that begins with a dash."""
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()).startswith("-"):
        pass
    return text
