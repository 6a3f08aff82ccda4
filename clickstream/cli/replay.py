"""`clickstream replay`: access logs into a topic."""

import click

from clickstream.cli.options import App, cluster_options, metrics_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress, typed
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.produce import Sender, must_be_acknowledged
from clickstream.parts.endpoint import Endpoint
from clickstream.replay import files
from clickstream.replay.replay import Plan, Replay
from clickstream.stop import Stop
from clickstream.topics import ensure


@click.command("replay")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@setting("replay.topic", "--topic")
@setting("replay.speed", "--speed")
@click.option("--shift-to-now", is_flag=True, help="Move all times by one amount, so that the first is now.")
@setting("dead-letter-topic", "--dead-letter-topic")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@metrics_options
@cluster_options
def command(
    app: App,
    names: tuple[str, ...],
    replay__topic: str,
    replay__speed: float,
    shift_to_now: bool,
    dead_letter_topic: str,
    quiet: bool,
    metrics: Endpoint,
) -> None:
    """Send real access logs, request by request.

    FILE is a log of Apache or nginx in the common or combined format, plain or compressed (gzip, bzip2, xz,
    zstd); - is standard input. Several are read one after the other: name the oldest first. A malformed line
    goes to the dead-letter topic, with its file, line number and reason. Ctrl-C delivers what was read and ends.

    \b
    Example: a day of clicks in ten minutes, as if it began now
      clickstream replay --speed 144 --shift-to-now access.log.1.gz access.log

    Ends with the lines read, acknowledged, dead-lettered and failed; exit code 1 if any failed, if
    a file is damaged, or if every line of a file is malformed.
    """
    plan = Plan(replay__topic, dead_letter_topic, replay__speed, shift_to_now)
    if plan.topic == plan.dead_letter_topic:
        raise ConfigError(f"--topic and --dead-letter-topic are both {plan.topic}: choose two topics.")
    sources = files.check(names)
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [plan.topic, plan.dead_letter_topic])
        producer = cluster.producer()
        replay = Replay(sources, Sender(producer, stop), Sender(producer, stop), plan)
        run_part(
            app,
            cluster,
            replay,
            stop,
            showing=progress(replay, "bytes", total=files.total_size(sources), quiet=quiet or typed(names)),
            summary=lambda: summary(replay),
            metrics=metrics,
        )
        must_be_acknowledged("records", *replay.senders)
        if replay.malformed_sources:
            raise ClickstreamError(replay.malformed_sources)


def summary(replay: Replay) -> str:
    return (
        f"{replay.lines:,} lines read: {replay.acknowledged:,} acknowledged, "
        f"{replay.dead_lettered:,} dead-lettered, {replay.failed:,} failed."
    )
