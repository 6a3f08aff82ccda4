"""`clickstream topics list`, once or going on."""

import sys
from datetime import datetime
from functools import partial

import click
from rich.text import Text

from clickstream.cli.options import NOTHING_TO_DRAIN, SECONDS, App, cluster_options, stop_event
from clickstream.cli.output import csv_asked, echo_json, formats, reader_left, say, show
from clickstream.inspect import shapes, sizes, text
from clickstream.inspect.sizes import TopicSummary
from clickstream.inspect.ticks import changes, ticks
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.screen.layout import Column, table
from clickstream.screen.live import Size, interactive, live


@click.command("list")
@click.option("--all", "internal", is_flag=True, help="Kafka's own topics too (their names begin with __).")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, with the records per second that come in.")
@click.option("--interval", type=SECONDS, default=1.0, show_default=True, metavar="TIME", help="Of --watch.")
@formats()
@cluster_options
def list_(app: App, internal: bool, watch: bool, interval: float, json: bool) -> None:
    """List topics with their partitions, records, size and last write.

    RECORDS is the number of offsets between a topic's start and end. Compaction and transactions leave offsets
    without records, so it is then an upper bound. SIZE is known for the embedded Kafka only: bytes of log on
    disk. LAST WRITE is the newest timestamp of a record, in local time (JSON: UTC).

    With --watch, a terminal shows one table that moves; elsewhere a line is written for each topic that changed.

    \b
    Examples:
      clickstream topics list --watch
      clickstream topics list --json | jq -r 'select(.records == 0).name'
    """
    if watch and csv_asked():
        raise click.UsageError("--watch goes with --format table or json.")
    with app.connect() as cluster:
        admin = cluster.admin()
        if watch:
            _watch(cluster, admin, internal, interval, json)
            return
        found = sizes.summaries(cluster, admin, internal=internal)
        if json:
            echo_json(*map(shapes.topic, found))
        elif found:
            show(_columns()[:-1], [_summary_row(summary) for summary in found])
        else:
            click.echo(
                f"No topics at {cluster.address}. Create the declared ones with: clickstream topics create", err=True
            )


def _columns() -> list[Column]:
    return [
        Column("TOPIC", cut=24),
        Column("PARTITIONS", rank=3, right=True),
        Column("RECORDS", right=True),
        Column("SIZE", rank=2, right=True),
        Column(text.in_zone("LAST WRITE"), rank=1),
        Column("IN/S", right=True),
    ]


def _summary_row(summary: TopicSummary) -> list[str]:
    return [
        summary.name,
        str(summary.partitions),
        text.count(summary.records),
        text.size(summary.size),
        text.local(summary.last_write),
    ]


def _watch(cluster: Cluster, admin: Admin, internal: bool, interval: float, json: bool) -> None:
    stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
    if json or not interactive(sys.stdout):
        for changed, rates in changes(ticks(cluster, admin, internal, interval, stop)):
            for summary in changed:
                _echo_tick(summary, rates.get(summary.name), json)
            if reader_left():
                return
        return
    with live(sys.stdout) as view:
        for found, rates in ticks(cluster, admin, internal, interval, stop):
            rows = [[*_summary_row(summary), text.rate(rates.get(summary.name))] for summary in found]
            view.draw(partial(_frame, rows))


def _frame(rows: list[list[str]], size: Size) -> list[Text]:
    """The table; with fewer lines than topics, those that fit and how many there are more."""
    lines = table(_columns(), rows, size.width)
    if len(lines) <= size.height:
        return lines
    hidden = len(lines) - size.height + 1
    return [*lines[: size.height - 1], Text(f"… {hidden} topics more", "dim")]


def _echo_tick(summary: TopicSummary, rate: float | None, json: bool) -> None:
    if json:
        echo_json(shapes.topic_rate(summary, rate))
        return
    _, partitions, records, size, last_write = _summary_row(summary)
    say(
        f"{datetime.now():%H:%M:%S} {summary.name}: records {records} ({text.rate(rate)}/s), partitions {partitions}, "
        f"size {size}, last write {last_write}" + ("" if summary.last_write is None else f" {text.zone_name()}")
    )
