"""The command line: click groups and options, wiring only. Subcommands are imported when they are used."""

import gc
import importlib
import io
import logging
import os
import sys
from typing import Any, NoReturn

import click

from clickstream import __version__, openfiles, terminal
from clickstream.cli import logs, signals, streams
from clickstream.errors import ClickstreamError
from clickstream.leaving import leave

# Command name -> (module of this package, one line for the list). A module is imported only when its command
# runs or shows its help: `clickstream --help` stays quick, and a heavy part costs only those who use it.
COMMANDS = {
    "demo": ("demo", "Watch events become tallies and clicks become tables, on a Kafka that starts itself."),
    "run-producer": ("producer", "Emit random product events."),
    "run-counter": ("counter", "Tally the values of a field and republish the counts."),
    "generate": ("generate", "Make up web clicks, or a shop's, with their users."),
    "replay": ("replay", "Send real access logs, request by request."),
    "collect": ("collect", "Collect what browsers and servers tell over HTTP: page views, events."),
    "shop": ("shop", "A demo shop to click through, whose pages tell the collector."),
    "visit": ("visit", "Have browsers walk through a site, as people would."),
    "tables": ("tables", "Streaming SQL (Flink SQL): run, check and explain files, show their tables."),
    "flink": ("flink", "Run the same files of SQL on Apache Flink, here or on a cluster."),
    "druid": ("druid", "What Druid's supervisors have read of topics, and what a reset would cost."),
    "ui": ("ui", "The dashboard, in a browser."),
    "topics": ("topics", "Create, list, describe, tail, fill, export and delete topics."),
    "query": ("query", "Ask the last records of topics in SQL."),
    "groups": ("groups", "Consumer groups and their lag."),
    "dead-letters": ("deadletters", "What could not be read: list it, show it, send it again."),
    "status": ("status", "What runs now, and how it is doing."),
    "control": ("control", "Pause generators, change their rate, have them send late or malformed records."),
    "transform": ("transform", "Have a function turn one topic into another, exactly once."),
    "convert": ("convert", "Write a topic of Avro as JSON, or one of JSON as Avro."),
    "schemas": ("schemas", "Schemas of Avro: list, show, check and register them."),
    "sink": ("sink", "Results into databases, files and queues."),
    "broker": ("broker", "The embedded Kafka."),
    "clean": ("clean", "Remove what clickstream keeps on this machine: records, states, downloads."),
    "config": ("config", "Settings and where their values come from."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"clickstream.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _options_behind_the_command(self, ctx, args))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            from clickstream.cli.output import reader_may_leave

            with reader_may_leave():  # `| head`; raises when it was another pipe or connection
                raise
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_module, about) in COMMANDS.items()])


# Options that every command has which uses Kafka, and whether a value follows.
COMMON_OPTIONS = {
    **dict.fromkeys(("-b", "--bootstrap-server", "-X", "--kafka-config", "--config", "--state-dir"), True),
    **dict.fromkeys(("-v", "--verbose"), False),
}


def _options_behind_the_command(group: click.Group, ctx: click.Context, args: list[str]) -> list[str]:
    """`-b HOST topics list` as `topics list -b HOST`: what all commands have may stand before their name, too."""
    path: list[str] = []
    options: list[str] = []
    rest = list(args)
    command: click.Command | None = group
    while rest and isinstance(command, click.Group):
        word = rest[0]
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        if name in COMMON_OPTIONS:
            joined = word != name
            taken = 2 if COMMON_OPTIONS[name] and not joined else 1
            options += rest[:taken]
            del rest[:taken]
        elif word.startswith("-"):
            return args
        else:
            command = command.get_command(ctx, word)
            path.append(rest.pop(0))
    return [*path, *options, *rest] if path else args


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="clickstream")
def clickstream() -> None:
    """Clicks become counts, live, on a real Kafka that starts itself.

    Without -b/--bootstrap-server or a configured cluster, every command uses the embedded Kafka. -b, -X,
    --kafka-config, --config, --state-dir and -v may also stand before the command.
    """


def process() -> NoReturn:
    """The whole life of a command's process."""
    try:
        main()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 0)


def main() -> NoReturn:
    """Run the command line; errors that a person is meant to read end in one or two lines and an exit code."""
    streams.set_up()
    signals.end_at_once_on_signals()
    logs.set_up()
    terminal.guard_tracebacks()
    # Records are never part of reference cycles: walking through them again and again would be a sixth of the
    # counter's CPU, and half of the producer's own work per event.
    gc.set_threshold(100_000, 50, 1_000)
    openfiles.allow()
    try:
        # Without its standalone mode click returns the code of an early exit, as of --help, instead of raising it.
        code = clickstream.main(prog_name="clickstream", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        from clickstream.cli.output import stuck

        if stuck():  # what is buffered could never be written, nor these words
            os._exit(130)
        click.echo("Interrupted.", err=True)
        sys.exit(signals.INTERRUPTED)
    except ClickstreamError as error:
        _report(error)
        sys.exit(error.exit_code)
    except OSError as error:
        from clickstream.cli.trouble import explained

        _report(explained(error))
        sys.exit(1)


def _show(error: click.ClickException) -> None:
    shown = io.StringIO()
    error.show(shown)
    click.echo(terminal.escaped_lines(shown.getvalue()), err=True, nl=False)


def _report(error: ClickstreamError) -> None:
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        logging.getLogger(__name__).debug("Traceback:", exc_info=error)
    try:
        click.echo(terminal.message(f"Error: {error}"), err=True)
    except OSError:  # it is on the same full disk; what is left of it would fail once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
