"""The functions in examples/transform: in Python, behind gRPC in Python, and in Node."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.transform.model import Caller
from clickstream.transform.processes import Processes
from clickstream.transform.transform import Transform
from tests.integration.support import ROOT
from tests.integration.test_transform import (
    PATIENCE_S,
    background,
    letters,
    make_topics,
    options,
    results,
    to_the_end,
)
from tests.support import PATIENCE, missing, wait_until

EXAMPLES = ROOT / "examples" / "transform"
CLICK = {"user_id": "u1", "name": "Zoë", "page": 3, "action": "buy", "event_time": "2026-03-25 19:05:49.120Z"}
ROWS: list[Any] = [CLICK, {**CLICK, "action": None}, {**CLICK, "name": None, "page": 4}, "no row"]


def messages(topic: str) -> list[dict[str, Any]]:
    """What comes of ROWS."""
    return [
        {
            "id": f"{topic}/0/{offset}",
            "text": f"{name} (platinum): buy on page {page}",
            "user_id": "u1",
            "at": "2026-03-25 19:05:49.120Z",
        }
        for offset, name, page in ((0, "Zoë", 3), (2, "u1", 4))
    ]


@pytest.fixture
def topic(cluster: Cluster) -> str:
    return make_topics(cluster)


def fill(cluster: Cluster, topic: str, rows: Sequence[Any]) -> None:
    sender = Sender(cluster.producer())
    for row in rows:
        sender.send(topic, json.dumps(row).encode(), b'{"user_id":"u1"}', partition=0)
    sender.must_have_delivered("The rows")


def turns_clicks_into_messages(cluster: Cluster, topic: str, caller: Caller) -> bool:
    fill(cluster, topic, ROWS)
    to_the_end(cluster, topic, caller)
    assert results(cluster, topic) == messages(topic)
    (letter,) = letters(cluster, topic)
    return letter.origin.offset == 3


@dataclass
class Server:
    process: subprocess.Popen[str]
    address: str


@contextmanager
def serving(*command: str, cwd: Path = ROOT, **more: str) -> Iterator[Server]:
    """A server that says where it serves."""
    process = subprocess.Popen(
        [*command, "0"], cwd=cwd, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **more}
    )
    try:
        assert process.stdout is not None
        found = re.search(r"127.0.0.1:\d+", process.stdout.readline())
        assert found, "it did not say where"
        yield Server(process, found[0])
    finally:
        process.kill()
        process.communicate()


def remote(address: str, deadline_s: float = 60.0) -> Caller:
    try:
        from clickstream.transform.remote import Remote
    except ModuleNotFoundError as problem:
        missing(f"no {problem.name}")
    return Remote(address, deadline_s)


def test_the_function(cluster: Cluster, topic: str) -> None:
    assert turns_clicks_into_messages(cluster, topic, Processes(f"{EXAMPLES}/vip.py:message", 1, 60.0))


def test_the_server_and_that_nothing_is_set_aside_while_it_is_frozen(cluster: Cluster, topic: str) -> None:
    with serving(sys.executable, str(EXAMPLES / "server.py")) as server:
        assert turns_clicks_into_messages(cluster, topic, remote(server.address))
        transform = Transform(cluster, remote(server.address, PATIENCE), options(topic, retries=0))
        server.process.send_signal(signal.SIGSTOP)
        try:
            with background(transform):
                fill(cluster, topic, [CLICK])
                wait_until(lambda: transform.gauges()["function_away"] == 1, PATIENCE_S)
                server.process.send_signal(signal.SIGCONT)
                wait_until(lambda: transform.processed == 1, PATIENCE_S)
        finally:
            server.process.send_signal(signal.SIGCONT)
    assert transform.totals() == {"processed": 1, "results": 1, "dead_lettered": 0, "retried": 0}


@pytest.mark.slow
def test_the_server_in_node(cluster: Cluster, topic: str, tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        missing("no Node")
    folder = tmp_path / "node"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if installed.returncode:
        missing(f"npm cannot fetch what the server needs: {installed.stderr.strip().splitlines()[-1:]}")
    proto = str(ROOT / "clickstream" / "transform" / "transform.proto")
    with serving(node, "server.mjs", cwd=folder, TRANSFORM_PROTO=proto) as server:
        assert turns_clicks_into_messages(cluster, topic, remote(server.address))
