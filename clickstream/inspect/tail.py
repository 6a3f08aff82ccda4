"""The end of topics, and what comes: which records `topics tail` shows, and in which order."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, Message

from clickstream.errors import ClickstreamError
from clickstream.inspect import offsets, position
from clickstream.inspect.conditions import ANY, Condition
from clickstream.inspect.names import must_exist
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.position import Position
from clickstream.inspect.read import Span, last, read, reader
from clickstream.kafka.admin import metadata
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.topics import declared

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
# After the start or the loss of a broker, partitions get their leaders one after the other.
LEADER_WITHIN_S = 10.0
# With a filter, few of the last records may fit: look at this many per partition at once.
FILTER_WINDOW = 2_000


DEFAULT_NUMBER = 10


@dataclass(frozen=True)
class Tail:
    """What is asked for. `number` counts from the end of each topic, or from `start` on, over all topics.

    None is DEFAULT_NUMBER from the end, and no limit from `start` on. `open` may replace what is in a message before
    anybody looks at it.
    """

    topics: Sequence[str]
    number: int | None = None
    start: Position | None = None
    partition: int | None = None
    follow: bool = False
    condition: Condition = ANY
    open: Callable[[Message], None] | None = None

    def accepts(self, message: Message) -> bool:
        """Whether the message, opened, is one of those that are asked for."""
        if self.open is not None:
            self.open(message)
        return self.condition.accepts(message)


def tail(cluster: Cluster, asked: Tail, stop: threading.Event) -> Iterator[list[Message]]:
    """The records in batches; an empty batch when nothing came for a moment.

    The last ones come by (timestamp, partition, offset); read on from a position, each partition keeps its
    order and they come as they arrive. To follow a declared topic that does not exist yet is to wait for it.
    """
    admin = cluster.admin()
    if asked.follow and not _there(cluster, admin, asked.topics, stop):
        return
    limits = find(cluster, admin, asked.topics, asked.partition)
    consumer = reader(cluster)
    try:
        if asked.start is None:
            for topic in asked.topics:
                yield _last(consumer, cluster, asked, topic, limits, stop)
            if asked.follow:
                ahead = {partition: Span(limit.high) for partition, limit in limits.items()}
                yield from _kept(asked, read(consumer, ahead, cluster.address, stop))
            return
        begin = position.starts(cluster, admin, asked.start, limits)
        spans = {
            partition: Span(begin[partition], None if asked.follow else limit.high)
            for partition, limit in limits.items()
        }
        yield from _first(_kept(asked, read(consumer, spans, cluster.address, stop)), asked.number)
    finally:
        consumer.close()


def _there(cluster: Cluster, admin: Admin, topics: Sequence[str], stop: threading.Event) -> bool:
    """Whether the declared ones of the topics are there, once they are; False when stopped meanwhile.

    Another name is more likely a typing error than something to wait for.
    """
    expected = set(topics) & set(declared())
    said: set[str] = set()
    while True:
        absent = expected - set(metadata(cluster, admin))
        if not absent:
            return True
        for topic in sorted(absent - said):
            log.warning("Topic %s does not exist yet; waiting for it.", topic)
        said |= absent
        if stop.wait(LOOK_EVERY_S):
            return False


def find(
    cluster: Cluster, admin: Admin, topics: Sequence[str], partition: int | None = None
) -> dict[Partition, Limits]:
    """The limits of the topics' partitions, or of the one with that number.

    Raises ClickstreamError for a topic or partition that does not exist, and for one that still cannot be read after
    LEADER_WITHIN_S.
    """
    deadline = time.monotonic() + LEADER_WITHIN_S
    while True:
        wanted, limits = _look(cluster, admin, topics, partition)
        missing = next((one for one in wanted if one not in limits), None)
        if missing is None:
            return limits
        if time.monotonic() >= deadline:
            topic, number = missing
            raise ClickstreamError(
                f"Partition {number} of topic {topic} has no leader at {cluster.address} and cannot be read now. "
                f"See: clickstream topics describe {topic}"
            )
        threading.Event().wait(LOOK_EVERY_S)


def _look(
    cluster: Cluster, admin: Admin, topics: Sequence[str], partition: int | None
) -> tuple[list[Partition], dict[Partition, Limits]]:
    """The partitions that are asked for, and the limits of those that have a leader now."""
    known = metadata(cluster, admin)
    must_exist(cluster, topics, known)
    for topic in topics:
        if partition is not None and partition not in known[topic]:
            raise ClickstreamError(
                f"Topic {topic} has no partition {partition}: they are 0 to {len(known[topic]) - 1}."
            )
    wanted = [(topic, number) for topic in topics for number in sorted(known[topic]) if partition in (None, number)]
    led = set(offsets.led(known, topics))
    return wanted, offsets.limits(cluster, admin, [one for one in wanted if one in led])


def _last(
    consumer: Consumer,
    cluster: Cluster,
    asked: Tail,
    topic: str,
    limits: Mapping[Partition, Limits],
    stop: threading.Event,
) -> list[Message]:
    return last(
        consumer,
        {partition: limit for partition, limit in limits.items() if partition[0] == topic},
        DEFAULT_NUMBER if asked.number is None else asked.number,
        cluster.address,
        stop,
        keep=asked.accepts,
        window=FILTER_WINDOW if asked.condition.terms else 0,
    )


def _kept(asked: Tail, batches: Iterator[list[Message]]) -> Iterator[list[Message]]:
    for batch in batches:
        yield list(filter(asked.accepts, batch))


def _first(batches: Iterator[list[Message]], number: int | None) -> Iterator[list[Message]]:
    """The batches up to `number` records in all."""
    if number is None:
        yield from batches
        return
    while number > 0:
        batch = next(batches, None)
        if batch is None:
            return
        yield batch[:number]
        number -= len(batch[:number])
