"""First, next and newest offsets of many partitions, each kind in one request."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    ListOffsetsResultInfo,
    OffsetSpec,
    PartitionMetadata,
)

from clickstream.kafka.clients import Cluster, error_of, explain
from clickstream.topics import REQUEST_TIMEOUT_S

EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
MAX_TIMESTAMP: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]

Partition = tuple[str, int]
"""Topic and partition number."""

# The partition has no answer at the moment, or no longer: deleted meanwhile, or without a leader.
_UNANSWERED = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._NOENT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
_UNSUPPORTED = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})


@dataclass(frozen=True)
class Limits:
    """A partition's log: `low` is its first offset, `high` the one that the next record will get."""

    low: int
    high: int

    @property
    def span(self) -> int:
        """At most this many records: compaction and transactions leave offsets that no record has."""
        return self.high - self.low


class UnsupportedByBroker(Exception):
    """The broker is too old for this kind of question."""


def metadata(cluster: Cluster, admin: AdminClient) -> dict[str, Mapping[int, PartitionMetadata]]:
    """Every topic that the cluster shows us, with its partitions by number."""
    try:
        topics = admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    except KafkaException as problem:
        raise explain(problem, "Listing topics", cluster.address) from problem
    return {name: topic.partitions for name, topic in topics.items() if topic.error is None}


def led(topics: Mapping[str, Mapping[int, PartitionMetadata]], names: Iterable[str]) -> list[Partition]:
    """The partitions of `names` that have a leader: asking for one without would hold up the others."""
    return [
        (name, number)
        for name in names
        for number, partition in sorted(topics.get(name, {}).items())
        if partition.leader >= 0
    ]


def limits(cluster: Cluster, admin: AdminClient, partitions: Iterable[Partition]) -> dict[Partition, Limits]:
    """First and next offset of each partition; one that cannot be asked now is left out."""
    wanted = list(partitions)
    low = ask(cluster, admin, wanted, EARLIEST)
    high = ask(cluster, admin, wanted, LATEST)
    return {
        partition: Limits(low[partition].offset, max(low[partition].offset, high[partition].offset))
        for partition in wanted
        if partition in low and partition in high
    }


def ask(
    cluster: Cluster, admin: AdminClient, partitions: Iterable[Partition], spec: OffsetSpec
) -> dict[Partition, ListOffsetsResultInfo]:
    """What `spec` asks of each partition; offset -1 means that no record fits, a missing one was not answered.

    Raises UnsupportedByBroker, or ClickstreamError when the cluster refuses or stays silent.
    """
    question = {TopicPartition(topic, number): spec for topic, number in partitions}
    if not question:
        return {}
    futures = _send(cluster, admin, question)
    return {
        (place.topic, place.partition): answer
        for place, future in futures.items()
        if (answer := _answer(cluster, future)) is not None
    }


def _send(
    cluster: Cluster, admin: AdminClient, question: dict[TopicPartition, OffsetSpec]
) -> Mapping[TopicPartition, "Future[ListOffsetsResultInfo]"]:
    try:
        futures: Mapping[TopicPartition, Future[ListOffsetsResultInfo]] = admin.list_offsets(
            question, request_timeout=REQUEST_TIMEOUT_S
        )
    except KafkaException as problem:
        raise explain(problem, "Looking up offsets", cluster.address) from problem
    return futures


def _answer(cluster: Cluster, future: "Future[ListOffsetsResultInfo]") -> ListOffsetsResultInfo | None:
    try:
        return future.result()
    except KafkaException as problem:
        error = error_of(problem)
        if error is not None and error.code() in _UNANSWERED:
            return None
        if error is not None and error.code() in _UNSUPPORTED:
            raise UnsupportedByBroker from problem
        raise explain(problem, "Looking up offsets", cluster.address) from problem
