"""`clickstream config`."""

import click
from rich.table import Table

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import cell, console
from clickstream.config import CLIENT_SECTIONS, SETTINGS
from clickstream.kafka import properties


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
    sections = {**app.config.clients, "kafka": app.client_properties()}
    for section in CLIENT_SECTIONS:
        for name, text in sorted(properties.redact(sections[section]).items()):
            table.add_row(cell(f"[{section}] {name}"), cell(text), "client property")
    console().print(table)
