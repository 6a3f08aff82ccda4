"""Which errors are waited for."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from clickstream.kafka.errors import is_missing, is_transient

PASSES = [
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._DESTROY,
    KafkaError._DESTROY_BROKER,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.NOT_ENOUGH_REPLICAS,
]
MISSING = [
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
]
STAYS = [
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.PRODUCER_FENCED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._FATAL,
]


@pytest.mark.parametrize("code", PASSES)
def test_what_passes_by_itself_is_waited_for(code: int) -> None:
    assert is_transient(KafkaError(code))
    assert is_transient(KafkaException(KafkaError(code)))
    assert not is_missing(KafkaError(code))


def test_brokers_that_are_fenced_for_the_moment_are_waited_for() -> None:
    """Their code alone says that there are too few of them, which stays."""
    said = "Unable to replicate the partition 1 time(s): "
    fenced = f"{said}All brokers are currently fenced, or have all their log directories cordoned."
    few = f"{said}The target replication factor of 3 cannot be reached because only 1 broker(s) are registered."
    assert is_transient(KafkaError(KafkaError.INVALID_REPLICATION_FACTOR, fenced))
    assert not is_transient(KafkaError(KafkaError.INVALID_REPLICATION_FACTOR, few))
    assert not is_transient(KafkaError(KafkaError.INVALID_REPLICATION_FACTOR))


@pytest.mark.parametrize("code", MISSING)
def test_a_missing_topic_is_told_apart(code: int) -> None:
    assert is_missing(KafkaError(code))
    assert is_missing(KafkaException(KafkaError(code)))
    assert not is_transient(KafkaError(code))


@pytest.mark.parametrize("code", STAYS)
def test_anything_else_is_not_waited_for(code: int) -> None:
    assert not is_transient(KafkaError(code))
    assert not is_missing(KafkaError(code))


def test_what_the_client_calls_retriable_is_waited_for() -> None:
    assert is_transient(KafkaError(KafkaError.INVALID_REQUEST, "x", False, True))


def test_a_fatal_error_is_not_whatever_its_code() -> None:
    assert not is_transient(KafkaError(KafkaError._TIMED_OUT, "x", True))


def test_an_exception_without_a_kafka_error_is_neither() -> None:
    assert not is_transient(ValueError())
    assert not is_missing(KafkaException("text"))
