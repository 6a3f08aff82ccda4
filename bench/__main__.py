"""`python -m bench`: the command line of the measurements."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bench import collect as collect_bench
from bench import collect_memory as collect_memory_bench
from bench import heart as heart_bench
from bench import history as history_bench
from bench import latency as latency_bench
from bench import report, sinks
from bench import tables as tables_bench
from bench import tables_latency as tables_latency_bench
from bench import tables_rest as tables_rest_bench
from bench import ui as ui_bench
from bench import ui_memory as ui_memory_bench
from bench import ui_page as ui_page_bench
from bench import ui_tabs as ui_tabs_bench
from bench.broker import bench_kafka
from bench.opensearch import OpenSearch
from bench.postgres import Postgres
from bench.tab import chromium
from clickstream.errors import ClickstreamError

SETTLE_TABS_S = 5.0


def say(text: str) -> None:
    click.echo(text, err=True)


def show(text: str, name: str, write_docs: bool) -> None:
    """Print a measurement, and put it into its block of docs/measurements.md if that is wanted."""
    click.echo(text)
    if write_docs:
        report.write(f"bench:{name}", text)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def bench() -> None:
    """Measurements, side by side with peers, on a real Kafka of their own."""


def _chosen(known: Sequence[str]) -> Callable[[click.Context, click.Parameter, str | None], list[str]]:
    """The callback of an option that takes some of the names, or by default all."""

    def chosen(_context: click.Context, _parameter: click.Parameter, text: str | None) -> list[str]:
        names = text.split(",") if text else list(known)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise click.BadParameter(f"{', '.join(unknown)}; choose from {', '.join(known)}.")
        return names

    return chosen


events = click.option("--events", type=click.IntRange(min=100), default=2_000_000, show_default=True, metavar="N")
short = click.option(
    "--short",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    metavar="N",
    help="Events of the run whose cost is subtracted; half of --events leaves out the JVM's warming up, too.",
)
rounds = click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
write_docs = click.option("--write-docs", is_flag=True, help="Put the result into docs/measurements.md.")


@bench.command()
@events
@click.option(
    "--memory-events",
    type=click.IntRange(min=100),
    default=5_000_000,
    show_default=True,
    metavar="N",
    help="Events of the memory test.",
)
@short
@rounds
@click.option(
    "--only", callback=_chosen(heart_bench.names()), metavar="A,B", help="Only these programs.  [default: all]"
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Every single figure, too.")
@write_docs
def heart(
    events: int,
    memory_events: int,
    short: int,
    rounds: int,
    only: list[str],
    json_file: Path | None,
    write_docs: bool,
) -> None:
    """Producer and counter against Kafka's own tools, Kafka Streams, and the original's loops."""
    if short >= events:
        raise click.UsageError("--short must be less than --events.")
    plan = heart_bench.Plan(events, short, rounds, memory_events, only)
    result = heart_bench.measure(plan, say)
    show(report.heart(result, plan), "heart-warm" if 2 * short >= events else "heart", write_docs)
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(result), indent=1) + "\n", "utf-8")


@bench.command()
@click.option("--rate", type=click.FloatRange(min=1), default=1_000.0, show_default=True, help="Events per second.")
@click.option("--interval", type=click.FloatRange(min=0.01), default=0.1, show_default=True, help="Of run-counter, s.")
@click.option("--duration", type=click.FloatRange(min=1), default=20.0, show_default=True, help="Measured seconds.")
@click.option(
    "--linger",
    "lingers",
    type=click.IntRange(min=0),
    multiple=True,
    default=(10,),
    show_default=True,
    help="linger.ms of the probe's producer; repeat it.",
)
@write_docs
def latency(rate: float, interval: float, duration: float, lingers: tuple[int, ...], write_docs: bool) -> None:
    """How long after produce() an event shows in the published tally."""
    text = report.latency(latency_bench.measure(rate, interval, duration, lingers, say), rate, interval)
    show(text, "latency", write_docs)


@bench.command()
@events
@short
@rounds
@click.option(
    "--only",
    callback=_chosen(tables_bench.NAMES),
    metavar="A,B",
    help=f"Only these cases: {', '.join(tables_bench.NAMES)}.  [default: all]",
)
@click.option("--no-flink", is_flag=True, help="Only our side.")
@click.option("--flink-keys", is_flag=True, help="Flink in the case `keys`, too.")
@write_docs
def tables(
    events: int, short: int, rounds: int, only: list[str], no_flink: bool, flink_keys: bool, write_docs: bool
) -> None:
    """The streaming tables against Apache Flink: the same file, the same topics."""
    if short >= events:
        raise click.UsageError("--short must be less than --events.")
    plan = tables_bench.Plan(events, short, rounds, only, not no_flink, flink_keys)
    text = report.tables(tables_bench.measure(plan, say), plan)
    show(text, "tables", write_docs)


@bench.command()
@click.option("--rate", type=click.FloatRange(min=1), default=5_000.0, show_default=True, help="Clicks per second.")
@click.option("--interval", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Of early rows, s.")
@click.option("--duration", type=click.FloatRange(min=1), default=20.0, show_default=True, help="Measured seconds.")
@write_docs
def tables_latency(rate: float, interval: float, duration: float, write_docs: bool) -> None:
    """How long after produce() a click shows in a stream and in a table."""
    text = report.tables_latency(tables_latency_bench.measure(rate, interval, duration, say), rate, interval)
    show(text, "tables-latency", write_docs)


@bench.command()
@click.option("--rate", type=click.FloatRange(min=0.01), default=10.0, show_default=True, help="Clicks per second.")
@click.option("--duration", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Measured seconds.")
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=90.0,
    show_default=True,
    help="Seconds before: windows fill, and close after the last click.",
)
@write_docs
def tables_rest(rate: float, duration: float, settle: float, write_docs: bool) -> None:
    """How much of a core the tables take when few clicks come, and when none do."""
    text = report.tables_rest(tables_rest_bench.measure(tables_rest_bench.Plan(rate, settle, duration), say), duration)
    show(text, "tables-rest", write_docs)


@bench.command()
@click.option("--clicks", type=click.IntRange(min=1_000), default=4_000_000, show_default=True, metavar="N")
@click.option("--rate", type=click.IntRange(min=10), default=5_000, show_default=True, help="Clicks per second.")
@click.option("--users", type=click.IntRange(min=1), default=1_000, show_default=True, metavar="N")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Of each question.")
@write_docs
def history(clicks: int, rate: int, users: int, repeats: int, write_docs: bool) -> None:
    """What the dashboard's history costs: CPU per click and per question, and memory."""
    plan = history_bench.Plan(clicks, rate, users, repeats)
    text = history_bench.report(history_bench.measure(plan, say), plan)
    show(text, "history", write_docs)


@bench.command()
@click.option("--filled", type=click.IntRange(min=1_000), default=1_000_000, show_default=True, metavar="N")
@click.option("--loads", type=click.IntRange(min=1), default=5, show_default=True, help="Of the Overview.")
@click.option("--rate", type=click.FloatRange(min=1), default=5_000.0, show_default=True, help="Clicks per second.")
@click.option("--settle", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds before.")
@click.option("--duration", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Measured seconds.")
@click.option("--returning", type=click.IntRange(2, 200), default=100, show_default=True, help="Tabs at a restart.")
@click.option("--tabs", type=click.IntRange(0, 200), multiple=True, default=(0, 1, 100), show_default=True)
@click.option("--panel", "panels", multiple=True, default=("sources", "topics"), show_default=True)
@click.option("--tabs-rate", type=click.FloatRange(min=0.01), default=100.0, show_default=True, help="Clicks/s then.")
@click.option("--tabs-duration", type=click.FloatRange(min=1), default=20.0, show_default=True, help="Of each, s.")
@write_docs
def ui(
    filled: int,
    loads: int,
    rate: float,
    settle: float,
    duration: float,
    returning: int,
    tabs: tuple[int, ...],
    panels: tuple[str, ...],
    tabs_rate: float,
    tabs_duration: float,
    write_docs: bool,
) -> None:
    """The dashboard's budgets: first view, a minute of many clicks, a restart under many tabs, many tabs.

    Needs Chromium and Playwright.
    """
    page = ui_page_bench.Plan(filled, loads, rate, settle, duration)
    plan = ui_bench.Plan(page, returning, ui_tabs_bench.Plan(tabs, panels, tabs_rate, SETTLE_TABS_S, tabs_duration))
    text = report.ui(ui_bench.measure(plan, say), plan)
    show(text, "ui", write_docs)


@bench.command()
@click.option("--history", type=click.FloatRange(min=12), default=300.0, show_default=True, help="Of the server, s.")
@click.option("--rate", type=click.FloatRange(min=1), default=5_000.0, show_default=True, help="Clicks per second.")
@click.option("--duration", type=click.FloatRange(min=30), default=1_800.0, show_default=True, help="Seconds.")
@click.option("--switches", type=click.IntRange(min=0), default=60, show_default=True, help="To another page, in all.")
@write_docs
def ui_memory(history: float, rate: float, duration: float, switches: int, write_docs: bool) -> None:
    """Whether the dashboard's server and a tab hold more and more. Needs Chromium and Playwright."""
    plan = ui_memory_bench.Plan(history, rate, duration, switches)
    with bench_kafka(say) as kafka, chromium() as browser:
        text = report.ui_memory(ui_memory_bench.measure(kafka, browser, plan, say), plan)
    show(text, "ui-memory", write_docs)


@bench.command()
@click.option("--duration", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Of each, s.")
@click.option("--only", metavar="TEXT", help="Only the cases with this in their titles.")
@click.option("--geo-db", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--divolte",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A distribution of Divolte Collector, to be measured in the same run.",
)
@write_docs
def collect(duration: float, only: str | None, geo_db: Path | None, divolte: Path | None, write_docs: bool) -> None:
    """Requests that the collector takes, what each costs, and how long its answer takes. Needs wrk."""
    cases = [case for case in collect_bench.CASES if only is None or only in case.title]
    with bench_kafka(say) as kafka:
        found = collect_bench.measure(kafka, collect_bench.Plan(cases, duration, geo_db, divolte), say)
        text = report.collect(found, duration)
    show(text, "collect", write_docs)


@bench.command()
@click.option("--rate", type=click.FloatRange(min=1), default=5_000.0, show_default=True, help="Requests per second.")
@click.option("--duration", type=click.FloatRange(min=10), default=300.0, show_default=True, help="Of each, s.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, metavar="N")
@click.option(
    "--sends",
    type=click.Choice(list(collect_memory_bench.TITLES)),
    multiple=True,
    default=("one",),
    show_default=True,
    help="GET of Divolte's tag, POST of one event, or of 20.",
)
@click.option(
    "--ack", "acks", type=click.Choice(["kafka", "queue"]), multiple=True, default=("kafka", "queue"), show_default=True
)
@click.option("--geo-db", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@write_docs
def collect_memory(
    rate: float,
    duration: float,
    workers: int,
    sends: tuple[str, ...],
    acks: tuple[str, ...],
    geo_db: Path | None,
    write_docs: bool,
) -> None:
    """Whether the collector's workers hold more and more, at a steady rate. Needs wrk."""
    plan = collect_memory_bench.Plan(rate, duration, workers, sends, acks)
    with bench_kafka(say) as kafka:
        text = report.collect_memory(collect_memory_bench.measure(kafka, plan, geo_db, say), plan)
    show(text, "collect-memory", write_docs)


@bench.command()
@click.option("--records", type=click.IntRange(min=1_000), default=1_000_000, show_default=True, metavar="N")
@click.option("--keys", type=click.IntRange(min=1), default=100_000, show_default=True, metavar="N")
@short
@rounds
@click.option("--dsn", metavar="DSN", help="A PostgreSQL.  [default: one of its own, of the pgserver wheel]")
@write_docs
def postgres(records: int, keys: int, short: int, rounds: int, dsn: str | None, write_docs: bool) -> None:
    """How fast a table in PostgreSQL follows a topic, beside a statement for each row."""
    _sink(Postgres(), "PostgreSQL", sinks.Plan(records, keys, short, rounds, dsn), write_docs)


@bench.command()
@click.option("--records", type=click.IntRange(min=1_000), default=300_000, show_default=True, metavar="N")
@click.option("--keys", type=click.IntRange(min=1), default=100_000, show_default=True, metavar="N")
@short
@rounds
@click.option("--url", metavar="URL", help="An OpenSearch.  [default: one of its own, from Maven Central]")
@write_docs
def opensearch(records: int, keys: int, short: int, rounds: int, url: str | None, write_docs: bool) -> None:
    """How fast an index in OpenSearch follows a topic, beside bulk requests without versions."""
    _sink(OpenSearch(), "OpenSearch", sinks.Plan(records, keys, short, rounds, url), write_docs)


def _sink(subject: sinks.Subject, name: str, plan: sinks.Plan, write_docs: bool) -> None:
    text = report.sink(sinks.measure(subject, plan, say), plan, name)
    show(text, subject.kind, write_docs)


def main() -> None:
    try:
        bench.main(prog_name="bench", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted.")
        sys.exit(130)
    except ClickstreamError as error:
        say(f"Error: {error}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
