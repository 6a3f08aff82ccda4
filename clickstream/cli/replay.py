"""`clickstream replay`: access logs, or an archive, into a topic."""

from typing import TYPE_CHECKING

import click

from clickstream.cli.options import App, cluster_options, metrics_options, setting
from clickstream.cli.output import say
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress, typed
from clickstream.cli.registry import Written, encode_for, written_options
from clickstream.cli.sink.parquet import parquet_needed, store_at
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.produce import Sender, must_be_acknowledged
from clickstream.replay import files
from clickstream.replay.replay import Plan, Replay
from clickstream.stop import Stop
from clickstream.topics import ensure, require

if TYPE_CHECKING:
    from clickstream.sinks.parquet.putback import PutBack


@click.command("replay")
@click.argument("names", metavar="FILE...|TOPIC", nargs=-1, required=True)
@setting("replay.topic", "--topic")
@setting("replay.speed", "--speed")
@click.option(
    "--from-archive", metavar="DIR", help="Put back records of `sink parquet` on TOPIC; s3://BUCKET/PREFIX, too."
)
@click.option("--table", metavar="NAME", help="Which one of the archive.  [default: the only one, or that of TOPIC]")
@click.option("--shift-to-now", is_flag=True, help="Move all times by one amount, so that the first is now.")
@written_options
@setting("dead-letter-topic", "--dead-letter-topic")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@metrics_options
@cluster_options
def command(
    app: App,
    names: tuple[str, ...],
    from_archive: str | None,
    table: str | None,
    shift_to_now: bool,
    written: Written,
    quiet: bool,
) -> None:
    """Send real access logs, request by request.

    FILE is a log of Apache or nginx in the common or combined format, plain or compressed (gzip, bzip2, xz,
    zstd); - is standard input. Several are read one after the other: name the oldest first. A malformed line
    goes to the dead-letter topic, with its file, line number and reason. Ctrl-C delivers what was read and ends.

    \b
    Example: a day of clicks in ten minutes, as if it began now
      clickstream replay --speed 144 --shift-to-now access.log.1.gz access.log

    With --from-archive it puts back records of an archive instead: their bytes, headers, timestamps and tombstones,
    each partition in its order; at once, as --speed and --shift-to-now are for logs.

    Ends with the lines read, acknowledged, dead-lettered and failed; exit code 1 if any failed, if
    a file is damaged, or if every line of a file is malformed.
    """
    if from_archive is not None:
        if shift_to_now or written.form != "json" or len(names) != 1:
            raise ConfigError("--from-archive needs one TOPIC, and has neither --shift-to-now nor --format.")
        _put_back(app, from_archive, table, names[0], quiet=quiet)
        return
    if table is not None:
        raise ConfigError("--table names one of an archive: it needs --from-archive.")
    config = app.config
    plan = Plan(config["replay.topic"], config["dead-letter-topic"], config["replay.speed"], shift_to_now)
    if plan.topic == plan.dead_letter_topic:
        raise ConfigError(f"--topic and --dead-letter-topic are both {plan.topic}: choose two topics.")
    sources = files.check(names)
    encode = encode_for(app, written, {"clickstream": plan.topic})
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [plan.topic, plan.dead_letter_topic])
        producer = cluster.producer(patient=True)
        replay = Replay(sources, Sender(producer, stop, encode), Sender(producer, stop), plan)
        run_part(
            app,
            cluster,
            replay,
            stop,
            showing=progress(replay, "bytes", total=files.total_size(sources), quiet=quiet or typed(names)),
            summary=lambda: summary(replay),
            verify=lambda: _verify(replay),
        )


def _put_back(app: App, place: str, table: str | None, topic: str, *, quiet: bool) -> None:
    with parquet_needed():
        from clickstream.sinks.parquet.putback import PutBack
        from clickstream.sinks.parquet.reading import ArchivedTable, only_table
    store = store_at(place)
    store.connect()
    archived = ArchivedTable(store, table or only_table(store, topic))
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [topic])
        part = PutBack(archived, Sender(cluster.producer(patient=True), stop), topic, require(cluster, topic))
        if not part.keeps_partitions:
            say(
                f"Topic {topic} has fewer partitions than the archive: records go where their keys belong, and only "
                "those of one key keep their order.",
                err=True,
            )
        run_part(
            app,
            cluster,
            part,
            stop,
            showing=progress(part, "sent", total=archived.rows, quiet=quiet),
            summary=lambda: put_back_summary(part),
            verify=lambda: must_be_acknowledged("records", part.sender),
        )


def put_back_summary(part: "PutBack") -> str:
    """The last line of the command with an archive."""
    now = f" {part.without_time:,} of them had no time, and have that of now." if part.without_time else ""
    sender = part.sender
    return f"{sender.sent:,} records sent: {sender.acknowledged:,} acknowledged, {sender.failed:,} failed.{now}"


def _verify(replay: Replay) -> None:
    must_be_acknowledged("records", *replay.senders)
    if replay.malformed_sources:
        raise ClickstreamError(replay.malformed_sources)


def summary(replay: Replay) -> str:
    """The last line of the command."""
    return (
        f"{replay.lines:,} lines read: {replay.acknowledged:,} acknowledged, "
        f"{replay.dead_lettered:,} dead-lettered, {replay.failed:,} failed."
    )
