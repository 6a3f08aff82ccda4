"""What was measured as Markdown, and its place in docs/measurements.md."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import confluent_kafka

from bench import collect_report, sinks, tables_report, ui_report
from bench import tables as tables_bench
from bench import ui as ui_bench
from bench import ui_memory as ui_memory_bench
from bench.broker import JAVA
from bench.collect import CONNECTIONS, PACED_CONNECTIONS
from bench.collect import Result as Collected
from bench.collect_memory import Held
from bench.collect_memory import Plan as HeldPlan
from bench.heart import Plan, Result
from bench.latency import Latency
from bench.measure import machine
from bench.table import Row, markdown, table, verdicts
from bench.tables_latency import TITLES
from bench.tables_rest import MAIN, READER, Share
from clickstream.errors import ClickstreamError
from clickstream.flink import FLINK_VERSION
from clickstream.java import runtime
from clickstream.java.lockfile import read

DOCUMENT = Path(__file__).parent.parent / "docs" / "measurements.md"


def surroundings() -> str:
    """The machine and the versions that a measurement depends on, in one line."""
    kafka = read()["kafka"].roots[0].rpartition(":")[2]
    return (
        f"{machine()}; the broker runs on the same machine. "
        f"Kafka {kafka}, Java {runtime.find(JAVA).version}, librdkafka {confluent_kafka.libversion()[0]}."
    )


def heart(result: Result, plan: Plan) -> str:
    """The tables of `bench heart`."""
    rounds = "One round" if plan.rounds == 1 else f"Medians of {plan.rounds} rounds"
    parts = [f"{surroundings()} {rounds}; the short run has {plan.short:,} events (the original's loops: fewer)."]
    for side, heading in (("producer", "Producing"), ("counter", "Counting")):
        rows = result.rows(side)
        if rows:
            parts += [f"**{heading}**", table(rows, ours=side)]
    for name, reason in result.skipped.items():
        parts.append(f"Left out: {result.titles[name]}: {reason}.")
    if result.memory is not None:
        cost = result.memory
        parts.append(
            f"Memory of run-counter: {cost.short.peak_mb:.0f} MB at most over {cost.few:,} events, "
            f"{cost.whole.peak_mb:.0f} MB over {cost.events:,}."
        )
    judged = verdicts(result.rows())
    if judged:
        parts += ["**Targets**", judged]
    return "\n\n".join(parts)


def latency(results: Sequence[Latency], rate: float, interval: float) -> str:
    """The table of `bench latency`."""
    lines = ["| linger.ms of the producer | events | p50, ms | p90, ms | p99, ms | max, ms |"]
    lines.append("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for result in results:
        times = [f"{value:.0f}" for value in (result.p50, result.p90, result.p99, result.worst)]
        lines.append(f"| {result.linger_ms} | {result.events:,} | {' | '.join(times)} |")
    how = f"{rate:,.0f} events/s, `run-counter --interval {interval:g}`."
    return "\n\n".join([f"{surroundings()} {how}", "\n".join(lines)])


def tables(result: tables_bench.Result, plan: tables_bench.Plan) -> str:
    """The tables of `bench tables`."""
    rounds = "One round" if plan.rounds == 1 else f"Medians of {plan.rounds} rounds"
    about = f"{surroundings()} Flink {FLINK_VERSION}. {rounds}; the short run has {plan.short:,} events."
    return "\n\n".join([about, *tables_report.texts(result)])


def tables_latency(results: Mapping[str, Latency], rate: float, interval: float) -> str:
    """The table of `bench tables-latency`."""
    rows = [
        [TITLES[name], f"{one.events:,}", *(f"{value:.0f}" for value in (one.p50, one.p90, one.p99, one.worst))]
        for name, one in results.items()
    ]
    how = f"{rate:,.0f} clicks/s, `tables run --emit changes --early-interval {interval:g}`."
    return "\n\n".join(
        [
            f"{surroundings()} {how}",
            markdown(["result", "clicks", "p50, ms", "p90, ms", "p99, ms", "max, ms"], rows),
        ]
    )


def tables_rest(shares: Sequence[Share], duration: float) -> str:
    """The table of `bench tables-rest`."""
    rows = [
        [one.title, *(f"{one.by_process[name]:.1f}" for name in (MAIN, READER)), f"{one.total:.1f}"] for one in shares
    ]
    return "\n\n".join(
        [
            f"{surroundings()} % of a core over {duration:.0f} s.",
            markdown(["", f"{MAIN}, %", f"{READER}, %", "together, %"], rows),
        ]
    )


def ui(result: ui_bench.Result, plan: ui_bench.Plan) -> str:
    """The tables of `bench ui`."""
    return "\n\n".join([surroundings(), *ui_report.texts(result, plan)])


def ui_memory(samples: Sequence[ui_memory_bench.Sample], plan: ui_memory_bench.Plan) -> str:
    """The table of `bench ui-memory`."""
    about, table_ = ui_report.memory(samples, plan)
    return f"{surroundings()} {about}\n\n{table_}"


def collect(results: Sequence[Collected], duration: float) -> str:
    """The tables of `bench collect`."""
    connections = f"{CONNECTIONS} connections ({PACED_CONNECTIONS} where the rate is given)"
    how = f"wrk on the same machine, {connections}, {duration:g} s each; no rate limit."
    return "\n\n".join([f"{surroundings()} {how}", *collect_report.texts(results)])


def collect_memory(results: Sequence[Held], plan: HeldPlan) -> str:
    """The tables of `bench collect-memory`."""
    about, *tables_ = collect_report.memory(results, plan)
    return "\n\n".join([f"{surroundings()} {about}", *tables_])


def as_json(result: Result) -> dict[str, Any]:
    """Everything that was measured, every round by itself."""
    return {"surroundings": surroundings(), "rows": [asdict(row) for row in result.rows()], **asdict(result)}


def write(name: str, text: str, path: Path = DOCUMENT) -> None:
    """Put `text` into the document's generated block `name`. Raises ClickstreamError when it has none."""
    path.write_text(replaced(path.read_text("utf-8"), name, text), "utf-8")


def replaced(document: str, name: str, text: str) -> str:
    """`document` with `text` between its markers `<!-- name -->` and `<!-- /name -->`."""
    before, opening, rest = document.partition(f"<!-- {name} -->\n")
    _old, closing, after = rest.partition(f"<!-- /{name} -->\n")
    if not opening or not closing:
        raise ClickstreamError(f"{DOCUMENT.name} has no block between <!-- {name} --> and <!-- /{name} -->.")
    return f"{before}{opening}\n{text}\n\n{closing}{after}"


def sink(rows: Sequence[Row], plan: sinks.Plan, name: str) -> str:
    """The table of a sink's bench; `name` is that of its target's product."""
    rounds = "One round" if plan.rounds == 1 else f"Medians of {plan.rounds} rounds"
    how = f"{plan.records:,} records of {plan.keys:,} keys, five columns. {rounds}; {name} is on the same machine."
    return "\n\n".join([f"{surroundings()} {how}", table(rows, ours="sink")])
