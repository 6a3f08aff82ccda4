"""What a sink would do, told beforehand: nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickstream.kafka.clients import Cluster
from clickstream.sinks.backlog import Backlog, backlog
from clickstream.sinks.model import Input
from clickstream.sinks.postgres import columns
from clickstream.sinks.postgres.claims import Claims
from clickstream.sinks.postgres.columns import Wanted
from clickstream.sinks.postgres.connection import Address, schema_of, speaking
from clickstream.sinks.postgres.shape import OFFSETS, needed
from clickstream.sinks.postgres.target import PostgresOptions, look


@dataclass(frozen=True)
class InputPlan:
    """What comes of an input."""

    source: Input
    table: str
    exists: bool
    key: tuple[str, ...]
    columns: Sequence[Wanted]
    backlog: Backlog


@dataclass(frozen=True)
class Plan:
    """`statements` are what would be executed, `problems` what stands in the way of it."""

    where: str
    user: str
    schema: str
    inputs: Sequence[InputPlan]
    statements: Sequence[str]
    problems: Sequence[str]


def plan(address: Address, cluster: Cluster, inputs: Sequence[Input], name: str, options: PostgresOptions) -> Plan:
    """What a sink of this `name` would do. Raises ClickstreamError."""
    columns.check(inputs, early=options.early)
    connection = address.connect(writing=False, name=name)
    try:
        with speaking(address.where), connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            schema = schema_of(connection, options.schema)
            found = look(connection, schema, inputs)
            todo = needed(inputs, found, early=options.early, evolve=options.evolve, jsonb=options.jsonb)
            topics = [one.topic for one in inputs]
            readable = OFFSETS in found.tables and "SELECT" in found.tables[OFFSETS].rights
            places = Claims(schema, address.where).places(connection, name, topics) if readable else {}
            statements = [change.statement.as_string(connection) for change in todo.changes]
    finally:
        connection.close()
    plans = []
    for source in inputs:
        own = {number: place for (topic, number), place in places.items() if topic == source.topic}
        left = backlog(cluster, source.topic, own)
        todo.problems.extend(left.problems)
        want = columns.wanted(source, early=options.early, jsonb=options.jsonb)
        exists = source.name in found.tables
        plans.append(InputPlan(source, source.name, exists, columns.key_of(source), want, left))
    return Plan(address.where, found.user, schema, plans, statements, todo.problems)
