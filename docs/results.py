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


def summary(text: str) -> str:
    """Two tables: rates beside a peer's, and delays. Raises ValueError when `text` has no such row."""
    tables = _tables(text)
    lines = ["| | ours, events/s | peer | peer, events/s | ours is faster by |", "|---|---:|---|---:|---:|"]
    cases = [*RATES, *((case, f"{case}: tables run", "Flink", f"{case}: Flink, parallelism 2") for case in TABLES)]
    for about, ours, peer, theirs in cases:
        rates = [_row(tables, name, "events/s")["events/s"] for name in (ours, theirs)]
        ratio = _number(rates[0]) / _number(rates[1])
        lines.append(f"| {about} | {rates[0]} | {peer} | {rates[1]} | {ratio:.1f} |")
    lines += ["", "| from `produce()` until it is visible | p50, ms | p99, ms |", "|---|---:|---:|"]
    tally = _row(tables, "10", "p99, ms")
    lines.append(f"| a tally, `--interval 0.1` | {tally['p50, ms']} | {tally['p99, ms']} |")
    for about, name in DELAYS:
        found = _row(tables, name, "p99, ms")
        lines.append(f"| {about} | {found['p50, ms']} | {found['p99, ms']} |")
    return "\n".join(lines) + "\n"


def _tables(text: str) -> Tables:
    """Each table by its first column, without emphasis."""
    found: Tables = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [[cell.strip().replace("**", "") for cell in line.strip()[1:-1].split("|")] for line in _lines(block)]
        header, *rest = rows
        found.append({row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rest})
    return found


def _lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if not re.fullmatch(r"[|:\- ]+", line)]


def _row(tables: Tables, name: str, column: str) -> Cells:
    for table in tables:
        if column in table.get(name, {}):
            return table[name]
    raise ValueError(f"docs/measurements.md has no row {name!r} with {column!r}")


def _number(text: str) -> float:
    return float(text.replace(",", ""))
