"""`bench tables-rest`: what `tables run` of the shipped file takes while few clicks come, and while none do."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.broker import BenchKafka, bench_kafka
from bench.latency import running
from bench.measure import cpu_seconds, family_of
from bench.programs import OURS
from bench.tables import SQL
from clickstream.errors import ClickstreamError

READING = "clickstream.tables.engine.fetching.process_main"
MAIN, READER = "main process", "reading process"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`rate`: clicks/s. `settle`: after a change of the rate this long (s) is not measured, then `duration` (s) is."""

    rate: float
    settle: float
    duration: float


@dataclass(frozen=True)
class Share:
    """What was taken of one core, in %, by process of the command."""

    title: str
    by_process: dict[str, float]

    @property
    def total(self) -> float:
        """All processes together."""
        return sum(self.by_process.values())


def measure(plan: Plan, say: Say) -> list[Share]:
    """The shares with `plan.rate` clicks/s, and with none after them. Raises ClickstreamError when it ends."""
    with bench_kafka(say) as kafka, _tables(kafka) as process:
        with running(_clicks(kafka, plan.rate)):
            some = _share(process, f"{plan.rate:g} clicks/s", plan, say)
        return [some, _share(process, "nothing comes", plan, say)]


@contextlib.contextmanager
def _tables(kafka: BenchKafka) -> Iterator["subprocess.Popen[bytes]"]:
    where = ("-b", kafka.address, "--state-dir", str(kafka.directory / "state"))
    with running([*OURS, "tables", "run", str(SQL), *where, "--quiet"]) as process:
        yield process


def _clicks(kafka: BenchKafka, rate: float) -> Sequence[str]:
    return [*OURS, "generate", "web", "-b", kafka.address, "--rate", f"{rate:g}", "--quiet"]


def _share(process: "subprocess.Popen[bytes]", title: str, plan: Plan, say: Say) -> Share:
    say(f"{title}: {plan.settle:.0f} s to settle, {plan.duration:.0f} s measured")
    time.sleep(plan.settle)
    before, began = spent(process.pid), time.monotonic()
    time.sleep(plan.duration)
    after, seconds = spent(process.pid), time.monotonic() - began
    return Share(title, {name: 100 * (after[name] - before[name]) / seconds for name in after})


def spent(pid: int) -> dict[str, float]:
    """CPU seconds so far of each process of the command. Raises ClickstreamError when one of them has ended."""
    found: dict[str, float] = {}
    with contextlib.suppress(OSError):
        for one in family_of(pid):
            name = READER if READING in Path(f"/proc/{one}/cmdline").read_text() else MAIN
            found[name] = found.get(name, 0.0) + cpu_seconds(one)
    if found.keys() != {MAIN, READER}:
        raise ClickstreamError("The tables have ended while they were measured.")
    return found
