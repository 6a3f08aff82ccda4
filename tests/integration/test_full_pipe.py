"""Being stopped while nobody reads what a command writes, as a pager that was stopped: it ends all the same."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.kafka.clients import Cluster
from clickstream.topics import Declared, ensure
from tests.integration.support import ROOT, environment_of_a_command, make_topic, produce, written
from tests.integration.tablesupport import MINUTES, click, script
from tests.support import PATIENCE, wait_until

SIZE = 4096
RECORDS = [click(second, ip="x" * 100) for second in range(100)]
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
# One command shows that both end it alike: they differ only in the number that is handed on.
SIGNALS = pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])


class Pipe:
    """A small pipe that nobody reads."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, SIZE)
        self._poll = select.poll()
        self._poll.register(self.writer, select.POLLOUT)

    def full(self) -> bool:
        return not self._poll.poll(0)

    def fill(self) -> None:
        os.write(self.writer, b"x" * SIZE)

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@contextmanager
def started(command: Sequence[str], *, stdout: int, stderr: int) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "clickstream", *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=ROOT,
        env=environment_of_a_command({}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ends_by(number: signal.Signals, pipe: Pipe, command: Sequence[str]) -> int:
    """The exit code of a command that is stopped when what it prints has filled the pipe."""
    with started(command, stdout=pipe.writer, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: pipe.full() or process.poll() is not None, 60, "it fills the pipe")
        assert process.poll() is None
        process.send_signal(number)
        return process.wait(60 * PATIENCE)


@BOTH
def test_topics_list_watch(kafka: str, topic_name: str, pipe: Pipe, number: signal.Signals) -> None:
    names = [f"{topic_name}-{letter * 100}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    ensure(Cluster(kafka), [Declared(name, 1, 1) for name in names])
    assert ends_by(number, pipe, ["topics", "list", "--watch", "--json", "-b", kafka]) == 1


@SIGNALS
@pytest.mark.parametrize("follow", [False, True])
def test_topics_tail(kafka: str, topic_name: str, pipe: Pipe, follow: bool, number: signal.Signals) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, RECORDS)
    options = ["-n", "100", *(["--follow"] if follow else [])]
    assert ends_by(number, pipe, ["topics", "tail", topic_name, *options, "-b", kafka]) == 1


@SIGNALS
def test_topics_export(kafka: str, topic_name: str, pipe: Pipe, number: signal.Signals) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, RECORDS)
    assert ends_by(number, pipe, ["topics", "export", topic_name, "-o", "-", "-b", kafka]) == 1


@SIGNALS
@pytest.mark.parametrize("follow", [False, True])
def test_tables_show(
    kafka: str, topic_name: str, tmp_path: Path, pipe: Pipe, follow: bool, number: signal.Signals
) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, RECORDS)
    path = script(tmp_path, topic_name, MINUTES)
    options = ["-n", "100", *(["--follow"] if follow else [])]
    assert ends_by(number, pipe, ["tables", "show", str(path), "clicks", *options, "-b", kafka]) == 1


@SIGNALS
def test_broker_logs_follow(tmp_path: Path, pipe: Pipe, number: signal.Signals) -> None:
    log = EmbeddedBroker(tmp_path).status().log_file
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("a line of the log\n" * 1000)
    command = ["broker", "logs", "--follow", "-n", "1000", "--state-dir", str(tmp_path)]
    assert ends_by(number, pipe, command) == 1


def test_what_looks_once_and_needs_no_stop(kafka: str, topic_name: str, pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a child would go on to ignore what we ignore
    names = [f"{topic_name}-{letter * 100}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    ensure(Cluster(kafka), [Declared(name, 1, 1) for name in names])
    assert ends_by(signal.SIGINT, pipe, ["topics", "list", "--json", "-b", kafka]) == 130


def test_what_works_ends_when_its_time_to_drain_is_over(kafka: str, topic_name: str, pipe: Pipe) -> None:
    make_topic(kafka, topic_name, 1)
    pipe.fill()
    command = ["run-producer", "--topic", topic_name, "--rate", "100", "-b", kafka]
    with started(command, stdout=subprocess.DEVNULL, stderr=pipe.writer) as process:
        wait_until(lambda: written(kafka, topic_name) > 0 or process.poll() is not None, 60, "it works")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60 * PATIENCE) == 1
