"""`clickstream topics tail` and `export`: records of topics as JSON lines and CSV."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from clickstream.cli import complete
from clickstream.cli.options import NOTHING_TO_DRAIN, App, cluster_options, stop_event
from clickstream.cli.output import parsed, reader_left, standard_output
from clickstream.cli.progress import passing
from clickstream.cli.registry import registry_options, shown_opener
from clickstream.files import whole
from clickstream.inspect import conditions, export, position, render
from clickstream.inspect.conditions import Condition
from clickstream.inspect.tail import DEFAULT_NUMBER, Tail, find, tail


def _condition(given: str) -> Condition:
    if not given.strip():
        raise ValueError("a comparison or a text is expected, for example status=404")
    return conditions.parse(given)


@click.command("tail")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.topics)
@click.option(
    "-n",
    "number",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"The last N records of each topic; with --from, the first N from there.  [default: {DEFAULT_NUMBER}; "
    "with --from: all]",
)
@click.option(
    "--from",
    "start",
    metavar="WHERE",
    callback=parsed(position.parse),
    help="beginning, end, an offset, or a time such as 2026-03-25T19:05:49Z (without a zone: local).",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--partition", type=click.IntRange(min=0), metavar="P", help="Only this partition.")
@click.option(
    "--filter",
    "wanted",
    multiple=True,
    metavar="CONDITION",
    callback=parsed(_condition),
    help="Only records that fit: FIELD=VALUE, another comparison, or a text (see above). Repeat it: all must fit.",
)
@registry_options
@cluster_options
def tail_(
    app: App,
    names: tuple[str, ...],
    number: int | None,
    start: position.Position | None,
    follow: bool,
    partition: int | None,
    wanted: tuple[Condition, ...],
) -> None:
    """Print the last records of topics, one JSON object per line.

    \b
    {"topic", "partition", "offset", "timestamp", "key", "headers", "value"}
      value      the JSON that it is, else text, else {"$base64": "..."}; null is a tombstone; with
                 --schema-registry, Avro is shown as JSON, and so are keys
      key        text or {"$base64": "..."}, as are the headers' values
      timestamp  ISO 8601 in UTC

    The last records of each topic come by timestamp; with --from and --follow, partitions take turns and each
    keeps its order. With --filter, they are the last that fit, however far back. Only committed transactions are
    read (-X isolation.level=read_uncommitted: all).

    \b
    A CONDITION of --filter, as in the dashboard:
      status=404            or != < <= > >= ~ (contains, in any case) !~
      user.country=NO       a dot steps into objects and lists; a record without the field does not fit
      $time>=2026-03-25     or $key $value $size $partition $offset $tombstone $header.NAME
      "GET /cart"           a text that the key, the value or a header's value contains, in any case
      status>=400 and curl  both of them; a text in quotes, as JSON has them, may contain "and" and "="

    \b
    Examples:
      clickstream topics tail unique-event-topic --follow
      clickstream topics tail clickstream --filter status=404 -n 100
      clickstream topics tail clickstream --filter 'status >= 400 and agent ~ curl'
      clickstream topics tail event-topic --from 2026-03-25T19:00Z -n 1000 | jq .value.productId
      clickstream topics tail clickstream-dead-letter | jq .headers.reason
    """
    asked = Tail(
        tuple(dict.fromkeys(names)), number, start, partition, follow, conditions.all_of(wanted), shown_opener(app)
    )
    with app.connect() as cluster, standard_output() as out:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        for batch in tail(cluster, asked, stop):
            out.writelines(render.line(message) + b"\n" for message in batch)
            out.flush()
            if reader_left():
                return


@click.command("export")
@click.argument("name", shell_complete=complete.topics)
@click.option("--format", "form", type=click.Choice(["json", "jsonl", "csv"]), default="json", show_default=True)
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write; - is standard output.")
@registry_options
@cluster_options
def export_(app: App, name: str, form: str, output: str) -> None:
    """Write all records of a topic to a file.

    They are those that it holds when the command starts, by partition and offset, so always in the same order.
    FILE appears, or is replaced, when it is complete; until then a hidden file beside it grows. A second export to
    the same FILE at the same time is refused.

    json, or jsonl: the lines of `topics tail`. csv: the columns partition, offset, timestamp, key, headers, then
    value.FIELD for every field of values that are JSON objects, then value for all other values. A cell is empty
    where there is nothing, and otherwise JSON if it reads as JSON, else text: the text 404 stands as "404", with
    its quotes, and so do texts with control characters. If values have more than 1,000 different fields, they
    stay in one piece. CSV needs temporary space of about the size of the topic. With --schema-registry, Avro is
    written as JSON, and so are keys.

    \b
    Examples:
      clickstream topics export event-topic -o events.jsonl
      clickstream topics export clickstream --format csv -o - | head -3
    """
    opened = shown_opener(app)
    with app.connect() as cluster:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        limits = find(cluster, cluster.admin(), [name])
        total = sum(limit.span for limit in limits.values())
        on_screen = output == "-" and sys.stdout.isatty()
        try:
            with passing(f"Exporting {name}", total, quiet=on_screen) as advance, _output(output) as out:
                source = export.Source(cluster, limits, stop, advance, opened=opened)
                scratch = None if output == "-" else Path(output).absolute().parent
                written = export.to_csv(source, out, scratch) if form == "csv" else export.to_jsonl(source, out)
        except export.Stopped:
            raise click.Abort from None
    click.echo(f"Exported {written:,} records of {name}" + ("." if output == "-" else f" to {output}."), err=True)


@contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    with standard_output() if name == "-" else whole(Path(name)) as file:
        yield file
