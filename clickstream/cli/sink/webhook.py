"""`clickstream sink webhook`; wiring only."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from clickstream.cli.options import SECONDS, App, cluster_options
from clickstream.cli.output import parsed
from clickstream.cli.sink.options import (
    Running,
    inputs_as,
    ledger_options,
    name_option,
    needed_url,
    options_of,
    running_options,
    url_file_option,
)
from clickstream.cli.sink.running import plan_messages, run_sink, topic_ledger
from clickstream.cli.tables.file import extra_needed
from clickstream.errors import ConfigError
from clickstream.inspect import position
from clickstream.kafka.clients import Cluster
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.sinks.documents import Cleaned
    from clickstream.sinks.model import Input
    from clickstream.sinks.webhook.message import Alert, Template

VARIABLE = "CLICKSTREAM_SINK_WEBHOOK"
QUESTION = "Where to post? Give the URL"
FEWEST_KEY_BYTES = 16

_inputs = inputs_as("--value-format")  # --format is that of the body

_RECEIVER = (
    click.option("--url", metavar="URL", help=f"Where to post, http or https; better in {VARIABLE}."),
    url_file_option,
    click.option("--from-start", is_flag=True, help="Also what is in the topic; else only what comes from now on."),
    click.option(
        "--from", "start", metavar="TIME", callback=parsed(position.parse), help="From a time on: 2026-03-25T19:05:49Z."
    ),
    *ledger_options("receiver"),
)


@click.command("webhook")
@_inputs
@options_of(_RECEIVER)
@click.option(
    "--format", "format_", type=click.Choice(["json", "slack"]), default="json", show_default=True, help="Of the body."
)
@click.option("--template", metavar="TEXT", help="With --format slack: '{status}: {errors} errors'.")
@click.option(
    "--per-minute", type=click.IntRange(min=0), default=20, show_default=True, help="Posts, at most (0: any number)."
)
@click.option(
    "--remember", type=SECONDS, default="1d", show_default=True, help="How long a key that was posted is kept."
)
@click.option("--only-final", is_flag=True, help="Wait until windows are closed; else their first row is posted.")
@click.option(
    "--sign-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sign each post with the key in this file (HMAC-SHA256).",
)
@running_options
def command(
    app: App,
    found: "list[Input]",
    url: str | None,
    url_file: Path | None,
    format_: str,
    template: str | None,
    from_start: bool,
    start: position.Position | None,
    per_minute: int,
    remember: float,
    only_final: bool,
    sign_key_file: Path | None,
    moved: bool,
    running: Running,
) -> None:
    """Post rows of results to a URL: an alert that reaches a person, or another system.

    Of each key and window the first row is posted, early or final, once. The body is JSON with the row, or with
    --format slack a text as Slack-compatible chats take it. Over --per-minute, one summary says how many were left
    out. How far it is stands in the topic clickstream-sinks.

    \b
    Examples:
      clickstream sink webhook config/tables/clickstream.sql --only errors_per_min_alert --url-file hook.url \\
        --format slack --template '{status}: {errors} errors in the minute of {window_start}'
      clickstream sink webhook my-alerts --url http://localhost:9000/ --from-start
    """
    given = needed_url(QUESTION, url, url_file, VARIABLE)
    if running.start_over and start is None and not from_start:
        raise ConfigError(
            "--reset forgets where the sink was: say --from-start or --from TIME, or what came is not posted."
        )
    if template is not None and format_ != "slack":
        raise ConfigError("--template needs --format slack: JSON has all values.")
    with extra_needed():
        from clickstream.sinks.sink import Options
        from clickstream.sinks.webhook.message import Template, as_json, as_slack
        from clickstream.sinks.webhook.post import Poster, address_of
        from clickstream.sinks.webhook.sent import Sent
        from clickstream.sinks.webhook.target import Budget, WebhookTarget
    address = address_of(given)
    poster = Poster(address, None if sign_key_file is None else _key_in(sign_key_file))
    templates = {one.name: _template(template, [column.name for column in one.columns]) for one in found}
    stop = Stop()
    budget = Budget(per_minute)

    def render(alert: "Alert", cleaned: "Cleaned") -> bytes:
        if format_ == "json":
            return as_json(alert)
        return as_slack(alert, templates.get(alert.table, Template("")), cleaned)

    def make(cluster: Cluster) -> Any:
        ledger = topic_ledger(app, cluster, WebhookTarget.kind, address.identity, stop, moved=moved)
        return WebhookTarget(poster, address.where, ledger, stop, render, budget=budget, sent=Sent(remember))

    options = Options(running.name, not only_final, running.exit_at_end, begin=_begin(from_start, start))
    run_sink(app, make, found, options, running, stop)


@click.command("webhook")
@_inputs
@options_of(_RECEIVER)
@name_option
@cluster_options
def plan(
    app: App,
    found: "list[Input]",
    url: str | None,
    url_file: Path | None,
    from_start: bool,
    start: position.Position | None,
    moved: bool,
    name: str,
) -> None:
    """What `sink webhook` would post with the same arguments; nothing is posted, nor is the receiver asked.

    Prints how much is to be read, and what stands in the way: then the exit code is 1.
    """
    with extra_needed():
        from clickstream.sinks.webhook.post import address_of
        from clickstream.sinks.webhook.target import WebhookTarget
    address = address_of(needed_url(QUESTION, url, url_file, VARIABLE))
    begin = _begin(from_start, start)
    plan_messages(
        app,
        found,
        name,
        WebhookTarget.kind,
        address.identity,
        lambda one: f"a post for the first row of each {', '.join(one.primary_key) or 'record'}",
        moved=moved,
        begins_at_end=begin == "end",
    )


def _template(text: str | None, columns: list[str]) -> "Template":
    from clickstream.sinks.webhook.message import Template

    if text is None:
        return Template.of_all(columns)
    template = Template(text)
    template.check(columns)
    return template


def _begin(from_start: bool, start: position.Position | None) -> "Literal['start', 'end'] | int":
    if start is not None and from_start:
        raise ConfigError("Either --from or --from-start.")
    match start:
        case position.Beginning():
            return "start"
        case position.Time(timestamp):
            return timestamp
        case position.Offset():
            raise ConfigError("--from takes a time, such as 2026-03-25T19:05:49Z, or beginning.")
    return "start" if from_start else "end"


def _key_in(path: Path) -> bytes:
    try:
        key = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from None
    if len(key) < FEWEST_KEY_BYTES:
        raise ConfigError(f"{path} has {len(key)} bytes; a key to sign with has {FEWEST_KEY_BYTES} at least.")
    return key
