"""The process that keeps one Kafka running: `python -m clickstream.broker.supervisor`, started by embedded.py.

It reads a Launch as JSON from stdin, takes supervisor.lock, forks into the background and exits 0: when the
command returns, the broker is being started (by it, or by another supervisor that holds the lock).
It uses the standard library only, and little of it, to stay small beside the JVM.

While it runs it starts the JVM again when that dies, and stops it when no one has held the lease for `linger`
seconds. It stops the JVM *while it holds the lease exclusively*, so that a client that comes in this moment waits
until the broker is stopped and then starts it anew, instead of finding one that is about to vanish.
"""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from clickstream.broker import ports
from clickstream.broker.jvm import Jvm, JvmError
from clickstream.broker.locks import FileLock
from clickstream.broker.storage import NewerVersionError, StateDir, Status, read_status, write_status

QUICK = 30.0  # s; a JVM that dies sooner after it was ready counts as a quick failure
QUICK_FAILURES = 5
START_TIMEOUT = 55.0  # s from start to ready
LOG_LIMIT = 256 * 1024  # bytes of supervisor.log


@dataclass(frozen=True)
class Launch:
    """What a client asks its supervisor to run. `linger` is in s, `port` as in ports.choose."""

    state_dir: str
    java: str
    class_path: list[str]
    port: int
    heap: str
    linger: float
    jvm_options: list[str]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Supervisor:
    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.state = StateDir(Path(launch.state_dir))
        self.lease = FileLock(self.state.lease_lock)
        self.status = read_status(self.state) or Status()
        self._wake = threading.Event()
        self._asked_to_stop = False
        self._ready_at: float | None = None  # monotonic, of the present JVM
        self._was_ready = False
        self._failures = 0
        self._last_used = time.time()

    def run(self) -> None:
        """Until nobody needs the broker any more, it was told to stop, or it cannot be kept running."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: self._wake.set())
        try:
            jvm: Jvm | None = self._start()
            while jvm is not None:
                self._wake.wait(self._tick())
                self._wake.clear()
                if self._asked_to_stop or self._unused():
                    self._stop(jvm)
                    return
                jvm = self._look_after(jvm)
        except (JvmError, ports.PortTakenError, OSError) as error:
            self._fail(str(error))

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True
        self._wake.set()

    def _tick(self) -> float:
        return 0.02 if self._ready_at is None else min(1.0, max(0.05, self.launch.linger / 4))

    def _start(self) -> Jvm:
        # After a crash the same port, whatever was asked for: clients are connected to it.
        port = self.status.port if self._was_ready else ports.choose(self.launch.port, self.status.port)
        jvm = Jvm(self.state, self.launch.java, self.launch.class_path, self.launch.heap, self.launch.jvm_options)
        self._ready_at = None
        cluster_id = jvm.prepare()
        jvm.start(port, ports.any_free())
        self._write(
            state="starting",
            address=f"{ports.HOST}:{port}",
            port=port,
            controller_port=jvm.controller_port,
            pid=jvm.pid,
            cluster_id=cluster_id,
            started_at=time.time(),
            error="",
        )
        return jvm

    def _look_after(self, jvm: Jvm) -> Jvm | None:
        """Note that it is ready, or start it again if it died. None: given up."""
        code = jvm.exit_code()
        if code is not None:
            return self._start_again(jvm, code)
        if self._ready_at is None:
            if ports.answers(self.status.port):
                self._ready_at = time.monotonic()
                self._was_ready = True
                self._write(state="running")
            elif jvm.age() > START_TIMEOUT:
                jvm.stop()
                self._fail(f"Kafka was not ready after {START_TIMEOUT:.0f} s")
                return None
        elif self._failures and time.monotonic() - self._ready_at > QUICK:
            self._failures = 0
        return jvm

    def _start_again(self, jvm: Jvm, code: int) -> Jvm | None:
        reason = jvm.why_it_died(code)
        self._failures += 1
        self._log(f"{reason} (failure {self._failures} in a row)")
        if not self._was_ready and not ("Address already in use" in reason and self._failures < 3):
            self._fail(reason)
            return None
        if self._failures >= QUICK_FAILURES:
            self._fail(f"{reason} ({self._failures} times in a row)")
            return None
        self._write(state="starting", pid=0, restarts=self.status.restarts + 1)
        return self._start()

    def _unused(self) -> bool:
        """Whether nobody held the lease for `linger` seconds; if so, it is now held here, exclusively."""
        now = time.time()
        if self._ready_at is None or self.state.pinned.exists():
            self._last_used = now
            return False
        if not self.lease.try_acquire():
            self._last_used = now
            return False
        # Clients touch the file: a short visit between two looks counts too.
        last_used = max(self._last_used, self.state.lease_lock.stat().st_mtime)
        if now - last_used >= self.launch.linger:
            return True
        self.lease.release()
        return False

    def _stop(self, jvm: Jvm) -> None:
        self._write(state="stopping")
        jvm.stop()
        self._write(state="stopped", pid=0, supervisor_pid=0)

    def _fail(self, reason: str) -> None:
        self._log(f"gave up: {reason}")
        self._write(state="failed", pid=0, supervisor_pid=0, error=reason)

    def _write(self, **changes: str | int | float) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
        write_status(self.state, self.status)

    def begin(self) -> None:
        """Say that a supervisor is at work, before the command that started it returns."""
        self._write(state="starting", supervisor_pid=os.getpid(), pid=0, java=self.launch.java, restarts=0, error="")

    def detached(self) -> None:
        self._write(supervisor_pid=os.getpid())

    def _log(self, line: str) -> None:
        path = self.state.supervisor_log
        try:
            if path.exists() and path.stat().st_size > LOG_LIMIT:
                path.replace(path.with_suffix(".log.1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        except OSError:
            pass  # a full disk must not keep it from stopping the JVM


def main() -> None:
    launch = Launch(**json.load(sys.stdin))
    lock = FileLock(StateDir(Path(launch.state_dir)).supervisor_lock)
    if not lock.acquire(timeout=2.0):  # longer than a client's look whether it is free
        return
    try:
        supervisor = Supervisor(launch)
        supervisor.begin()
    except (OSError, NewerVersionError) as error:
        sys.exit(str(error))
    if os.fork():
        os._exit(0)  # the child goes on with the lock
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    supervisor.detached()
    supervisor.run()


if __name__ == "__main__":
    main()
