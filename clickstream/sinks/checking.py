"""What checks of targets share: what came of a comparison, and reading a topic up to where it ends now."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from confluent_kafka import Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka import log as kafka_log
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import COMMITTED, End, OutOfRange, TopicGone, look_and_assign, split
from clickstream.kafka.log import LogIdentity
from clickstream.sinks.model import OFFSET, PARTITION, Input, Place, Rows

NAMED = 20  # differing keys that are told by name
BATCH = 20_000
SILENT_S = 60.0


@dataclass
class InputCheck:
    """What was compared of an input.

    `missing` rows are only in the topic, `foreign` ones only in the target, `changed` ones have other values; of some
    of them `examples` has the key, with what they are. `refused` and `unreadable` records have no row: they are dead
    letters. `later` keys have records that the sink has not written yet, `older` rows are of records that the topic
    does not hold any more, and no sink wrote `unowned` ones: none of them are compared. `repaired` rows were written or
    deleted.
    """

    source: Input
    rows: int = 0
    expected: int = 0
    ranges: int = 0
    missing: int = 0
    foreign: int = 0
    changed: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    refused: int = 0
    unreadable: int = 0
    later: int = 0
    older: int = 0
    unowned: int = 0
    repaired: int = 0

    @property
    def differs(self) -> int:
        """How many rows are not as they should be."""
        return self.missing + self.foreign + self.changed


def must_be_of(cluster: Cluster, topic: str, places: Mapping[int, Place], where: str, name: str) -> LogIdentity:
    """Which log the topic is. Raises ClickstreamError when the sink `name` wrote nothing of it, or of one before it."""
    if not places:
        raise ClickstreamError(f"{where} has nothing that sink {name} wrote of topic {topic}.")
    identity = kafka_log.identify(cluster, topic)
    if any(place.topic_id != identity.topic_id for place in places.values()):
        raise ClickstreamError(f"Topic {topic} was recreated: {where} has the rows of the one before.")
    return identity


def batches(cluster: Cluster, identity: LogIdentity, spans: Mapping[int, tuple[int, int]]) -> Iterator[list[Message]]:
    """The records of [from, to) of each partition, those of a partition in their order; some after `to` may come, too.

    Raises LogChanged when the topic is not that one any more, ClickstreamError when nothing comes for SILENT_S.
    """
    topic = identity.topic
    waiting = {number: end for number, (start, end) in spans.items() if start < end}
    if not waiting:
        return
    consumer = cluster.consumer("clickstream-check", COMMITTED)
    try:
        places = {number: spans[number][0] for number in waiting}
        consumer.assign([TopicPartition(topic, *place) for place in places.items()])
        heard = time.monotonic()
        batch: list[Message] = []
        while waiting:
            try:
                for part in split(consumer.consume(BATCH, 0.2), cluster.address):
                    if isinstance(part, End):
                        at = part.offset
                    else:
                        at = (part.messages[-1].offset() or 0) + 1
                        batch += part.messages
                    heard = time.monotonic()
                    places[part.partition] = at
                    if at >= waiting.get(part.partition, at + 1):
                        del waiting[part.partition]
            except (TopicGone, OutOfRange):
                # What followed in these messages was not taken, and is read again.
                look_and_assign(cluster, consumer, identity, {number: places[number] for number in waiting})
            if time.monotonic() > heard + SILENT_S:
                raise ClickstreamError(f"Kafka at {cluster.address} sends nothing of {topic} for {SILENT_S:.0f} s.")
            if len(batch) >= BATCH:
                yield batch
                batch = []
                heard = time.monotonic()  # whoever compares may take as long as it wants
        if batch:
            yield batch
    finally:
        consumer.close()


def written_and_later(rows: Rows, ends: Mapping[int, int]) -> tuple[Rows, Rows]:
    """Rows of records before the offset in `ends` of their partition, and all others."""
    pairs = zip(rows.table[PARTITION].to_pylist(), rows.table[OFFSET].to_pylist(), strict=True)
    written = [offset < ends.get(number, 0) for number, offset in pairs]
    return kept(rows, written), kept(rows, [not one for one in written])


def kept(rows: Rows, keep: Sequence[bool]) -> Rows:
    """Those of the rows of which it is said."""
    if all(keep):
        return rows
    return Rows(
        rows.input, rows.table.filter(pa.array(keep, pa.bool_())), list(itertools.compress(rows.messages, keep))
    )
