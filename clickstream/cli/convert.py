"""`clickstream convert`: a topic of Avro as one of JSON, and back."""

from functools import partial

import click

from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options, metrics_options, setting
from clickstream.cli.registry import avro_needed, encoder_for, needed_registry, registry_options, schema_text
from clickstream.cli.transform import options_of, run_transform
from clickstream.errors import ConfigError


@click.command("convert")
@click.option("--from", "from_topic", required=True, metavar="TOPIC", shell_complete=complete.topics, help="To read.")
@click.option("--to", "to_topic", required=True, metavar="TOPIC", shell_complete=complete.topics, help="To write.")
@click.option("--to-format", type=click.Choice(["avro", "json"]), required=True, help="What --to gets.")
@registry_options
@click.option("--schema", metavar="NAME|FILE", help="With avro: the schema.  [default: the latest of the subject]")
@click.option("--subject", metavar="SUBJECT", help="With avro: where the schema is.  [default: TO-value]")
@click.option("--auto-register", is_flag=True, help="With --schema: register it if the subject does not have it.")
@click.option(
    "--unknown-schema",
    type=click.Choice(["wait", "dead-letter"]),
    default="wait",
    show_default=True,
    help="With json: what becomes of a record whose schema the registry does not know.",
)
@click.option("--name", metavar="NAME", help="Tells apart conversions between the same topics.  [default: FROM-to-TO]")
@setting("dead-letter-topic", "--dead-letter-topic")
@click.option("--exit-at-end", is_flag=True, help="Leave when the topic is read to its end.")
@click.option("--reset", "start_over", is_flag=True, help="Forget how far it came: all records are converted again.")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@metrics_options
@cluster_options
def command(
    app: App,
    from_topic: str,
    to_topic: str,
    to_format: str,
    schema: str | None,
    subject: str | None,
    auto_register: bool,
    unknown_schema: str,
    name: str | None,
    exit_at_end: bool,
    start_over: bool,
    quiet: bool,
) -> None:
    """Write a topic of Avro with a schema registry as JSON, or one of JSON as Avro.

    Each record is written exactly once, in its order, with its key, headers and time: results and place are one Kafka
    transaction. A record that is no Avro, or that has no place in the schema, goes to the dead-letter topic with the
    reason. While the registry is away, records wait. A registry that was wiped ends the command.

    \b
    Examples:
      clickstream convert --from clickstream --to clickstream-avro --to-format avro --schema web-click
      clickstream convert --from orders --to orders-json --to-format json
    """
    with avro_needed():
        from clickstream.transform import convert
    if to_format == "json" and (schema or subject or auto_register):
        raise ConfigError("--schema, --subject and --auto-register go with --to-format avro.")
    if auto_register and schema is None:
        raise ConfigError("--auto-register needs --schema: what is to be registered.")
    # Nothing is gained by many calls under way in one process; a commit is worth many records.
    more = {"in_flight": 1_000, "exit_at_end": exit_at_end, "start_over": start_over}
    options = options_of(app, from_topic, to_topic, name, **more)
    registry = needed_registry(app)
    if to_format == "json":
        call = partial(convert.to_json, registry, unknown_waits=unknown_schema == "wait")
    else:
        text = None if schema is None else schema_text(schema)
        subject = subject or f"{to_topic}-value"
        encoder = partial(encoder_for, registry, subject, text, register=auto_register)
        call = partial(convert.to_avro, registry, encoder)
    run_transform(app, call, options, quiet=quiet)
