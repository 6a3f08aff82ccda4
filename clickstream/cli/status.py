"""`clickstream status`."""

import time

import click
import msgspec
from rich.text import Text

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import cell, echo_json, show
from clickstream.parts.status import Seen, running
from clickstream.parts.watch import STATUS_EVERY_S
from clickstream.screen.layout import Cell, Column


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per part.")
@cluster_options
def command(app: App, as_json: bool) -> None:
    """What runs now, and how it does: one line per long-running part, from the topic they report on."""
    with app.connect() as cluster:
        parts = running(cluster, app.config["status-topic"])
    if as_json:
        for part in parts:
            echo_json({**msgspec.to_builtins(part.status), "silent_s": round(part.silent_s(time.time()), 1)})
    elif parts:
        show(_COLUMNS, [_row(part) for part in parts])
    else:
        click.echo("Nothing runs now.")


_COLUMNS = [
    Column("PART"),
    Column("HOST", rank=3, cut=8),
    Column("SINCE (UTC)", rank=2),
    Column("STATE"),
    Column("PER SECOND", rank=1, cut=32, listed=True),
    Column("TOPICS", rank=4, cut=12, listed=True),
]


def _row(part: Seen) -> list[Cell]:
    status = part.status
    silent = part.silent_s(time.time())
    late = silent > 3 * STATUS_EVERY_S
    state = Text(f"silent for {silent:,.0f} s", "bold red") if late else cell(status.state, "green")
    rates = ", ".join(f"{name} {value:,.0f}" for name, value in status.rates.items() if value)
    since = status.since.removesuffix("UTC").replace("T", " ", 1)
    return [status.kind, status.host, since, state, rates, ", ".join(status.topics)]
