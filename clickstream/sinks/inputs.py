"""Which topics a sink reads, and what their rows are: the results of a file of SQL, or topics by their names."""

import re
from collections.abc import Sequence
from dataclasses import replace

from clickstream.avro.registry import Registry
from clickstream.errors import ConfigError
from clickstream.sinks.model import Avro, Input
from clickstream.tables.engine.registry import registry_of
from clickstream.tables.sql.check import Checked, check
from clickstream.tables.sql.model import Column, Program, Table
from clickstream.tables.sql.options import AvroOptions
from clickstream.tables.sql.types import Type

# Of a topic that no SQL describes.
_VALUE = Column("value", Type.STRING)
PLAIN = (
    Column("key", Type.STRING),
    _VALUE,
    Column("timestamp", Type.TIMESTAMP_LTZ),
)


def of_program(program: Program, topics: Sequence[str] = (), *, unknown_waits: bool = True) -> list[Input]:
    """The results of a file: all that it writes, or only `topics` of them. Raises ConfigError for another topic.

    `unknown_waits`: of those in Avro, see Avro.
    """
    targets = {insert.target.topic: insert.target for insert in program.inserts}
    unknown = [topic for topic in topics if topic not in targets]
    if unknown:
        raise ConfigError(f"The file writes no topic {unknown[0]}. It writes {', '.join(targets)}.")
    return [
        of_table(table, unknown_waits=unknown_waits)
        for topic, table in targets.items()
        if not topics or topic in topics
    ]


def of_table(table: Table, *, unknown_waits: bool = True) -> Input:
    """A result's rows: the columns that are written."""
    keys, values = table.avro("key"), table.avro()
    avro = None
    if keys or values:
        avro = Avro(_registry(values), _registry(keys), strict_keys=True, unknown_waits=unknown_waits)
        # What Avro becomes.
        table = replace(
            table,
            key_format="json" if keys else table.key_format,
            value_format="json" if values else table.value_format,
        )
    return Input(table.topic, table.name, table.written, table.primary_key, table, avro)


def _registry(options: AvroOptions | None) -> Registry | None:
    return None if options is None else registry_of(options)


def plain(topic: str, avro: Avro | None = None) -> Input:
    """A topic of which nothing is known: key and value as texts."""
    return Input(topic, name_for(topic), PLAIN, avro=avro)


def whole(topic: str) -> Input:
    """A topic of which every record is a row, whatever its bytes are: without columns."""
    return Input(topic, name_for(topic), ())


def for_messages(source: Input) -> Input:
    """For a target that sends values on, with keys as they are: where nothing is known of the topic, its records are
    rows whatever their bytes are, or in Avro, the JSON of their values."""
    if source.table is not None:
        return source
    if source.avro is None:
        return whole(source.topic)
    return replace(source, columns=(_VALUE,), avro=replace(source.avro, keys=None))


def described(topic: str, columns: str, key: str | None, avro: Avro | None = None) -> Input:
    """A topic with columns as in CREATE TABLE, such as `user_id INT, hits BIGINT`.

    `key` names those of its JSON key, separated by commas, by which rows replace each other. Raises ConfigError when
    this is not understood.
    """
    primary = f", PRIMARY KEY ({key}) NOT ENFORCED" if key else ""
    kind = "'connector' = 'upsert-kafka', 'key.format' = 'json'" if key else "'connector' = 'kafka'"
    quoted = topic.replace("'", "''")
    found = check(
        f"CREATE TABLE described ({columns}{primary}) WITH ({kind}, 'topic' = '{quoted}', "
        "'properties.bootstrap.servers' = 'localhost:9092', 'value.format' = 'json');"
    )
    table = _only_table(found)
    if table is None:
        reason = found.problems[0].message if found.problems else "one list of columns is expected"
        raise ConfigError(f"--columns {columns!r}: {reason} Give them as in CREATE TABLE: 'user_id INT, hits BIGINT'.")
    return Input(topic, name_for(topic), table.written, table.primary_key, table, avro)


def _only_table(found: Checked) -> Table | None:
    tables = list(found.program.tables.values())
    return tables[0] if len(tables) == 1 and not found.problems else None


def name_for(topic: str) -> str:
    """A table's name for a topic: `web-events` is `web_events`."""
    return re.sub(r"[^0-9A-Za-z_]", "_", topic)


def check_names(inputs: Sequence[Input]) -> None:
    """Raises ConfigError when two inputs would be written to one table, or one topic is read twice."""
    for what, names in (("table", [one.name for one in inputs]), ("topic", [one.topic for one in inputs])):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"Two inputs are {what} {twice}: give them to two sinks, with two --name.")
