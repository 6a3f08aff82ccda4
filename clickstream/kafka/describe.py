"""What identifies a topic and a cluster: ids that the brokers gave them."""

import contextlib
import threading
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import is_transient
from clickstream.kafka.patience import patiently

# Each attempt; a broker that is frozen does not answer at all.
ANSWER_WITHIN_S = 3.0


@dataclass(frozen=True)
class Description:
    """A topic's id, and its partition numbers with the broker that leads each (-1: none now)."""

    topic_id: str
    partitions: dict[int, int]


def ask_description(admin: AdminClient, topic: str, *, hurry: bool = False) -> Description:
    """One attempt, of twice ANSWER_WITHIN_S at most, or once: `hurry` does not prepare a next one.

    Raises KafkaException, also when the topic does not exist.
    """
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_WITHIN_S)
    try:
        found = asked[topic].result()
    except KafkaException as problem:
        if is_transient(problem) and not hurry:
            look_around(admin)
        raise
    leaders = {one.id: one.leader.id if one.leader is not None else -1 for one in found.partitions}
    return Description(str(found.topic_id), leaders)


def look_around(admin: AdminClient) -> None:
    """After a question that was not answered: have the client find out who leads and controls now.

    By itself it asks a dead or frozen broker for minutes that it takes for the leader or the controller.
    """
    with contextlib.suppress(KafkaException):  # nobody answers: the next attempt says so
        admin.list_topics(timeout=ANSWER_WITHIN_S)


def describe(
    cluster: Cluster, topic: str, admin: AdminClient | None = None, *, stop: threading.Event | None = None
) -> Description:
    """The topic as it is now. Waits while Kafka is away, as patience.patiently does with `stop`.

    Raises ClickstreamError when it does not exist.
    """
    asked = admin or cluster.admin()  # kept in a name: a client that nobody holds ends before it answers
    return patiently(lambda: ask_description(asked, topic), f"Describing topic {topic}", cluster.address, stop)


def cluster_id(cluster: Cluster, admin: AdminClient | None = None, *, stop: threading.Event | None = None) -> str:
    """The id that the cluster was formatted with: another one is another Kafka, whatever its address.

    Waits and raises as `describe` does.
    """
    asked = admin or cluster.admin()

    def ask() -> str:
        return str(asked.list_topics(timeout=ANSWER_WITHIN_S).cluster_id)

    return patiently(ask, "Asking for the cluster's id", cluster.address, stop)
