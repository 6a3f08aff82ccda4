"""`clickstream sink rabbitmq`; wiring only."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.sink.options import (
    Running,
    input_options,
    ledger_options,
    name_option,
    needed_url,
    options_of,
    running_options,
    url_file_option,
)
from clickstream.cli.sink.running import plan_messages, run_sink, topic_ledger
from clickstream.cli.tables.file import extra_needed
from clickstream.kafka.clients import Cluster
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.sinks.model import Input
    from clickstream.sinks.rabbitmq.target import Where

VARIABLE = "CLICKSTREAM_SINK_RABBITMQ"


_TARGET = (
    click.option("--url", metavar="AMQP-URL", help=f"amqp://user:password@host:5672/vhost; better in {VARIABLE}."),
    url_file_option,
    click.option("--exchange", default="", metavar="NAME", help="Where to; without it, to queues by their names."),
    click.option("--routing-key", metavar="KEY", help="Of all messages; without it, the topic's name."),
    click.option(
        "--queue", "queues", multiple=True, metavar="NAME", help="Has to exist, or nothing is sent; repeat it."
    ),
    *ledger_options("RabbitMQ"),
)


def _target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where messages go: handed on as pika's `parameters`, `to`, and `moved`."""

    @functools.wraps(command)
    def with_target(
        *args: Any,
        url: str | None,
        url_file: Path | None,
        exchange: str,
        routing_key: str | None,
        queues: tuple[str, ...],
        **others: Any,
    ) -> Any:
        given = needed_url("Where is RabbitMQ? Give its URL", url, url_file, VARIABLE)
        with extra_needed():
            from clickstream.sinks.rabbitmq.target import Where, parameters_of
        return command(*args, parameters=parameters_of(given), to=Where(exchange, routing_key, queues), **others)

    return options_of(_TARGET)(with_target)


@click.command("rabbitmq")
@input_options
@_target
@running_options
def command(
    app: App,
    found: "list[Input]",
    parameters: Any,
    to: "Where",
    moved: bool,
    running: Running,
) -> None:
    """Publish results to RabbitMQ, as JSON, each confirmed before the next start goes on after it.

    At least once: message_id (topic/partition/offset) tells a repeat. What no queue takes goes to the dead-letter
    topic. How far it is stands in the topic clickstream-sinks.

    \b
    Examples:
      clickstream sink rabbitmq vip-action --url amqp://localhost
      clickstream sink rabbitmq config/tables/clickstream.sql --only errors_per_min \\
        --exchange alerts --routing-key errors
    """
    from clickstream.sinks.inputs import for_messages
    from clickstream.sinks.rabbitmq.target import RabbitTarget, where_of
    from clickstream.sinks.sink import Options

    found = [for_messages(one) for one in found]
    stop = Stop()

    def make(cluster: Cluster) -> Any:
        where = where_of(parameters, to.exchange)
        ledger = topic_ledger(app, cluster, RabbitTarget.kind, where, stop, moved=moved)
        return RabbitTarget(parameters, to, ledger, stop)

    options = Options(running.name, running.early, running.exit_at_end)
    run_sink(app, make, found, options, running, stop)


@click.command("rabbitmq")
@input_options
@_target
@name_option
@cluster_options
def plan(app: App, found: "list[Input]", parameters: Any, to: "Where", moved: bool, name: str) -> None:
    """What `sink rabbitmq` would publish with the same arguments; nothing is sent.

    Prints where messages would go, how much is to be read, and what stands in the way, such as a queue that does not
    exist: then the exit code is 1.
    """
    from clickstream.sinks.rabbitmq.target import RabbitTarget, look, where_of

    def goes_to(one: "Input") -> str:
        key = to.key_for(one.topic)
        return f"exchange {to.exchange}, routing key {key}" if to.exchange else f"queue {key}"

    plan_messages(
        app,
        found,
        name,
        RabbitTarget.kind,
        where_of(parameters, to.exchange),
        goes_to,
        moved=moved,
        look=lambda: look(parameters, to, found, Stop()),
    )
