"""The part: what it adds up of its workers, and what it does when they die. Its workers are short programs."""

import os
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clickstream.collect import child, collector
from clickstream.collect.audit.auditor import Auditor
from clickstream.collect.collector import Collector
from clickstream.collect.counts import TOTALS, summed
from clickstream.collect.intake import IntakeOptions
from clickstream.collect.options import Kafka, Spooling, WorkerOptions
from clickstream.collect.spoollock import only_collector
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.metrics import serve
from clickstream.parts.threads import Threads
from clickstream.serving.listening import listen
from tests.support import PATIENCE, free_port, wait_until

# Says that it serves and counts, then listens.
SERVES = """
import sys
sys.stdin.readline()
print('{"ready":true,"totals":{"requests":2,"events":1},"gauges":{"spool_bytes":5.0},"last_success":7.0}', flush=True)
for line in sys.stdin:
    if '"end":true' in line:
        break
print('{"totals":{"requests":3,"events":1}}', flush=True)
"""
DIES = 'import sys; sys.stdin.readline(); print(\'{"log":[40,"no place",null]}\', flush=True); sys.exit(3)'
DEAF = "import sys, time; sys.stdin.readline(); print('{\"ready\":true}', flush=True); time.sleep(600)"
DIES_ONCE_READY = (
    "import sys; sys.stdin.readline(); "
    'print(\'{"ready":true,"totals":{"requests":2}}\', flush=True); sys.stdin.readline()'
)


def options(folder: Path, **more: Any) -> WorkerOptions:
    return WorkerOptions(
        kafka=Kafka("localhost:1"),
        intake=IntakeOptions(),
        dead_letter_topic="dead",
        spool=Spooling(dir=str(folder), size=10**8),
        **more,
    )


class Running:
    """A collector at work on a thread."""

    def __init__(self, folder: Path, workers: int, schemas: Any = None, **more: Any) -> None:
        self.ready = threading.Event()
        listening = listen("127.0.0.1", 0)
        self.part = Collector(
            Cluster("localhost:1"),
            options(folder, **more),
            listening,
            workers,
            schemas=schemas,
            on_ready=self.ready.set,
        )
        self.stop = threading.Event()
        self._threads = Threads()
        self._threads.start(self.part.run, self.stop)

    def end(self) -> None:
        """Raises what the part raised."""
        self.stop.set()
        self._threads.join()

    def wait(self) -> None:
        self._threads.join()


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What workers execute; tests change it."""
    found = [SERVES]
    monkeypatch.setattr(child, "command_for", lambda _module: [sys.executable, "-c", found[0]])
    return found


def test_what_workers_say_is_added_up(tmp_path: Path, program: list[str]) -> None:
    running = Running(tmp_path, 3)
    assert running.ready.wait(30 * PATIENCE)
    assert running.part.gauges()["workers"] == 3
    wait_until(lambda: running.part.totals()["requests"] == 6, 10, "all of them told")
    assert running.part.gauges()["spool_bytes"] == 15
    assert running.part.last_success() == 7.0
    running.end()
    assert running.part.totals()["requests"] == 9  # with what they said at their end
    assert running.part.gauges()["workers"] == 0


def test_a_worker_that_dies_is_started_again_and_its_counts_stay(
    tmp_path: Path, program: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(collector, "EARLY_S", 0.0)
    running = Running(tmp_path, 1)
    assert running.ready.wait(30 * PATIENCE)
    running.part._children[0]._process.kill()
    wait_until(lambda: running.part.gauges()["worker_restarts"] == 1, 30, "another one")
    wait_until(lambda: running.part.totals()["requests"] == 4, 30, "it counts")
    running.end()
    assert "killed by SIGKILL" in caplog.text


def test_a_worker_that_is_stuck_is_replaced(
    tmp_path: Path, program: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(collector, "EARLY_S", 0.0)
    monkeypatch.setattr(collector, "STUCK_AFTER_S", 0.5)
    program[0] = DEAF
    running = Running(tmp_path, 1)
    assert running.ready.wait(30 * PATIENCE)
    program[0] = SERVES
    wait_until(lambda: running.part.totals()["requests"] >= 2, 30, "another one serves")
    monkeypatch.setattr(collector, "STUCK_AFTER_S", 60)
    running.end()
    assert "has said nothing for" in caplog.text
    assert running.part.gauges()["worker_restarts"] >= 1


@pytest.mark.parametrize(("looks", "killed"), [([40.0], False), ([4.0] * 8, True), ([40.0] + [4.0] * 8, True)])
def test_after_it_stood_still_itself_silence_counts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: list[float], killed: bool
) -> None:
    now = 0.0
    stop = threading.Event()
    monkeypatch.setattr(collector, "time", SimpleNamespace(monotonic=lambda: now))

    class Silent:
        was_ready, ready, over, killed, heard_at = True, True, False, False, 0.0
        totals: ClassVar[dict[str, int]] = {}
        gauges: ClassVar[dict[str, float]] = {}

        @property
        def silent_s(self) -> float:
            return now - self.heard_at

        def heard_now(self) -> None:
            self.heard_at = now

        def kill(self) -> None:
            self.killed = True

        def show_metrics(self, _text: str, _kind: str) -> None: ...

    def hear(_timeout: float) -> None:
        nonlocal now
        now += looks.pop(0)
        if not looks:
            stop.set()

    with listen("127.0.0.1", 0) as listening:
        part = Collector(Cluster("localhost:1"), options(tmp_path), listening, 1)
        worker = Silent()
        part._children = cast(Any, [worker])
        monkeypatch.setattr(part, "_hear", hear)
        part._watch(stop)
    assert worker.killed is killed


def only_the_next_one(folder: Path, does: str) -> str:
    """A program that serves, and once does that first."""
    (folder / "next").touch()
    return f"""
import os, sys, time
try:
    os.remove({str(folder / "next")!r})
    {does}
except FileNotFoundError:
    pass
{SERVES}"""


def test_a_replacement_that_cannot_start_is_replaced(
    tmp_path: Path, program: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(tmp_path, 1)
    assert running.ready.wait(30)
    program[0] = only_the_next_one(tmp_path, "sys.exit(3)")
    running.part._children[0]._process.kill()
    wait_until(lambda: running.part.totals()["requests"] == 4, 30, "another one serves")
    running.end()
    assert "with code 3; it is started again" in caplog.text


def test_a_replacement_that_never_serves_is_replaced(
    tmp_path: Path, program: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(tmp_path, 1)
    assert running.ready.wait(30)
    program[0] = only_the_next_one(tmp_path, "time.sleep(600)")
    running.part._children[0]._process.kill()
    wait_until(lambda: not (tmp_path / "next").exists(), 30, "it hangs")
    monkeypatch.setattr(collector, "READY_WITHIN_S", 0.1)
    wait_until(lambda: "does not serve within" in caplog.text, 30, "that is said")
    monkeypatch.setattr(collector, "READY_WITHIN_S", 60)
    wait_until(lambda: running.part.totals()["requests"] == 4, 30, "another one serves")
    running.end()


def test_a_worker_that_cannot_start_ends_the_part(
    tmp_path: Path, program: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    program[0] = DIES
    with pytest.raises(ClickstreamError, match="with code 3"):
        Running(tmp_path, 2).wait()
    assert "no place" in caplog.text


def test_a_guard_of_schemas_that_fails_ends_the_part(tmp_path: Path, program: list[str]) -> None:
    wiped = threading.Event()

    def guard(over: threading.Event) -> None:
        wiped.wait(30 * PATIENCE)
        raise ClickstreamError("it was wiped")

    running = Running(tmp_path, 1, schemas=guard)
    assert running.ready.wait(30 * PATIENCE)
    wiped.set()
    with pytest.raises(ClickstreamError, match="it was wiped"):
        running.wait()


def test_workers_that_die_again_and_again_end_the_part(
    tmp_path: Path, program: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "AGAIN_AFTER_S", 0.01)
    program[0] = DIES_ONCE_READY
    with pytest.raises(ClickstreamError, match="has ended"):
        Running(tmp_path, 1).wait()


def test_a_worker_that_does_not_end_is_killed(
    tmp_path: Path, program: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "ENDS_WITHIN_S", 0.3)
    program[0] = DEAF
    running = Running(tmp_path, 1)
    assert running.ready.wait(30 * PATIENCE)
    begun = time.monotonic()
    with pytest.raises(ClickstreamError, match="did not end in time"):
        running.end()
    assert time.monotonic() - begun < 10 * PATIENCE


def test_the_port_is_free_afterwards(tmp_path: Path, program: list[str]) -> None:
    running = Running(tmp_path, 2)
    assert running.ready.wait(30 * PATIENCE)
    port = running.part.port
    running.end()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_one_spool_has_one_collector(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match=f"in use by process {os.getpid()} ")
    with only_collector(tmp_path), refused, only_collector(tmp_path):
        pass
    with only_collector(tmp_path):
        pass


def test_a_spool_that_cannot_be_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Choose another --spool-dir"), only_collector(tmp_path / "file"):
        pass


def test_all_totals_are_there_from_the_beginning() -> None:
    assert set(summed([])) == set(TOTALS)
    assert summed([{"events": 1}, {"events": 2, "lost": 1}])["events"] == 3


class Audited(Auditor):
    """Has read of one site that three events are missing."""

    def __init__(self) -> None: ...

    def metrics(self) -> dict[str, dict[str, float]]:
        return {"shop.example": {"web_events_missing": 3.0, "web_events_last_timestamp_seconds": 60.0}}


def test_its_own_port_and_that_of_metrics_tell_the_same(tmp_path: Path) -> None:
    cluster, port = Cluster("localhost:1"), free_port()
    with listen("127.0.0.1", 0) as listening:
        part = Collector(cluster, options(tmp_path), listening, 1, auditor=Audited())
        with (
            serve([part], cluster.statistics, Endpoint(port=port)),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10 * PATIENCE) as answer,
        ):
            served = answer.read().decode()
    assert 'clickstream_web_events_missing{site="shop.example"} 3.0' in served.splitlines()
    own = text_string_to_metric_families(part._exposition.text().decode())
    assert [family.name for family in text_string_to_metric_families(served)] == [family.name for family in own]
