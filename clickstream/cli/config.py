"""`clickstream config`."""

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import show as print_table
from clickstream.config import SETTINGS
from clickstream.errors import ConfigError
from clickstream.kafka import properties
from clickstream.kafka.given import SECTIONS, texts
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
        shown = _state_dir(app) if name == "state-dir" else app.config.shown(name)
        rows.append([name, shown, app.config.values[name].source])
    rows += [[name, app.config.shown(name), value.source] for name, value in sorted(app.config.options.items())]
    for section in SECTIONS:
        found = app.config.clients[section]
        redacted = properties.redact(texts(found))
        rows += [[f"[{section}] {name}", redacted[name], found[name].source] for name in sorted(found)]
    print_table([Column("SETTING", cut=20), Column("VALUE", cut=16, fold=True), Column("FROM", rank=1, cut=12)], rows)


def _state_dir(app: App) -> str:
    try:
        return str(app.state_dir)
    except ConfigError:
        return app.config.shown("state-dir")  # in no home; what needs it says so
