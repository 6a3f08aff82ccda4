"""`clickstream config`."""

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import show as print_table
from clickstream.config import CLIENT_SECTIONS, SETTINGS
from clickstream.kafka import properties
from clickstream.screen.layout import Column


@click.group("config")
def command() -> None:
    """Settings and where their values come from."""


@command.command("show")
@cluster_options
def show(app: App) -> None:
    """Print every setting with its value and source, and the Kafka client's properties; secrets are hidden."""
    rows: list[list[str]] = []
    for name in SETTINGS:
        value = app.config.values[name]
        rows.append([name, str(app.state_dir if name == "state-dir" else value.value), value.source])
    sections = {**app.config.clients, "kafka": app.client_properties()}
    for section in CLIENT_SECTIONS:
        for name, text in sorted(properties.redact(sections[section]).items()):
            rows.append([f"[{section}] {name}", text, "client property"])
    print_table([Column("SETTING", cut=20), Column("VALUE", cut=16, fold=True), Column("FROM", rank=1, cut=12)], rows)
