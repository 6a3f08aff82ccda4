"""`clickstream config`."""

import click
from rich.table import Table

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import cell, console
from clickstream.config import SETTINGS
from clickstream.kafka import properties
from clickstream.kafka.given import SECTIONS, texts


@click.group("config")
def command() -> None:
    """Settings and where their values come from."""


@command.command("show")
@cluster_options
def show(app: App) -> None:
    """Print every setting with its value and source, and the Kafka client's properties; secrets are hidden."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for name in SETTINGS:
        value = app.config.values[name]
        table.add_row(name, cell(str(app.state_dir if name == "state-dir" else value.value)), cell(value.source))
    for name, value in sorted(app.config.options.items()):
        table.add_row(name, cell(_text(value.value)), cell(value.source))
    for section in SECTIONS:
        found = app.config.clients[section]
        shown = properties.redact(texts(found))
        for name in sorted(found):
            table.add_row(cell(f"[{section}] {name}"), cell(shown[name]), cell(found[name].source))
    console().print(table)


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " ".join(value)
