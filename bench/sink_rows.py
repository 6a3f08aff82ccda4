"""What the peers of sinks share: a topic read by a consumer group, in batches of decoded records."""

from collections.abc import Iterator
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError


def batches(kafka: str, topic: str, group: str, most: int) -> Iterator[list[dict[str, Any]]]:
    """The records of a topic up to its end; the offsets of a batch are committed when the next one is asked for."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([topic])
    decoder = msgspec.json.Decoder(dict[str, Any])
    ended: set[int] = set()
    partitions = len(consumer.list_topics(topic).topics[topic].partitions)
    while len(ended) < partitions:
        rows = []
        for message in consumer.consume(most, 0.5):
            error = message.error()
            if error is None:
                rows.append(decoder.decode(message.value() or b"{}"))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition() or 0)
        if rows:
            yield rows
            consumer.commit(asynchronous=False)
    consumer.close()
