"""How the commands of `clickstream sink` run a sink, and show what it did, would do, or differs in."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from clickstream.cli.options import App
from clickstream.cli.output import reader_may_leave, say
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.cli.sink.options import Running
from clickstream.cli.streams import on_terminal
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.parts.renewed import Renewed
from clickstream.stop import Stop
from clickstream.topics import ensure, require

if TYPE_CHECKING:
    from clickstream.sinks.checking import InputCheck
    from clickstream.sinks.ledger import Ledger
    from clickstream.sinks.model import Input
    from clickstream.sinks.sink import Options
    from clickstream.sinks.target import Target


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

    if running.start_over and not running.yes and not on_terminal():
        raise ConfigError("--reset deletes rows in the target; without a terminal to ask, it needs --yes.")
    with app.connect() as cluster:
        for one in found:
            require(cluster, one.topic)
        dead_letter_topic = app.config["dead-letter-topic"]
        ensure(cluster, [dead_letter_topic])
        target = make(cluster)
        if running.start_over:
            _reset(target, found, running.name, running.yes)

        def make_sink(former: Sink | None) -> Sink:
            sender = Sender(cluster.producer({"message.timeout.ms": 0}), stop)
            letters = DeadLetters(sender, dead_letter_topic, f"sink-{target.kind}")
            return Sink(cluster, target if former is None else make(cluster), found, letters, sender, options)

        sink = Renewed(cluster, make_sink)
        run_part(
            app,
            cluster,
            sink,
            stop,
            showing=progress(sink, "written", quiet=running.quiet),
            summary=lambda: summary(sink),
        )


def summary(sink: Part) -> str:
    """The last lines of the command."""
    totals = sink.totals()
    ignored = f", {totals['early_ignored']:,} early rows ignored" if totals["early_ignored"] else ""
    lines = [
        f"{totals['upserted'] + totals['appended']:,} rows written, {totals['deleted']:,} deleted, "
        f"{totals['dead_lettered']:,} dead-lettered{ignored}."
    ]
    for (column, rule), count in sorted(sink.changed_values().items()):
        lines.append(f"Column {column}: {count:,} x {rule}.")
    if kept := totals["kept"]:
        lines.append(f"{kept:,} records with changed values were kept as they are, in the dead-letter topic.")
    return "\n".join(lines)


def show_problems(problems: Sequence[str]) -> None:
    """The end of a plan: what stands in the way; then the command ends with exit code 1."""
    for problem in problems:
        say(f"Problem: {problem}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


def show_checks(results: "Sequence[InputCheck]") -> None:
    """What came of a check. Ends the command with exit code 1 when something differs, and was not repaired."""
    with reader_may_leave():  # the exit code is the verdict, whoever reads the rest
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
    from clickstream.sinks.ledger import Ledger, NotUnderstood, Seen

    with app.connect() as cluster:
        topics = [kafka_log.identify(cluster, one.topic) for one in found]
        topic = app.config["sink-topic"]
        ledger = Ledger(cluster, topic, kind, where, moved=moved)
        try:
            seen = ledger.look(name, topics) if topic in existing(cluster) else Seen(None, {}, [])
        except NotUnderstood as problem:
            seen = Seen(None, {}, [str(problem)])
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
