"""The options that commands of `clickstream sink` share, and what comes of them."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from clickstream.cli import complete
from clickstream.cli.options import cluster_options, current_app, metrics_options, setting
from clickstream.cli.output import say
from clickstream.cli.registry import avro_needed, needed_registry, registry_options
from clickstream.cli.tables.file import Variables, checked, extra_needed, variables_option
from clickstream.errors import ConfigError
from clickstream.shipped import tables

if TYPE_CHECKING:
    from clickstream.sinks.model import Avro, Input

Command = TypeVar("Command", bound=Callable[..., Any])

_INPUTS = (
    click.argument("sources", nargs=-1, required=True, metavar="FILE.sql|TOPIC...", shell_complete=complete.topics),
    click.option("--only", multiple=True, metavar="TOPIC", help="Of FILE.sql only this result; repeat it."),
    click.option("--columns", metavar="COLUMNS", help="Of a TOPIC, as in CREATE TABLE: 'user_id INT, hits BIGINT'."),
    click.option("--key", metavar="NAMES", help="With --columns: those of the JSON key, by which rows replace."),
)
_AVRO = (
    registry_options,
    click.option(
        "--unknown-schema",
        type=click.Choice(["wait", "dead-letter"]),
        default="wait",
        show_default=True,
        help="With avro: what becomes of a record whose schema the registry does not know.",
    ),
    variables_option,
)
_RUNNING = (
    click.option(
        "--name", default="clickstream", show_default=True, help="Tells apart sinks of one topic in one target."
    ),
    click.option("--exit-at-end", is_flag=True, help="Leave when the topics are read to their end."),
    click.option("--early", is_flag=True, help="Also rows of windows that are still open (header final=0)."),
    click.option("--reset", "start_over", is_flag=True, help="Delete what the sink wrote, and begin from the start."),
    click.option("--yes", is_flag=True, help="Do not ask before --reset."),
    click.option("--quiet", is_flag=True, help="No progress, only the summary."),
    setting("dead-letter-topic", "--dead-letter-topic"),
    metrics_options,
    cluster_options,
)


@dataclass(frozen=True)
class Running:
    """What was said of how a sink runs."""

    name: str
    exit_at_end: bool
    early: bool
    start_over: bool
    yes: bool
    quiet: bool


name_option = click.option("--name", default="clickstream", show_default=True, help="The sink's.")
url_file_option = click.option(
    "--url-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="A file that holds the URL."
)
early_option = click.option("--early", is_flag=True, help="As the sink has it: rows with a column is_final.")
originals_option = click.option(
    "--keep-originals",
    is_flag=True,
    help="Send records with a changed value to the dead-letter topic as well, as they are.",
)
repair_option = click.option("--repair", is_flag=True, help="Write and delete the rows that differ, and no others.")


def inputs_as(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds what says which topics the command reads, handed to it as `found`, a list of Input: see `inputs`.

    `names` are those of the option that says what values of a TOPIC are.
    """
    value_format = click.option(
        *names,
        "value_format",
        type=click.Choice(["json", "avro"]),
        default="json",
        show_default=True,
        help="What values of a TOPIC are; avro needs a schema registry.",
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_inputs(
            *args: Any,
            sources: Sequence[str],
            only: Sequence[str],
            columns: str | None,
            key: str | None,
            variables: Variables,
            value_format: str,
            unknown_schema: str,
            **others: Any,
        ) -> Any:
            avro = _avro(unknown_schema) if value_format == "avro" else None
            unknown_waits = unknown_schema == "wait"
            found = inputs(sources, only, columns, key, variables, avro, unknown_waits=unknown_waits)
            return command(*args, found=found, **others)

        return options_of((*_INPUTS, value_format, *_AVRO))(with_inputs)

    return decorate


input_options = inputs_as("--format", "--value-format")


def running_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds how a sink runs, handed on as `running`, and the options of every part."""

    @functools.wraps(command)
    def with_running(
        *args: Any,
        name: str,
        exit_at_end: bool,
        early: bool,
        start_over: bool,
        yes: bool,
        quiet: bool,
        **others: Any,
    ) -> Any:
        return command(*args, running=Running(name, exit_at_end, early, start_over, yes, quiet), **others)

    return options_of(_RUNNING)(with_running)


def ledger_options(what: str) -> Sequence[Callable[..., Any]]:
    """Of a sink whose places are in a topic, as its target, `what`, holds none."""
    moved = f"The same {what} has another address now: go on where the sink was."
    return click.option("--moved", is_flag=True, help=moved), setting("sink-topic", "--sink-topic")


def options_of(options: Sequence[Callable[..., Any]]) -> Callable[[Command], Command]:
    """Several options as one decorator: those of a target, which its sink and its plan have."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _avro(unknown_schema: str) -> "Avro":
    """How a TOPIC in Avro is read; raises ConfigError without a registry, and when the extra is not installed."""
    with extra_needed(), avro_needed():
        import clickstream.avro.codec  # noqa: F401
        from clickstream.sinks.model import Avro
    registry = needed_registry(current_app())
    return Avro(registry, registry, unknown_waits=unknown_schema == "wait")


def inputs(
    sources: Sequence[str],
    only: Sequence[str],
    columns: str | None,
    key: str | None,
    variables: Variables,
    avro: "Avro | None" = None,
    *,
    unknown_waits: bool = True,
) -> "list[Input]":
    """What the command reads. A source with `/` or `.sql` is a file (a shipped one by its name); any other is a topic.

    `avro`: what topics are; files say that themselves. Ends the command with exit code 1 when a file has problems, and
    shows them. Raises ConfigError for what does not fit together.
    """
    with extra_needed():
        from clickstream.sinks.inputs import check_names, described, of_program, plain
    found: list[Input] = []
    files = [source for source in sources if is_file(source)]
    if (only and len(files) != 1) or (columns and (files or len(sources) != 1)):
        raise ConfigError("--only needs one FILE.sql, --columns one TOPIC.")
    if key and not columns:
        raise ConfigError("--key names columns: it needs --columns.")
    if avro is not None and len(files) == len(sources):
        raise ConfigError("--format avro is said of a TOPIC; a FILE.sql says it itself: 'format' = 'avro-confluent'.")
    for source in sources:
        if source in files:
            result = checked(_path_of(source), variables)
            if result.problems:
                say(result.render() + "\n", err=True)
                raise click.exceptions.Exit(1)
            found += of_program(result.program, only, unknown_waits=unknown_waits)
        else:
            found.append(described(source, columns, key, avro) if columns else plain(source, avro))
    if any(one.avro for one in found):
        with avro_needed():
            import clickstream.avro.codec  # noqa: F401
    check_names(found)
    return found


def is_file(source: str) -> bool:
    """Whether a source is a file of SQL, and no topic."""
    return "/" in source or source.endswith(".sql")


def _path_of(source: str) -> Path:
    """The file; `clickstream.sql` is the shipped one where there is none of that name here."""
    path = Path(source)
    return path if path.exists() else tables().get(source.removesuffix(".sql"), path)


def secret(option: str, given: str | None, file: Path | None, variable: str) -> str | None:
    """A DSN or an address: from its option, its file or its environment variable, in this order; None: from nowhere.

    Raises ConfigError when a file cannot be read. A password on the command line, which other users of the machine can
    see, is warned of.
    """
    if given is not None:
        if _has_password(given):
            say(
                f"Warning: others here can see the password in {option}: give it in {variable} instead.",
                err=True,
            )
        return given
    if file is not None:
        try:
            return file.read_text("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Cannot read {file}: {getattr(error, 'strerror', None) or 'it is no UTF-8'}.") from None
    return os.environ.get(variable)


def needed_url(question: str, url: str | None, url_file: Path | None, variable: str) -> str:
    """The URL of a target; see `secret`. Raises ConfigError, which begins with `question`, when it is not given."""
    given = secret("--url", url, url_file, variable)
    if not given:
        raise ConfigError(f"{question} with --url, --url-file or {variable}.")
    return given


def _has_password(text: str) -> bool:
    authority = text.partition("://")[2].partition("/")[0]
    return ":" in authority.rpartition("@")[0] or "password" in text.lower()
