"""`clickstream topics`: wiring only; what is shown is worked out in clickstream/inspect."""

from pathlib import Path

import click

from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import echo_json, formats, parsed, partition_count, reader_may_leave, say, show
from clickstream.cli.streams import on_terminal
from clickstream.cli.topics.listing import list_
from clickstream.cli.topics.produce import produce_
from clickstream.cli.topics.records import export_, tail_
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.inspect import details, offsets, shapes, text
from clickstream.inspect.details import PartitionDetails
from clickstream.inspect.names import is_internal, must_exist
from clickstream.kafka.admin import delete, metadata
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.screen.layout import Column
from clickstream.topics import MAX_NUMBER, Declared, declared, ensure, legal_name


def _key_value(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals or not key:
        raise ValueError("KEY=VALUE is expected, for example retention.ms=3600000")
    return key, value


@click.group("topics")
def command() -> None:
    """Create, list, describe, tail, fill, export and delete topics."""


@click.command("create")
@click.argument("names", nargs=-1, metavar="[NAME]...", callback=parsed(legal_name))
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Declared topics (TOML).  [default: config/topics.toml]",
)
@click.option("--partitions", type=click.IntRange(1, MAX_NUMBER), help="Partitions of the named topics.")
@click.option(
    "--replication-factor", "replication", type=click.IntRange(1, MAX_NUMBER), help="Replicas of each partition."
)
@click.option(
    "-c",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parsed(_key_value),
    help="A topic setting such as retention.ms or cleanup.policy; repeat it.",
)
@cluster_options
def create(
    app: App,
    names: tuple[str, ...],
    file: Path | None,
    partitions: int | None,
    replication: int | None,
    settings: tuple[tuple[str, str], ...],
) -> None:
    """Create the declared topics, or only those with the given names.

    A name that is not declared gets the given partitions, replication factor and settings, else the broker's
    defaults; for a declared name they go before its declaration. A topic that is there already is left as it
    is: where it differs, a warning says so, and the exit code is still 0.

    \b
    Examples:
      clickstream topics create
      clickstream topics create clicks --partitions 6 -c retention.ms=86400000 -c cleanup.policy=delete
    """
    if not names and (partitions or replication or settings):
        raise click.UsageError("--partitions, --replication-factor and -c need the NAME of the topic to create.")
    known = declared(file)
    chosen = [_with(known.get(name, Declared(name)), partitions, replication, dict(settings)) for name in names]
    with app.connect() as cluster:
        admin = cluster.admin()
        for topic in chosen or known.values():
            if ensure(cluster, [topic]):
                found = metadata(cluster, admin).get(topic.name, {})
                with reader_may_leave():
                    click.echo(f"Created {topic.name}" + (f" ({partition_count(len(found))})." if found else "."))
            else:
                _report_differences(cluster, admin, topic)


def _with(topic: Declared, partitions: int | None, replication: int | None, settings: dict[str, str]) -> Declared:
    return Declared(
        topic.name, partitions or topic.partitions, replication or topic.replication, {**topic.config, **settings}
    )


def _report_differences(cluster: Cluster, admin: Admin, topic: Declared) -> None:
    partitions = metadata(cluster, admin).get(topic.name, {})
    try:
        found = details.config(cluster, admin, topic.name) if topic.config else {}
    except ClickstreamError as error:
        say(f"Warning: {topic.name} is there, but its settings cannot be compared: {error}", err=True)
        return
    differences = details.differences(topic, partitions, found)
    if differences:
        say(f"Warning: {topic.name} is there and was not changed: {'; '.join(differences)}.", err=True)
    else:
        with reader_may_leave():
            click.echo(f"{topic.name} is there already.")


@click.command("describe")
@click.argument("name", shell_complete=complete.topics)
@formats(with_csv=False)
@cluster_options
def describe(app: App, name: str, json: bool) -> None:
    """Show a topic's partitions and settings.

    For each partition: its leader, replicas and in-sync replicas by broker id, its first offset (LOW) and the
    one that its next record will get (HIGH). Then the settings that are not Kafka's defaults. A topic that is
    deleted and recreated has another id. Who may not see the settings gets the rest, and a line that says so.

    \b
    Example:
      clickstream topics describe event-topic
    """
    with app.connect() as cluster:
        admin = cluster.admin()
        topics = metadata(cluster, admin)
        must_exist(cluster, [name], topics)
        found = details.details(cluster, admin, name, topics[name])
    if json:
        echo_json(shapes.topic_description(found))
        return
    say(f"{found.name}, id {found.topic_id}, {partition_count(len(found.partitions))}")
    rows = [_partition_row(partition) for partition in found.partitions]
    show(_PARTITIONS, rows)
    if found.config is None:
        say(f"configuration: not allowed (DescribeConfigs on topic {found.name})")
    elif found.config:
        click.echo()
        show(_SETTINGS, [[key, one.value, one.source] for key, one in found.config.items()])


_PARTITIONS = [
    Column("PARTITION", right=True),
    Column("LEADER", rank=2, right=True),
    Column("REPLICAS", rank=3, cut=8),
    Column("ISR", rank=1, cut=8),
    Column("LOW", right=True),
    Column("HIGH", right=True),
]
_SETTINGS = [Column("SETTING"), Column("VALUE", cut=16, fold=True), Column("SET BY", rank=1, cut=8)]


def _partition_row(partition: PartitionDetails) -> list[str]:
    limits = partition.limits
    return [
        str(partition.number),
        "none" if partition.leader < 0 else str(partition.leader),
        ",".join(map(str, partition.replicas)),
        ",".join(map(str, partition.isr)),
        text.count(None if limits is None else limits.low),
        text.count(None if limits is None else limits.high),
    ]


@click.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.topics)
@click.option("--yes", is_flag=True, help="Do not ask; needed when there is no terminal to ask on.")
@cluster_options
def delete_(app: App, names: tuple[str, ...], yes: bool) -> None:
    """Delete topics and all their records, for good.

    Kafka's own topics (their names begin with __) are refused, and if one of the names does not exist, none is
    deleted.

    \b
    Example:
      clickstream topics delete old-clicks older-clicks --yes
    """
    internal = [name for name in names if is_internal(name)]
    if internal:
        raise ConfigError(f"{', '.join(internal)}: Kafka needs its own topics; they are not deleted.")
    names = tuple(dict.fromkeys(names))
    with app.connect() as cluster:
        records = _records(cluster, names)
        if not yes:
            _ask(names, records, cluster.address)
        for name in names:
            delete(cluster, [name])
            with reader_may_leave():
                click.echo(f"Deleted {name}.")


def _records(cluster: Cluster, names: tuple[str, ...]) -> int:
    """Records in all of the topics; raises ClickstreamError when one does not exist."""
    admin = cluster.admin()
    topics = metadata(cluster, admin)
    must_exist(cluster, names, topics)
    found = offsets.limits(cluster, admin, offsets.led(topics, names))
    return sum(limit.span for limit in found.values())


def _ask(names: tuple[str, ...], records: int, address: str) -> None:
    if not on_terminal():
        raise ConfigError("Deleting topics cannot be undone; without a terminal to ask on, say --yes.")
    if not click.confirm(f"Delete {', '.join(names)} with {text.count(records)} records at {address}?", err=True):
        click.echo("Nothing was deleted.", err=True)
        raise click.exceptions.Exit(1)


for _subcommand in (create, list_, describe, tail_, produce_, export_, delete_):
    command.add_command(_subcommand)
