"""Signals to real commands: before there is anything to drain they end at once, later they drain."""

import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.broker.status import read_status
from clickstream.broker.storage import StateDir
from tests.integration.support import (
    ROOT,
    command_of,
    environment_of_a_command,
    make_topic,
    named,
    produce,
    run_well,
    running,
    tallies,
    written,
)
from tests.support import PATIENCE, wait_until

# What takes one second alone may take many on a loaded machine.
AT_ONCE_S = 30.0


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60 * PATIENCE)
        yield server


def address_of(server: socket.socket) -> str:
    host, port = server.getsockname()
    return f"{host}:{port}"


# --- before there is anything to drain

CONNECTING = {
    "producer": ["run-producer"],
    "counter": ["run-counter"],
    "tables": ["tables", "run", "config/tables/products.sql"],
    "demo": ["demo"],
    "tail": ["topics", "tail", "event-topic", "--follow"],
}


# Each command by one of the two: which of them came is told apart in one place for all commands.
TURNS = [
    pytest.param(command, number, id=f"{name}-{number.name}", marks=() if place % 2 == turn else pytest.mark.slow)
    for place, (name, command) in enumerate(CONNECTING.items())
    for turn, number in enumerate((signal.SIGINT, signal.SIGTERM))
]


@pytest.mark.parametrize(("command", "number"), TURNS)
def test_a_command_that_connects_ends(silent: socket.socket, command: list[str], number: signal.Signals) -> None:
    with running(*command, "-b", address_of(silent)) as part:
        with silent.accept()[0]:
            part.process.send_signal(number)
            assert part.wait() == 128 + number, part.said()
        assert part.said().strip() == ("Interrupted." if number == signal.SIGINT else "")


WAITS_IN_THE_CLIENT = """
import sys
from confluent_kafka.admin import AdminClient
from clickstream.cli.signals import end_at_once_on_signals
end_at_once_on_signals()
try:
    AdminClient({"bootstrap.servers": sys.argv[1]}).list_topics(timeout=300)
except KeyboardInterrupt:  # the client connects while it is made: the signal may come before the call
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_call_into_the_client_holds_no_signal_up(silent: socket.socket, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_IN_THE_CLIENT, address_of(silent)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            with silent.accept()[0]:
                process.send_signal(number)
                assert process.wait(AT_ONCE_S * PATIENCE) == 128 + number
        finally:
            process.kill()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_the_first_download_ends(silent: socket.socket, tmp_path: Path) -> None:
    silence = f"http://{address_of(silent)}"
    with running(
        *("topics", "list", "--state-dir", str(tmp_path / "state")),
        CLICKSTREAM_CACHE_DIR=str(tmp_path / "cache"),
        HTTPS_PROXY=silence,
        https_proxy=silence,
        NO_PROXY="",
        no_proxy="",
    ) as part:
        with silent.accept()[0]:
            part.process.send_signal(signal.SIGINT)
            assert part.wait(AT_ONCE_S) == 130, part.said()
        assert part.said().endswith("Interrupted.\n")
        assert "Traceback" not in part.said()


def test_a_command_that_starts_kafka_ends(tmp_path: Path, broker_java: str) -> None:
    state = StateDir(tmp_path)
    try:
        with running(
            *("run-producer", "--state-dir", str(tmp_path)),
            CLICKSTREAM_JAVA=broker_java,
        ) as part:
            wait_until(lambda: (found := read_status(state)) and found.state == "starting", 60, "Kafka starts")
            part.process.send_signal(signal.SIGINT)
            assert part.wait() == 130, part.said()
            assert "Traceback" not in part.said()
    finally:
        EmbeddedBroker(tmp_path, java=broker_java).stop(force=True)


def test_ctrl_c_at_a_prompt_is_no_answer(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named("purchase", "purchase"))
    count = [*command_of(topic_name), "-b", kafka]
    run_well(*count, "--exit-at-end", "--quiet")
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "clickstream", *count, "--reset", "--quiet"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env=environment_of_a_command({}),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # ^C is a signal on a controlling terminal only
        ) as process:
            try:
                os.close(slave)
                shown = read_until(master, "start over?")
                os.write(master, b"\x03y\r")
                assert process.wait(60 * PATIENCE) == 130, shown
            finally:
                process.kill()
    finally:
        os.close(master)
    run_well(*count, "--exit-at-end", "--quiet")
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 2}
    produce(kafka, topic_name, named("purchase"))
    run_well(*count, "--exit-at-end", "--quiet")
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 3}


def read_until(terminal: int, words: str) -> str:
    shown = ""
    deadline = time.monotonic() + 60 * PATIENCE
    while words not in re.sub(r"\s+", " ", shown):
        assert time.monotonic() < deadline, f"not within {60 * PATIENCE:g} s: {words}; it shows {shown}"
        shown += os.read(terminal, 4_096).decode()
    return shown


# --- while there is


def test_a_terminal_that_is_closed_drains(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    with running("run-producer", "--topic", topic_name, "--quiet", "-b", kafka) as part:
        wait_until(lambda: written(kafka, topic_name), 60, "events arrive")
        part.process.send_signal(signal.SIGHUP)
        assert part.wait() == 0, part.said()
        said = re.search(r"Produced ([\d,]+), acknowledged ([\d,]+), failed 0\.", part.said())
        assert said is not None
        assert int(said[1].replace(",", "")) == int(said[2].replace(",", "")) == written(kafka, topic_name)


def test_a_closed_terminal_is_ignored_under_nohup(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does; children inherit it
    try:
        with running("run-producer", "--topic", topic_name, "--quiet", "-b", kafka) as part:
            wait_until(lambda: written(kafka, topic_name), 60, "events arrive")
            part.process.send_signal(signal.SIGHUP)
            seen = written(kafka, topic_name)
            wait_until(lambda: written(kafka, topic_name) > seen + 2_000, 60, "it goes on")
            assert part.stop() == 0
    finally:
        signal.signal(signal.SIGHUP, before)
