"""`clickstream sink opensearch`, with its `sink plan` and `sink check`; wiring only."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import say
from clickstream.cli.sink.options import (
    Running,
    early_option,
    input_options,
    name_option,
    needed_url,
    options_of,
    originals_option,
    repair_option,
    running_options,
    url_file_option,
)
from clickstream.cli.sink.running import run_sink, show_checks, show_problems
from clickstream.cli.tables.file import extra_needed
from clickstream.kafka.clients import Cluster
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.sinks.model import Input
    from clickstream.sinks.opensearch.client import Address
    from clickstream.sinks.opensearch.plan import Plan

VARIABLE = "CLICKSTREAM_SINK_OPENSEARCH"


_TARGET = (
    click.option("--url", metavar="URL", help=f"Where it is: https://user:password@host:9200; better in {VARIABLE}."),
    url_file_option,
    click.option(
        "--ca-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Certificates that are trusted, in PEM.  [default: the system's]",
    ),
    click.option(
        "--prefix", default="", metavar="TEXT", help="Before the names of all indices: shop- makes shop-clicks."
    ),
)


def _target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where the indices are: handed on as `address` and `prefix`."""

    @functools.wraps(command)
    def with_target(*args: Any, url: str | None, url_file: Path | None, ca_file: Path | None, **others: Any) -> Any:
        return command(*args, address=_address(url, url_file, ca_file), **others)

    return options_of(_TARGET)(with_target)


@click.command("opensearch")
@input_options
@_target
@originals_option
@running_options
def command(
    app: App,
    found: "list[Input]",
    address: "Address",
    prefix: str,
    keep_originals: bool,
    running: Running,
) -> None:
    """Indices in OpenSearch or Elasticsearch, kept equal to topics: what comes again changes nothing.

    Indices that are missing are made, with a field for each column of FILE.sql's results, or of a TOPIC. A row replaces
    the document with its key, a tombstone deletes it; rows of streams are appended.

    \b
    Examples:
      clickstream sink opensearch clickstream.sql --url http://localhost:9200
      clickstream sink opensearch web-events --url-file search.url --ca-file ca.pem --prefix shop-
    """
    from clickstream.sinks.opensearch.client import Client
    from clickstream.sinks.opensearch.target import OpenSearchOptions, OpenSearchTarget
    from clickstream.sinks.sink import Options

    _say_names(found, prefix, running.early)
    stop = Stop()

    def make(_cluster: Cluster) -> Any:
        return OpenSearchTarget(Client(address), OpenSearchOptions(prefix, running.early), stop)

    options = Options(running.name, running.early, running.exit_at_end, keep_originals=keep_originals)
    run_sink(app, make, found, options, running, stop)


@click.command("opensearch")
@input_options
@_target
@name_option
@early_option
@cluster_options
def plan(app: App, found: "list[Input]", address: "Address", prefix: str, name: str, early: bool) -> None:
    """What `sink opensearch` would do with the same arguments; nothing is changed.

    Prints the requests that make and change indices, how much is to be read, and what stands in the way: then the exit
    code is 1.
    """
    from clickstream.sinks.opensearch.client import Client
    from clickstream.sinks.opensearch.plan import plan as look_ahead

    _say_names(found, prefix, early)
    client = Client(address)
    try:
        with app.connect() as cluster:
            result = look_ahead(client, cluster, found, name, prefix, early=early)
    finally:
        client.close()
    _show(result)
    show_problems(result.problems)


def _show(result: "Plan") -> None:
    say(f"# {result.where}, {result.product}")
    for one in result.inputs:
        how = "exists" if one.exists else "is made"
        source = one.index.source
        kind = f"a document for each {', '.join(source.primary_key)}" if source.upsert else "every record is a document"
        say(f"# topic {source.topic} -> index {one.index.name}, which {how}: {kind}; {one.backlog}")
    for request, body in result.requests:
        say(f"{request}\n{json.dumps(body, indent=2)}")
    if not result.requests and not result.problems:
        say("# nothing to make or to change")


@click.command("opensearch")
@input_options
@_target
@name_option
@early_option
@repair_option
@cluster_options
def check(
    app: App,
    found: "list[Input]",
    address: "Address",
    prefix: str,
    name: str,
    early: bool,
    repair: bool,
) -> None:
    """Compare the indices of `sink opensearch` with their topics, up to where the sink is.

    Document by document; those that differ are named. The exit code is 1 if any does, and was not repaired. The sink
    may run meanwhile.
    """
    from clickstream.sinks.opensearch.check import check as compare
    from clickstream.sinks.opensearch.client import Client

    client = Client(address)
    try:
        with app.connect() as cluster:
            results = compare(client, cluster, found, name, prefix, early=early, repair=repair)
    finally:
        client.close()
    show_checks(results)


def _address(url: str | None, url_file: Path | None, ca_file: Path | None) -> "Address":
    given = needed_url("Where is OpenSearch? Give its URL", url, url_file, VARIABLE)
    with extra_needed():
        from clickstream.sinks.opensearch.client import address_of
    return address_of(given, ca_file)


def _say_names(found: "list[Input]", prefix: str, early: bool) -> None:
    """Names that are others in the index."""
    from clickstream.sinks.opensearch.mapping import indices_of

    for index in indices_of(found, prefix, early=early):
        if index.is_renamed:
            say(f"Table {index.source.name} is index {index.name}, as the names of indices have to be.", err=True)
        for column, field in index.renamed_fields:
            say(f"Table {index.source.name}: column {column} is field {field}.", err=True)
