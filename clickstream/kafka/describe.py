"""What identifies a topic and a cluster: ids that the brokers gave them."""

import threading
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from clickstream.kafka.clients import Cluster
from clickstream.kafka.patience import patiently

# Each attempt; a broker that is frozen does not answer at all.
ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True)
class Description:
    """A topic's id, and its partition numbers with the broker that leads each (-1: none now)."""

    topic_id: str
    partitions: dict[int, int]


def ask_description(admin: AdminClient, topic: str) -> Description:
    """One attempt of ANSWER_WITHIN_S. Raises KafkaException, also when the topic does not exist."""
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_WITHIN_S)
    found = asked[topic].result()
    leaders = {one.id: one.leader.id if one.leader is not None else -1 for one in found.partitions}
    return Description(str(found.topic_id), leaders)


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
        found = asked.describe_cluster(request_timeout=ANSWER_WITHIN_S).result().cluster_id
        if not found:
            raise KafkaException("the broker does not say its cluster id")
        return str(found)

    return patiently(ask, "Asking for the cluster's id", cluster.address, stop)
