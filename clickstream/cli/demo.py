"""`clickstream demo`."""

import secrets

import click
from rich.console import Console

from clickstream.cli.options import SECONDS, App, cluster_options, setting, stop_event
from clickstream.counter import Counter
from clickstream.demo import Demo, explain_outcome
from clickstream.demo_view import shown
from clickstream.errors import ClickstreamError
from clickstream.generate.products import ProductEvents
from clickstream.kafka.produce import Sender
from clickstream.producer import EventProducer
from clickstream.tally.options import CounterOptions
from clickstream.topics import ensure
from clickstream.watch import watched

INTERVAL_S = 0.5


@click.command("demo")
@click.option("--duration", type=SECONDS, metavar="S", help="Stop after S seconds.")
@setting("run-producer.rate", "--rate")
@setting("metrics-port", "--metrics-port")
@cluster_options
def command(app: App, duration: float | None, run_producer__rate: float, metrics_port: int) -> None:
    """Watch events become tallies: producer and counter in one process, on a Kafka that starts itself.

    Produces to event-topic, counts it, and publishes the tally to unique-event-topic. Ctrl-C drains and ends;
    the exit code is 0 when every event that this run had acknowledged was counted, once.

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
    stop = stop_event()
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
        status_topic = app.config["status-topic"]
        try:
            with (
                watched(cluster, producer, status_topic=status_topic, metrics_port=metrics_port),
                watched(cluster, counter, status_topic=status_topic, metrics_port=0),
                shown(Console()) as show,
            ):
                outcome = Demo(cluster.address, producer, counter).run(stop, show, duration)
        except TimeoutError as late:
            raise ClickstreamError(
                f"Gave up: {late} took too long. See {topic} with: clickstream topics list"
            ) from None
        click.echo(explain_outcome(outcome, topic))
