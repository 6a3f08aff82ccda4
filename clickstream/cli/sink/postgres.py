"""`clickstream sink postgres`, with its `sink plan` and `sink check`; wiring only."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import say
from clickstream.cli.sink.options import (
    Running,
    early_option,
    input_options,
    name_option,
    options_of,
    originals_option,
    repair_option,
    running_options,
    secret,
)
from clickstream.cli.sink.running import run_sink, show_checks, show_problems
from clickstream.cli.tables.file import extra_needed
from clickstream.errors import ConfigError
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.sinks.model import Input
    from clickstream.sinks.postgres.connection import Address
    from clickstream.sinks.postgres.plan import Plan
    from clickstream.sinks.postgres.target import PostgresOptions

VARIABLE = "CLICKSTREAM_SINK_POSTGRES"
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT", "PGUSER")

_TARGET = (
    click.option("--dsn", metavar="DSN", help=f"Where PostgreSQL is; better in {VARIABLE}, or libpq's PG* variables."),
    click.option("--dsn-file", type=click.Path(path_type=Path), metavar="FILE", help="A file that holds the DSN."),
    click.option("--schema", metavar="NAME", help="Of the tables.  [default: the connection's]"),
    click.option(
        "--evolve",
        type=click.Choice(["off", "add"]),
        default="off",
        show_default=True,
        help="When a table lacks columns: stop, or add them. Nothing is ever dropped.",
    ),
    click.option("--jsonb", is_flag=True, help="Values of a TOPIC without --columns as jsonb; others are refused."),
)


def _target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where the tables are and how they look: handed on as `address` and `options`.

    `early`, which is among those of how a sink runs as well, is not in them yet.
    """

    @functools.wraps(command)
    def with_target(
        *args: Any,
        dsn: str | None,
        dsn_file: Path | None,
        schema: str | None,
        evolve: Literal["off", "add"],
        jsonb: bool,
        **others: Any,
    ) -> Any:
        address = _address(dsn, dsn_file)
        from clickstream.sinks.postgres.target import PostgresOptions

        options = PostgresOptions(schema, evolve=evolve, jsonb=jsonb)
        return command(*args, address=address, options=options, **others)

    return options_of(_TARGET)(with_target)


@click.command("postgres")
@input_options
@_target
@originals_option
@running_options
def command(
    app: App,
    found: "list[Input]",
    address: "Address",
    options: "PostgresOptions",
    keep_originals: bool,
    running: Running,
) -> None:
    """Tables in PostgreSQL, kept equal to topics: each change once, with its offset, in one transaction.

    Tables that are missing are made from the columns of FILE.sql's results, or of a TOPIC. A row replaces the one with
    its key, a tombstone deletes it; rows of streams are appended.
    """
    from clickstream.sinks.postgres import columns as names
    from clickstream.sinks.postgres.target import PostgresTarget
    from clickstream.sinks.sink import Options

    options = replace(options, early=running.early)
    names.check(found, early=options.early)
    stop = Stop()
    run_sink(
        app,
        lambda _cluster: PostgresTarget(address, running.name, options, stop),
        found,
        Options(running.name, options.early, running.exit_at_end, keep_originals=keep_originals),
        running,
        stop,
    )


@click.command("postgres")
@input_options
@_target
@name_option
@early_option
@cluster_options
def plan(
    app: App, found: "list[Input]", address: "Address", options: "PostgresOptions", name: str, early: bool
) -> None:
    """What `sink postgres` would do with the same arguments; nothing is changed.

    Prints the statements, how much is to be read, and what stands in the way: then the exit code is 1.
    """
    from clickstream.sinks.postgres.plan import plan as look_ahead

    with app.connect() as cluster:
        result = look_ahead(address, cluster, found, name, replace(options, early=early))
    _show(result)
    show_problems(result.problems)


def _show(result: "Plan") -> None:
    say(f"-- {result.where}, user {result.user}, schema {result.schema}")
    for one in result.inputs:
        how = "exists" if one.exists else "is made"
        kind = f"a row for each {', '.join(one.key)}" if one.source.upsert else "every record is a row"
        say(f"-- topic {one.source.topic} -> table {one.table}, which {how}: {kind}; {one.backlog}")
    for statement in result.statements:
        say(f"{statement};")
    if not result.statements and not result.problems:
        say("-- nothing to make or to change")


@click.command("postgres")
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
    options: "PostgresOptions",
    name: str,
    early: bool,
    repair: bool,
) -> None:
    """Compare the tables of `sink postgres` with their topics, up to where the sink is.

    By count and hash for each range of keys; keys that differ are named. The exit code is 1 if any does, and was not
    repaired. The sink may run meanwhile.
    """
    from clickstream.sinks.postgres.check import check as compare

    with app.connect() as cluster:
        results = compare(address, cluster, found, name, replace(options, early=early), repair=repair)
    show_checks(results)


def _address(dsn: str | None, dsn_file: Path | None) -> "Address":
    typed = click.get_current_context().get_parameter_source("dsn") == click.core.ParameterSource.COMMANDLINE
    # What comes from a settings file or the environment, nobody else sees.
    found = secret("--dsn", dsn, dsn_file, VARIABLE) if typed or dsn is None else dsn
    if found is None and not any(name in os.environ for name in _LIBPQ):
        raise ConfigError(f"Where is PostgreSQL? Give a DSN in {VARIABLE}, --dsn-file or --dsn, or set PGHOST.")
    with _postgres_needed():
        from clickstream.sinks.postgres.connection import Address
    return Address(found or "")


@contextmanager
def _postgres_needed() -> Iterator[None]:
    """Around imports: raises ConfigError when the extra `postgres` is not installed."""
    with extra_needed():
        try:
            yield
        except ImportError as error:
            if error.name not in (None, "psycopg", "psycopg_binary", "psycopg_c"):
                raise
            raise ConfigError("This sink needs psycopg. Install it: pip install 'clickstream[postgres]'") from None
