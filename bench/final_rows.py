"""What is in a topic of results in the end, as a number of rows and a checksum of their contents."""

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message, TopicPartition

from bench.broker import BenchKafka
from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import COMMITTED, EARLIEST, READER, End, partitions_of, split

BATCH = 10_000
SILENT_S = 60.0

Hashes = npt.NDArray[np.int64]
_DELETED = hash(None)


@dataclass(frozen=True)
class Rows:
    """`count` rows. Equal checksums, within one process of Python, mean equal keys and values in whatever order."""

    count: int
    checksum: int

    def __add__(self, other: "Rows") -> "Rows":
        return Rows(self.count + other.count, (self.checksum + other.checksum) % 2**64)


def of_stream(keys: Hashes, values: Hashes) -> Rows:
    """Every record is a row."""
    # Multiplied by an odd number, which loses nothing, so that key and value cannot change places.
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ values.astype(np.uint64)
    # Hash by hash once more: a sum of XORs alone would take two swapped values for the right ones.
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return Rows(len(keys), int(mixed.sum(dtype=np.uint64)))


def of_table(keys: Hashes, values: Hashes) -> Rows:
    """The last record of each key is its row; one without a value deletes it."""
    _, from_the_end = np.unique(keys[::-1], return_index=True)
    last = len(keys) - 1 - from_the_end
    there = last[values[last] != _DELETED]
    return of_stream(keys[there], values[there])


def read(kafka: BenchKafka, topic: str, *, table: bool) -> Rows:
    """The rows of a topic. Raises ClickstreamError when nothing comes for SILENT_S seconds."""
    total = Rows(0, 0)
    for keys, values in _hashes(kafka, topic):
        total += (of_table if table else of_stream)(keys, values)
    return total


def _hashes(kafka: BenchKafka, topic: str) -> list[tuple[Hashes, Hashes]]:
    """Of each partition the hashes of keys and values, in order: 16 bytes a record, however many there are."""
    consumer = kafka.cluster.consumer("bench", {**READER, **COMMITTED})
    try:
        found = {number: (array("q"), array("q")) for number in partitions_of(consumer, topic, kafka.address)}
        consumer.assign([TopicPartition(topic, number, EARLIEST) for number in found])
        ended = 0
        while ended < len(found):
            batch = consumer.consume(BATCH, 0.1) or consumer.consume(1, SILENT_S)
            if not batch:
                raise ClickstreamError(f"Reading {topic} to its end: nothing came for {SILENT_S:.0f} s.")
            for part in split(batch, kafka.address):
                if isinstance(part, End):
                    ended += 1
                    continue
                keys, values = found[part.partition]
                keys.extend(map(hash, map(Message.key, part.messages)))
                values.extend(map(hash, map(Message.value, part.messages)))
    finally:
        consumer.close()
    return [(np.frombuffer(keys, np.int64), np.frombuffer(values, np.int64)) for keys, values in found.values()]
