"""What is asked of a cluster through AdminClient: its topics and their ids, creating and deleting them."""

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AclOperation,
    ClusterMetadata,
    PartitionMetadata,
)
from confluent_kafka.cimpl import NewTopic

from clickstream.errors import ClickstreamError
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster, client_for
from clickstream.kafka.errors import answer_of, error_of, explain, is_transient
from clickstream.kafka.patience import Stopped, patiently

# What changes something: the broker may have to write it to others first.
REQUEST_TIMEOUT_S = 15.0
LOOK_AT_STOP_EVERY_S = 0.1

# Each attempt; a broker that is frozen does not answer at all.
ANSWER_WITHIN_S = 3.0


@dataclass(frozen=True)
class Description:
    """A topic's id, and its partition numbers with the broker that leads each (-1: none now)."""

    topic_id: str
    partitions: dict[int, int]


def ask_description(admin: Admin, topic: str, *, hurry: bool = False) -> Description:
    """One attempt, of twice ANSWER_WITHIN_S at most, or once: `hurry` does not prepare a next one.

    Raises KafkaException, also when the topic does not exist.
    """
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_WITHIN_S)
    try:
        found = answer_of(asked[topic])
    except KafkaException as problem:
        if is_transient(problem) and not hurry:
            look_around(admin)
        raise
    leaders = {one.id: one.leader.id if one.leader is not None else -1 for one in found.partitions}
    return Description(str(found.topic_id), leaders)


def look_around(admin: Admin) -> None:
    """After a question that was not answered: have the client find out who leads and controls now.

    By itself it asks a dead or frozen broker for minutes that it takes for the leader or the controller.
    """
    with contextlib.suppress(KafkaException):  # nobody answers: the next attempt says so
        admin.list_topics(timeout=ANSWER_WITHIN_S)


def describe(
    cluster: Cluster, topic: str, admin: Admin | None = None, *, stop: threading.Event | None = None
) -> Description:
    """The topic as it is now. Waits while Kafka is away, as patience.patiently does with `stop`.

    Raises ClickstreamError when it does not exist.
    """
    asked = client_for(cluster, admin)  # kept in a name: a client that nobody holds ends before it answers
    return patiently(lambda: ask_description(asked, topic), f"Describing topic {topic}", cluster.address, stop)


def cluster_id(
    cluster: Cluster,
    admin: Admin | None = None,
    *,
    stop: threading.Event | None = None,
) -> str:
    """The id that the cluster was formatted with: another one is another Kafka, whatever its address.

    Waits while Kafka is away, as patience.patiently does with `stop`.
    """
    asked = client_for(cluster, admin)

    def ask() -> str:
        return str(asked.list_topics(timeout=ANSWER_WITHIN_S).cluster_id)

    return patiently(ask, "Asking for the cluster's id", cluster.address, stop)


def metadata(
    cluster: Cluster, admin: Admin | None = None, stop: threading.Event | None = None
) -> dict[str, Mapping[int, PartitionMetadata]]:
    """Every topic that the cluster shows us, with its partitions by number.

    Waits for half a minute while Kafka is away; raises Stopped when `stop` is set meanwhile.
    """
    asked = client_for(cluster, admin)

    def ask() -> ClusterMetadata:
        return asked.list_topics(timeout=ANSWER_WITHIN_S)

    found = patiently(ask, "Listing topics", cluster.address, stop, limited=True)
    return {name: topic.partitions for name, topic in found.topics.items() if topic.error is None}


def existing(cluster: Cluster, admin: Admin | None = None, stop: threading.Event | None = None) -> dict[str, int]:
    """Number of partitions of every topic that the cluster shows us. Waits and raises as `metadata` does."""
    return {name: len(partitions) for name, partitions in metadata(cluster, admin, stop).items()}


def refuse_hidden(cluster: Cluster, names: Iterable[str], admin: Admin | None = None) -> None:
    """Before it is said that topics do not exist: raises ClickstreamError for one that this user may not see.

    A list of all topics leaves those out. One attempt for each; when nobody answers, nothing is raised.
    """
    asked = client_for(cluster, admin)
    for name in names:
        try:
            ask_description(asked, name, hurry=True)
        except KafkaException as problem:
            error = error_of(problem)
            if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise explain(problem, f"Looking up topic {name}", cluster.address) from problem


def not_writable(cluster: Cluster, names: Iterable[str]) -> list[str]:
    """Those of the topics that exist and that this user may not write to. When nobody answers, none is."""
    admin = cluster.admin()
    asked = admin.describe_topics(
        TopicCollection(sorted(set(names))), include_authorized_operations=True, request_timeout=ANSWER_WITHIN_S
    )
    found = []
    for name, future in asked.items():
        with contextlib.suppress(KafkaException):
            if AclOperation.WRITE not in (answer_of(future).authorized_operations or []):
                found.append(name)
    return found


def create(cluster: Cluster, topic: NewTopic, admin: Admin | None = None, stop: threading.Event | None = None) -> bool:
    """Create one topic; False when it was there already. Raises ClickstreamError when the broker refuses, Stopped."""
    asked = client_for(cluster, admin)
    doing = f"Creating topic {topic.topic}"

    def ask() -> bool:
        try:
            _wait_for(asked.create_topics([topic], request_timeout=REQUEST_TIMEOUT_S)[topic.topic], doing, stop)
        except KafkaException as problem:
            error = error_of(problem)
            if error is not None and error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise explain(
                    problem, f"{doing}, which is missing or hidden from this user,", cluster.address
                ) from None
            if is_transient(problem):
                look_around(asked)  # the controller that it knows may be the one that is away
            raise
        return True

    return patiently(ask, doing, cluster.address, stop, limited=True)


def _wait_for(future: Future[None], doing: str, stop: threading.Event | None) -> None:
    """Until it is done, or `stop` is set: Stopped is raised then."""
    while True:
        try:
            answer_of(future, LOOK_AT_STOP_EVERY_S)
        except TimeoutError:
            if stop is not None and stop.is_set():
                raise Stopped(f"{doing}: stopped while Kafka was away.") from None
        else:
            return


def wait_until_led(
    cluster: Cluster,
    names: Iterable[str],
    admin: Admin | None = None,
    stop: threading.Event | None = None,
) -> None:
    """A created topic takes a moment until every partition has a leader; clients would log errors meanwhile.

    Raises ClickstreamError when one still has none after REQUEST_TIMEOUT_S, Stopped.
    """
    asked = client_for(cluster, admin)
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    pause = threading.Event()
    waiting = set(names)
    while waiting:
        found = metadata(cluster, asked, stop)
        waiting = {name for name in waiting if not _is_led(found.get(name, {}))}
        if waiting and time.monotonic() > deadline:
            raise ClickstreamError(
                f"Topic {min(waiting)} was created but has no leader after {REQUEST_TIMEOUT_S:.0f} s. "
                "See the broker's log."
            )
        if waiting:
            pause.wait(0.02)


def _is_led(partitions: Mapping[int, PartitionMetadata]) -> bool:
    return bool(partitions) and all(partition.leader >= 0 for partition in partitions.values())


def delete(cluster: Cluster, names: Iterable[str]) -> None:
    """Delete topics and their records; raises ClickstreamError naming the first that cannot be deleted."""
    admin = cluster.admin()  # kept in a name: a client that nobody holds ends before it answers
    futures = admin.delete_topics(list(names), request_timeout=REQUEST_TIMEOUT_S)
    for name, future in futures.items():
        try:
            answer_of(future)
        except KafkaException as problem:
            raise explain(problem, f"Deleting topic {name}", cluster.address) from problem
