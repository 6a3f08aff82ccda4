"""Running a checked file over records in memory: the real engine, whose state and topics go away afterwards."""

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from clickstream.deadline import Deadline
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine.engine import Engine, Parts
from clickstream.tables.engine.needs import Needs
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.report import ResultReport, SourceReport
from clickstream.tables.engine.rig.reading import Clock, Readings
from clickstream.tables.engine.rig.topics import MemoryCluster, Topics
from clickstream.tables.engine.state.statements import statements_of
from clickstream.tables.engine.state.store import State
from clickstream.tables.looking.latest import Latest, by_key, by_record, by_window
from clickstream.tables.looking.rows import RecordReader, Row
from clickstream.tables.preview.limits import Limits
from clickstream.tables.preview.records import Found, SourceRecords
from clickstream.tables.sql.check import Checked
from clickstream.tables.sql.model import Program, Table

# Records of each source that the engine takes at once: between, it is looked whether the time is over.
STEP = 5_000
STEPS = 20
DEAD_LETTERS = "preview-dead-letters"


@dataclass(frozen=True)
class Progress:
    """How far a preview is: `done` of `total` records of what it does."""

    doing: str
    done: int
    total: int


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Result:
    """What would be in a result's table: the newest `rows`, of `known`. `report` counts what was late or left out."""

    table: Table
    rows: list[Row]
    known: int
    report: ResultReport


@dataclass(frozen=True)
class Preview:
    """The results in the order of the file; `records` of each source, and whether these are `whole` topics."""

    results: list[Result]
    sources: list[SourceReport]
    records: dict[str, int]
    whole: bool


def preview(
    cluster: Cluster,
    checked: Checked,
    limits: Limits | None = None,
    *,
    only: str | None = None,
    tell: Tell = lambda progress: None,
    cancel: threading.Event | None = None,
) -> Preview:
    """What a file without problems would write of the records that are there: as `tables run --exit-at-end` does.

    Reads `cluster`, and writes nothing to it; nothing stays on the disk. `only`: the rows of this result. `tell` is
    called often, on this thread; `cancel` may be set from any other. Raises Cancelled, TooLong, ConfigError for a
    file without a result of that name, and ClickstreamError for what would end a run.
    """
    limits = limits or Limits()
    program = _previewed(checked.program)
    targets = [insert.target for insert in program.inserts if only in (None, insert.target.name)]
    if not targets:
        names = ", ".join(insert.target.name for insert in program.inserts)
        raise ConfigError(f"There is no result {only}. " + (f"Results: {names}." if names else "There is no INSERT."))
    with Deadline(limits.seconds, cancel) as deadline:
        found = _read(cluster, program, limits, deadline, tell)
        topics = Topics()
        for topic, records in found.items():
            topics.load(topic, records.firsts, records.messages)
        before = {target.topic: len(topics.records(target.topic)) for target in targets}
        sources, reports = _run(program, checked, topics, limits, deadline, tell)
        results = [_result(topics, one, before[one.topic], reports[one.name], limits.rows) for one in targets]
    read = {name: program.tables[name].topic for name in _read_tables(program)}
    return Preview(
        results,
        sources,
        {name: len(found[topic].messages) for name, topic in read.items()},
        all(records.whole for records in found.values()),
    )


def _previewed(program: Program) -> Program:
    """Whatever a table says of where to start: what was read is what it is about. No result needs a registry."""
    tables = {
        name: replace(table, options={**table.options, "scan.startup.mode": "earliest-offset"})
        for name, table in program.tables.items()
    }
    inserts = tuple(replace(insert, target=_in_json(insert.target)) for insert in program.inserts)
    return replace(program, tables=tables, inserts=inserts)


def _in_json(table: Table) -> Table:
    key = "json" if table.avro("key") is not None else table.key_format
    return replace(table, key_format=key, value_format="json")


def _read_tables(program: Program) -> dict[str, bool]:
    """The names of the tables that are read, and whether as a whole."""
    needs = Needs(program)
    return dict.fromkeys(needs.references, True) | dict.fromkeys(needs.streams, False)


def _read(cluster: Cluster, program: Program, limits: Limits, deadline: Deadline, tell: Tell) -> dict[str, Found]:
    """The records by topic."""
    total = 0

    def advance(table: str, records: int) -> None:
        nonlocal total
        total += records
        tell(Progress(f"reading {table}", total, 0))

    source = SourceRecords(cluster, limits, deadline, advance)
    found: dict[str, Found] = {}
    for name, whole in _read_tables(program).items():
        table = program.tables[name]
        if table.topic not in found:
            found[table.topic] = source.of(table, whole=whole or table.upsert)
    return found


def _run(
    program: Program, checked: Checked, topics: Topics, limits: Limits, deadline: Deadline, tell: Tell
) -> tuple[list[SourceReport], dict[str, ResultReport]]:
    clock = Clock()
    readings = Readings(topics, clock)
    with tempfile.TemporaryDirectory(prefix="clickstream-preview-") as directory:
        options = EngineOptions(
            name="preview",
            state_dir=Path(directory) / "state",
            group="preview",
            dead_letter_topic=DEAD_LETTERS,
            exit_at_end=True,
            memory_limit=limits.memory,
        )

        def state(*given: Any, **named: Any) -> State:
            opened = State(*given, **named)

            def interrupt() -> None:
                with contextlib.suppress(duckdb.Error):  # it is closed already
                    opened.db.interrupt()

            deadline.interrupt = interrupt
            return opened

        cluster = MemoryCluster("in memory", topics=topics)
        parts = Parts(readings, state, clock.engine)
        with contextlib.closing(Engine(cluster, program, statements_of(checked), options, parts)) as engine:
            with _in_time(deadline):
                _drive(engine, readings, topics, limits, deadline, tell)
            return engine.sources(), {report.name: report for report in engine.results()}


def _drive(engine: Engine, readings: Readings, topics: Topics, limits: Limits, deadline: Deadline, tell: Tell) -> None:
    """Have the engine take in all records, a step at a time, until it is at its end."""
    engine.start(deadline.over)
    deadline.check()
    readings.now.started()
    total = given = _count(topics)
    step = max(STEP, total // STEPS)
    names = [source.name for source in engine.sources()]
    going = True
    while going:
        readings.now.read_on(names, step, ends=True)
        while True:
            going = engine.turn()
            deadline.check()
            if not going or not readings.now.waiting:
                break
        if _count(topics) - given > limits.result_rows:
            raise ClickstreamError(f"The results have more than {limits.result_rows:,} rows: too many for a preview.")
        tell(Progress("computing", min(total, sum(source.rows for source in engine.sources())), total))
    engine.drain()
    engine.flush()


def _count(topics: Topics) -> int:
    return sum(len(log) for partitions in topics.logs.values() for log in partitions)


@contextlib.contextmanager
def _in_time(deadline: Deadline) -> Iterator[None]:
    """What an interrupted statement raises is that the time is over."""
    try:
        yield
    except ClickstreamError:
        if deadline.over.is_set():
            deadline.check()
        raise


def _result(topics: Topics, table: Table, before: int, report: ResultReport, limit: int) -> Result:
    """Its newest rows, as `tables show` has them."""
    messages = [record.message() for record in topics.records(table.topic)[before:]]
    rows = RecordReader(table).rows(messages) if messages else []
    if not table.upsert:
        return Result(table, rows[-limit:], len(rows), report)
    windows = by_window(table.columns)
    latest = Latest(limit, windows or by_record)
    for row in rows:
        latest.take(row)
    return Result(table, sorted(latest.highest(limit), key=windows or by_key), len(latest), report)
