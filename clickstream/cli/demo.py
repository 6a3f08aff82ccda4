"""`clickstream demo`."""

import importlib
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from clickstream.cli.options import SECONDS, App, cluster_options, metrics_options, setting, stop_event
from clickstream.cli.tables.file import extra_needed
from clickstream.counter import Counter
from clickstream.demo.demo import Demo, explain_outcome
from clickstream.demo.view import shown
from clickstream.errors import ClickstreamError
from clickstream.generate.products import ProductEvents
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.endpoint import Endpoint
from clickstream.parts.watch import watched
from clickstream.producer import EventProducer
from clickstream.stop import Stop
from clickstream.tally.options import CounterOptions
from clickstream.topics import ensure

if TYPE_CHECKING:
    from clickstream.demo.tables import Beside

INTERVAL_S = 0.5


@click.command("demo")
@click.option("--duration", type=SECONDS, metavar="TIME", help="Stop after this time, such as 90s or 2m.")
@click.option(
    "--only",
    type=click.Choice(["heart"]),
    help="heart: producer and counter alone, without the made-up clicks and the tables over them.",
)
@setting("run-producer.rate", "--rate")
@metrics_options
@cluster_options
def command(app: App, duration: float | None, only: str | None, run_producer__rate: float, metrics: Endpoint) -> None:
    """Watch events become tallies and clicks become tables: all parts at once, on a Kafka that starts itself.

    Produces to event-topic, counts it, and publishes the tally to unique-event-topic. Beside that, visitors of a
    web site and customers of a shop are made up, and the shipped tables are computed from what they do. Ctrl-C
    drains and ends; the exit code is 0 when every event that this run had acknowledged was counted, once.

    \b
    Example: 20 seconds at 5,000 events per second
      clickstream demo --duration 20 --rate 5000
    """
    topic, tallies = app.config["run-producer.topic"], app.config["run-counter.to-topic"]
    options = CounterOptions(
        from_topic=topic,
        to_topic=tallies,
        field=app.config["run-counter.field"],
        group=app.config["demo.group"],
        dead_letter_topic=app.config["dead-letter-topic"],
        interval=INTERVAL_S,
    )
    options.check()
    if only != "heart":
        with extra_needed(" (--only heart does without.)"):
            importlib.import_module("clickstream.demo.tables")
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [topic, tallies])
        producer = EventProducer(
            Sender(cluster.producer(), stop),
            topic,
            ProductEvents(secrets.randbits(64)),
            threads=app.config["run-producer.threads"],
            rate=run_producer__rate,
        )
        counter = Counter(cluster, options)
        beside = None if only == "heart" else _beside(app, cluster)
        status_topic = app.config["status-topic"]
        stop_event(stop)
        try:
            with ExitStack() as parts:
                every = [producer, counter, *(beside.parts if beside is not None else ())]
                parts.enter_context(watched(cluster, every, status_topic=status_topic, metrics=metrics))
                show = parts.enter_context(shown())
                looks = (beside.lines, beside.minutes) if beside is not None else ()
                demo = Demo(cluster.address, producer, counter, *looks)
                if beside is not None:
                    beside.start()
                    parts.callback(beside.stop)
                outcome = demo.run(stop, show, duration)
        except TimeoutError as late:
            raise ClickstreamError(
                f"Gave up: {late} took too long. See {topic} with: clickstream topics list"
            ) from None
        click.echo(explain_outcome(outcome, topic))
        if beside is not None:
            click.echo(beside.summary())
            if beside.problem is not None:
                raise ClickstreamError(
                    f"The tables stopped: {beside.problem} (--reset is an option of `clickstream tables run`; "
                    "--only heart leaves the tables out.)"
                )


def _beside(app: App, cluster: Cluster) -> "Beside":
    from clickstream.demo.tables import beside

    return beside(
        cluster,
        app.state_dir,
        dead_letter_topic=app.config["dead-letter-topic"],
        web_rate=app.config["generate-web.rate"],
        vip_rate=app.config["generate-vip.rate"],
    )
