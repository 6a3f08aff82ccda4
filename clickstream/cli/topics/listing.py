"""`clickstream topics list`, once or going on."""

import sys
from datetime import datetime

import click
from confluent_kafka.admin import AdminClient
from rich.live import Live

from clickstream.cli.options import NOTHING_TO_DRAIN, App, cluster_options, stop_event
from clickstream.cli.output import as_json, console, echo_json, partition_count, reader_left, show, table
from clickstream.inspect import shapes, sizes, text
from clickstream.inspect.sizes import TopicSummary
from clickstream.inspect.ticks import changes, ticks
from clickstream.kafka.clients import Cluster


@click.command("list")
@click.option("--all", "internal", is_flag=True, help="Kafka's own topics too (their names begin with __).")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, with the records per second that come in.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, metavar="S", help="Of --watch."
)
@as_json
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
    with app.connect() as cluster:
        admin = cluster.admin()
        if watch:
            _watch(cluster, admin, internal, interval, json)
            return
        found = sizes.summaries(cluster, admin, internal=internal)
        if json:
            echo_json(*map(shapes.topic, found))
        elif found:
            show(_LIST_HEADER, [_summary_row(summary) for summary in found], _LIST_RIGHT)
        else:
            click.echo(
                f"No topics at {cluster.address}. Create the declared ones with: clickstream topics create", err=True
            )


_LIST_HEADER = ("TOPIC", "PARTITIONS", "RECORDS", "SIZE", "LAST WRITE")
_LIST_RIGHT = frozenset({"PARTITIONS", "RECORDS", "SIZE", "IN/S"})


def _summary_row(summary: TopicSummary) -> list[str]:
    return [
        summary.name,
        str(summary.partitions),
        text.count(summary.records),
        text.size(summary.size),
        text.local(summary.last_write),
    ]


def _watch(cluster: Cluster, admin: AdminClient, internal: bool, interval: float, json: bool) -> None:
    stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
    if json or not console().is_terminal:
        for changed, rates in changes(ticks(cluster, admin, internal, interval, stop)):
            for summary in changed:
                _echo_tick(summary, rates.get(summary.name), json)
            if reader_left():
                return
        return
    with Live(console=console(), auto_refresh=False, redirect_stderr=sys.stderr.isatty()) as live:
        for found, rates in ticks(cluster, admin, internal, interval, stop):
            rows = [[*_summary_row(summary), text.rate(rates.get(summary.name))] for summary in found]
            live.update(table((*_LIST_HEADER, "IN/S"), rows, _LIST_RIGHT), refresh=True)


def _echo_tick(summary: TopicSummary, rate: float | None, json: bool) -> None:
    if json:
        echo_json(shapes.topic_rate(summary, rate))
        return
    _, partitions, records, size, last_write = _summary_row(summary)
    click.echo(
        f"{datetime.now():%H:%M:%S} {summary.name}: {text.rate(rate)} records/s in, {records} records in "
        f"{partition_count(int(partitions))}, size {size}, last write {last_write}"
    )
