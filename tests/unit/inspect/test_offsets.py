from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect import offsets
from clickstream.kafka.clients import Cluster

CLUSTER = Cluster("kafka:9092")


def admin(mocker: MockerFixture, answers: dict[int, int | KafkaError]) -> Any:
    """Answers for the partitions of topic t: an offset or an error."""
    futures = {}
    for number, answer in answers.items():
        future = futures[TopicPartition("t", number)] = Future[Any]()
        if isinstance(answer, KafkaError):
            future.set_exception(KafkaException(answer))
        else:
            future.set_result(mocker.Mock(offset=answer))
    return mocker.Mock(list_offsets=mocker.Mock(return_value=futures))


def ask(mocker: MockerFixture, answers: dict[int, int | KafkaError]) -> dict[int, int]:
    partitions = [("t", number) for number in answers]
    found = offsets.ask(CLUSTER, admin(mocker, answers), partitions, offsets.LATEST)
    return {number: info.offset for (_, number), info in found.items()}


def test_all_partitions_are_asked_for_in_one_request(mocker: MockerFixture) -> None:
    asked = admin(mocker, {0: 3, 1: 4})
    offsets.ask(CLUSTER, asked, [("t", 0), ("t", 1)], offsets.LATEST)
    assert asked.list_offsets.call_count == 1


def test_nothing_asked_is_no_request(mocker: MockerFixture) -> None:
    asked = admin(mocker, {})
    assert offsets.ask(CLUSTER, asked, [], offsets.LATEST) == {}
    assert asked.list_offsets.call_count == 0


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION]
)
def test_a_partition_that_has_no_answer_now_is_left_out(mocker: MockerFixture, code: int) -> None:
    assert ask(mocker, {0: 3, 1: KafkaError(code)}) == {0: 3}


def test_an_old_broker_is_told_apart(mocker: MockerFixture) -> None:
    with pytest.raises(offsets.UnsupportedByBroker):
        ask(mocker, {0: KafkaError(KafkaError.UNSUPPORTED_VERSION)})


def test_a_refusal_is_explained(mocker: MockerFixture) -> None:
    with pytest.raises(ClickstreamError, match=r"^Looking up offsets at kafka:9092 failed: .* ACL on that topic"):
        ask(mocker, {0: KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)})


def test_partitions_without_a_leader_are_not_asked(mocker: MockerFixture) -> None:
    topics = {"t": {1: mocker.Mock(leader=-1), 0: mocker.Mock(leader=1)}, "other": {0: mocker.Mock(leader=1)}}
    assert offsets.led(topics, ["t", "gone"]) == [("t", 0)]
