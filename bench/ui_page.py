"""What the Overview takes in a real browser: bytes, the time until it shows something, and a minute of many clicks."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.broker import BenchKafka
from bench.latency import running
from bench.measure import cpu_seconds, run
from bench.programs import OURS
from bench.tab import NOTE_FIRST_CHART, NOTE_WHAT_DISTURBS, opened
from bench.tables import SQL
from bench.ui_server import Server, clicks, server, wait_for_clicks

FILLED_MINUTES = 50

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`filled`: clicks of the 50 min before, which the history has; `loads` of the page; then `rate` clicks/s and the
    shipped tables, for `settle` s, and for `duration` s that are measured."""

    filled: int
    loads: int
    rate: float
    settle: float
    duration: float


@dataclass(frozen=True)
class Page:
    """`first_view`: bytes by path, as sent. `first_charts`: ms, of each load. `server`, `main_thread`: % of a core in
    the minute; `longest_task` (ms) and `spoken`, changes of what screen readers tell, in it; `clicks` that came."""

    filled: int
    first_view: dict[str, int]
    first_charts: Sequence[float]
    server: float
    main_thread: float
    longest_task: float
    spoken: int
    clicks: int

    @property
    def first_view_kb(self) -> float:
        """Thousands of bytes."""
        return sum(self.first_view.values()) / 1000

    @property
    def first_chart_ms(self) -> float:
        return median(self.first_charts)


def measure(kafka: BenchKafka, browser: Any, plan: Plan, say: Say) -> Page:
    """Raises ClickstreamError when a program fails."""
    say(f"a history of {plan.filled:,} clicks")
    start = datetime.fromtimestamp(time.time() - 60 * FILLED_MINUTES, UTC).isoformat(timespec="seconds")
    speed = plan.filled / (60 * FILLED_MINUTES)
    run(clicks(kafka, math.inf, "--event-rate", f"{speed:g}", "--count", str(plan.filled), "--start", start))
    with server(kafka, "--geo-db", "made-up") as (process, address):
        wait_for_clicks(address, plan.filled)
        say(f"{plan.loads} loads of the Overview")
        loads = [load(browser, f"http://{address}/") for _ in range(plan.loads)]
        where = ("-b", kafka.address, "--state-dir", str(kafka.directory / "state"))
        with running([*OURS, "tables", "run", str(SQL), *where, "--quiet"]), running(clicks(kafka, plan.rate)):
            say(f"{plan.rate:,.0f} clicks/s: {plan.settle:.0f} s to settle, {plan.duration:.0f} s measured")
            return _minute(kafka, browser, (process, address), plan, loads)


Load = tuple[dict[str, int], float]
"""Bytes by path, and when the first chart was drawn (ms)."""


def load(browser: Any, address: str) -> Load:
    """The first view, with an empty cache, to its last byte; what is below it comes when it is scrolled to."""
    with opened(browser, address, NOTE_FIRST_CHART) as tab:
        first_chart = tab.first_chart_ms()
        tab.page.wait_for_load_state("networkidle")
        return tab.transferred(), first_chart


def _minute(kafka: BenchKafka, browser: Any, at: Server, plan: Plan, loads: Sequence[Load]) -> Page:
    process, address = at
    with opened(browser, f"http://{address}/", NOTE_WHAT_DISTURBS) as tab:
        tab.show_map()
        tab.page.wait_for_timeout(1000 * plan.settle)
        tab.page.evaluate("() => { window.spoken = []; window.longTasks = []; }")
        records = kafka.records("clickstream")
        before, cpu, began = tab.taken(), cpu_seconds(process.pid), time.monotonic()
        tab.page.wait_for_timeout(1000 * plan.duration)
        after, spent, seconds = tab.taken(), cpu_seconds(process.pid) - cpu, time.monotonic() - began
        return Page(
            plan.filled,
            loads[0][0],
            [first_chart for _bytes, first_chart in loads],
            100 * spent / seconds,
            after.share_since(before),
            max(tab.page.evaluate("() => window.longTasks"), default=0.0),
            len(tab.page.evaluate("() => window.spoken")),
            kafka.records("clickstream") - records,
        )
