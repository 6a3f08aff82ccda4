"""`clickstream druid`; wiring only."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import echo_json, formats, reader_may_leave, say, show
from clickstream.inspect import text
from clickstream.screen.layout import Column

if TYPE_CHECKING:
    from clickstream.druid.check import Check, Partition, Reset


@click.group("druid")
def command() -> None:
    """Apache Druid, which reads topics by supervisors of its own."""


@command.command("check")
@click.argument("supervisor")
@click.option(
    "--url",
    default="http://localhost:8888",
    show_default=True,
    metavar="URL",
    help="Of Druid's router or overlord.",
)
@formats(with_csv=False)
@cluster_options
def check(app: App, supervisor: str, url: str, json: bool) -> None:
    """Compare a Kafka supervisor's offsets with its topic, and say what a reset would cost.

    PUBLISHED is the offset up to which records are in segments, READ that up to which tasks have read; `-` is unknown.
    Exit code 1 if something is wrong: the supervisor does not read, records were deleted before it read them, or
    the topic was recreated.

    \b
    Example:
      clickstream druid check web-events --url http://localhost:8888
    """
    from clickstream.druid.api import Api
    from clickstream.druid.check import check as check_supervisor

    api = Api(url)
    with app.connect() as cluster:
        found = check_supervisor(cluster, cluster.admin(), api, supervisor)
        if found.supervisor.bootstrap != cluster.address:
            reads = found.supervisor.bootstrap
            say(f"The supervisor reads from {reads}; compared with Kafka at {cluster.address}.", err=True)
    with reader_may_leave():  # the exit code is the verdict, whoever reads the rest
        if json:
            echo_json(_shape(found))
        else:
            say(f"{found.supervisor.id}: {found.supervisor.state}, reads {found.supervisor.topic}")
            show(_COLUMNS, [_row(one) for one in found.partitions])
            say(_words(found.reset))
    for problem in found.problems:
        say(f"Wrong: {problem}.", err=True)
    if found.problems:
        sys.exit(1)


_COLUMNS = [
    Column("PARTITION", right=True),
    Column("PUBLISHED", rank=2, right=True),
    Column("READ", right=True),
    Column("BEGIN", rank=1, right=True),
    Column("END", right=True),
    Column("LAG", right=True),
]


def _row(one: "Partition") -> list[str]:
    place, limits = one.place, one.limits
    figures = [
        place.published if place else None,
        place.read if place else None,
        limits.low if limits else None,
        limits.high if limits else None,
        one.lag,
    ]
    return [str(one.number), *map(text.count, figures)]


def _words(reset: "Reset") -> str:
    begins = "beginning" if reset.earliest else "end"
    said = f"A reset would go on from the {begins} of the topic: {reset.read:,} records to read"
    if reset.doubled is None or reset.lost is None:
        return f"{said}; how many of them Druid has, it does not tell."
    return f"{said}, {reset.doubled:,} of them twice in Druid then; {reset.lost:,} lost."


def _shape(found: "Check") -> dict[str, Any]:
    supervisor = found.supervisor
    return {
        "supervisor": supervisor.id,
        "topic": supervisor.topic,
        "state": supervisor.state,
        "healthy": supervisor.healthy,
        "suspended": supervisor.suspended,
        "partitions": [
            {
                "partition": one.number,
                "published": one.place and one.place.published,
                "read": one.place and one.place.read,
                "begin": one.limits and one.limits.low,
                "end": one.limits and one.limits.high,
                "lag": one.lag,
                "problem": one.problem or None,
            }
            for one in found.partitions
        ],
        "reset": asdict(found.reset),
        "problems": found.problems,
    }
