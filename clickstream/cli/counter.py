"""`clickstream run-counter`."""

import sys

import click

from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options, metrics_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.counter import Counter
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.parts.endpoint import Endpoint
from clickstream.stop import Stop
from clickstream.tally.each import EachCounter
from clickstream.tally.options import CounterOptions, default_group
from clickstream.tally.reset import reset
from clickstream.topics import require


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
@click.option("--exit-at-end", is_flag=True, help="Leave when every partition has reached its end.")
@click.option("--reset", "start_over", is_flag=True, help="Forget the group's counts and start over.")
@click.option("--yes", is_flag=True, help="Do not ask before --reset.")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@setting("dead-letter-topic", "--dead-letter-topic")
@metrics_options
@cluster_options
def command(
    app: App,
    run_counter__from_topic: str,
    run_counter__to_topic: str,
    run_counter__field: str,
    group: str | None,
    run_counter__interval: float,
    emit: str,
    exit_at_end: bool,
    start_over: bool,
    yes: bool,
    quiet: bool,
    dead_letter_topic: str,
    metrics: Endpoint,
) -> None:
    """Tally the values of a JSON field and republish the counts.

    Start it as often as you like: members of a group share the topic's partitions, and one publishes the total.
    A crash at any moment loses and doubles nothing.

    \b
    Example: the status codes of a replayed access log
      clickstream run-counter --from-topic clickstream --field status --to-topic status-counts --exit-at-end
    """
    options = CounterOptions(
        from_topic=run_counter__from_topic,
        to_topic=run_counter__to_topic,
        field=run_counter__field,
        group=group or default_group(run_counter__from_topic, run_counter__field),
        dead_letter_topic=dead_letter_topic,
        interval=run_counter__interval,
        exit_at_end=exit_at_end,
    )
    options.check()
    if start_over and not yes and not sys.stdin.isatty():
        raise ConfigError("--reset forgets counts; without a terminal to ask, it needs --yes.")
    stop = Stop()
    with app.connect() as cluster:
        require(cluster, options.from_topic)
        if start_over:
            _reset(cluster, options, yes)
        counter = EachCounter(cluster, options) if emit == "each" else Counter(cluster, options)
        run_part(
            app,
            cluster,
            counter,
            stop,
            showing=progress(counter, "counted", quiet=quiet),
            summary=lambda: summary(counter),
            metrics=metrics,
        )


def summary(counter: Counter | EachCounter) -> str:
    totals = counter.totals()
    return f"Counted {totals['counted']:,} records, {totals['dead_letters']:,} dead letters."


def _reset(cluster: Cluster, options: CounterOptions, yes: bool) -> None:
    if not yes:
        click.confirm(f"Forget the counts of group {options.group} and start over?", abort=True, err=True)
    epoch = reset(cluster, options)
    click.echo(f"Group {options.group} starts over (epoch {epoch}).", err=True)
