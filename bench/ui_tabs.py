"""What the dashboard's server takes with many tabs, how evenly they are served, and how soon it ends."""

import asyncio
import json
import math
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bench.broker import BenchKafka
from bench.latency import running
from bench.measure import PeakMemory, cpu_seconds
from bench.ui_server import clicks, connected, open_panel, server
from clickstream.errors import ClickstreamError

BEAT_EVERY_S = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`tabs`: how many at once, one case after the other; each has `panels` open and is measured for `duration` s,
    after `settle` s."""

    tabs: Sequence[int]
    panels: Sequence[str]
    rate: float
    settle: float
    duration: float


@dataclass(frozen=True)
class Case:
    """With so many tabs: CPU in % of a core, peak memory in MB, the 99th percentile of the time between two states of a
    panel (s; NaN without tabs), and how long it took to end (s)."""

    tabs: int
    cpu: float
    peak_mb: float
    gap_p99: float
    ends_after: float


def measure(kafka: BenchKafka, plan: Plan, say: Say) -> list[Case]:
    """Each case with a server of its own. Raises ClickstreamError when a server or a tab fails."""
    with running(clicks(kafka, plan.rate)):
        return [_case(kafka, plan, tabs, say) for tabs in plan.tabs]


def _case(kafka: BenchKafka, plan: Plan, tabs: int, say: Say) -> Case:
    say(f"{tabs} tabs: {plan.settle:.0f} s to settle, {plan.duration:.0f} s measured")
    with server(kafka) as (process, address), PeakMemory(process.pid) as memory:
        cpu, gaps, ends_after = asyncio.run(_look(process, address, plan, tabs))
    return Case(tabs, cpu, memory.peak_mb, percentile(gaps, 0.99), ends_after)


async def _look(
    process: "subprocess.Popen[bytes]", address: str, plan: Plan, tabs: int
) -> tuple[float, list[float], float]:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(address)) for _ in range(tabs)]
        watched = [Watched(socket) for socket in opened]
        tasks = [asyncio.create_task(one.watch(plan.panels)) for one in watched]
        await asyncio.sleep(plan.settle)
        for one in watched:
            one.came.clear()
        before, began = cpu_seconds(process.pid), time.monotonic()
        await asyncio.sleep(plan.duration)
        cpu = 100 * (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        if any(task.done() for task in tasks):
            raise ClickstreamError("A tab was closed while it was measured.")
        gaps = [gap for one in watched for gap in one.gaps()]
        asked = time.monotonic()
        process.terminate()
        await asyncio.to_thread(process.wait, 30)
        ended = time.monotonic() - asked
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return cpu, gaps, ended


@dataclass
class Watched:
    """A tab, and when the states of each of its panels came (monotonic s)."""

    socket: ClientConnection
    came: dict[str, list[float]] = field(default_factory=dict)

    async def watch(self, panels: Sequence[str]) -> None:
        """Until it is closed."""
        for panel in panels:
            await open_panel(self.socket, panel)
        beat_at = time.monotonic() + BEAT_EVERY_S
        with suppress(ConnectionClosed):
            while True:
                frame = json.loads(await self.socket.recv())
                now = time.monotonic()
                if "state" in frame:
                    self.came.setdefault(frame["id"], []).append(now)
                elif "error" in frame:
                    raise ClickstreamError(f"{frame['id']}: {frame['error']}")
                if now >= beat_at:
                    beat_at = now + BEAT_EVERY_S
                    await self.socket.send('{"beat": 1}')

    def gaps(self) -> list[float]:
        return [after - before for times in self.came.values() for before, after in pairwise(times)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
