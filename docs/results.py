"""The results on one screen, out of the tables of docs/measurements.md."""

import re

Cells = dict[str, str]
Tables = list[dict[str, Cells]]

# What it is about, the row of ours, what it is compared with, and that row.
RATES = (
    ("counting, exactly once", "run-counter, exactly-once state", "Kafka Streams", "Kafka Streams, exactly_once_v2"),
    (
        "reading",
        "run-counter, exactly-once state",
        "ConsumerPerformance",
        "ConsumerPerformance, max.poll.records=10000",
    ),
    ("producing", "run-producer", "ProducerPerformance", "ProducerPerformance, lz4"),
    (
        "producing",
        "run-producer",
        "the same, large batches",
        "ProducerPerformance, lz4, batch.size=131072, linger.ms=50",
    ),
)
TABLES = (
    "all windowed tables",
    "all windowed tables and both enriched streams",
    "one table: HOP, 60 s every 5 s",
)
DELAYS = (
    ("a row of a stream, joined with a reference", "a stream, joined with a reference"),
    ("an early row of a table", "a table, TUMBLE 60 s, early rows"),
)
# Of the collector: the row of its table.
REQUESTS = (
    "GET, `--ack queue`",
    "GET, `--ack kafka`",
    "POST of 20 events, `--ack kafka`",
    "POST of 20 events, `--ack kafka`, two workers",
    "GET at 5,000/s, `--ack kafka`",
)


def summary(text: str) -> str:
    """Three tables: rates beside a peer's, delays, and what the collector takes.

    Raises ValueError when `text` has no such row.
    """
    tables = tables_of(text)
    lines = ["| | ours, events/s | peer | peer, events/s | ours is faster by |", "|---|---:|---|---:|---:|"]
    cases = [*RATES, *((case, f"{case}: tables run", "Flink", f"{case}: Flink, parallelism 2") for case in TABLES)]
    for about, ours, peer, theirs in cases:
        rates = [row_of(tables, name, "events/s")["events/s"] for name in (ours, theirs)]
        ratio = number_of(rates[0]) / number_of(rates[1])
        lines.append(f"| {about} | {rates[0]} | {peer} | {rates[1]} | {ratio:.1f} |")
    lines += ["", "| from `produce()` until it is visible | p50, ms | p99, ms |", "|---|---:|---:|"]
    tally = row_of(tables, "10", "p99, ms")
    lines.append(f"| a tally, `--interval 0.1` | {tally['p50, ms']} | {tally['p99, ms']} |")
    for about, name in DELAYS:
        found = row_of(tables, name, "p99, ms")
        lines.append(f"| {about} | {found['p50, ms']} | {found['p99, ms']} |")
    lines += [
        "",
        "| the collector | requests/s | events/s | CPU us per request | p99, ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in REQUESTS:
        found = row_of(tables, name, "CPU us per request")
        cells = (found[column] for column in ("requests/s", "events/s", "CPU us per request", "p99, ms"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def tables_of(text: str) -> Tables:
    """Each table by its first column, without emphasis."""
    found: Tables = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [[cell.strip().replace("**", "") for cell in line.strip()[1:-1].split("|")] for line in _lines(block)]
        header, *rest = rows
        found.append({row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rest})
    return found


def _lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if not re.fullmatch(r"[|:\- ]+", line)]


def row_of(tables: Tables, name: str, column: str) -> Cells:
    """The first row of that name in a table that has the column. Raises ValueError when there is none."""
    for table in tables:
        if column in table.get(name, {}):
            return table[name]
    raise ValueError(f"docs/measurements.md has no row {name!r} with {column!r}")


def number_of(text: str) -> float:
    """A cell's number, without the commas between thousands. Raises ValueError when it is none."""
    return float(text.replace(",", ""))
