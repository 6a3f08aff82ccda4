"""How much a core and a process carry, computed from the tables of docs/measurements.md."""

import math
from dataclasses import dataclass

from docs.results import number_of, row_of, tables_of

# A part is planned at half of what was measured: the rest is for peaks, and for catching up after an outage.
PLANNED = 0.5
RATES = (1_000, 10_000, 50_000)
CORES_AT = 10_000


@dataclass(frozen=True)
class Load:
    """A part, and the row and column of docs/measurements.md with its cost: CPU us, or s per million.

    `per`: how many events the cost is of. `limit`: the row with the most that one process took, where that is another
    one. `scales`: whether more processes share the work.
    """

    about: str
    row: str
    cost: str
    per: int = 1
    limit: str | None = None
    scales: bool = True


LOADS = (
    Load(
        "collector, an event a request",
        "GET at 5,000/s, `--ack kafka`",
        "CPU us per request",
        limit="GET, `--ack kafka`",
    ),
    Load("collector, 20 events a request", "POST of 20 events, `--ack kafka`", "CPU us per request", per=20),
    Load("counter", "run-counter, exactly-once state", "CPU s per M events"),
    Load("tables, all windowed", "all windowed tables: tables run", "CPU us per event", scales=False),
    Load(
        "tables, and both enriched streams",
        "all windowed tables and both enriched streams: tables run",
        "CPU us per event",
        scales=False,
    ),
    Load(
        "tables, all windowed, 1,000,000 users",
        "all windowed tables, 1,000,000 users: tables run",
        "CPU us per event",
        scales=False,
    ),
    Load(
        "tables on Flink, parallelism 2, all windowed",
        "all windowed tables: Flink, parallelism 2",
        "CPU us per event",
    ),
    Load("sink postgres", "clickstream sink postgres", "CPU s per M events", scales=False),
)


def capacity(text: str) -> str:
    """A table: measured cost and rate of each part, and the cores and processes that some rates take.

    `text` is docs/measurements.md. Raises ValueError when it has no such row.
    """
    tables = tables_of(text)
    header = ["", "CPU us per event", "most of a process, events/s", "planned, events/s", "peak MB"]
    header += [f"cores at {CORES_AT:,}/s", *(f"processes at {rate:,}/s" for rate in RATES)]
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    for load in LOADS:
        found = row_of(tables, load.row, load.cost)
        cost_us = number_of(found[load.cost]) / load.per
        most = number_of(row_of(tables, load.limit or load.row, load.cost)["events/s"])
        cells = [load.about, f"{cost_us:.1f}", f"{most:,.0f}", f"{most * PLANNED:,.0f}", found["peak MB"]]
        cells.append(f"{CORES_AT * cost_us / 1e6:.2f}")
        cells += [_processes(wanted, most * PLANNED, load.scales) for wanted in RATES]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _processes(wanted: float, planned: float, scales: bool) -> str:
    """How many, each at what is planned for one; a part that is one process has none to add."""
    needed = math.ceil(wanted / planned)
    return str(needed) if needed == 1 or scales else "too much for one"
