"""An admin client whose one topic has an id and limits as a test says."""

from collections.abc import Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition

from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import EARLIEST

CLUSTER = Cluster("host:9092")

Trouble = dict[int, list[int]]
"""Errors by partition, one for each request to come."""


class FakeAdmin:
    def __init__(self, limits: dict[int, tuple[int, int]], topic_id: str = "id-1") -> None:
        self.limits = limits
        self.topic_id = topic_id
        self.describing: list[int] = []  # errors of the descriptions to come
        self.trouble: Trouble = {}
        self.asked: list[dict[int, str]] = []
        self.listed = 0
        self.listing: list[int] = []  # errors of the lists to come

    @property
    def client(self) -> Admin:
        return cast(Admin, self)

    def describe_topics(self, topics: TopicCollection, request_timeout: float) -> dict[str, "Future[Any]"]:
        (name,) = topics.topic_names
        partitions = [SimpleNamespace(id=number, leader=SimpleNamespace(id=1)) for number in self.limits]
        answer = SimpleNamespace(topic_id=self.topic_id, partitions=partitions)
        return {name: _future(answer, self.describing)}

    def list_topics(self, timeout: float) -> Any:
        self.listed += 1
        topic = SimpleNamespace(error=None, partitions=dict.fromkeys(self.limits))
        return _future(SimpleNamespace(cluster_id="cluster-1", topics={"t": topic}), self.listing).result()

    def list_offsets(
        self, question: dict[TopicPartition, Any], request_timeout: float
    ) -> dict[TopicPartition, "Future[Any]"]:
        ends = {place.partition: "low" if spec is EARLIEST else "high" for place, spec in question.items()}
        self.asked.append(ends)
        return {
            place: _future(
                SimpleNamespace(offset=self.limits[place.partition][ends[place.partition] == "high"]),
                self.trouble.get(place.partition, []),
            )
            for place in question
        }


def _future(answer: object, errors: list[int]) -> "Future[Any]":
    future: Future[Any] = Future()
    if errors:
        future.set_exception(KafkaException(KafkaError(errors.pop(0))))
    else:
        future.set_result(answer)
    return future


def for_ever(code: int) -> Iterable[int]:
    return [code] * 10_000
