"""Kafka's errors: which of them are waited for, which say that a topic is missing, and each as a sentence."""

from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from clickstream.errors import ClickstreamError

Answer = TypeVar("Answer")

# The one table of errors that pass by themselves: while a broker restarts, is frozen or lags behind, while a
# partition or a group changes its leader. Sources: what Kafka 4.3's clients retry (every RetriableException of
# org.apache.kafka.common.protocol.Errors; but for a missing topic, see below, for a corrupt record, which a reader
# would wait for in vain, and for requests that we never send) and what librdkafka 2.16 retries or answers by asking
# for new metadata (rd_kafka_err_action in rdkafka_request.c, rdkafka_fetcher.c, rdkafka_cgrp.c).
_TRANSIENT = frozenset(
    {
        # of the client: connections and requests
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._FAIL,
        KafkaError._RESOLVE,  # names of brokers may go with them, as in a container network
        KafkaError._SSL,  # a connection that breaks in its handshake
        KafkaError._DESTROY,
        KafkaError._DESTROY_BROKER,  # the broker has left the cluster: what waited for it is asked of another
        KafkaError._UNKNOWN_BROKER,
        KafkaError._NODE_UPDATE,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._RETRY,
        KafkaError._INTR,
        KafkaError._IN_PROGRESS,
        KafkaError._PREV_IN_PROGRESS,
        KafkaError._MAX_POLL_EXCEEDED,  # after a freeze: the client joins its group again
        # of brokers: leaders and replicas
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.OFFSET_NOT_AVAILABLE,  # a new leader does not know yet how far the log is replicated
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.LISTENER_NOT_FOUND,
        KafkaError.KAFKA_STORAGE_ERROR,  # another replica leads soon
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        # coordinators of groups and transactions, the controller
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        # the network, and load
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }
)

# The topic or partition does not exist. Brokers and clients say so for a moment, too, when they have just started.
_MISSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.INCONSISTENT_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        # "No leaders found", asked where partitions end: the topic is gone, or its only broker was frozen.
        KafkaError._NOENT,
    }
)

_REMEDIES = {
    KafkaError._RESOLVE: "Check the host name.",
    KafkaError._AUTHENTICATION: "Check sasl.mechanism, sasl.username and sasl.password.",
    KafkaError.SASL_AUTHENTICATION_FAILED: "Check sasl.mechanism, sasl.username and sasl.password.",
    KafkaError._SSL: "Check security.protocol and ssl.ca.location.",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Ask the cluster's administrator for an ACL on that topic.",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "Ask the cluster's administrator for an ACL on that group.",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "Ask the cluster's administrator for the right to do this.",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
        "Ask the cluster's administrator for an ACL on that transactional id."
    ),
    KafkaError.MSG_SIZE_TOO_LARGE: "Raise max.message.bytes of the topic and message.max.bytes of the producer.",
    KafkaError.INVALID_TIMESTAMP: (
        "Check the record's time (epoch ms), and the topic's message.timestamp.after.max.ms and .before.max.ms."
    ),
    KafkaError.INVALID_RECORD: "A compacted topic takes no record without a key.",
    KafkaError._MSG_TIMED_OUT: "The broker did not confirm in time: check that it runs and has enough replicas.",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "Create it with: clickstream topics create NAME",
    KafkaError._UNKNOWN_TOPIC: "Create it with: clickstream topics create NAME",
    KafkaError.NOT_ENOUGH_REPLICAS: "Check the topic's min.insync.replicas and the brokers that are up.",
    KafkaError._TRANSPORT: "Check the address and security.protocol, and that the broker runs.",
    KafkaError._ALL_BROKERS_DOWN: "Check the address and security.protocol, and that the broker runs.",
    KafkaError._TIMED_OUT: "Check the address and security.protocol, and that the broker runs.",
    KafkaError.INVALID_REPLICATION_FACTOR: "The cluster has fewer brokers than replicas were asked for.",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "A counter with --emit each is alone in its group: choose another --group.",
    KafkaError.KAFKA_STORAGE_ERROR: "The broker's disk failed or is full: see the broker's log.",
}


def error_of(problem: KafkaError | BaseException) -> KafkaError | None:
    """The KafkaError inside an exception, if it carries one."""
    if isinstance(problem, KafkaError):
        return problem
    if isinstance(problem, KafkaException) and problem.args and isinstance(problem.args[0], KafkaError):
        return problem.args[0]
    return None


def is_transient(problem: KafkaError | BaseException) -> bool:
    """Whether it passes by itself, so that a long-running part waits and asks again."""
    error = error_of(problem)
    if error is None or error.fatal():
        return False
    return error.code() in _TRANSIENT or error.retriable() or _fenced(error)


def passes(problem: ClickstreamError) -> bool:
    """Whether it tells of an error that passes by itself, and that was waited for long enough."""
    return problem.__cause__ is not None and is_transient(problem.__cause__)


def _fenced(error: KafkaError) -> bool:
    """Whether a topic cannot be created only because no broker counts for the controller at the moment.

    That is so after a restart or a freeze, until the first heartbeat. The code is that of a cluster which has too few
    brokers; only the text tells (org.apache.kafka.metadata.placement.StripedReplicaPlacer).
    """
    return error.code() == KafkaError.INVALID_REPLICATION_FACTOR and "brokers are currently fenced" in error.str()


def is_missing(problem: KafkaError | BaseException) -> bool:
    """Whether it says that a topic or partition does not exist: believe it once it has been said for some seconds."""
    error = error_of(problem)
    return error is not None and error.code() in _MISSING


def explain(problem: KafkaError | BaseException, doing: str, address: str) -> ClickstreamError:
    """`problem` as one sentence: what we were doing, where, why it failed, what to do next."""
    error = error_of(problem)
    if error is None:
        return ClickstreamError(f"{doing} at {address} failed: {problem}.")
    reason = (error.str() or str(error)).rstrip(".")
    return ClickstreamError(f"{doing} at {address} failed: {reason}. {_REMEDIES.get(error.code(), '')}".rstrip())


def answer_of(future: "Future[Answer]", timeout: float | None = None) -> Answer:
    """What was asked through an AdminClient. Raises KafkaException; TimeoutError after `timeout` seconds.

    `future.result()` raises the exception that the future holds. Who asks holds the future, and the exception, by its
    traceback, who asked: a ring that keeps the client, with its threads and connections, until the garbage collector
    comes by. A process that asks in vain again and again has no room for more clients before that.
    """
    problem = future.exception(timeout)
    if isinstance(problem, KafkaException):
        raise KafkaException(*problem.args)
    return future.result()
