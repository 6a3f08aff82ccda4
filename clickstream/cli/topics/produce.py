"""`clickstream topics produce`: lines into a topic."""

import click

from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options, metrics_options
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress, typed
from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Sender, must_be_acknowledged
from clickstream.replay import files
from clickstream.replay.records import LineRecords
from clickstream.stop import Stop
from clickstream.topics import ensure


@click.command("produce")
@click.argument("name", metavar="NAME", shell_complete=complete.topics)
@click.argument("sources", metavar="[FILE]...", nargs=-1)
@click.option("--key", metavar="FIELD", help="The JSON field, or path such as user.id, that becomes the record's key.")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@metrics_options
@cluster_options
def produce_(app: App, name: str, sources: tuple[str, ...], key: str | None, quiet: bool) -> None:
    """Send lines to a topic, each as a record: your own JSON, for example.

    FILE is a text, plain or compressed; without one, or as -, standard input is read. Blank lines are ignored. With
    --key, lines without that field are skipped, the first one is named, and the exit code is 1.

    \b
    Example:
      echo '{"visitor": "anna", "at": 1767225600000}' | clickstream topics produce visits --key visitor
    """
    found = files.check(sources or ("-",))
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [name])
        lines = LineRecords(found, Sender(cluster.producer(patient=True), stop), name, key)
        run_part(
            app,
            cluster,
            lines,
            stop,
            showing=progress(lines, "acknowledged", quiet=quiet or typed(sources or ("-",))),
            summary=lambda: summary(lines),
            verify=lambda: _verify(lines),
        )


def _verify(lines: LineRecords) -> None:
    must_be_acknowledged("records", lines.sender)
    if lines.skipped:
        raise ClickstreamError(lines.skipped)


def summary(lines: LineRecords) -> str:
    """The last line of the command."""
    totals = lines.totals()
    return f"Sent {totals['sent']:,}, acknowledged {totals['acknowledged']:,}, failed {totals['failed']:,}."
