"""A hundred tabs after a restart of the server: when they come back, with the waits of the page's own script."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from bench.broker import BenchKafka
from bench.measure import cpu_seconds
from bench.tab import opened
from bench.ui_server import connected, open_panel, server
from clickstream.errors import ClickstreamError

PANELS = ("frame", "sources")
TRIES = 12
WITHIN_S = 60.0
SAMPLE_EVERY_S = 0.25
SAMPLES = 4  # make a second

Say = Callable[[str], None]
Waits = Sequence[Sequence[float]]
"""For each tab, by the number of tries that failed in a row: how long it waits then, s."""


@dataclass(frozen=True)
class Back:
    """`times`: when each tab had a state again, s after the new server was ready. `away`: how long none was, s.
    `cpu_peak`: the largest share of a core that the new server took in a second from then on, %."""

    times: Sequence[float]
    away: float
    cpu_peak: float

    @property
    def spread(self) -> float:
        """From the first to the last, s."""
        return max(self.times) - min(self.times)

    @property
    def last(self) -> float:
        return max(self.times)


def page_waits(kafka: BenchKafka, browser: Any, tabs: int, seed: int = 1) -> Waits:
    """From the script that a server's page brings."""
    dice = random.Random(seed)
    draws = [[dice.random() for _ in range(TRIES)] for _ in range(tabs)]
    with server(kafka) as (_process, address), opened(browser, f"http://{address}/") as tab:
        found: Waits = tab.page.evaluate(
            """async (draws) => {
              const { waitBefore } = await import('/js/live.js');
              return draws.map((row) => row.map((random, tries) => waitBefore(tries, false, random) / 1000));
            }""",
            draws,
        )
        return found


def measure(kafka: BenchKafka, waits: Waits, say: Say) -> Back:
    """Kill a server with as many tabs as there are waits, and start another one in its place at once.

    Raises ClickstreamError when a server does not start, or a tab is not served within a minute.
    """
    say(f"{len(waits)} tabs come back after a restart")
    return asyncio.run(_restart(kafka, waits))


async def _restart(kafka: BenchKafka, waits: Waits) -> Back:
    with ExitStack() as servers:
        process, address = servers.enter_context(server(kafka))
        tabs = [ReturningTab(address, own) for own in waits]
        tasks = [asyncio.create_task(tab.live()) for tab in tabs]
        try:
            await _until_served(tabs)
            for tab in tabs:
                tab.served_at = None
            process.kill()
            killed = time.monotonic()
            again = server(kafka, port=address.rpartition(":")[2])
            process, _address = await asyncio.to_thread(servers.enter_context, again)
            ready = time.monotonic()
            spent = await _until_served(tabs, process.pid)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        times = [tab.served_at - ready for tab in tabs if tab.served_at is not None]
        return Back(times, ready - killed, max(_shares(spent), default=0.0))


async def _until_served(tabs: "Sequence[ReturningTab]", pid: int | None = None) -> list[tuple[float, float]]:
    """Wait for it; returns times and CPU seconds of the process, now and then."""
    spent: list[tuple[float, float]] = []
    deadline = time.monotonic() + WITHIN_S
    while missing := sum(tab.served_at is None for tab in tabs):
        if time.monotonic() > deadline:
            raise ClickstreamError(f"{missing} of {len(tabs)} tabs were not served within {WITHIN_S:.0f} s.")
        if pid is not None:
            spent.append((time.monotonic(), cpu_seconds(pid)))
        await asyncio.sleep(SAMPLE_EVERY_S)
    return spent


def _shares(spent: Sequence[tuple[float, float]]) -> list[float]:
    """Of a core in each second, %."""
    pairs = zip(spent, spent[SAMPLES:], strict=False)
    return [100 * (cpu_after - cpu) / (after - at) for (at, cpu), (after, cpu_after) in pairs]


@dataclass(eq=False)
class ReturningTab:
    """Connects again as the page does. `served_at`: when the first state came since it was None (monotonic s)."""

    address: str
    waits: Sequence[float]
    served_at: float | None = None
    tries: "count[int]" = field(default_factory=count)

    async def live(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                async with connected(self.address) as socket:
                    for panel in PANELS:
                        await open_panel(socket, panel)
                    while True:
                        if "state" in json.loads(await socket.recv()) and self.served_at is None:
                            self.served_at = time.monotonic()
            except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, EOFError):
                # The page, too, begins anew only after a minute without trouble.
                await asyncio.sleep(self.waits[min(next(self.tries), len(self.waits) - 1)])
