"""`clickstream replay`: access logs into a topic."""

import click

from clickstream import topics
from clickstream.cli.options import App, cluster_options, setting, stop_event
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.produce import Sender
from clickstream.replay import files, progress
from clickstream.replay.replay import Plan, Replay


@click.command("replay")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@setting("replay.topic", "--topic")
@setting("replay.speed", "--speed")
@click.option("--shift-to-now", is_flag=True, help="Move all times by one amount, so that the first is now.")
@setting("dead-letter-topic", "--dead-letter-topic")
@cluster_options
def command(
    app: App,
    names: tuple[str, ...],
    replay__topic: str,
    replay__speed: float,
    shift_to_now: bool,
    dead_letter_topic: str,
) -> None:
    """Send real access logs, request by request.

    FILE is a log of Apache or nginx in the common or combined format, plain or gzip; - is standard input.
    Several are read one after the other: name the oldest first. A malformed line goes to the dead-letter
    topic, with its file, line number and reason. Ctrl-C delivers what was read and ends.
    """
    plan = Plan(replay__topic, dead_letter_topic, replay__speed, shift_to_now)
    if plan.topic == plan.dead_letter_topic:
        raise ConfigError(f"--topic and --dead-letter-topic are both {plan.topic}: choose two topics.")
    sources = files.check(names)
    stop = stop_event()
    with app.connect() as cluster:
        topics.ensure(cluster, [plan.topic, plan.dead_letter_topic])
        producer = cluster.producer()
        replay = Replay(sources, Sender(producer), Sender(producer), plan)
        try:
            with progress.shown(replay, sources):
                replay.run(stop)
        finally:
            click.echo(progress.summary(replay), err=True)
        if replay.failed:
            raise ClickstreamError(f"{replay.failed:,} records were not delivered: {replay.first_failure}.")
