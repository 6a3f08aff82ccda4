"""`clickstream demo`."""

import importlib
import logging
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from clickstream.cli.collector import Flags, collector
from clickstream.cli.collector import needed as collecting_needed
from clickstream.cli.collector import say_address as say_collector
from clickstream.cli.dashboard import MADE_UP, dashboard, needed, say_address
from clickstream.cli.options import (
    SECONDS,
    App,
    allow_control_option,
    cluster_options,
    metrics_options,
    setting,
    stop_event,
)
from clickstream.cli.tables.file import extra_needed
from clickstream.counter import Counter
from clickstream.demo.demo import Demo, explain_outcome
from clickstream.demo.view import shown
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.generate.products import ProductEvents
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part, run_noting_failure
from clickstream.parts.renewed import Renewed
from clickstream.parts.threads import Threads
from clickstream.parts.watch import watched
from clickstream.producer import EventProducer
from clickstream.stop import Stop
from clickstream.tally.options import CounterOptions
from clickstream.topics import ensure

if TYPE_CHECKING:
    from clickstream.demo.tables import Beside
    from clickstream.ui.server import Dashboard

log = logging.getLogger(__name__)

INTERVAL_S = 0.5
READY_WITHIN_S = 5.0
# Less than a command of one part allows: the counter ends after the producer, and a last word to Kafka comes on top.
DRAIN_BY_SIGNAL_S: Mapping[int, float] = {signal.SIGINT: 14.0, signal.SIGTERM: 5.0, signal.SIGHUP: 5.0}


@click.command("demo")
@click.option("--duration", type=SECONDS, metavar="TIME", help="Stop after this time, such as 90s or 2m.")
@click.option(
    "--only",
    type=click.Choice(["heart"]),
    help="heart: producer and counter alone, without the made-up clicks and the tables over them.",
)
@click.option("--open", "open_", is_flag=True, help="Open the dashboard in the browser of this desktop.")
@click.option("--no-ui", is_flag=True, help="Without the dashboard.")
@setting("run-producer.rate", "--rate")
@allow_control_option
@metrics_options
@cluster_options
def command(app: App, duration: float | None, only: str | None, open_: bool, no_ui: bool, allow_control: bool) -> None:
    """Watch events become tallies and clicks become tables: all parts at once, on a Kafka that starts itself.

    Produces to event-topic, counts it, and publishes the tally to unique-event-topic. Beside that, visitors of a
    web site and customers of a shop are made up, and the shipped tables are computed from what they do. A collector
    takes what you do yourself in a demo shop. All of it is in the dashboard; the addresses of all three are printed.
    Ctrl-C drains and ends; the exit code is 0 when every event that
    this run had acknowledged was counted, once.

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
    with (
        app.connect() as cluster,
        nullcontext() if no_ui else _dashboard(app, cluster, stop, open_, allow_control),
        nullcontext(()) if only == "heart" else _collecting(app, cluster, stop) as collecting,
    ):
        ensure(cluster, [topic, tallies])
        producer = EventProducer(
            Sender(cluster.producer(patient=True), stop),
            topic,
            ProductEvents(secrets.randbits(64)),
            threads=app.config["run-producer.threads"],
            rate=app.config["run-producer.rate"],
            allow_control=allow_control,
        )
        counter = Renewed(cluster, lambda _former: Counter(cluster, options))
        beside = None if only == "heart" else _beside(app, cluster, allow_control)
        status_topic = app.config["status-topic"]
        control_topic = app.config["control-topic"] if allow_control else None
        stop_event(stop, DRAIN_BY_SIGNAL_S)
        try:
            with ExitStack() as parts:
                every = [producer, counter, *(beside.parts if beside is not None else ()), *collecting]
                parts.enter_context(
                    watched(cluster, every, status_topic=status_topic, metrics=app.metrics, control_topic=control_topic)
                )
                show = parts.enter_context(shown())
                at_its_side = (beside.lines, beside.minutes, beside.ask_to_stop) if beside is not None else ()
                demo = Demo(cluster.address, producer, counter, *at_its_side)
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


@contextmanager
def _dashboard(app: App, cluster: Cluster, stop: Stop, open_page: bool, control: bool) -> Iterator[None]:
    """The dashboard on a thread of its own, until `stop` is set; what stops it is said, and stops nothing else."""
    try:
        needed()
    except ConfigError as missing:
        click.echo(str(missing), err=True)
        yield
        return
    from clickstream.serving.listening import listen

    thread = Threads(lambda: log.error("The dashboard has stopped: %s", thread.problem))
    folder = app.state_dir / "ui"
    with closing(listen(app.config["ui.host"], app.config["ui.port"], or_any=True)) as listening:
        ready = threading.Event()

        def said(part: "Dashboard") -> None:
            say_address(part, open_page=open_page, folder=folder)
            ready.set()

        part = dashboard(app, cluster, listening, control=control, geo=MADE_UP, on_ready=said)
        thread.start(part.run, stop)
        try:
            # Before a live view takes the screen.
            ready.wait(READY_WITHIN_S)
            yield
        finally:
            stop.set()
            thread.wait()


@contextmanager
def _collecting(app: App, cluster: Cluster, stop: Stop) -> Iterator[Sequence[Part]]:
    """A collector, and the demo shop that tells it what is clicked there, each on a thread of its own, until `stop` is
    set; what stops one is said, and stops nothing else."""
    try:
        collecting_needed()
    except ConfigError as missing:
        click.echo(str(missing), err=True)
        yield ()
        return
    from clickstream.serving.listening import listen
    from clickstream.shop.shop import Shop

    config = app.config
    collects, sells = threading.Event(), threading.Event()
    collecting = Threads(lambda: log.error("The collector has stopped: %s", collecting.problem))
    selling = Threads(lambda: log.error("The shop has stopped: %s", selling.problem))

    with (
        closing(listen(config["collect.host"], config["collect.port"], or_any=True)) as listening,
        closing(listen(config["shop.host"], config["shop.port"], or_any=True)) as door,
        collector(app, cluster, listening, Flags(explain=True), on_ready=lambda _part: collects.set()) as part,
    ):
        shop = Shop(door, part.address, on_ready=sells.set)
        collecting.start(run_noting_failure, part, stop)
        selling.start(shop.run, stop)
        try:
            # Before a live view takes the screen.
            if collects.wait(READY_WITHIN_S) and sells.wait(READY_WITHIN_S):
                say_collector(part)
                click.echo(f"Shop, to click in: {shop.address}", err=True)
            yield (part,)
        finally:
            stop.set()
            selling.wait()
            collecting.wait()


def _beside(app: App, cluster: Cluster, allow_control: bool) -> "Beside":
    from clickstream.demo.tables import beside

    return beside(
        cluster,
        app.state_dir,
        dead_letter_topic=app.config["dead-letter-topic"],
        web_rate=app.config["generate-web.rate"],
        vip_rate=app.config["generate-vip.rate"],
        allow_control=allow_control,
    )
