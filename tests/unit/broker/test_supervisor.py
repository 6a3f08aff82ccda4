"""What the supervisor decides, with JVMs made up here and a clock that is set."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.broker import supervisor as module
from clickstream.broker.classdata import ClassData
from clickstream.broker.jvm import JvmError
from clickstream.broker.status import Status, read_status, write_status
from clickstream.broker.storage import StateDir
from clickstream.broker.supervisor import FAILURES, Launch, Supervisor, Wake
from clickstream.java.locks import FileLock, is_free
from tests.support import PATIENCE

NOW = 1_000_000.0
LINGER = 60.0


class FakeJvm:
    """Dies after as many looks as the script says (None: lives)."""

    script: list[int | None]
    reason: str
    made: list["FakeJvm"]

    def __init__(self, *_: object) -> None:
        self.pid = 1000 + len(self.made)
        self.looks = self.script[len(self.made)]
        self.stopped = False
        self.made.append(self)

    def prepare(self) -> str:
        return "cluster"

    def start(self, port: int, controller_port: int) -> None:
        pass

    def exit_code(self) -> int | None:
        if self.looks is None:
            return None
        self.looks -= 1
        return 1 if self.looks < 0 else None

    def age(self) -> float:
        return 0.0

    def stop(self) -> None:
        self.stopped = True

    def crashed(self) -> bool:
        return self.reason == "it crashed"

    def why_it_died(self) -> str:
        return self.reason


@pytest.fixture
def jvms(mocker: MockerFixture) -> type[FakeJvm]:
    kind = type("Jvms", (FakeJvm,), {"made": [], "script": [], "reason": "it died"})
    mocker.patch.object(module, "Jvm", kind)
    mocker.patch("clickstream.broker.supervisor.wire.ready", return_value=True)
    mocker.patch("clickstream.broker.supervisor.wire.create_group_topic")
    return kind


@pytest.fixture
def clock(mocker: MockerFixture) -> list[float]:
    """The monotonic clock; set its only element."""
    now = [NOW]
    mocker.patch("clickstream.broker.supervisor.time.monotonic", side_effect=lambda: now[0])
    return now


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
    with FileLock(tmp_path / "supervisor.lock") as lock:
        assert lock.try_acquire()
        made = Supervisor(Launch(str(tmp_path), "java", [], 0, "1m", LINGER), lock)
        made.begin()
        yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def status(supervisor: Supervisor) -> Status:
    found = read_status(supervisor.state)
    assert found is not None
    return found


def stop_after(supervisor: Supervisor, looks: int, mocker: MockerFixture) -> None:
    """Have it told to stop at its `looks`th look."""
    left = [looks]

    def wait(_timeout: float | None = None) -> bool:
        left[0] -= 1
        if left[0] <= 0:
            supervisor._asked_to_stop = True
        return True

    mocker.patch.object(supervisor._wake, "wait", side_effect=wait)


def test_told_to_stop_it_stops_the_jvm_and_says_so(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [None]
    stop_after(supervisor, 3, mocker)
    supervisor.run()
    assert [jvm.stopped for jvm in jvms.made] == [True]
    assert status(supervisor).state == "stopped"
    assert (supervisor.state.root / "supervisor.lock").read_text() == str(os.getpid())


def test_a_jvm_that_dies_is_replaced_on_the_same_port(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [2, None]
    stop_after(supervisor, 6, mocker)
    ports: list[int] = []
    mocker.patch("clickstream.broker.supervisor.ports.choose", side_effect=[1111, 2222])
    mocker.patch.object(jvms, "start", autospec=True, side_effect=lambda _self, port, _: ports.append(port))
    supervisor.run()
    assert ports == [1111, 1111]
    assert status(supervisor).restarts == 1


def test_it_gives_up_after_quick_failures_in_a_row_and_says_why(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [2] * 20
    stop_after(supervisor, 1000, mocker)
    supervisor.run()
    assert len(jvms.made) == FAILURES
    assert (status(supervisor).state, status(supervisor).error) == ("failed", "it died")
    assert supervisor.state.supervisor_log.read_text().count("it died (failure") == FAILURES


def test_failures_far_apart_do_not_add_up(supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture) -> None:
    jvms.script = [3] * 20
    mocker.patch.object(module, "STEADY", -1.0)  # everything that was ready counts as steady
    stop_after(supervisor, 60, mocker)
    supervisor.run()
    assert len(jvms.made) > FAILURES
    assert status(supervisor).state == "stopped"


def test_a_first_start_that_fails_is_not_repeated(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [0] * 20
    stop_after(supervisor, 1000, mocker)
    supervisor.run()
    assert len(jvms.made) == 1
    assert status(supervisor).state == "failed"


def test_unless_somebody_else_took_the_port_meanwhile(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [0, None]
    jvms.reason = "java.net.BindException: Address already in use"
    stop_after(supervisor, 6, mocker)
    supervisor.run()
    assert len(jvms.made) == 2
    assert status(supervisor).state == "stopped"


def test_or_a_crash_may_be_the_fault_of_the_class_data(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    supervisor._class_data = ClassData(supervisor.state.root, "java", [])
    supervisor._class_data.archive.touch()
    jvms.script = [0, 0, 0]
    jvms.reason = "it crashed"
    supervisor.run()
    assert len(jvms.made) == 2
    assert not supervisor._class_data.archive.exists()
    assert status(supervisor).state == "failed"


@pytest.mark.parametrize("error", [JvmError("a reason"), OSError(28, "a reason")])
def test_what_keeps_it_from_starting_is_said(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture, error: Exception
) -> None:
    jvms.script = [None]
    mocker.patch.object(jvms, "prepare", side_effect=error)
    supervisor.run()
    assert status(supervisor).state == "failed"
    assert "a reason" in status(supervisor).error


def test_a_removed_directory_ends_it_and_a_new_one_is_left_alone(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [None]
    supervisor.state.supervisor_lock.unlink()
    supervisor.state.supervisor_lock.touch()  # another supervisor's
    other = Status("running", pid=77)
    write_status(supervisor.state, other)
    supervisor.run()
    assert [jvm.stopped for jvm in jvms.made] == [True]
    assert read_status(supervisor.state) == other


def test_a_new_supervisor_forgets_the_pin_but_one_that_takes_over_keeps_it(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    with FileLock(state.supervisor_lock) as lock, FileLock(state.jvm_lock) as jvm:
        assert lock.try_acquire()
        assert jvm.try_acquire()
        state.pinned.touch()
        Supervisor(Launch(str(tmp_path), "java", [], 0, "1m", LINGER), lock).begin()
        assert state.pinned.exists()
        jvm.release()
        Supervisor(Launch(str(tmp_path), "java", [], 0, "1m", LINGER), lock).begin()
        assert not state.pinned.exists()


def ready(supervisor: Supervisor) -> Supervisor:
    """As it is right after somebody started it and left."""
    supervisor._ready_at = NOW
    supervisor.state.lease_lock.touch()
    assert not supervisor._unused()
    return supervisor


def test_unused_for_the_linger_time_it_takes_the_lease(supervisor: Supervisor, clock: list[float]) -> None:
    ready(supervisor)
    clock[0] = NOW + LINGER - 0.1
    assert not supervisor._unused()
    assert is_free(supervisor.state.lease_lock)
    clock[0] = NOW + LINGER
    assert supervisor._unused()
    assert not is_free(supervisor.state.lease_lock)


def test_the_jvm_is_stopped_while_the_lease_is_held_so_that_newcomers_wait(
    supervisor: Supervisor, jvms: type[FakeJvm], mocker: MockerFixture
) -> None:
    jvms.script = [None]
    supervisor.launch = replace(supervisor.launch, linger=0.0)
    free: list[bool] = []
    mocker.patch.object(jvms, "stop", side_effect=lambda: free.append(is_free(supervisor.state.lease_lock)))
    supervisor.run()
    assert free == [False]
    assert status(supervisor).state == "stopped"
    assert not is_free(supervisor.state.lease_lock), "until the process ends"


def test_a_user_keeps_it_up_and_the_time_counts_from_when_he_left(supervisor: Supervisor, clock: list[float]) -> None:
    ready(supervisor)
    with FileLock(supervisor.state.lease_lock) as user:
        assert user.try_acquire(shared=True)
        clock[0] = NOW + 10 * LINGER
        assert not supervisor._unused()
    clock[0] += LINGER - 1
    assert not supervisor._unused()
    clock[0] += 1
    assert supervisor._unused()


def test_a_visit_between_two_looks_counts(supervisor: Supervisor, clock: list[float]) -> None:
    ready(supervisor)
    os.utime(supervisor.state.lease_lock, (1, 1))
    clock[0] = NOW + LINGER
    assert not supervisor._unused()
    clock[0] = NOW + 2 * LINGER
    assert supervisor._unused()


def test_pinned_it_stays(supervisor: Supervisor, clock: list[float]) -> None:
    ready(supervisor)
    supervisor.state.pinned.touch()
    clock[0] = NOW + 100 * LINGER
    assert not supervisor._unused()
    supervisor.state.pinned.unlink()
    clock[0] += LINGER
    assert supervisor._unused()


def test_while_it_starts_it_is_not_unused(supervisor: Supervisor, clock: list[float]) -> None:
    supervisor.state.lease_lock.touch()
    clock[0] = NOW + 100 * LINGER
    assert not supervisor._unused()


def test_a_signal_wakes_it(supervisor: Supervisor) -> None:
    supervisor._on_stop(signal.SIGTERM, None)
    assert supervisor._wake.wait(60 * PATIENCE)
    assert supervisor._asked_to_stop


SIGNALS_AMID_WAITS = """
import signal
from clickstream.broker.supervisor import Wake

wake = Wake()
signal.signal(signal.SIGALRM, lambda *_: wake.ring())
for number in range(10_000):
    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 50))
    wake.wait(1e-3)
"""


def test_signals_that_come_amid_a_wait_stop_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALS_AMID_WAITS], timeout=60 * PATIENCE)
    assert done.returncode == 0


def test_a_signal_whose_handler_takes_longer_than_the_wait_does_not_hold_it_up() -> None:
    code = """
import signal, time
from clickstream.broker.supervisor import Wake

signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.2))
signal.setitimer(signal.ITIMER_REAL, 0.05)
assert not Wake().wait(0.1)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=20 * PATIENCE)
    assert done.returncode == 0


def test_however_often_it_rings_one_wait_ends() -> None:
    wake = Wake()
    wake.ring()
    wake.ring()
    assert wake.wait(60 * PATIENCE)
    assert not wake.wait(0)


def test_it_is_small() -> None:
    """It lives beside the JVM for hours: the heavy modules of clients do not belong in it."""
    code = "import clickstream.broker.supervisor, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"confluent_kafka", "jgo", "rich", "click", "clickstream.broker.embedded"} & set(loaded)
