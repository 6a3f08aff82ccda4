"""The process that keeps one Kafka running: `python -m clickstream.broker.supervisor`, started by embedded.py.

It reads a Launch as JSON from stdin, takes supervisor.lock, goes into the background and lets the command return:
from then on the broker is being started (or by another supervisor that holds the lock already: exit code ANOTHER).
It uses the standard library only, and little of it, to stay small beside the JVM.

It starts the JVM again when that dies, and stops it when nobody has held the lease for `linger` seconds. It stops
the JVM *while it holds the lease exclusively*: a client that comes in this moment waits until the broker is
stopped and starts it again, instead of finding one that is about to vanish.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from clickstream.broker import wire
from clickstream.broker.classdata import CLASS_LIST, ClassData
from clickstream.broker.disk import DEFAULT, EVERY, Bound
from clickstream.broker.jvm import Jvm, JvmError
from clickstream.broker.serverconfig import Node
from clickstream.broker.status import NewerVersionError, Status, read_status, write_status
from clickstream.broker.storage import StateDir
from clickstream.java import ports
from clickstream.java.locks import FileLock, is_free

ANOTHER = 3  # exit code: another supervisor is at work
START_TIMEOUT = 600.0  # s; after a crash Kafka may have gigabytes of log to read through
FAILURES = 5  # in a row, each less than STEADY s after the start, and it gives up
STEADY = 30.0
LOG_LIMIT = 256 * 1024  # bytes of supervisor.log, twice


@dataclass(frozen=True)
class Launch:
    """What a client asks for: `port` as in ports.choose, `heap` as in -Xmx, `linger` in s; `class_data` is the
    directory of class-data archives, empty to do without; `disk` bytes are what records may take (disk.py). `node`:
    which of several it is; None: the only one.
    """

    state_dir: str
    java: str
    class_path: list[str]
    port: int
    heap: str
    linger: float
    class_data: str = ""
    disk: int = DEFAULT
    node: Node | None = None

    def to_json(self) -> str:
        """As `of_json` reads it, from standard input."""
        return json.dumps(asdict(self))

    @staticmethod
    def of_json(text: str) -> "Launch":
        """What `to_json` has written."""
        found = json.loads(text)
        return Launch(**{**found, "node": Node(**found["node"]) if found["node"] else None})


class Wake:
    """Ends a wait, also from a signal's handler: amid a wait, that would wait for the lock of an Event for good.

    A bare lock, held until it rings. Before Python 3.13 a SimpleQueue waits for ever when a signal's handler returns
    after the time is over.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """End the wait that is going on, or the next one."""
        with contextlib.suppress(RuntimeError):  # it has rung before, and nobody has waited since
            self._silent.release()

    def wait(self, timeout: float) -> bool:
        """Whether it rang within `timeout` seconds."""
        return self._silent.acquire(timeout=timeout)


class Supervisor:
    """Holds `lock`, supervisor.lock, from before it is made until the process ends."""

    def __init__(self, launch: Launch, lock: FileLock) -> None:
        self.launch = launch
        self.state = StateDir(Path(launch.state_dir))
        self._lock = lock
        self._lease = FileLock(self.state.lease_lock)
        self._class_data = (
            ClassData(Path(launch.class_data), launch.java, launch.class_path) if launch.class_data else None
        )
        self._status = read_status(self.state) or Status()
        self._wake = Wake()
        self._asked_to_stop = False
        self._ready_at: float | None = None  # monotonic, of the present JVM
        self._was_ready = False  # this one or an earlier one
        self._failures = 0
        self._last_used = time.monotonic()
        self._bound = Bound(self.state.data, launch.disk, self._log)
        self._looked = 0.0  # at the disk
        self._touched = 0  # modification time of lease.lock when last looked at

    def begin(self) -> None:
        """Say that a start is under way, before the command returns. Raises OSError."""
        if is_free(self.state.jvm_lock):  # otherwise it takes over from a supervisor that was killed
            self.state.pinned.unlink(missing_ok=True)
        self._write(
            state="starting",
            supervisor_pid=0,
            pid=0,
            java=self.launch.java,
            disk=self.launch.disk,
            restarts=0,
            error="",
        )

    def run(self) -> None:
        """Until nobody needs the broker any more, it was told to stop, or it cannot be kept running."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: self._wake.ring())
        self._lock.write(str(os.getpid()))
        jvm: Jvm | None = None
        try:
            jvm = self._start()
            while jvm is not None:
                self._wake.wait(self._tick())
                if self._asked_to_stop or not self._lock.is_current() or self._unused():
                    return self._stop(jvm)
                jvm = self._look_after(jvm)
        except (JvmError, ports.PortTakenError, OSError) as error:
            if jvm is not None:
                jvm.stop()
            self._give_up(str(error))

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True
        self._wake.ring()

    def _tick(self) -> float:
        return 0.02 if self._ready_at is None else min(1.0, max(0.05, self.launch.linger / 4))

    def _start(self) -> Jvm:
        self._ready_at = None
        class_data = self._class_data.options() if self._class_data else []
        launch = self.launch
        jvm = Jvm(self.state, launch.java, launch.class_path, launch.heap, class_data, launch.disk, launch.node)
        cluster_id = jvm.prepare()
        # After a crash the same port, whatever was asked for: clients know it.
        port = self._status.port if self._was_ready else ports.choose(launch.port, self._status.port)
        controller_port = ports.any_free() if launch.node is None else launch.node.voters[str(launch.node.id)]
        jvm.start(port, controller_port)
        try:
            self._write(
                state="starting",
                address=f"{ports.HOST}:{port}",
                port=port,
                controller_port=controller_port,
                supervisor_pid=os.getpid(),
                pid=jvm.pid,
                cluster_id=cluster_id,
                started_at=time.time(),
            )
        except OSError:
            jvm.stop()  # nobody would look after it
            raise
        return jvm

    def _look_after(self, jvm: Jvm) -> Jvm | None:
        """Note that it is ready, or start it again if it died. None: given up."""
        if jvm.exit_code() is not None:
            return self._start_again(jvm)
        if self._ready_at is None:
            if wire.ready(ports.HOST, self._status.port):
                self._ready_at = time.monotonic()
                self._was_ready = True
                self._write(state="running")
                wire.create_group_topic(ports.HOST, self._status.port)
            elif jvm.age() > START_TIMEOUT:
                jvm.stop()
                self._give_up(f"Kafka was not ready after {START_TIMEOUT:.0f} s")
                return None
        else:
            if time.monotonic() - self._ready_at > STEADY:
                self._failures = 0
            if read_status(self.state) != self._status:
                self._write()  # somebody damaged it
            if time.monotonic() - self._looked >= EVERY:
                self._bound.look(self._status.port)
                self._looked = time.monotonic()
        return jvm

    def _start_again(self, jvm: Jvm) -> Jvm | None:
        reason = jvm.why_it_died()
        self._failures += 1
        self._log(f"{reason} (failure {self._failures} in a row)")
        # What was wrong at a first start will be wrong again, but for these two.
        another_chance = self._was_ready or "Address already in use" in reason or self._bad_class_data(jvm)
        if self._failures >= FAILURES or not another_chance:
            self._give_up(reason)
            return None
        self._write(state="starting", pid=0, restarts=self._status.restarts + 1)
        self._wake.wait(0.2 * (self._failures - 1))
        return self._start()

    def _bad_class_data(self, jvm: Jvm) -> bool:
        return jvm.crashed() and self._class_data is not None and self._class_data.discard()

    def _unused(self) -> bool:
        """Whether nobody held the lease for `linger` seconds; if so, it is now held here, exclusively."""
        now = time.monotonic()
        if self._ready_at is None or self.state.pinned.exists() or not self._lease.try_acquire():
            self._last_used = now
            return False
        # Clients touch the file: a short visit between two looks counts too.
        touched = self.state.lease_lock.stat().st_mtime_ns
        if touched != self._touched:
            self._touched = touched
            self._last_used = now
        if now - self._last_used >= self.launch.linger:
            return True
        self._lease.release()
        return False

    def _stop(self, jvm: Jvm) -> None:
        with contextlib.suppress(OSError):  # a full disk does not keep it from stopping
            self._write(state="stopping")
        jvm.stop()
        self._write(state="stopped", supervisor_pid=0, pid=0)

    def _give_up(self, reason: str) -> None:
        self._log(f"gave up: {reason}")
        self._write(state="failed", supervisor_pid=0, pid=0, error=reason)

    def use_the_rest(self) -> None:
        """After an idle broker was stopped, and others may start it again: make the next start quicker."""
        if self._class_data is None or self._asked_to_stop or self._status.state != "stopped":
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        self._lease.release()
        self._lock.release()
        self._class_data.make(self.state.root / CLASS_LIST)

    def _write(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)
        if self._lock.is_current():  # else the directory was removed, and perhaps made again by another supervisor
            write_status(self.state, self._status)

    def _log(self, line: str) -> None:
        path = self.state.supervisor_log
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size > LOG_LIMIT:
                path.replace(f"{path}.1")
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


def main() -> None:
    """Become the supervisor that standard input (a Launch) asks for, in a process of its own; the caller's ends.

    Exit code ANOTHER when there is one already; 1 with a reason on standard error when it cannot begin.
    """
    launch = Launch.of_json(sys.stdin.read())
    lock = FileLock(StateDir(Path(launch.state_dir)).supervisor_lock)
    try:
        if not lock.acquire(timeout=2.0):  # longer than a client's glance whether it is free
            sys.exit(ANOTHER)
        lock.write("")
        supervisor = Supervisor(launch, lock)
        supervisor.begin()
    except (OSError, NewerVersionError) as error:
        sys.exit(str(error))
    if os.fork():
        os._exit(0)  # the child goes on, with the lock
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    supervisor.run()
    supervisor.use_the_rest()


if __name__ == "__main__":
    main()
