"""`clickstream config`."""

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import show as print_table
from clickstream.config import SETTINGS
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
        value = app.config.values[name]
        rows.append([name, str(app.state_dir if name == "state-dir" else value.value), value.source])
    rows += [[name, _text(value.value), value.source] for name, value in sorted(app.config.options.items())]
    for section in SECTIONS:
        found = app.config.clients[section]
        shown = properties.redact(texts(found))
        rows += [[f"[{section}] {name}", shown[name], found[name].source] for name in sorted(found)]
    print_table([Column("SETTING", cut=20), Column("VALUE", cut=16, fold=True), Column("FROM", rank=1, cut=12)], rows)


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " ".join(value)
