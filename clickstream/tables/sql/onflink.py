"""What is right in a file for this engine, and will fail on Flink: settings and options that only Flink looks at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from clickstream.tables.sql.avro import refusal
from clickstream.tables.sql.check import Checked
from clickstream.tables.sql.dialect import parse
from clickstream.tables.sql.grammar import SyntaxProblem
from clickstream.tables.sql.model import Table
from clickstream.tables.sql.nodes import SetNode
from clickstream.tables.sql.options import duration_ms

# The longest that brokers allow unless transaction.max.timeout.ms says otherwise; Flink asks for an hour.
LONGEST_TRANSACTION_MS = 900_000


@dataclass(frozen=True)
class Trouble:
    """What will go wrong on Flink, in a sentence, and the line that asks for it."""

    words: str
    line: int


def _number(text: str) -> str:
    return "" if text.isdigit() and int(text) > 0 else "a number above 0 is expected"


def _boolean(text: str) -> str:
    return "" if text.lower() in ("true", "false") else "true or false is expected"


def _duration(text: str) -> str:
    return "" if duration_ms(text) is not None else "a duration such as 10 s is expected"


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        return "" if text.lower() in choices else f"one of {', '.join(choices)} is expected"

    return check


_VALUES: Mapping[str, Callable[[str], str]] = {
    "parallelism.default": _number,
    "table.exec.resource.default-parallelism": _number,
    "pipeline.max-parallelism": _number,
    "pipeline.object-reuse": _boolean,
    "table.dml-sync": _boolean,
    "table.exec.mini-batch.enabled": _boolean,
    "table.exec.mini-batch.allow-latency": _duration,
    "table.exec.mini-batch.size": _number,
    "execution.checkpointing.interval": _duration,
    "execution.checkpointing.min-pause": _duration,
    "execution.checkpointing.timeout": _duration,
    "execution.checkpointing.mode": _one_of("exactly_once", "at_least_once"),
    "restart-strategy.type": _one_of(
        *("none", "off", "disable", "fixeddelay", "fixed-delay"),
        *("failurerate", "failure-rate", "exponentialdelay", "exponential-delay"),
    ),
}


def troubles(checked: Checked) -> list[Trouble]:
    """All that is known to fail, in the order of the file; of a file without problems."""
    settings = dict(_settings(checked))
    found = [*_of_settings(settings)]
    for table in checked.program.tables.values():
        found += [Trouble(f"{table.name}: {words}", table.line) for words in _of_table(table, settings)]
    return sorted(found, key=lambda one: one.line)


def _settings(checked: Checked) -> Iterator[tuple[str, tuple[str, int]]]:
    """Keys with their values and lines."""
    for statement in checked.statements:
        for member in statement.members:
            try:
                tree = parse(checked.source.text[member.start : member.end])
            except SyntaxProblem:
                continue
            if isinstance(tree, SetNode):
                yield tree.this.name, (tree.expression.name, checked.source.place(member.start)[0])


def _of_settings(settings: Mapping[str, tuple[str, int]]) -> Iterator[Trouble]:
    for key, (value, line) in settings.items():
        if key in _VALUES and "${" not in value and (problem := _VALUES[key](value)):
            yield Trouble(f"{key} is '{value}', {problem}", line)
    batches, line = settings.get("table.exec.mini-batch.enabled", ("", 0))
    if batches.lower() == "true":
        for key in ("table.exec.mini-batch.allow-latency", "table.exec.mini-batch.size"):
            if key not in settings:
                yield Trouble(f"table.exec.mini-batch.enabled needs {key}", line)


def _of_table(table: Table, settings: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    options = table.options
    if refused := refusal(table):
        yield refused[0]
    pair = ("scan.watermark.alignment.group", "scan.watermark.alignment.max-drift")
    if len(given := [name for name in pair if name in options]) == 1:
        yield f"{given[0]} needs {next(name for name in pair if name not in options)}"
    if options.get("sink.delivery-guarantee", "").lower() != "exactly-once":
        return
    if "sink.transactional-id-prefix" not in options:
        yield "exactly-once needs sink.transactional-id-prefix"
    if "execution.checkpointing.interval" not in settings:
        yield "exactly-once shows its rows at checkpoints only: SET 'execution.checkpointing.interval'"
    timeout = options.get("properties.transaction.timeout.ms", "3600000")
    if not timeout.isdigit() or int(timeout) > LONGEST_TRANSACTION_MS:
        yield (
            "exactly-once asks brokers for transactions of an hour, which they refuse: "
            f"'properties.transaction.timeout.ms' = '{LONGEST_TRANSACTION_MS}'"
        )
