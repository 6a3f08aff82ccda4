"""What a client says when the broker cannot be had; with no Java and no Kafka."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.broker import EmbeddedBroker, embedded
from clickstream.broker.status import FORMAT, Status, write_status
from clickstream.broker.storage import StateDir
from clickstream.errors import ClickstreamError
from clickstream.java.locks import FileLock, is_free
from tests.support import PATIENCE

RUNNING = Status("running", address="127.0.0.1:1234", port=1234, supervisor_pid=1, pid=2, cluster_id="id")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state")


@pytest.fixture
def broker(state: StateDir, mocker: MockerFixture) -> EmbeddedBroker:
    """One whose jars are there, and whose supervisor is not started in earnest."""
    mocker.patch("clickstream.broker.embedded.jars.ensure", return_value=[])
    return EmbeddedBroker(state.root, java="wheel", notify=lambda _: None)


def launching(mocker: MockerFixture, state: StateDir, left: Status | None, code: int = 0, said: str = "") -> Any:
    """A supervisor that ends at once, leaving this status."""

    def run(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        if left is not None:
            write_status(state, left)
        return subprocess.CompletedProcess([], code, "", said)

    return mocker.patch("clickstream.broker.embedded.subprocess.run", side_effect=run)


def test_a_failed_start_gives_the_reason_and_releases_the_lease(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture
) -> None:
    launching(mocker, state, Status("failed", error="Kafka ended with exit code 1: something odd"))
    with pytest.raises(ClickstreamError, match=r"exit code 1: something odd\. See .*kafka\.log"):
        broker.acquire()
    with FileLock(state.lease_lock) as lock:
        assert lock.try_acquire()


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Caused by: java.io.IOException: No space left on device", "Free some space"),
        ("Could not reserve enough space for object heap", "broker.heap"),
        ("java.lang.UnsupportedClassVersionError: kafka/Kafka", "CLICKSTREAM_JAVA=wheel"),
        ("java.io.FileNotFoundException: data/.lock (Permission denied)", "--state-dir"),
    ],
)
def test_known_reasons_come_with_their_remedy(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture, reason: str, remedy: str
) -> None:
    launching(mocker, state, Status("failed", error=reason))
    with pytest.raises(ClickstreamError, match=remedy):
        broker.acquire()


def test_a_long_reason_is_shortened_to_one_line(broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture) -> None:
    launching(mocker, state, Status("failed", error="x" * 10_000))
    with pytest.raises(ClickstreamError) as caught:
        broker.acquire()
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


def test_an_old_failure_does_not_keep_it_from_trying_again(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture
) -> None:
    state.root.mkdir()
    write_status(state, Status("failed", error="the old one"))
    launching(mocker, state, Status("failed", error="the new one"))
    with pytest.raises(ClickstreamError, match="the new one"):
        broker.acquire()


def test_a_supervisor_that_cannot_start_is_quoted(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture
) -> None:
    launching(mocker, state, None, 1, "Traceback ...\n[Errno 28] No space left on device: 'x'\n")
    with pytest.raises(ClickstreamError, match=r"did not start: \[Errno 28\].* Free some space"):
        broker.acquire()


def test_a_supervisor_that_vanishes_is_tried_a_few_times(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture
) -> None:
    run = launching(mocker, state, Status("starting"))
    with pytest.raises(ClickstreamError, match="ends at once"):
        broker.acquire()
    assert run.call_count == 3


def test_a_broker_that_never_answers_is_given_up(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture
) -> None:
    mocker.patch.object(embedded, "START_TIMEOUT", 0.1)
    state.root.mkdir()
    write_status(state, Status("starting"))
    with FileLock(state.supervisor_lock) as lock:
        assert lock.try_acquire()
        with pytest.raises(ClickstreamError, match=r"did not answer within .* try again later"):
            broker.acquire()


def test_a_running_broker_is_found_without_java_or_jars(state: StateDir, mocker: MockerFixture) -> None:
    said: list[str] = []
    mocker.patch("clickstream.broker.embedded.wire.accepts", return_value=True)
    ensure = mocker.patch("clickstream.broker.embedded.jars.ensure")
    state.root.mkdir()
    write_status(state, RUNNING)
    with FileLock(state.supervisor_lock) as lock:
        assert lock.try_acquire()
        with EmbeddedBroker(state.root, notify=said.append).acquire() as lease:
            assert (lease.address, lease.started) == ("127.0.0.1:1234", False)
            assert not FileLock(state.lease_lock).try_acquire()
        assert is_free(state.lease_lock)
    assert said == []  # it is no news
    ensure.assert_not_called()


def test_a_nearly_full_disk_is_said_before_anything_starts(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture
) -> None:
    run = launching(mocker, state, None)
    mocker.patch("clickstream.broker.embedded.shutil.disk_usage", return_value=mocker.Mock(free=12_000_000))
    with pytest.raises(ClickstreamError, match=r"Only 12 MB are free .* --state-dir"):
        broker.acquire()
    run.assert_not_called()


@pytest.mark.parametrize("error", [OSError(30, "Read-only file system"), PermissionError(13, "Permission denied")])
def test_a_directory_that_cannot_be_written_is_named(
    broker: EmbeddedBroker, state: StateDir, mocker: MockerFixture, error: OSError
) -> None:
    state.root.mkdir()
    mocker.patch("clickstream.java.locks.os.open", side_effect=error)
    for call in (broker.acquire, broker.start, broker.stop, broker.status):
        with pytest.raises(ClickstreamError, match=f"{state.root}: {error.strerror}.*--state-dir"):
            call()


def test_a_file_in_the_place_of_the_directory_is_named(broker: EmbeddedBroker, state: StateDir) -> None:
    state.root.write_text("")
    with pytest.raises(ClickstreamError, match=str(state.root)):
        broker.acquire()


def test_a_directory_of_a_newer_version_is_left_alone(broker: EmbeddedBroker, state: StateDir) -> None:
    state.root.mkdir()
    newer = json.dumps({"format": FORMAT + 1, "kafka_version": "4.3.1", "state": "stopped"})
    state.status_file.write_text(newer)
    for call in (broker.acquire, broker.status):
        with pytest.raises(ClickstreamError, match=r"belongs to a newer clickstream.*Upgrade"):
            call()
    assert state.status_file.read_text() == newer


def test_damaged_status_counts_as_stopped(broker: EmbeddedBroker, state: StateDir) -> None:
    state.root.mkdir()
    state.status_file.write_text("{")
    assert broker.status().state == "stopped"


@pytest.mark.parametrize("last", ["running", "starting", "stopping"])
def test_what_a_killed_supervisor_left_is_not_believed(broker: EmbeddedBroker, state: StateDir, last: str) -> None:
    state.root.mkdir()
    write_status(state, Status(last, address="127.0.0.1:1", pid=5))
    status = broker.status()
    assert (status.state, status.address, status.pid) == ("stopped", None, None)


def test_until_the_supervisor_has_ended_it_is_stopping(broker: EmbeddedBroker, state: StateDir) -> None:
    state.root.mkdir()
    write_status(state, Status("stopped"))
    with FileLock(state.supervisor_lock) as lock:
        assert lock.try_acquire()
        assert broker.status().state == "stopping"
    assert broker.status().state == "stopped"


def test_before_the_first_start_it_is_stopped_and_looking_makes_nothing(
    broker: EmbeddedBroker, state: StateDir
) -> None:
    assert broker.status().state == "stopped"
    assert not broker.stop()
    assert not state.root.exists()


def test_stop_ends_the_process_that_holds_the_supervisors_lock(broker: EmbeddedBroker, state: StateDir) -> None:
    state.root.mkdir()
    code = (
        "import os, signal, sys; from pathlib import Path; from clickstream.java.locks import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); lock.try_acquire(); print(flush=True)\n"
        "lock.write(str(os.getpid())); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(state.supervisor_lock)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        state.pinned.touch()
        with FileLock(state.lease_lock) as user:
            assert user.try_acquire(shared=True)
            with pytest.raises(ClickstreamError, match="--force"):
                broker.stop()
            assert state.pinned.exists(), "a refused stop changes nothing"
            assert broker.stop(force=True)
        assert process.wait(5 * PATIENCE) == -15
    assert not state.pinned.exists()
