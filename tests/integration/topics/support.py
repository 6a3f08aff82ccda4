"""`clickstream topics` as a person runs it, and records to look at."""

import functools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from clickstream.cli import clickstream
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from tests.support import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[3]


def run(kafka: str, command: str, *arguments: str, stdin: str = "") -> Result:
    group, name = command.split()
    return CliRunner().invoke(clickstream, [group, name, "-b", kafka, *arguments], input=stdin)


def lines(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.stderr or result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def complaint(result: Result, kind: type[ClickstreamError] = ClickstreamError) -> str:
    """What a person would read, when it is an error of that kind."""
    assert type(result.exception) is kind, result.exception
    return str(result.exception)


@functools.lru_cache
def shared_sender(kafka: str) -> Sender:
    return Sender(Cluster(kafka).producer({"linger.ms": 0}))


def send(kafka: str, topic: str, *values: bytes | None, partition: int = 0, **options: Any) -> None:
    """One after the other, each in a millisecond of its own: its timestamp tells its place."""
    sender = shared_sender(kafka)
    for value in values:
        sender.send(topic, value, partition=partition, **options)
        sent = time.time_ns() // 1_000_000
        sender.must_have_delivered("a test's record")
        wait_until(lambda sent=sent: time.time_ns() // 1_000_000 > sent, poll=0.001)  # type: ignore[misc]


def values(result: Result) -> list[Any]:
    return [line["value"] for line in lines(result)]


@contextmanager
def running(kafka: str, command: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    line = [sys.executable, "-m", "clickstream", *command.split(), "-b", kafka, *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True) as process:
        watchdog = threading.Timer(60 * PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def next_line(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "it ended"
    return json.loads(line)


def ended_by(process: "subprocess.Popen[str]", number: signal.Signals) -> int:
    """Its exit code. What it still prints is read: it waits to have written it."""
    process.send_signal(number)
    assert process.stdout is not None
    process.stdout.read()
    return process.wait(20 * PATIENCE)
