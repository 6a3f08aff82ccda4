"""`python -m bench`: the command line of the measurements."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bench import heart as heart_bench
from bench import latency as latency_bench
from bench import report
from bench import tables as tables_bench
from bench import tables_latency as tables_latency_bench
from bench import tables_rest as tables_rest_bench
from clickstream.errors import ClickstreamError


def say(text: str) -> None:
    click.echo(text, err=True)


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
    text = report.heart(result, plan)
    click.echo(text)
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(result), indent=1) + "\n", "utf-8")
    if write_docs:
        report.write("bench:heart-warm" if 2 * short >= events else "bench:heart", text)


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
    click.echo(text)
    if write_docs:
        report.write("bench:latency", text)


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
    click.echo(text)
    if write_docs:
        report.write("bench:tables", text)


@bench.command()
@click.option("--rate", type=click.FloatRange(min=1), default=5_000.0, show_default=True, help="Clicks per second.")
@click.option("--interval", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Of early rows, s.")
@click.option("--duration", type=click.FloatRange(min=1), default=20.0, show_default=True, help="Measured seconds.")
@write_docs
def tables_latency(rate: float, interval: float, duration: float, write_docs: bool) -> None:
    """How long after produce() a click shows in a stream and in a table."""
    text = report.tables_latency(tables_latency_bench.measure(rate, interval, duration, say), rate, interval)
    click.echo(text)
    if write_docs:
        report.write("bench:tables-latency", text)


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
    click.echo(text)
    if write_docs:
        report.write("bench:tables-rest", text)


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
