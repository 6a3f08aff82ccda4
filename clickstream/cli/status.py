"""`clickstream status`."""

import time

import click
import msgspec
from rich.table import Table
from rich.text import Text

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import cell, console, echo_json
from clickstream.parts.status import Seen, running
from clickstream.parts.watch import STATUS_EVERY_S


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
        console().print(_table(parts))
    else:
        click.echo("Nothing runs now.")


def _table(parts: list[Seen]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("part", "host", "since", "state", "per second", "topics"):
        table.add_column(column, overflow="fold")
    for part in parts:
        status = part.status
        silent = part.silent_s(time.time())
        late = silent > 3 * STATUS_EVERY_S
        state = Text(f"silent for {silent:,.0f} s", style="bold red") if late else cell(status.state, "green")
        rates = "  ".join(f"{name} {value:,.0f}" for name, value in status.rates.items() if value)
        about = map(cell, (status.kind, status.host, status.since))
        table.add_row(*about, state, cell(rates), cell(", ".join(status.topics)))
    return table
