"""Reading: runs of one partition out of a batch, and reading to the end of partitions."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka import log as kafka_log
from clickstream.kafka.clients import ANSWERS_MS, Cluster
from clickstream.kafka.errors import explain, is_missing, is_transient
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import limits
from clickstream.kafka.patience import Stopped, patiently
from clickstream.kafka.patience import TopicGone as TopicGone


class OutOfRange(ClickstreamError):
    """The offset to read next is not in the log: log.check tells why."""


@dataclass
class Run:
    """Records of one partition in offset order, without errors."""

    topic: str
    partition: int
    messages: list[Message]


@dataclass
class End:
    """A partition's end was reached; `offset` is that of the next record to come."""

    topic: str
    partition: int
    offset: int


def split(
    messages: Sequence[Message], address: str, *, joined: str | None = None, topics: int = 1
) -> Iterator[Run | End]:
    """The runs and ends of a batch, in order. `topics`: how many the consumer reads.

    `joined` is the group of a consumer that is its member. One that only assigns partitions has an id as well, and
    needs no right to it: that the broker refuses it is ignored.
    Raises TopicGone, OutOfRange, or another ClickstreamError for an error from which the client does not recover by
    itself.
    """
    # Three C-level passes over the batch; a Python loop over messages costs three times as much.
    if not any(map(Message.error, messages)):
        yield from _runs(messages, topics)
        return
    for failed, group in itertools.groupby(messages, lambda message: message.error() is not None):
        if not failed:
            yield from _runs(list(group), topics)
            continue
        for message in group:
            error = message.error()
            assert error is not None
            if error.code() == KafkaError._PARTITION_EOF:
                yield End(message.topic() or "", message.partition() or 0, message.offset() or 0)
            elif error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                if joined is not None:
                    raise explain(error, f"Joining group {joined}", address)
            elif not is_transient(error):
                raise _stop(error, message, address)


def _stop(error: KafkaError, message: Message, address: str) -> ClickstreamError:
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        return OutOfRange(
            f"{message.topic()} partition {message.partition()}: the offset to read next is not in the log "
            f"({error.str()}). Its records were deleted, or the topic was recreated; --reset starts over."
        )
    stop = explain(error, f"Reading {message.topic() or 'from Kafka'}", address)
    return TopicGone(str(stop)) if is_missing(error) else stop


def _runs(messages: Sequence[Message], topics: int) -> Iterator[Run]:
    if topics > 1:
        # A pass more: with one topic, at full speed, its names would cost a tenth of the rate.
        for _topic, run in itertools.groupby(messages, Message.topic):
            yield from _runs(list(run), 1)
        return
    start = 0
    for partition, group in itertools.groupby(map(Message.partition, messages)):
        end = start + sum(1 for _ in group)
        yield Run(messages[start].topic() or "", partition or 0, list(messages[start:end]))
        start = end


# Of one question; it is asked again.
WITHIN_S = 5.0
EARLIEST = -2  # librdkafka's RD_KAFKA_OFFSET_BEGINNING

# A broker holds a fetch at the end of the log back for this long, hoping for records; only its empty answer
# tells that the end is reached. The default, 500 ms, would be the time to read an empty topic.
READER: dict[str, Any] = {"fetch.wait.max.ms": 10, "socket.timeout.ms": ANSWERS_MS}

# Whatever the user's properties say: what a crashed transaction left behind was never published, and never saved.
COMMITTED = {"isolation.level": "read_committed"}


def read_to_end(
    cluster: Cluster,
    topic: str,
    on_message: Callable[[Message], None],
    *,
    start: Mapping[int, int] | None = None,
    timeout: float = 60.0,
    stop: threading.Event | None = None,
) -> dict[int, int]:
    """Call `on_message` for every record of `topic` up to each partition's end; returns the offsets that come next.

    `start` maps partitions to first offsets; without it, all partitions are read from their beginning. The end is
    where a partition's reader was told so; of a topic that is written as fast as it is read, where the end was when
    it had been read for ENDLESS_S. With `stop`, of a long-running part, an outage of any length is waited for:
    Stopped is raised once it is set and nothing has come for STOPPED_AFTER_S. Without, ClickstreamError when nothing
    comes for `timeout` seconds. Raises TopicGone, or LogChanged when the log does not hold what comes next.
    """
    consumer = cluster.consumer("clickstream-reader", {**READER, **COMMITTED})
    try:
        if start is None:
            start = dict.fromkeys(partitions_of(consumer, topic, cluster.address, stop), EARLIEST)
        else:
            know_leaders(consumer, topic)
        places = dict(start)
        consumer.assign([TopicPartition(topic, *place) for place in places.items()])
        ends: dict[int, int] = {}
        bounds: dict[int, int] = {}
        bounded_at = time.monotonic() + ENDLESS_S
        silence = _Silence(f"Reading {topic} at {cluster.address} to its end", timeout, stop)
        while len(ends) < len(start):
            silence.check()
            if not bounds and time.monotonic() >= bounded_at:
                bounds = _bounds(consumer, topic, start, cluster.address)
                bounded_at = time.monotonic() + ENDLESS_S  # records are read before it is asked again
            # One by one: consume() would wait for a full batch at the end of a short topic.
            message = consumer.poll(0.5)
            try:
                parts = list(split([message] if message is not None else [], cluster.address))
            except (TopicGone, OutOfRange):
                look_and_assign(cluster, consumer, kafka_log.identify(cluster, topic, stop=stop), places, stop)
                continue
            for part in parts:
                if isinstance(part, End):
                    ends[part.partition] = places[part.partition] = part.offset
                    continue
                silence.broken()
                for found in part.messages:
                    on_message(found)
                places[part.partition] = after = (part.messages[-1].offset() or 0) + 1
                # What comes while other partitions are still read has been handed over, too.
                if part.partition in ends or after >= bounds.get(part.partition, after + 1):
                    ends[part.partition] = after
        return ends
    finally:
        consumer.close()


def _bounds(consumer: Consumer, topic: str, partitions: Iterable[int], address: str) -> dict[int, int]:
    """Where partitions end now; nothing when Kafka does not say so at once: the next record may be waited for first.

    To wait here would be in vain for a client that has lost all brokers: it says so only when it is polled.
    """
    try:
        return {
            one: consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=WITHIN_S)[1] for one in partitions
        }
    except KafkaException as problem:
        # If the topic is gone, the reading itself says so; a client says it for a moment after a freeze, too.
        if is_transient(problem) or is_missing(problem):
            return {}
        raise explain(problem, f"Asking for the offsets of {topic}", address) from problem


def look_and_assign(
    cluster: Cluster,
    consumer: Consumer,
    identity: LogIdentity,
    places: Mapping[int, int],
    stop: threading.Event | None = None,
) -> None:
    """After TopicGone or OutOfRange: read on at `places`, by partition the offset to read next.

    Clients say so for a moment while a broker restarts, too; if it is true, this raises what happened, as
    kafka.log.check does.
    """
    kafka_log.check(cluster, identity, {one: at for one, at in places.items() if at >= 0}, stop=stop)
    consumer.assign([TopicPartition(identity.topic, *place) for place in places.items()])


# Far longer than a topic takes whose end is told; what is committed before a reading begins is below the bound.
ENDLESS_S = 5.0
# A broker that is there answers at once; only during an outage a stop has to end the reading.
STOPPED_AFTER_S = 2.0


class _Silence:
    """How long nothing has come."""

    def __init__(self, doing: str, timeout: float, stop: threading.Event | None) -> None:
        self._doing = doing
        self._timeout = timeout
        self._stop = stop
        self.broken()

    def broken(self) -> None:
        self._since = time.monotonic()

    def check(self) -> None:
        """Raises Stopped, or ClickstreamError, when it has lasted too long."""
        lasted = time.monotonic() - self._since
        if self._stop is None and lasted > self._timeout:
            raise ClickstreamError(f"{self._doing}: nothing came for {self._timeout:.0f} s.")
        if self._stop is not None and self._stop.is_set() and lasted > STOPPED_AFTER_S:
            raise Stopped(f"{self._doing}: stopped while Kafka was away.")


def read_again(
    cluster: Cluster,
    topic: str,
    places: Collection[tuple[int, int]],
    *,
    timeout: float = 60.0,
    stop: threading.Event | None = None,
) -> Iterator[Message]:
    """The records at some places, pairs of partition and offset, of which those between are read too.

    What is not there any more is left out. Waits for records as read_to_end does, with `stop` and without.
    """
    consumer = cluster.consumer("clickstream-reader", {**READER, **COMMITTED})
    try:
        know_leaders(consumer, topic)
        for partition in sorted({partition for partition, _ in places}):
            offsets = [offset for own, offset in places if own == partition]
            at, last = min(offsets), max(offsets)
            consumer.assign([TopicPartition(topic, partition, at)])
            silence = _Silence(f"Reading {topic} at {cluster.address}", timeout, stop)
            while at <= last:
                silence.check()
                message = consumer.poll(0.5)
                try:
                    parts = list(split([message] if message is not None else [], cluster.address))
                except (TopicGone, OutOfRange):
                    identity = kafka_log.identify(cluster, topic, stop=stop)
                    try:
                        look_and_assign(cluster, consumer, identity, {partition: at}, stop)
                    except kafka_log.Truncated:
                        at = limits(cluster, topic, partitions=[partition], stop=stop)[partition].low
                        consumer.assign([TopicPartition(topic, partition, at)])
                    continue
                for part in parts:
                    silence.broken()
                    if isinstance(part, End):
                        at = last + 1
                        continue
                    at = (part.messages[-1].offset() or 0) + 1
                    yield from (found for found in part.messages if (partition, found.offset()) in places)
    finally:
        consumer.close()


def know_leaders(consumer: Consumer, topic: str) -> None:
    """Before an assignment, which by itself finds out where leaders are only half a second later: this takes 2 ms."""
    with contextlib.suppress(KafkaException):
        consumer.list_topics(topic, timeout=1.0)


def partitions_of(consumer: Consumer, topic: str, address: str, stop: threading.Event | None = None) -> list[int]:
    """Partition numbers of `topic`. Waits as patiently with `stop`.

    Raises ClickstreamError when it does not exist, and LostBrokers as statistics.Lifeline does.
    """

    def ask() -> list[int]:
        with _loss_noticed(consumer):
            found = consumer.list_topics(topic, timeout=WITHIN_S).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            return sorted(found.partitions)

    return patiently(ask, f"Looking up topic {topic}", address, stop)


def watermarks(
    consumer: Consumer, topic: str, partition: int, address: str, stop: threading.Event | None = None
) -> tuple[int, int]:
    """First offset kept, and that of the next record to come. Waits as patiently with `stop`, and raises LostBrokers.

    Not for a consumer that reads: while it waits here, nobody would notice that it has lost all brokers.
    """

    def ask() -> tuple[int, int]:
        with _loss_noticed(consumer):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=WITHIN_S)
            return low, high

    return patiently(ask, f"Asking for the offsets of {topic} partition {partition}", address, stop)


@contextlib.contextmanager
def _loss_noticed(consumer: Consumer) -> Iterator[None]:
    """After a question that failed, have a client that has lost all brokers say so: it does when it is polled.

    One that has partitions to read might give a record out then.
    """
    try:
        yield
    except KafkaException:
        if not consumer.assignment():
            consumer.poll(0)
        raise
