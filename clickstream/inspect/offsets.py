"""First, next and newest offsets of many partitions, each kind in one request."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ListOffsetsResultInfo,
    OffsetSpec,
    PartitionMetadata,
)

from clickstream.kafka.admin import REQUEST_TIMEOUT_S
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import error_of, explain, is_missing, is_transient
from clickstream.kafka.offsets import EARLIEST as EARLIEST
from clickstream.kafka.offsets import LATEST as LATEST
from clickstream.kafka.offsets import MAX_TIMESTAMP as MAX_TIMESTAMP
from clickstream.kafka.offsets import Answers, result, send
from clickstream.kafka.offsets import Limits as Limits
from clickstream.kafka.offsets import Partition as Partition

_UNSUPPORTED = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})


class UnsupportedByBroker(Exception):
    """The broker is too old for this kind of question."""


@dataclass(frozen=True)
class Ends:
    """The limits of partitions, and when they were asked for (epoch seconds); `before`: of the seconds before, the
    newest first."""

    limits: Mapping[Partition, Limits]
    at: float
    before: "Sequence[Ends]" = ()

    def of(self, partition: Partition, place: int, known_at: float) -> Limits | None:
        """The limits of a partition that was read up to `place`, as was known here at a time (epoch seconds).

        They are those of that time, if it was a moment ago: else who reads as fast as is written would be behind by
        what came since. A place beyond the end of newer limits is that of another topic, since recreated; older ones
        know nothing of what was written meanwhile: then the end is not before that place.
        """
        looks = (one for one in (self, *self.before) if one.at <= known_at and partition in one.limits)
        then = next(looks, None)
        if then is None:
            return self.limits.get(partition)
        limit = then.limits[partition]
        return Limits(limit.low, max(limit.high, place))


def led(topics: Mapping[str, Mapping[int, PartitionMetadata]], names: Iterable[str]) -> list[Partition]:
    """The partitions of `names` that have a leader: asking for one without would hold up the others."""
    return [
        (name, number)
        for name in names
        for number, partition in sorted(topics.get(name, {}).items())
        if partition.leader >= 0
    ]


def limits(cluster: Cluster, admin: Admin, partitions: Iterable[Partition]) -> dict[Partition, Limits]:
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
    cluster: Cluster, admin: Admin, partitions: Iterable[Partition], spec: OffsetSpec
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


def _send(cluster: Cluster, admin: Admin, question: dict[TopicPartition, OffsetSpec]) -> Answers:
    try:
        return send(admin, question, REQUEST_TIMEOUT_S)
    except KafkaException as problem:
        raise explain(problem, "Looking up offsets", cluster.address) from problem


def _answer(cluster: Cluster, future: "Future[ListOffsetsResultInfo]") -> ListOffsetsResultInfo | None:
    try:
        return result(future)
    except KafkaException as problem:
        error = error_of(problem)
        if error is not None and _has_no_answer_now(error):
            return None
        if error is not None and error.code() in _UNSUPPORTED:
            raise UnsupportedByBroker from problem
        raise explain(problem, "Looking up offsets", cluster.address) from problem


def _has_no_answer_now(error: KafkaError) -> bool:
    """A broker says so, or there is none to ask: the partition was deleted meanwhile, or its leader is changing."""
    from_broker = error.code() > 0
    return is_missing(error) or error.code() == KafkaError._NOENT or (from_broker and is_transient(error))
