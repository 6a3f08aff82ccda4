"""`clickstream status`."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import click
import msgspec
from rich.text import Text

from clickstream.broker import disk
from clickstream.cli.options import NOTHING_TO_DRAIN, App, cluster_options, stop_event
from clickstream.cli.output import cell, csv_asked, echo_json, formats, reader_left, say, show
from clickstream.kafka.clients import Cluster
from clickstream.kafka.patience import Stopped
from clickstream.parts.status import Reports, Seen
from clickstream.parts.watch import STATUS_EVERY_S
from clickstream.screen.layout import Cell, Column, table
from clickstream.screen.live import Size, interactive, live

_COLUMNS = [
    Column("PART"),
    Column("NAME", rank=1, cut=12),
    Column("STATE"),
    Column("PER SECOND", rank=2, cut=24, listed=True),
    Column("NOW", rank=4, cut=16, listed=True),
    Column("LAST ERROR", rank=3, cut=16),
    Column("GROUP", rank=6, cut=12),
    Column("TOPICS", rank=5, cut=12, listed=True),
    Column("HOST", rank=8, cut=8),
    Column("SINCE (UTC)", rank=7),
]


@click.command("status")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C.")
@formats()
@cluster_options
def command(app: App, watch: bool, json: bool) -> None:
    """What runs now, and how it is doing: one line per long-running part, from the topic they report on.

    A part that has been silent for more than 10 s is dead: it was killed, or cannot reach Kafka. After an hour it is
    not shown any more. One that failed is shown for ten minutes, with the reason. The embedded Kafka is not started
    for this.

    With --watch, a terminal shows one table that moves; elsewhere a line is written for each part, every 2 s.
    """
    if watch and csv_asked():
        raise click.UsageError("--watch goes with --format table or json.")
    if nothing_can_run(app):
        say("Nothing runs: the embedded Kafka is not running.", err=json)
        return
    with app.connect() as cluster:
        reports = Reports(cluster, app.config["status-topic"])
        if watch:
            _watch(app, cluster, reports, json)
            return
        parts = reports.look()
        now = time.time()
        if json:
            echo_json(*(as_object(part, now) for part in parts))
            return
        if not csv_asked():
            say(_broker(app, cluster))
        if parts:
            show(_COLUMNS, [row(part, now) for part in parts])
        else:
            click.echo("Nothing runs now.")


def nothing_can_run(app: App) -> bool:
    """Whether all would be on the embedded Kafka, and that is not there: looking must not start it."""
    return app.address is None and app.embedded_broker().status().state not in ("running", "starting")


def _broker(app: App, cluster: Cluster) -> str:
    if not cluster.embedded:
        return f"Kafka at {cluster.address}, answers."
    found = app.embedded_broker().status()
    return (
        f"Kafka at {cluster.address}, embedded, answers; records take {disk.words(found.disk_used, found.disk_bound)}."
    )


def as_object(part: Seen, now: float) -> dict[str, Any]:
    """The status record, and how long it is ago."""
    built: dict[str, Any] = msgspec.to_builtins(part.status)
    return {**built, "silent_s": round(part.silent_s(now), 1), "dead": part.is_dead(now)}


def row(part: Seen, now: float) -> list[Cell]:
    """The cells of _COLUMNS."""
    status = part.status
    return [
        status.kind,
        status.name or "",
        cell(_state(part, now), "bold red" if part.is_dead(now) or part.has_failed else "green"),
        _numbers(status.rates),
        _numbers(status.gauges),
        status.error or "",
        status.group or "",
        ", ".join(status.topics),
        status.host,
        status.since.removesuffix("UTC").replace("T", " ", 1),
    ]


def _numbers(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:,.0f}" for name, value in values.items() if value)


def _state(part: Seen, now: float) -> str:
    if part.has_failed:
        return f"failed at {(part.status.error_at or '')[11:19]} UTC"
    if part.is_dead(now):
        return f"dead, silent for {part.silent_s(now):,.0f} s"
    return "paused" if part.status.paused else part.status.state


def _watch(app: App, cluster: Cluster, reports: Reports, json: bool) -> None:
    stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
    with suppress(Stopped):
        if json or not interactive(sys.stdout):
            while not stop.is_set() and not reader_left():
                _echo(reports.look(stop), time.time(), json)
                stop.wait(STATUS_EVERY_S)
            return
        with live(sys.stdout) as view:
            while not stop.is_set():
                parts = reports.look(stop)
                now = time.time()
                view.draw(partial(_frame, _broker(app, cluster), [row(part, now) for part in parts]))
                stop.wait(STATUS_EVERY_S)


def _frame(broker: str, rows: list[list[Cell]], size: Size) -> list[Text]:
    return [cell(broker), *(table(_COLUMNS, rows, size.width) if rows else [Text("Nothing runs now.")])]


def _echo(parts: Sequence[Seen], now: float, json: bool) -> None:
    if json:
        echo_json(*(as_object(part, now) for part in parts))
        return
    for part in parts:
        status = part.status
        of = f"group {status.group}" if status.group else ""
        words = [_state(part, now), _numbers(status.rates), _numbers(status.gauges), of]
        words += [f"topics {', '.join(status.topics)}", f"error: {status.error}" if status.error else ""]
        told = ", ".join(word for word in words if word)
        say(f"{datetime.now():%H:%M:%S} {' '.join(filter(None, (status.kind, status.name)))} on {status.host}: {told}")
