"""`clickstream control`."""

import time
from typing import Literal

import click

from clickstream.cli import complete
from clickstream.cli.options import NOTHING_TO_DRAIN, App, Cast, cluster_options, stop_event
from clickstream.cli.output import say
from clickstream.cli.status import nothing_can_run
from clickstream.config import SETTINGS
from clickstream.errors import ClickstreamError
from clickstream.parts import commanding
from clickstream.parts.status import Reports
from clickstream.records import Action

_part = click.argument("part", shell_complete=complete.steerable)
_rate = Cast(SETTINGS["generate-web.rate"].cast, "R")


@click.group("control")
def command() -> None:
    """Pause running generators, change their rate, have them send late or malformed records.

    PART is the id of a running part, or its kind where only one of it runs: generate-web, generate-vip, producer.
    Generators heed commands when they were started with --allow-control. A command expires after 10 s.

    \b
    Examples:
      clickstream control pause generate-web
      clickstream control rate producer 5000
      clickstream control inject generate-vip late 20
    """


@command.command("pause")
@_part
@cluster_options
def pause(app: App, part: str) -> None:
    """Have a generator send nothing until it is resumed."""
    _ask(app, part, "pause")


@command.command("resume")
@_part
@cluster_options
def resume(app: App, part: str) -> None:
    """Have a paused generator go on; what it would have sent meanwhile is not made up for."""
    _ask(app, part, "resume")


@command.command("rate")
@_part
@click.argument("rate", type=_rate, metavar="R")
@cluster_options
def rate(app: App, part: str, rate: float) -> None:
    """Have a generator send R records per second from now on, or max: as fast as it can."""
    _ask(app, part, "rate", None if rate == float("inf") else rate)


@command.command("inject")
@_part
@click.argument("flaw", type=click.Choice(["late", "malformed"]))
@click.argument("number", type=click.IntRange(min=1), default=1, metavar="[N]")
@cluster_options
def inject(app: App, part: str, flaw: Literal["late", "malformed"], number: int) -> None:
    """Have N of the next records be late, or malformed.

    Late ones have a time that is earlier by a minute, or by the generator's --late-by. Malformed ones are cut off,
    not UTF-8, no object, with a text in the place of a number, or empty, in turn.
    """
    _ask(app, part, flaw, float(number))


def _ask(app: App, part: str, action: Action, value: float | None = None) -> None:
    if nothing_can_run(app):
        raise ClickstreamError("Nothing runs: the embedded Kafka is not running.")
    with app.connect() as cluster:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        reports = Reports(cluster, app.config["status-topic"])
        found = commanding.steerable(reports.look(stop), part, time.time())
        asked = commanding.command(found.id, action, value)
        answer = commanding.carry_out(cluster, app.config["control-topic"], reports, asked, stop)
    if not answer.done:
        raise ClickstreamError(f"{found.id} cannot do that: {answer.words}.")
    say(f"{found.id}: {answer.words}.")
