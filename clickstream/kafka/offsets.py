"""Where partitions begin and end: each kind of question in one request for all partitions of a topic."""

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ListOffsetsResultInfo,
    OffsetSpec,
)

from clickstream.kafka.admin import ANSWER_WITHIN_S, look_around
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster, client_for
from clickstream.kafka.errors import answer_of
from clickstream.kafka.patience import patiently

EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
MAX_TIMESTAMP: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]

Partition = tuple[str, int]
"""Topic and partition number."""

Answers = Mapping[TopicPartition, "Future[ListOffsetsResultInfo]"]


@dataclass(frozen=True)
class Limits:
    """A partition's log: `low` is its first offset, `high` the one that the next record will get."""

    low: int
    high: int

    @property
    def span(self) -> int:
        """At most this many records: compaction and transactions leave offsets that no record has."""
        return self.high - self.low


def beginnings(
    cluster: Cluster,
    topic: str,
    admin: Admin | None = None,
    *,
    partitions: Iterable[int] | None = None,
    stop: threading.Event | None = None,
) -> dict[int, int]:
    """The first offset that each partition still holds; of all partitions unless some are given.

    Waits while Kafka is away, as patience.patiently does with `stop`. Raises ClickstreamError.
    """
    return _offsets(cluster, topic, client_for(cluster, admin), EARLIEST, partitions, stop)


def ends(
    cluster: Cluster,
    topic: str,
    admin: Admin | None = None,
    *,
    partitions: Iterable[int] | None = None,
    stop: threading.Event | None = None,
) -> dict[int, int]:
    """The offset that the next record of each partition will get; otherwise as `beginnings`.

    It counts records of open transactions, too. A leader that has just been elected may not know the end for a
    moment: it says so, and is asked again.
    """
    return _offsets(cluster, topic, client_for(cluster, admin), LATEST, partitions, stop)


def limits(
    cluster: Cluster,
    topic: str,
    admin: Admin | None = None,
    *,
    partitions: Iterable[int] | None = None,
    stop: threading.Event | None = None,
) -> dict[int, Limits]:
    """Beginning and end of each partition; otherwise as `beginnings`."""
    admin = client_for(cluster, admin)
    wanted = _numbers(cluster, topic, admin, partitions, stop)
    low = beginnings(cluster, topic, admin, partitions=wanted, stop=stop)
    high = ends(cluster, topic, admin, partitions=wanted, stop=stop)
    return {partition: Limits(low[partition], high[partition]) for partition in wanted}


def at_times(
    cluster: Cluster,
    topic: str,
    times: Mapping[int, int],
    admin: Admin | None = None,
    *,
    stop: threading.Event | None = None,
) -> dict[int, int]:
    """The first offset at or after a partition's time in epoch ms; -1 where there is no such record."""
    question = {TopicPartition(topic, partition): OffsetSpec.for_timestamp(time) for partition, time in times.items()}
    return _ask(cluster, topic, client_for(cluster, admin), question, stop)


def send(admin: Admin, question: Mapping[TopicPartition, OffsetSpec], timeout: float) -> Answers:
    """One question about many partitions, of any topics. Raises KafkaException; answers are taken by `result`."""
    return admin.list_offsets(dict(question), request_timeout=timeout)


def result(future: "Future[ListOffsetsResultInfo]") -> ListOffsetsResultInfo:
    """One partition's answer. Raises KafkaException, also when there is none."""
    found = answer_of(future)
    # When the leader of some of the partitions does not answer in time, theirs are no errors, but have no offset.
    if found.offset == OFFSET_INVALID:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    return found


def _numbers(
    cluster: Cluster,
    topic: str,
    admin: Admin,
    partitions: Iterable[int] | None,
    stop: threading.Event | None,
) -> list[int]:
    if partitions is not None:
        return sorted(partitions)

    def ask() -> list[int]:
        # All topics: asked about one, a broker that creates topics by itself would create it.
        found = admin.list_topics(timeout=ANSWER_WITHIN_S).topics.get(topic)
        if found is None or found.error is not None:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART) if found is None else found.error)
        return sorted(found.partitions)

    return patiently(ask, f"Looking up topic {topic}", cluster.address, stop)


def _offsets(
    cluster: Cluster,
    topic: str,
    admin: Admin,
    spec: OffsetSpec,
    partitions: Iterable[int] | None,
    stop: threading.Event | None,
) -> dict[int, int]:
    wanted = _numbers(cluster, topic, admin, partitions, stop)
    return _ask(cluster, topic, admin, {TopicPartition(topic, partition): spec for partition in wanted}, stop)


def _ask(
    cluster: Cluster,
    topic: str,
    admin: Admin,
    question: Mapping[TopicPartition, OffsetSpec],
    stop: threading.Event | None,
) -> dict[int, int]:
    """Those that were answered are not asked again: one dead leader does not hold up the others."""
    found: dict[int, int] = {}

    def ask() -> None:
        waiting = {place: spec for place, spec in question.items() if place.partition not in found}
        problem: KafkaException | None = None
        for place, future in send(admin, waiting, ANSWER_WITHIN_S).items() if waiting else ():
            try:
                found[place.partition] = result(future).offset
            except KafkaException as one:
                problem = one
        if problem is not None:
            look_around(admin)
            raise problem

    patiently(ask, f"Asking for the offsets of {topic}", cluster.address, stop)
    return found
