"""`clickstream run-counter`."""

import threading
from collections.abc import Callable
from functools import partial

import click

from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options, metrics_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.cli.registry import avro_needed, needed_registry, registry_options
from clickstream.cli.streams import on_terminal
from clickstream.counter import Counter
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.parts.part import Part
from clickstream.parts.renewed import Renewed
from clickstream.stop import Stop
from clickstream.tally.each import EachCounter
from clickstream.tally.options import CounterOptions, ReadingStopped, default_group
from clickstream.tally.reset import reset
from clickstream.topics import require

# A member that waits for longer would be taken for dead by its group. Counts are saved with their offsets: the next
# start goes on there.
REGISTRY_WITHIN_S = 60.0


@click.command("run-counter")
@setting("run-counter.from-topic", "--from-topic", shell_complete=complete.topics)
@setting("run-counter.to-topic", "--to-topic")
@setting("run-counter.field", "--field")
@click.option(
    "--group",
    metavar="GROUP",
    help="Consumer group; members share the partitions.  [default: clickstream-counter.<topic>.<field>]",
)
@setting("run-counter.interval", "--interval")
@click.option(
    "--emit",
    type=click.Choice(["interval", "each"]),
    default="interval",
    show_default=True,
    help="A tally per interval, or one per event (a single member, one transaction for tallies and state).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "avro"]),
    default="json",
    show_default=True,
    help="What values are; avro needs a schema registry.",
)
@registry_options
@click.option("--exit-at-end", is_flag=True, help="Leave when all that was there at the start is counted.")
@click.option("--reset", "start_over", is_flag=True, help="Forget the group's counts and start over.")
@click.option("--yes", is_flag=True, help="Do not ask before --reset.")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@setting("dead-letter-topic", "--dead-letter-topic")
@metrics_options
@cluster_options
def command(
    app: App,
    group: str | None,
    emit: str,
    form: str,
    exit_at_end: bool,
    start_over: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Tally the values of a JSON field and republish the counts.

    Start it as often as you like: members of a group share the topic's partitions, and one publishes the total.
    A crash at any moment loses and doubles nothing.

    \b
    Example: the status codes of a replayed access log
      clickstream run-counter --from-topic clickstream --field status --to-topic status-counts --exit-at-end
    """
    from_topic, field = app.config["run-counter.from-topic"], app.config["run-counter.field"]
    stop = Stop()
    options = CounterOptions(
        from_topic=from_topic,
        to_topic=app.config["run-counter.to-topic"],
        field=field,
        group=group or default_group(from_topic, field),
        dead_letter_topic=app.config["dead-letter-topic"],
        interval=app.config["run-counter.interval"],
        exit_at_end=exit_at_end,
        as_json=_as_json(app, stop) if form == "avro" else None,
    )
    options.check()
    if start_over and not yes and not on_terminal():
        raise ConfigError("--reset forgets counts; without a terminal to ask, it needs --yes.")
    with app.connect() as cluster:
        require(cluster, options.from_topic)
        if start_over:
            _reset(cluster, options, yes)
        counter = Renewed(cluster, partial(_counter, cluster, options, emit))
        run_part(
            app,
            cluster,
            counter,
            stop,
            showing=progress(counter, "counted", quiet=quiet),
            summary=lambda: summary(counter),
        )


def _as_json(app: App, stop: threading.Event) -> Callable[[bytes], bytes]:
    """What makes JSON of Avro; raises ConfigError without a registry, and when the extra is not installed."""
    registry = needed_registry(app)
    with avro_needed():
        from clickstream.avro.waiting import Ended, patient_json
    read = patient_json(registry, REGISTRY_WITHIN_S, stop)

    def as_json(value: bytes) -> bytes:
        try:
            return read(value)
        except Ended:
            raise ReadingStopped("Stopped while the schema registry was waited for.") from None

    return as_json


def _counter(cluster: Cluster, options: CounterOptions, emit: str, former: Part | None) -> Part:
    if emit == "each":
        return EachCounter(cluster, options, again=former is not None)
    return Counter(cluster, options)


def summary(counter: Part) -> str:
    """The last line of the command."""
    totals = counter.totals()
    return f"Counted {totals['counted']:,} records, {totals['dead_letters']:,} dead letters."


def _reset(cluster: Cluster, options: CounterOptions, yes: bool) -> None:
    if not yes:
        click.confirm(f"Forget the counts of group {options.group} and start over?", abort=True, err=True)
    epoch = reset(cluster, options)
    click.echo(f"Group {options.group} starts over (epoch {epoch}).", err=True)
