"""What the commands of `clickstream sink` share: what they read, and how a sink runs."""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from clickstream.cli import complete
from clickstream.cli.options import App, cluster_options, current_app, metrics_options, setting
from clickstream.cli.output import say
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.cli.registry import avro_needed, needed_registry, registry_options
from clickstream.cli.tables.file import Variables, checked, extra_needed, variables_option
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.produce import Sender
from clickstream.shipped import tables
from clickstream.stop import Stop
from clickstream.topics import ensure, require

if TYPE_CHECKING:
    from clickstream.sinks.checking import InputCheck
    from clickstream.sinks.ledger import Ledger
    from clickstream.sinks.model import Avro, Input
    from clickstream.sinks.sink import Options, Sink
    from clickstream.sinks.target import Target

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
            return file.read_text("utf-8").strip()
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


def run_sink(
    app: App,
    make: "Callable[[Cluster], Target]",
    found: "Sequence[Input]",
    options: "Options",
    running: Running,
    stop: Stop,
) -> None:
    """Run a sink from the command line. `make` makes its target, which is not connected yet.

    `stop` is the sink's, and that of whatever in its target waits for something.
    """
    from clickstream.sinks.sink import Sink

    if running.start_over and not running.yes and not sys.stdin.isatty():
        raise ConfigError("--reset deletes rows in the target; without a terminal to ask, it needs --yes.")
    with app.connect() as cluster:
        for one in found:
            require(cluster, one.topic)
        dead_letter_topic = app.config["dead-letter-topic"]
        ensure(cluster, [dead_letter_topic])
        target = make(cluster)
        if running.start_over:
            _reset(target, found, running.name, running.yes)
        sender = Sender(cluster.producer({"message.timeout.ms": 0}), stop)
        letters = DeadLetters(sender, dead_letter_topic, f"sink-{target.kind}")
        sink = Sink(cluster, target, found, letters, sender, options)
        try:
            run_part(
                app,
                cluster,
                sink,
                stop,
                showing=progress(sink, "written", quiet=running.quiet),
                summary=lambda: summary(sink),
            )
        finally:
            sender.close(0.0)


def summary(sink: "Sink") -> str:
    """The last lines of the command."""
    totals = sink.totals()
    ignored = f", {totals['early_ignored']:,} early rows ignored" if totals["early_ignored"] else ""
    lines = [
        f"{totals['upserted'] + totals['appended']:,} rows written, {totals['deleted']:,} deleted, "
        f"{totals['dead_lettered']:,} dead-lettered{ignored}."
    ]
    for (column, rule), count in sorted(sink.changed_values().items()):
        lines.append(f"Column {column}: {count:,} x {rule}.")
    if sink.kept:
        lines.append(f"{sink.kept:,} records with changed values were kept as they are, in the dead-letter topic.")
    return "\n".join(lines)


def show_problems(problems: Sequence[str]) -> None:
    """The end of a plan: what stands in the way; then the command ends with exit code 1."""
    for problem in problems:
        say(f"Problem: {problem}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


def show_checks(results: "Sequence[InputCheck]") -> None:
    """What came of a check. Ends the command with exit code 1 when something differs, and was not repaired."""
    for one in results:
        _show_check(one)
    if any(one.differs > one.repaired for one in results):
        raise click.exceptions.Exit(1)


def _show_check(one: "InputCheck") -> None:
    if not one.differs:
        say(f"{one.source.name}: {one.rows:,} rows, as in topic {one.source.topic}.")
    else:
        say(f"{one.source.name}: {one.differs:,} rows differ from topic {one.source.topic}: {one.missing:,} missing, "
            f"{one.changed:,} changed, {one.foreign:,} that the topic does not have. "
            f"{one.rows:,} rows, {one.expected:,} expected.")  # fmt: skip
    for key, kind in one.examples:
        say(f"  {kind}: {key}")
    if one.differs > len(one.examples):
        say(f"  and {one.differs - len(one.examples):,} more")
    if one.later or one.older:
        say(f"  Not compared: {one.later:,} keys with records that the sink has not written yet, {one.older:,} rows of "
            "records that the topic does not hold any more.")  # fmt: skip
    if one.unowned:
        say(f"  {one.unowned:,} rows that no sink wrote are left as they are.")
    if one.refused or one.unreadable:
        say(f"  {one.refused + one.unreadable:,} records have no row: they are dead letters.")
    if one.repaired:
        say(f"  {one.repaired:,} rows repaired.")


def topic_ledger(app: App, cluster: Cluster, kind: str, where: str, stop: Stop, *, moved: bool) -> "Ledger":
    """Where a sink keeps its places whose target holds none; the topic is made if it is not there."""
    from clickstream.sinks.ledger import Ledger

    topic = app.config["sink-topic"]
    ensure(cluster, [topic])
    return Ledger(cluster, topic, kind, where, stop, moved=moved)


def plan_messages(
    app: App,
    found: "Sequence[Input]",
    name: str,
    kind: str,
    where: str,
    goes_to: "Callable[[Input], str]",
    *,
    moved: bool,
    begins_at_end: bool = False,
    look: Callable[[], None] = lambda: None,
) -> None:
    """The plan of a sink whose places are in a topic. `goes_to`: what comes of an input, for people.

    `look` makes sure of the target, and raises ClickstreamError with what is missing there.
    """
    from clickstream.kafka import log as kafka_log
    from clickstream.sinks.backlog import backlog
    from clickstream.sinks.ledger import Ledger, Seen

    with app.connect() as cluster:
        topics = [kafka_log.identify(cluster, one.topic) for one in found]
        topic = app.config["sink-topic"]
        ledger = Ledger(cluster, topic, kind, where, moved=moved)
        seen = ledger.look(name, topics) if topic in existing(cluster) else Seen(None, {}, [])
        problems = list(seen.problems)
        say(f"-- {where}, sink {name}{'' if seen.owner is None else f', last written by {seen.owner.owner}'}")
        for one in found:
            own = {number: place for (topic, number), place in seen.places.items() if topic == one.topic}
            left = backlog(cluster, one.topic, own, begins_at_end=begins_at_end)
            say(f"-- topic {one.topic} -> {goes_to(one)}; {left}")
            problems += left.problems
    try:
        look()
    except ClickstreamError as problem:
        problems.append(str(problem))
    show_problems(problems)


def _reset(target: "Target", found: "Sequence[Input]", name: str, yes: bool) -> None:
    names = ", ".join(one.name for one in found)
    if not yes:
        question = f"Delete what sink {name} wrote to {names} at {target.where}, and start over?"
        click.confirm(question, abort=True, err=True)
    target.connect()
    try:
        target.prepare(found)
        target.forget(found, name)
    finally:
        target.close()
    click.echo(f"Sink {name} starts over.", err=True)
