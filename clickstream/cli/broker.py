"""`clickstream broker`: the embedded Kafka by hand."""

import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import Event

import click

from clickstream import terminal
from clickstream.broker import BrokerStatus, disk
from clickstream.broker.nodes import NUMBER
from clickstream.cli.options import NOTHING_TO_DRAIN, App, app_options, stop_event
from clickstream.cli.output import reader_left, say
from clickstream.errors import ClickstreamError

_POLL = 0.2  # s, of a followed log


@click.group("broker")
def command() -> None:
    """The embedded Kafka: one real broker for this machine, shared by all commands.

    It starts by itself when a command needs it, and stops a minute after the last one ended.
    """


@command.command("start")
@click.option(
    "--nodes",
    type=click.Choice(["1", str(NUMBER)]),
    default="1",
    help=f"{NUMBER}: a cluster of its own, beside the one that commands start, for trying what they do when a node is "
    "away. Replication 3, 2 in sync; reached with -b.",
)
@app_options
def start(app: App, nodes: str) -> None:
    """Start it, and keep it up until `broker stop`. Prints its address."""
    click.echo(app.embedded_broker().start() if nodes == "1" else app.embedded_cluster().start())


@command.command("stop")
@click.option("--force", is_flag=True, help="Also while other commands use it.")
@app_options
def stop(app: App, force: bool) -> None:
    """Stop it. What it holds is kept for the next start."""
    stopped = [one.stop(force=force) for one in (app.embedded_cluster(), app.embedded_broker())]
    click.echo("stopped" if any(stopped) else "was not running", err=True)


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@app_options
def status(app: App, as_json: bool) -> None:
    """Print its address and how it is doing; exit code 1 if it is not running."""
    found, nodes = app.embedded_broker().status(), app.embedded_cluster().status()
    if as_json:
        more = {"nodes": {number: asdict(node) for number, node in nodes.items()}} if nodes else {}
        say(json.dumps(asdict(found) | more, default=str, indent=2))
    else:
        for label, value in _rows(found):
            say(f"{label:<10}{value}")
        for number, node in nodes.items():
            say(f"{f'node {number}':<10}{node.state}, {node.address or node.error or node.data_dir}")
    if not any(one.state == "running" for one in (found, *nodes.values())):
        sys.exit(1)


def _rows(status: BrokerStatus) -> Iterator[tuple[str, str]]:
    """What a person wants to know, most important first."""
    yield "state", status.state + (", pinned: stays up until `broker stop`" if status.pinned else "")
    if status.address:
        yield "address", status.address
    if status.error:
        yield "error", status.error
    if status.started_at:
        since = datetime.fromtimestamp(status.started_at).astimezone()
        yield "since", f"{since:%Y-%m-%d %H:%M:%S %Z}" + (f", restarted {status.restarts}x" if status.restarts else "")
    if status.pid:
        yield "process", f"{status.pid} (supervisor {status.supervisor_pid})"
    if status.java and status.address:
        yield "java", status.java
    yield "kafka", status.kafka_version
    if status.cluster_id:
        yield "cluster", status.cluster_id
    yield "data", str(status.data_dir)
    yield "disk", disk.words(status.disk_used, status.disk_bound)
    yield "log", str(status.log_file)


@command.command("logs")
@click.option("-n", "lines", type=click.IntRange(min=0), default=50, show_default=True, help="Last lines to show.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows, until Ctrl-C.")
@app_options
def logs(app: App, lines: int, follow: bool) -> None:
    """Print the end of Kafka's own log."""
    log_file = app.embedded_broker().status().log_file
    if not log_file.exists():
        raise ClickstreamError(f"There is no log yet at {log_file}: the embedded Kafka has not run here.")
    for line in _tail(log_file, lines, stop_event(drain_by_signal=NOTHING_TO_DRAIN) if follow else None):
        click.echo(terminal.escaped_lines(line), nl=False)


def _tail(path: Path, lines: int, stop: Event | None) -> Iterator[str]:
    """The last `lines` lines; with `stop`, also those that are added until it is set, across rotations.

    It ends, too, when nobody reads our output any more: a log in which nothing is added gives no write that would tell.
    """
    file = path.open(encoding="utf-8", errors="replace")
    try:
        yield from deque(file, maxlen=lines)
        while stop is not None and not stop.is_set():
            added = file.readline()
            if added:
                yield added
            elif path.exists() and not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
            elif reader_left():
                return
            else:
                stop.wait(_POLL)
    finally:
        file.close()
