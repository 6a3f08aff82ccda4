"""One Kafka JVM on one state directory: format the storage once, start, stop, and say why it died."""

import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from clickstream.broker.locks import FileLock
from clickstream.broker.storage import StateDir, log_config, replace_text, server_properties

TERM_TIMEOUT = 20.0  # s that a JVM has to shut down before it is killed
ORPHAN_TIMEOUT = 10.0

# The pid is written by the process that holds jvm.lock, before it becomes Java: never a stale or foreign one.
_SHELL = 'echo $$ > "$0" && exec "$@"'

_SERVER = "kafka.Kafka"
_STORAGE_TOOL = "kafka.tools.StorageTool"


class JvmError(Exception):
    """The JVM cannot be started or its storage not be prepared."""


class Jvm:
    def __init__(self, state: StateDir, java: str, class_path: list[str], heap: str, options: list[str]) -> None:
        self.state = state
        self.controller_port = 0
        self._java = java
        self._class_path = ":".join(class_path)
        self._heap = heap
        self._options = options
        self._lock = FileLock(state.jvm_lock)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._log_size = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def prepare(self) -> str:
        """Make sure that no JVM is left on the directory and that it is formatted; returns the cluster id.

        Raises JvmError or OSError.
        """
        if not self._lock.try_acquire():
            end_orphan(self.state)
            if not self._lock.acquire(timeout=1.0):
                raise JvmError(f"another process holds {self.state.jvm_lock}")
        self.state.jvm_pid_file.unlink(missing_ok=True)
        shutil.rmtree(self.state.tmp, ignore_errors=True)
        self.state.tmp.mkdir()
        replace_text(self.state.log_config, log_config(self.state))
        cluster_id = cluster_id_of(self.state.data)
        if cluster_id is None:
            cluster_id = self._format()
        return cluster_id

    def _format(self) -> str:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if cluster_id.startswith("-"):  # would be taken for an option
            cluster_id = "A" + cluster_id[1:]
        if has_records(self.state.data):
            raise JvmError(
                f"{self.state.data} holds topics but no meta.properties: restore that file, or move the directory away"
            )
        shutil.rmtree(self.state.data, ignore_errors=True)  # half formatted by an interrupted start
        replace_text(self.state.properties, server_properties(self.state, 9092, 9093))
        self._launch(_STORAGE_TOOL, "format", "-t", cluster_id, "-c", str(self.state.properties))
        code = self._process.wait(timeout=60) if self._process else None
        if code != 0 or cluster_id_of(self.state.data) != cluster_id:
            raise JvmError(f"formatting {self.state.data} failed: {self._last_output()}")
        self._process = None
        return cluster_id

    def start(self, port: int, controller_port: int) -> None:
        """Start Kafka; it is not ready yet. Call prepare() first. Raises OSError."""
        self.controller_port = controller_port
        replace_text(self.state.properties, server_properties(self.state, port, controller_port))
        try:
            self._log_size = self.state.log_file.stat().st_size
        except FileNotFoundError:
            self._log_size = 0
        self._launch(_SERVER, str(self.state.properties))
        # The JVM alone holds the lock from here on, and frees it by dying.
        self._lock.release()

    def _launch(self, main_class: str, *arguments: str) -> None:
        command = [
            self._java,
            f"-Xmx{self._heap}",
            *self._options,
            f"-Djava.io.tmpdir={self.state.tmp}",
            f"-Dlog4j2.configurationFile={self.state.log_config}",
            f"-Dclickstream.log={self.state.log_file}",
            "-cp",
            self._class_path,
            main_class,
            *arguments,
        ]
        with self.state.console_file.open("wb") as console:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SHELL, self.state.jvm_pid_file, *command],
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

    def exit_code(self) -> int | None:
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

    def why_it_died(self, code: int) -> str:
        """The exit code or signal, and the last errors that it logged or printed."""
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        detail = last_errors(self.state.log_file, self._log_size) or self._last_output()
        return f"Kafka ended with {how}" + (f": {detail}" if detail else "")

    def _last_output(self) -> str:
        text = self.state.console_file.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
        return " | ".join(lines[-3:])


def end_orphan(state: StateDir) -> None:
    """End a JVM whose supervisor is gone; returns when it is dead. Only the holder of supervisor.lock may call this.

    Raises JvmError if it cannot be found or ended.
    """
    lock = FileLock(state.jvm_lock)
    for number, patience in ((signal.SIGTERM, ORPHAN_TIMEOUT), (signal.SIGKILL, 5.0)):
        try:
            # Valid for as long as the lock is held: its holder wrote it.
            os.kill(int(state.jvm_pid_file.read_text()), number)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            pass
        if lock.acquire(timeout=patience):
            lock.release()
            return
    raise JvmError(f"a Java process holds {state.jvm_lock} and cannot be ended; end it by hand")


def cluster_id_of(data: Path) -> str | None:
    """The cluster id of formatted storage; None if it is not (completely) formatted."""
    try:
        text = (data / "meta.properties").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
    return found.group(1) if found else None


def has_records(data: Path) -> bool:
    """Whether there is anything in it that formatting would destroy."""
    return any(path.stat().st_size > 0 for path in data.glob("*/*.log"))


def last_errors(log: Path, since: int, limit: int = 3) -> str:
    """The last lines of level ERROR or FATAL after byte `since` (from the beginning if the log was rotated)."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            file.seek(max(since if since <= size else 0, size - 256 * 1024))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pattern = re.compile(r"^\S+ \S+ (?:ERROR|FATAL) (.*)$")
    causes = [line for line in lines if line.startswith("Caused by: ")]
    errors = [found.group(1) for line in lines if (found := pattern.match(line))]
    return " | ".join([*errors[-limit:], *causes[-1:]])
