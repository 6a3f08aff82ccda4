"""A session cluster's processes, with something else in the place of Java."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.flink.cluster import DEFAULT_PORT, SLOTS, TASK_MANAGERS, SessionCluster
from clickstream.flink.jobs import Overview
from clickstream.flink.jvm import Runtime
from clickstream.java.runtime import Java
from tests.support import free_port, wait_until

MakeRuntime = Callable[[str], Runtime]


@pytest.fixture
def runtime(tmp_path: Path) -> MakeRuntime:
    """Makes a runtime whose `java` is a shell script."""

    def make(script: str) -> Runtime:
        java = tmp_path / "java"
        java.write_text(f"#!/bin/sh\n{script}\n")
        java.chmod(0o755)
        return Runtime(Java(java, 21, ""), ())

    return make


@pytest.fixture
def cluster(tmp_path: Path, mocker: MockerFixture) -> Iterator[SessionCluster]:
    """One that is ready when its processes run; all of them are ended after the test."""
    cluster = SessionCluster(tmp_path / "cluster")

    def overview() -> Overview | None:
        ready = all(member.pid_file.exists() and member.pid_file.read_text() for member in cluster.members)
        return Overview("2.3.0", TASK_MANAGERS, TASK_MANAGERS * SLOTS, 0, 0) if ready else None

    mocker.patch.object(cluster, "overview", overview)
    yield cluster
    cluster.stop()


def test_start_and_stop(cluster: SessionCluster, runtime: MakeRuntime) -> None:
    port = free_port()

    said: list[str] = []
    assert cluster.start(runtime("exec sleep 600"), port, said.append) == f"127.0.0.1:{port}"
    assert cluster.alive()
    assert said == [
        "Flink: starting 1 JobManager and 2 TaskManagers",
        "Flink: the JobManager answers, 4 of 4 slots are there",
    ]

    assert cluster.stop()
    assert not cluster.alive()
    assert not cluster.stop()


def test_one_that_runs_is_left_alone(cluster: SessionCluster, runtime: MakeRuntime) -> None:
    address = cluster.start(runtime("exec sleep 600"), free_port())
    pids = [member.pid_file.read_text() for member in cluster.members]

    assert cluster.start(runtime("exec sleep 600"), free_port()) == address
    assert [member.pid_file.read_text() for member in cluster.members] == pids


def test_what_is_left_of_one_is_replaced(cluster: SessionCluster, runtime: MakeRuntime) -> None:
    cluster.start(runtime("exec sleep 600"), free_port())
    manager, lost, _ = cluster.members
    pid = manager.pid_file.read_text()
    os.kill(int(lost.pid_file.read_text()), signal.SIGKILL)
    wait_until(lambda: not lost.alive(), what="it is dead")

    cluster.start(runtime("exec sleep 600"), free_port())

    assert all(member.alive() for member in cluster.members)
    assert manager.pid_file.read_text() != pid


def test_a_process_that_does_not_start_says_why_and_leaves_nothing(
    cluster: SessionCluster, runtime: MakeRuntime, mocker: MockerFixture
) -> None:
    mocker.patch.object(cluster, "overview", return_value=None)

    with pytest.raises(ClickstreamError, match=r"jobmanager did not start: no heap\. See .*flink\.log"):
        cluster.start(
            runtime('case "$*" in *SessionCluster*) echo no heap; exit 1;; esac; exec sleep 600'), free_port()
        )

    assert not cluster.alive()


def test_a_port_that_is_taken(cluster: SessionCluster, runtime: MakeRuntime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ClickstreamError, match=f"Port {port} of 127.0.0.1 is in use.*--rest-port"):
            cluster.start(runtime("exec sleep 600"), port)


def test_the_address_of_one_that_never_was(tmp_path: Path) -> None:
    assert SessionCluster(tmp_path).address == f"127.0.0.1:{DEFAULT_PORT}"
