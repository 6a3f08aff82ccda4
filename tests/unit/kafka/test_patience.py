"""Questions about a topic that are asked while a broker restarts."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka import consume
from clickstream.kafka.consume import partitions_of, watermarks

AWAY = [KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._DESTROY, KafkaError.LEADER_NOT_AVAILABLE]
GONE = [KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART]


@pytest.fixture
def consumer(mocker: Any) -> Any:
    mocker.patch("time.sleep")
    return mocker.Mock()


@pytest.mark.parametrize("code", [*AWAY, *GONE])
def test_the_answer_is_waited_for(consumer: Any, code: int) -> None:
    trouble = KafkaException(KafkaError(code))
    consumer.get_watermark_offsets.side_effect = [trouble, trouble, (3, 7)]
    assert watermarks(consumer, "clicks", 0, "host:9092") == (3, 7)


def test_a_topic_that_a_new_broker_does_not_know_yet_is_waited_for(consumer: Any, mocker: Any) -> None:
    unknown = mocker.Mock(error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    known = mocker.Mock(error=None, partitions={1: None, 0: None})
    consumer.list_topics.side_effect = [mocker.Mock(topics={"clicks": topic}) for topic in (unknown, known)]
    assert partitions_of(consumer, "clicks", "host:9092") == [0, 1]


@pytest.mark.parametrize(("code", "limit"), [(AWAY[0], "RESTARTS_WITHIN_S"), (GONE[0], "KNOWS_TOPICS_WITHIN_S")])
def test_the_waiting_has_an_end(consumer: Any, monkeypatch: pytest.MonkeyPatch, code: int, limit: str) -> None:
    monkeypatch.setattr(consume, limit, 0.0)
    consumer.get_watermark_offsets.side_effect = KafkaException(KafkaError(code))
    with pytest.raises(ClickstreamError, match="offsets of clicks partition 0 at host:9092"):
        watermarks(consumer, "clicks", 0, "host:9092")


def test_other_errors_are_said_at_once(consumer: Any) -> None:
    consumer.get_watermark_offsets.side_effect = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(ClickstreamError, match="ACL"):
        watermarks(consumer, "clicks", 0, "host:9092")
    assert consumer.get_watermark_offsets.call_count == 1
