"""`clickstream tables run`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from clickstream.cli.options import SECONDS, App, Cast, cluster_options, metrics_options, setting
from clickstream.cli.output import say
from clickstream.cli.part import run_part
from clickstream.cli.streams import on_terminal
from clickstream.cli.tables.file import FILE, Variables, extra_needed, need_avro, variables_option, without_problems
from clickstream.durations import seconds
from clickstream.errors import ConfigError
from clickstream.kafka.admin import cluster_id
from clickstream.kafka.clients import Cluster
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.tables.engine.options import EngineOptions
    from clickstream.tables.engine.report import SourceReport
    from clickstream.tables.sql.model import Program


def _seconds_or_none(value: object) -> float:
    """A time in seconds, or 0."""
    try:
        return 0.0 if value in ("0", 0) else seconds(value)
    except ValueError as error:
        raise ValueError("0, or a time such as 90s or 2m, is expected") from error


def _size(value: object) -> str:
    """What DuckDB reads as a size: above 0."""
    text = str(value)
    if not re.fullmatch(r"0*[1-9]\d*(\.\d+)? ?([KMGT]i?B)", text, re.IGNORECASE):
        raise ValueError("a size such as 512MB or 2GB is expected")
    return text


def _others(totals: Mapping[str, int]) -> str:
    """What is only said when there is any: it hints at a mistake in the file."""
    words = {"untimed": "without an event time", "nulled": "fields of another type"}
    return "".join(f", {totals[name]:,} {text}" for name, text in words.items() if totals[name])


def _mistyped(sources: "Sequence[SourceReport]") -> Iterator[str]:
    """A line for each column with fields of another type."""
    for source in sources:
        for one in source.mistyped:
            values = "1 value that is" if one.count == 1 else f"{one.count:,} values that are"
            yield f"Table {source.name}, column {one.column}: {values} no {one.type}."


def _need_schemas(programs: "Sequence[Program]", options: "Sequence[EngineOptions]") -> None:
    """Raises ClickstreamError when a registry does not have those of the results: nothing is reset then."""
    from clickstream.tables.engine.writing.form import form_of

    for program, one in zip(programs, options, strict=True):
        for insert in program.inserts:
            form_of(insert.target).find_schemas(Stop(), register=one.auto_register, how=one.how_to_register)


def _start_over(
    cluster: Cluster, programs: "Sequence[Program]", options: "Sequence[EngineOptions]", *, ask: bool
) -> None:
    """Forget the states and delete the rows of former runs; nothing of it while another process has a state."""
    from clickstream.tables.engine.state.place import held
    from clickstream.tables.reset import left_by, reset

    directories = [one.state_dir for one in options]
    with held(directories):
        leftovers = left_by(cluster, programs)
        if ask:
            names = ", ".join(one.name for one in options)
            rows = f", delete the {leftovers.count:,} rows that it wrote," if leftovers.count else ""
            click.confirm(
                f"Forget the state of {names}{rows} and read the topics from the start?", abort=True, err=True
            )
        reset(cluster, directories, leftovers)
    click.echo(f"Deleted {leftovers.count:,} rows of a former run.", err=True)


def _how_to_register(path: Path, variables: Variables) -> str:
    """The command that registers the schemas of a file's results, without what is a secret perhaps."""
    names = [f"--set {name}=..." for name, _ in variables]
    return " ".join(["clickstream schemas register", quote(str(path)), *names])


@click.command("run")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--exit-at-end", is_flag=True, help="Read all topics to their end, close all windows, and leave.")
@click.option(
    "--emit",
    type=click.Choice(["final", "changes"]),
    default="final",
    show_default=True,
    help="Rows of closed windows only, as Flink does, or early rows of open ones too (header final=0).",
)
@click.option(
    "--early-interval", type=SECONDS, default=1.0, metavar="TIME", help="Early rows at most this often.  [default: 1]"
)
@click.option(
    "--idle-timeout",
    type=Cast(_seconds_or_none, "S"),
    metavar="TIME",
    help="A partition silent for this long holds no window back; 0: it always does.  [default: the file's, or 10]",
)
@click.option(
    "--max-ahead",
    type=SECONDS,
    default=86_400.0,
    metavar="TIME",
    help="Refuse events further ahead of their record's time.  [default: 86400]",
)
@click.option("--late-topic", metavar="TOPIC", help="Keep rows that came too late for every window.")
@click.option(
    "--auto-register", is_flag=True, help="With results in Avro: register schemas that the registry does not have."
)
@click.option(
    "--unknown-schema",
    type=click.Choice(["wait", "dead-letter"]),
    default="wait",
    show_default=True,
    help="What becomes of a record in Avro whose schema the registry does not know.",
)
@click.option(
    "--memory",
    "memory_limit",
    type=Cast(_size, "SIZE"),
    default="512MB",
    show_default=True,
    metavar="SIZE",
    help="What DuckDB may use; more goes to disk.",
)
@click.option("--reset", "start_over", is_flag=True, help="Forget the state, delete its rows, and start over.")
@click.option("--yes", is_flag=True, help="Do not ask before --reset.")
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@variables_option
@setting("dead-letter-topic", "--dead-letter-topic")
@metrics_options
@cluster_options
def run(
    app: App,
    files: tuple[Path, ...],
    exit_at_end: bool,
    emit: str,
    early_interval: float,
    idle_timeout: float | None,
    max_ahead: float,
    late_topic: str | None,
    auto_register: bool,
    unknown_schema: str,
    memory_limit: str,
    start_over: bool,
    yes: bool,
    quiet: bool,
    variables: Variables,
) -> None:
    """Run files of SQL: topics become tables, live, until Ctrl-C.

    Windows close by the events' own time. A crash at any moment loses and doubles nothing: the state, under
    --state-dir, goes on where it was.

    \b
    Examples:
      clickstream tables run clickstream
      clickstream tables run products --exit-at-end
    """
    bounded = {"BOUNDED": "latest-offset", "REF_IDLE": "0 s"} if exit_at_end else {}
    given = tuple({**bounded, **dict(variables)}.items())
    found = without_problems(files, given)
    for path, one in zip(files, found, strict=True):
        if not one.program.inserts:
            raise ConfigError(f"{path} has no INSERT: there is nothing to run.")
        need_avro(one.program)
    with extra_needed():
        from clickstream.cli.tables.view import view
        from clickstream.tables.run import Tables, check_names, check_topics, options_for

    targets = [insert.target for one in found for insert in one.program.inserts]
    if auto_register and not any(target.avro() or target.avro("key") for target in targets):
        raise ConfigError("--auto-register goes with results in Avro: there is none.")
    dead_letter_topic = app.config["dead-letter-topic"]
    check_names(files)
    check_topics(found, {"--dead-letter-topic": dead_letter_topic, "--late-topic": late_topic})
    if start_over and not yes and not on_terminal():
        raise ConfigError("--reset forgets the state and deletes its rows; without a terminal to ask, it needs --yes.")
    stop = Stop()
    with app.connect() as cluster:
        this = cluster_id(cluster)
        options = [
            options_for(
                path,
                app.state_dir,
                this,
                dead_letter_topic=dead_letter_topic,
                late_topic=late_topic,
                auto_register=auto_register,
                how_to_register=_how_to_register(path, variables),
                unknown_waits=unknown_schema == "wait",
                changes=emit == "changes",
                early_interval=early_interval,
                idle_timeout=idle_timeout,
                max_ahead=max_ahead,
                exit_at_end=exit_at_end,
                memory_limit=memory_limit,
            )
            for path in files
        ]
        if start_over:
            _need_schemas([one.program for one in found], options)
            _start_over(cluster, [one.program for one in found], options, ask=not yes)
        tables = Tables(cluster, found, options)
        run_part(
            app,
            cluster,
            tables,
            stop,
            showing=view(tables, quiet=quiet),
            summary=lambda: summary(tables.totals()),
            watch=list(tables.engines.values()),
        )
        for line in _mistyped(tables.sources()):
            say(f"{line}\n", err=True)


def summary(totals: Mapping[str, int]) -> str:
    """The last line of the command."""
    return (
        f"Read {totals['rows']:,} rows, wrote {totals['written']:,}; {totals['late']:,} late, "
        f"{totals['dead_letters']:,} dead letters, {totals['dropped']:,} without a key{_others(totals)}."
    )
