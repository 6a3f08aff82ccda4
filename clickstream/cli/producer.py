"""`clickstream run-producer`."""

import secrets
from collections.abc import Mapping

import click

from clickstream.cli.options import SECONDS, App, allow_control_option, cluster_options, metrics_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.cli.registry import Written, encode_for, written_options
from clickstream.generate.products import ProductEvents
from clickstream.kafka.produce import Sender, must_be_acknowledged
from clickstream.producer import EventProducer
from clickstream.records import EVENT_NAMES
from clickstream.stop import Stop
from clickstream.topics import ensure


class _Weight(click.ParamType[tuple[str, float]]):
    name = "NAME=WEIGHT"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        name, _, text = value.partition("=")
        try:
            weight = float(text)
        except ValueError:
            weight = -1.0
        if name not in EVENT_NAMES:
            self.fail(f"{name!r} is no event; choose from {', '.join(EVENT_NAMES)}.", param, ctx)
        if not 0 <= weight < 1e9:
            self.fail(f"{value!r}: write NAME=WEIGHT with a weight of 0 or more, such as purchase=3.", param, ctx)
        return name, weight


def chosen_weights(pairs: tuple[tuple[str, float], ...]) -> Mapping[str, float] | None:
    """Weights by name, or None for all alike; raises click.BadParameter when all are 0."""
    weights = dict(pairs)
    if weights and not any(weights.values()):
        raise click.BadParameter("at least one --event needs a weight above 0.")
    return weights or None


@click.command("run-producer")
@setting("run-producer.topic", "--topic")
@click.option("--count", type=click.IntRange(min=0), metavar="N", help="Stop after N events.")
@click.option("--duration", type=SECONDS, metavar="TIME", help="Stop after this time, such as 90s or 2m.")
@setting("run-producer.rate", "--rate")
@setting("run-producer.threads", "--threads")
@click.option("--seed", type=int, help="Same seed and count: the same keys and events but for their date.")
@click.option(
    "--event", "events", type=_Weight(), multiple=True, help="Only the named events, in these proportions; repeat it."
)
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@written_options
@allow_control_option
@metrics_options
@cluster_options
def command(
    app: App,
    count: int | None,
    duration: float | None,
    seed: int | None,
    events: tuple[tuple[str, float], ...],
    quiet: bool,
    written: Written,
    allow_control: bool,
) -> None:
    """Emit random product events, until stopped or as many as asked for.

    \b
    Example: a million events as fast as possible
      clickstream run-producer --count 1000000 --rate max

    Ends with the events produced, acknowledged and failed; exit code 1 if any failed.
    """
    stream = ProductEvents(secrets.randbits(64) if seed is None else seed, chosen_weights(events))
    topic, rate = app.config["run-producer.topic"], app.config["run-producer.rate"]
    encode = encode_for(app, written, {"event-topic": topic})
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [topic])
        producer = EventProducer(
            Sender(cluster.producer(patient=True), stop, encode),
            topic,
            stream,
            threads=app.config["run-producer.threads"],
            rate=rate,
            count=count,
            allow_control=allow_control,
        )
        expected = _expected(count, duration, rate)
        run_part(
            app,
            cluster,
            producer,
            stop,
            showing=progress(producer, "acknowledged", total=expected, quiet=quiet),
            summary=lambda: summary(producer),
            duration=duration,
            allow_control=allow_control,
            verify=lambda: must_be_acknowledged("events", producer.sender),
        )


def _expected(count: int | None, duration: float | None, rate: float) -> int | None:
    """How many events a bounded run will make, as far as that is known beforehand."""
    in_time = round(duration * rate) if duration is not None and rate < float("inf") else None
    bounds = [bound for bound in (count, in_time) if bound is not None]
    return min(bounds) if bounds else None


def summary(producer: EventProducer) -> str:
    """The last line of the command."""
    totals = producer.totals()
    return f"Produced {totals['sent']:,}, acknowledged {totals['acknowledged']:,}, failed {totals['failed']:,}."
