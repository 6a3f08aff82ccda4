"""Running a part from the command line: watched, shown, stopped and summed up in one place."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import click

from clickstream.cli.options import App, stop_after, stop_event
from clickstream.kafka.clients import Cluster
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.part import Part
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
    metrics: Endpoint,
    watch: Sequence[Part] = (),
    duration: float | None = None,
) -> None:
    """Run `part` until `stop` is set, its work is done, or `duration` seconds are over.

    From here on signals set `stop`; before, there is nothing to drain, and they end the process.
    Meanwhile it reports on the status topic and, with a port, to Prometheus, and `showing` shows how far it is. What
    consists of several parts gives them as `watch`: they report in its place.
    However it ends, `summary` is the last line on standard error. Raises what the part raises.
    """
    stop_event(stop)
    try:
        with (
            watched(cluster, watch or [part], status_topic=app.config["status-topic"], metrics=metrics, stop=stop),
            stop_after(duration, stop),
            showing,
        ):
            part.run(stop)
    finally:
        click.echo(summary(), err=True)
