"""Made-up topics in a real Kafka, and what is in topics there."""

import json
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Message

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.tables.sql.model import Table
from clickstream.topics import Declared, ensure
from tests.differential.outcome import Final, final
from tests.differential.records import marked
from tests.differential.rows import Record, Value
from tests.support import PATIENCE

# Records of 2023 stay: retention goes by their timestamps.
_KEPT = {"retention.ms": "-1"}


def make_topics(cluster: Cluster, names: Iterable[str], partitions: int) -> None:
    ensure(cluster, [Declared(name, partitions, config=_KEPT) for name in names])


def write(cluster: Cluster, topics: Mapping[str, Sequence[Record]]) -> None:
    """Write every record to its partition, with its timestamp; in empty topics it gets its offset too."""
    refused: list[object] = []
    producer = cluster.producer({"linger.ms": 5})
    for topic, records in topics.items():
        for record in records:
            producer.produce(
                topic,
                record.value,
                record.key,
                partition=record.partition,
                timestamp=record.timestamp,
                headers=list(record.headers),
                on_delivery=lambda error, _message: refused.append(error) if error else None,
            )
    assert producer.flush(30 * PATIENCE) == 0
    assert not refused, refused


def read(cluster: Cluster, table: Table) -> Final:
    """What the topic of a target table holds, parsed. Keys of equal rows are in one partition each."""
    messages: list[Message] = []
    read_to_end(cluster, table.topic, messages.append)
    return final(table.upsert, [(_key(message, table), _value(message, table)) for message in messages])


def _key(message: Message, table: Table) -> object:
    key = message.key()
    if key is None or table.key_format is None:
        return key
    return _text(key) if table.key_format == "raw" else json.loads(key)


def _value(message: Message, table: Table) -> object:
    value = message.value()
    if value is None:
        return None
    wanted = {column.metadata for column in table.written}
    beside: dict[str | None, Value] = {}
    if "timestamp" in wanted:
        beside["timestamp"] = message.timestamp()[1]
    if "headers" in wanted:
        beside["headers"] = dict(message.headers() or ())
    return {**json.loads(value), **marked(beside)}


def _text(data: bytes | str) -> str:
    return data.decode() if isinstance(data, bytes) else data
