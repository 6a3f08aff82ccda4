"""`clickstream groups`: consumer groups and their lag; wiring only."""

import click

from clickstream import terminal
from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import echo_json, formats, say, show
from clickstream.inspect import groups, shapes, text
from clickstream.inspect.groups import Group, Progress
from clickstream.screen.layout import Column


@click.group("groups")
def command() -> None:
    """Consumer groups and their lag."""


@command.command("list")
@formats()
@cluster_options
def list_(app: App, json: bool) -> None:
    """List consumer groups with their state, members and lag.

    LAG is how many offsets a group has yet to read, over all partitions that it has committed; transactions and
    compaction leave offsets without records, so it may never reach 0 there. `-` is unknown; if it cannot be read,
    a warning names the group and says why.

    \b
    Example:
      clickstream groups list
    """
    with app.connect() as cluster:
        found = groups.groups(cluster, cluster.admin())
    for one in found:
        _warn_of_problem(one)
    if json:
        echo_json(*map(shapes.group, found))
    elif found:
        rows = [
            [one.name, one.state or "-", _number_of_members(one), text.count(one.lag), ", ".join(one.topics)]
            for one in found
        ]
        show(_GROUPS, rows)
    else:
        click.echo(f"No consumer groups at {cluster.address}.", err=True)


@command.command("describe")
@click.argument("group", shell_complete=complete.groups)
@formats(with_csv=False)
@cluster_options
def describe(app: App, group: str, json: bool) -> None:
    """Show a group's lag per partition, and its members.

    COMMITTED is the offset that the group reads next, END the one that the partition's next record will get; LAG
    is the difference. `-` is unknown: nothing committed yet, or the partition has no leader or is gone.

    \b
    Example:
      clickstream groups describe clickstream-counter.event-topic.eventName
    """
    with app.connect() as cluster:
        found = groups.group(cluster, cluster.admin(), group)
    _warn(found)
    if json:
        echo_json(shapes.group_description(found))
        return
    members = "1 member" if _number_of_members(found) == "1" else f"{_number_of_members(found)} members"
    say(f"{terminal.escaped(found.name)}: {found.state or 'state unknown'}, {members}, lag {text.count(found.lag)}")
    if found.progress:
        rows = [_progress_row(one) for one in found.progress]
        show(_PROGRESS, rows)
    if found.members:
        click.echo()
        rows = [[one.id, one.client, one.host, str(len(one.partitions))] for one in found.members]
        show(_MEMBERS, rows)


_GROUPS = [
    Column("GROUP", cut=24),
    Column("STATE", rank=1),
    Column("MEMBERS", rank=2, right=True),
    Column("LAG", right=True),
    Column("TOPICS", rank=3, cut=16, listed=True),
]
_PROGRESS = [
    Column("TOPIC", cut=12),
    Column("PARTITION", right=True),
    Column("COMMITTED", rank=1, right=True),
    Column("END", rank=2, right=True),
    Column("LAG", right=True),
    Column("MEMBER", rank=3, cut=12),
]
_MEMBERS = [
    Column("MEMBER", cut=12),
    Column("CLIENT", rank=2, cut=8),
    Column("HOST", rank=1, cut=8),
    Column("PARTITIONS", right=True),
]


def _number_of_members(found: Group) -> str:
    return text.count(None if found.members is None else len(found.members))


def _warn_of_problem(found: Group) -> None:
    if found.problem:
        say(terminal.escaped(f"Warning: {found.name}: {found.problem}"), err=True)


def _warn(found: Group) -> None:
    _warn_of_problem(found)
    for one in found.progress:
        if one.lag is not None and one.lag < 0:
            say(
                f"Warning: {one.topic} partition {one.partition} ends at {one.end}, before the offset that the group "
                f"committed, {one.committed}: the topic was recreated.",
                err=True,
            )


def _progress_row(one: Progress) -> list[str]:
    return [
        one.topic,
        str(one.partition),
        text.count(one.committed),
        text.count(one.end),
        text.count(one.lag),
        one.member.id if one.member else "-",
    ]
