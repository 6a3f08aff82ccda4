"""Flows without Kafka: a program's relations and operators on a database, and watermarks that a test sets."""

import duckdb

from clickstream.tables.engine.compile.compiled import Watermarks
from clickstream.tables.engine.compile.compiler import compiled
from clickstream.tables.engine.flow import Flow
from clickstream.tables.engine.needs import Needs
from clickstream.tables.engine.operators.operator import CREATE_LATE
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.sources.stream import show_nothing
from clickstream.tables.engine.watermarks import Moment
from clickstream.tables.sql.model import Program


def flow_of(db: duckdb.DuckDBPyConnection, program: Program, *, changes: bool = False) -> Flow:
    """The program's flow, ready to take batches."""
    needs = Needs(program)
    references = {name: Reference(program.tables[name], needs.tables[name]) for name in needs.references}
    for reference in references.values():
        reference.create(db)
    for name in needs.streams:
        show_nothing(db, program.tables[name], needs.tables[name])
    db.execute(CREATE_LATE)
    flow = Flow(compiled(program, references), changes=changes)
    flow.prepare(db)
    return flow


def at(**watermarks: int) -> Watermarks:
    """The watermarks (ms) of tables by their names, each by itself and the least of all together."""
    single: dict[tuple[str, ...], int] = {(name,): mark for name, mark in watermarks.items()}
    return Moment({**single, tuple(watermarks): min(watermarks.values())}, {})
