"""Running a part from the command line: watched, shown, stopped and summed up in one place."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

import click

from clickstream.cli.options import App, stop_after, stop_event
from clickstream.kafka.clients import Cluster
from clickstream.parts.part import Part, run_noting_failure
from clickstream.parts.watch import watched
from clickstream.stop import Stop


def run_part(
    app: App,
    cluster: Cluster,
    part: Part,
    stop: Stop,
    *,
    showing: AbstractContextManager[None],
    summary: Callable[[], str],
    watch: Sequence[Part] = (),
    duration: float | None = None,
    verify: Callable[[], None] = lambda: None,
    allow_control: bool = False,
    kafka_is_away: bool = False,
) -> None:
    """Run `part` until `stop` is set, its work is done, or `duration` seconds are over.

    From here on signals set `stop`; before, there is nothing to drain, and they end the process.
    Meanwhile it reports on the status topic and, with a port, to Prometheus, and `showing` shows how far it is. What
    consists of several parts gives them as `watch`: they report in its place. With `allow_control` those that can be
    steered do what is asked for on the control topic.
    With `kafka_is_away` it runs all the same, and reports once Kafka answers.
    `verify` raises what is wrong with the work of a part that has ended: then the part has failed, too.
    However it ends, `summary` is the last line on standard error. Raises what the part or `verify` raises.
    """
    stop_event(stop)
    try:
        with (
            watched(
                cluster,
                watch or [part],
                status_topic=app.config["status-topic"],
                metrics=app.metrics,
                control_topic=app.config["control-topic"] if allow_control else None,
                stop=stop,
                later=kafka_is_away,
            ),
            stop_after(duration, stop),
            showing,
        ):
            run_noting_failure(part, stop)
            verify()
    finally:
        with suppress(OSError):  # nobody reads it: what became of the part is told by the exit code
            click.echo(summary(), err=True)
