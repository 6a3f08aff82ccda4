"""`bench ui-memory`: what the dashboard's server and an open tab hold, over a long time with a short history."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.broker import BenchKafka
from bench.latency import running
from bench.tab import Tab, opened
from bench.ui_server import clicks, server
from clickstream.errors import ClickstreamError

PAGES = ("overview", "sessions", "errors", "products", "topics", "flow", "sources", "query")
# A minute is left out: in it, the server and the browser load what they need at all.
WARM_UP_S = 60.0
SAMPLE_EVERY_S = 10.0
PARTS = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`history` (s) and `rate` (clicks/s) for `duration` s, in which the tab goes to another page `switches` times
    (0: it stays on the Overview)."""

    history: float
    rate: float
    duration: float
    switches: int = 0


@dataclass(frozen=True)
class Sample:
    """At `at` (s): resident MB of the server; of the tab, after its garbage was collected, MB of JavaScript's heap,
    nodes of documents, and listeners to events. `rows` of the topic so far."""

    at: float
    server_mb: float
    heap_mb: float
    nodes: float
    listeners: float
    rows: int


FIGURES: dict[str, Callable[[Sample], float]] = {
    "server, MB": lambda sample: sample.server_mb,
    "JavaScript's heap, MB": lambda sample: sample.heap_mb,
    "nodes": lambda sample: sample.nodes,
    "listeners": lambda sample: sample.listeners,
}


def measure(kafka: BenchKafka, browser: Any, plan: Plan, say: Say) -> list[Sample]:
    """Raises ClickstreamError when something does not start, or ends."""
    with running(clicks(kafka, plan.rate)) as generator:
        options = ("--history", f"{plan.history:g}s", "--geo-db", "made-up")
        with server(kafka, *options) as (process, address), opened(browser, f"http://{address}/") as tab:
            say(f"{plan.rate:,.0f} clicks/s, a history of {plan.history:.0f} s")
            _visit(tab, PAGES)  # what a page loads once
            time.sleep(WARM_UP_S)
            found = _follow(kafka, tab, process.pid, plan, say)
            if generator.poll() is not None or process.poll() is not None:
                raise ClickstreamError("The generator or the dashboard has ended while it was measured.")
            return found


def _follow(kafka: BenchKafka, tab: Tab, server_pid: int, plan: Plan, say: Say) -> list[Sample]:
    found: list[Sample] = []
    began = time.monotonic()
    visited = 0
    while (passed := time.monotonic() - began) < plan.duration:
        wanted = int(plan.switches * passed / plan.duration) + 1 if plan.switches else 0
        for number in range(visited, wanted):
            _visit(tab, [PAGES[number % len(PAGES)]])
        if wanted > visited:
            _visit(tab, PAGES[:1])  # the same one whenever it is measured
        visited = max(visited, wanted)
        if passed >= len(found) * SAMPLE_EVERY_S:
            found.append(_sample(kafka, tab, server_pid, passed))
            say(f"{passed:5.0f} s: {found[-1].server_mb:.0f} MB, in the tab {found[-1].heap_mb:.1f} MB")
        tab.page.wait_for_timeout(500)
    return found


def _visit(tab: Tab, pages: Sequence[str]) -> None:
    for page in pages:
        tab.page.evaluate("(hash) => { location.hash = hash; }", f"#/{page}")
        # Not the element itself: the browser keeps what it hands out, with all of the page that it belongs to.
        tab.page.wait_for_function(f"() => document.querySelector('.sheet.p-{page}:not([aria-busy=true])') !== null")


def _sample(kafka: BenchKafka, tab: Tab, server_pid: int, at: float) -> Sample:
    taken = tab.taken(collected=True)
    pages = int(Path(f"/proc/{server_pid}/statm").read_text("ascii").split()[1])
    rows = kafka.records("clickstream")
    return Sample(at, pages * 4_096 / 1e6, taken.heap / 1e6, taken.nodes, taken.listeners, rows)


def thirds(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> list[float]:
    """The median of each third of the time."""
    size = len(samples) / PARTS
    parts = [samples[round(part * size) : round((part + 1) * size)] for part in range(PARTS)]
    return [median(map(figure, part)) for part in parts]
