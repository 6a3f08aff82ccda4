"""`bench collect-memory`: what each process of the collector holds, at a steady rate over minutes."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.broker import BenchKafka
from bench.collect import PACED_CONNECTIONS, Case, collector, needs_wrk, workers_of, write_agents, wrk
from bench.measure import peak_mb, resident_mb
from clickstream.errors import ClickstreamError

SAMPLE_EVERY_S = 1.0
# Before the first sample: what is loaded on first use is loaded, and the rate is found.
WARM_UP_S = 5.0
# What is remembered of visitors fills up in the beginning; from then on nothing is to grow.
FILLS_FOR = 1 / 5

COLLECTOR = "collector"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`rate` requests per second, shared by `workers`, for `duration` s; once for each of `sends` and `acks`, which
    are those of a Case."""

    rate: float
    duration: float
    workers: int
    sends: Sequence[str]
    acks: Sequence[str]

    def cases(self) -> list[Case]:
        """One after the other."""
        return [
            Case(f"{TITLES[sends]}, `--ack {ack}`", sends, self.workers, ack, rate=self.rate)
            for sends in self.sends
            for ack in self.acks
        ]


TITLES = {"divolte": "GET", "one": "POST of one event", "batch": "POST of 20 events"}


@dataclass(frozen=True)
class Memory:
    """Of one process: resident MB at the start, after FILLS_FOR of the time, and at the end; and the most that it ever
    was, by the kernel."""

    process: str
    start: float
    filled: float
    end: float
    peak: float

    @property
    def growth(self) -> float:
        """MB, after all that fills up has."""
        return self.end - self.filled


@dataclass(frozen=True)
class Held:
    """What came of a case."""

    case: Case
    requests: int
    seconds: float
    errors: int
    p99_ms: float
    memory: list[Memory]


def measure(kafka: BenchKafka, plan: Plan, geo_db: Path | None, say: Say) -> list[Held]:
    """Raises ClickstreamError when a program fails."""
    needs_wrk()
    try:
        return [_held(kafka, case, plan, geo_db, say) for case in plan.cases()]
    except FileNotFoundError as problem:
        raise ClickstreamError(f"A process of the collector has ended while it was measured: {problem}.") from problem


def _held(kafka: BenchKafka, case: Case, plan: Plan, geo_db: Path | None, say: Say) -> Held:
    say(f"{case.title}: {plan.rate:,.0f} requests/s for {plan.duration:,.0f} s")
    with collector(kafka, case, geo_db) as (process, port), tempfile.TemporaryDirectory() as folder:
        agents = write_agents(Path(folder) / "agents", case)
        period = 1000 * PACED_CONNECTIONS / plan.rate
        first = wrk(port, case, agents, WARM_UP_S, period)
        names = {process.pid: COLLECTOR}
        names |= {pid: f"worker {number}" for number, pid in enumerate(workers_of(process.pid), 1)}
        with followed(list(names)) as samples:
            found = wrk(port, case, agents, plan.duration, max(0.0, period - first["p50_ms"]))
        memory = [summary(name, samples[pid], peak_mb(pid)) for pid, name in names.items()]
        return Held(case, int(found["requests"]), found["seconds"], int(found["errors"]), found["p99_ms"], memory)


@contextmanager
def followed(pids: Sequence[int]) -> Iterator[dict[int, list[float]]]:
    """Resident MB of each process, now and then while the block runs, at its beginning and at its end.

    Raises FileNotFoundError when a process has ended.
    """
    samples: dict[int, list[float]] = {pid: [] for pid in pids}
    over = threading.Event()

    def sample() -> None:
        for pid in pids:
            samples[pid].append(resident_mb(pid))

    def follow() -> None:
        with suppress(FileNotFoundError):  # it has ended, which the last sample finds
            while not over.wait(SAMPLE_EVERY_S):
                sample()

    sample()
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
    sample()


def summary(process: str, samples: Sequence[float], peak: float) -> Memory:
    """Of samples in their order: one at least."""
    return Memory(process, samples[0], samples[int(FILLS_FOR * (len(samples) - 1))], samples[-1], peak)
