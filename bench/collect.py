"""`bench collect`: how many requests the collector takes, what each costs, and how long its answer takes."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bench import divolte
from bench.broker import BenchKafka
from bench.measure import cpu_seconds, peak_mb
from bench.programs import OURS
from clickstream.errors import ClickstreamError

SCRIPT = Path(__file__).with_name("collect.lua")
STARTS_WITHIN_S = 60.0
CONNECTIONS = 256
PACED_CONNECTIONS = 64
BATCH = 20
AGENTS = 500
# What is loaded on first use is loaded; and of a JVM the hot code is compiled.
WARM_UP_S = 2.0
JVM_WARM_UP_S = 12.0

Say = Callable[[str], None]

# One browser of people is as good as another: what counts is that there are many.
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.{} Safari/537.36"
)


@dataclass(frozen=True)
class Case:
    """`sends`: divolte (GET), one, batch or server (POST of one event, of 20 events of one visitor as a tag sends them,
    or of 20 page views of 20 visitors); `rate`: requests per second, None: as many as it takes; `rich`: many agents,
    and a database of places if there is one, else one agent."""

    title: str
    sends: str
    workers: int = 1
    ack: str = "kafka"
    rich: bool = True
    rate: float | None = None
    is_divolte: bool = False  # and not ours

    @property
    def topic(self) -> str:
        """Where its events go."""
        return divolte.TOPIC if self.is_divolte else "web-events"

    @property
    def events(self) -> int:
        """Of one request."""
        return BATCH if self.sends in ("batch", "server") else 1


CASES = (
    Case("GET, `--ack queue`", "divolte", ack="queue"),
    Case("GET, `--ack queue`, one agent, no places", "divolte", ack="queue", rich=False),
    Case("GET, `--ack kafka`", "divolte"),
    Case("POST of one event, `--ack queue`", "one", ack="queue"),
    Case("POST of one event, `--ack kafka`", "one"),
    Case("POST of 20 events, `--ack queue`", "batch", ack="queue"),
    Case("POST of 20 events, `--ack kafka`", "batch"),
    Case("GET, `--ack queue`, two workers", "divolte", workers=2, ack="queue"),
    Case("GET, `--ack kafka`, two workers", "divolte", workers=2),
    Case("POST of 20 events, `--ack kafka`, two workers", "batch", workers=2),
    Case("POST of 20 events, `--ack queue`, two workers", "batch", workers=2, ack="queue"),
    Case("POST of 20 visitors' page views, `--ack kafka`, two workers", "server", workers=2),
    Case("GET at 5,000/s, `--ack kafka`", "divolte", rate=5_000),
    Case("POST of one event at 5,000/s, `--ack kafka`", "one", rate=5_000),
)
DIVOLTE = Case("GET, Divolte", "divolte", ack="queue", is_divolte=True)


@dataclass(frozen=True)
class Result:
    """`cpu_us`: of all workers and the collector itself, per request, in microseconds; `peak_mb`: resident size of the
    largest worker; `stored`: events that Kafka has of those that were answered."""

    case: Case
    requests: int
    seconds: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int
    peak_mb: float
    stored: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def events(self) -> float:
        """Per second."""
        return self.rate * self.case.events


@dataclass(frozen=True)
class Plan:
    """`duration` of each case in seconds; `divolte`: a folder with a distribution of that, the peer."""

    cases: Sequence[Case]
    duration: float
    geo_db: Path | None = None
    divolte: Path | None = None


def measure(kafka: BenchKafka, plan: Plan, say: Say) -> list[Result]:
    """One after the other, each with a collector of its own. Raises ClickstreamError when a program fails."""
    needs_wrk()
    cases = plan.cases if plan.divolte is None else [DIVOLTE, *plan.cases]
    return [_measure(kafka, case, plan, say) for case in cases]


def needs_wrk() -> None:
    """Raises ClickstreamError when it is not there."""
    if shutil.which("wrk") is None:
        raise ClickstreamError("wrk sends the requests, and is not on the PATH. Debian has it: apt install wrk")


def _measure(kafka: BenchKafka, case: Case, plan: Plan, say: Say) -> Result:
    say(case.title)
    running = collector(kafka, case, plan.geo_db)
    if case.is_divolte and plan.divolte is not None:
        running = divolte.collector(kafka, plan.divolte)
    with running as (process, port), tempfile.TemporaryDirectory() as folder:
        agents = write_agents(Path(folder) / "agents", case)
        first = wrk(port, case, agents, JVM_WARM_UP_S if case.is_divolte else WARM_UP_S)
        pause = 0.0 if case.rate is None else max(0.0, 1000 * PACED_CONNECTIONS / case.rate - first["p50_ms"])
        before, cpu = kafka.records(case.topic), _cpu(process.pid)
        found = wrk(port, case, agents, plan.duration, pause)
        spent, peak = _cpu(process.pid) - cpu, max(peak_mb(pid) for pid in workers_of(process.pid) or [process.pid])
        answered = found["requests"] - found["errors"]
        stored = _stored(kafka, case.topic, before, int(answered) * case.events)
        requests = int(found["requests"])
        return Result(
            case,
            requests,
            found["seconds"],
            1e6 * spent / max(1, requests),
            found["p50_ms"],
            found["p99_ms"],
            int(found["errors"]),
            peak,
            stored,
        )


def write_agents(path: Path, case: Case) -> Path:
    """The browsers that a case's requests come from, one a line; returns `path`."""
    number = AGENTS if case.rich else 1
    path.write_text("\n".join(_AGENT.format(100 + one % 40, one, one * 7 % 100) for one in range(number)))
    return path


def wrk(port: int, case: Case, agents: Path, duration: float, pause: float = 0.0) -> dict[str, float]:
    """One run of wrk, and what it says of it. `pause`: ms between an answer and the next request of a connection."""
    connections = CONNECTIONS if case.rate is None else PACED_CONNECTIONS
    environment = {"SENDS": case.sends, "AGENTS": str(agents), "PAUSE_MS": f"{pause:g}"}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{duration:g}s", "--timeout", "10s", "-s", str(SCRIPT)]
    ended = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=duration + 60,
    )
    lines = ended.stdout.splitlines()
    if ended.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise ClickstreamError(f"wrk failed: {' '.join((ended.stderr or ended.stdout).split())[-300:]}")
    told: dict[str, float] = json.loads(lines[-1])
    return told


@contextmanager
def collector(kafka: BenchKafka, case: Case, geo_db: Path | None) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Its process and its port, while the block runs. Raises ClickstreamError when it does not start."""
    places = ("--geo-db", str(geo_db)) if case.rich and geo_db is not None else ()
    options = ("--port", "0", "--rate-limit", "0", "--workers", str(case.workers), "--ack", case.ack, *places)
    where = ("-b", kafka.address, "--state-dir", str(kafka.directory / "state"))
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*OURS, "collect", *where, *options], stdin=subprocess.DEVNULL, stderr=said)
        try:
            yield process, _port(process, said.fileno())
        finally:
            process.terminate()
            process.wait(60)


def _port(process: "subprocess.Popen[bytes]", said: int) -> int:
    deadline = time.monotonic() + STARTS_WITHIN_S
    text = ""
    while process.poll() is None and time.monotonic() < deadline:
        text = Path(f"/proc/self/fd/{said}").read_text("utf-8")
        found = re.search(r"Collector: http://[^/]*:(\d+)/", text)
        if found is not None:
            with urlopen(f"http://127.0.0.1:{found[1]}/ping", timeout=10):
                return int(found[1])
        time.sleep(0.05)
    raise ClickstreamError(f"The collector did not start within {STARTS_WITHIN_S:.0f} s. {text}")


def workers_of(parent: int) -> list[int]:
    """The processes of a collector's workers."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _cpu(parent: int) -> float:
    return cpu_seconds(parent) + sum(cpu_seconds(pid) for pid in workers_of(parent))


def _stored(kafka: BenchKafka, topic: str, before: int, least: int) -> int:
    """Events that came to the topic since; with `--ack queue` the last ones are waited for."""
    deadline = time.monotonic() + 10
    while (stored := kafka.records(topic) - before) < least and time.monotonic() < deadline:
        time.sleep(0.1)
    return stored
