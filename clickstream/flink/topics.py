"""The topics that a file reads and writes."""

from clickstream.kafka.clients import Cluster
from clickstream.tables.outputs import output
from clickstream.tables.sql.model import Program, Scan, TemporalJoin
from clickstream.tables.sql.plans import walk
from clickstream.topics import ensure, require


def prepare(cluster: Cluster, program: Program) -> None:
    """See that they are there: what is read must exist, what is written is created, compacted if rows have keys.

    Flink would fail without the former, and a cluster need not create the latter. Raises ClickstreamError.
    """
    for name in sources(program):
        require(cluster, name)
    ensure(cluster, [output(insert.target) for insert in program.inserts])


def sources(program: Program) -> list[str]:
    """The topics that are read."""
    nodes = [node for insert in program.inserts for node in walk(insert.plan)]
    tables = [node.table for node in nodes if isinstance(node, Scan)]
    tables += [node.reference for node in nodes if isinstance(node, TemporalJoin)]
    return list(dict.fromkeys(table.topic for table in tables))
