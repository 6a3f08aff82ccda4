"""`clickstream groups`: consumer groups and their lag; wiring only."""

from typing import Any

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import as_json, echo_json, show
from clickstream.inspect import groups, text
from clickstream.inspect.groups import Group, Progress


@click.group("groups")
def command() -> None:
    """Consumer groups and their lag."""


@command.command("list")
@as_json
@cluster_options
def list_(app: App, json: bool) -> None:
    """List consumer groups with their state, members and lag.

    LAG is how many offsets a group has yet to read, over all partitions that it has committed; transactions and
    compaction leave offsets without records, so it may never reach 0 there.

    \b
    Example:
      clickstream groups list
    """
    with app.connect() as cluster:
        found = groups.groups(cluster, cluster.admin())
    if json:
        echo_json(*map(_summary, found))
    elif found:
        rows = [
            [one.name, one.state, str(len(one.members)), text.count(one.lag), ", ".join(one.topics)] for one in found
        ]
        show(("GROUP", "STATE", "MEMBERS", "LAG", "TOPICS"), rows, frozenset({"MEMBERS", "LAG"}))
    else:
        click.echo(f"No consumer groups at {cluster.address}.", err=True)


@command.command("describe")
@click.argument("group")
@as_json
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
        echo_json(_details(found))
        return
    members = "1 member" if len(found.members) == 1 else f"{len(found.members)} members"
    click.echo(f"{text.escaped(found.name)}: {found.state}, {members}, lag {text.count(found.lag)}")
    if found.progress:
        rows = [_progress_row(one) for one in found.progress]
        header = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER")
        show(header, rows, frozenset({"PARTITION", "COMMITTED", "END", "LAG"}))
    if found.members:
        click.echo()
        rows = [[one.id, one.client, one.host, str(len(one.partitions))] for one in found.members]
        show(("MEMBER", "CLIENT", "HOST", "PARTITIONS"), rows, frozenset({"PARTITIONS"}))


def _warn(found: Group) -> None:
    for one in found.progress:
        if one.lag is not None and one.lag < 0:
            click.echo(
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


def _summary(found: Group) -> dict[str, Any]:
    return {
        "group": found.name,
        "state": found.state,
        "type": found.kind,
        "members": len(found.members),
        "lag": found.lag,
        "topics": found.topics,
    }


def _details(found: Group) -> dict[str, Any]:
    return {
        **_summary(found),
        "members": [{"id": one.id, "client": one.client, "host": one.host} for one in found.members],
        "partitions": [
            {
                "topic": one.topic,
                "partition": one.partition,
                "committed": one.committed,
                "end": one.end,
                "lag": one.lag,
                "member": one.member and one.member.id,
            }
            for one in found.progress
        ],
    }
