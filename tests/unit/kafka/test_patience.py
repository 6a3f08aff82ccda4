"""Questions that are asked while a broker restarts."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka import patience
from clickstream.kafka.consume import partitions_of, watermarks
from clickstream.kafka.patience import Stopped, TopicGone, patiently
from clickstream.kafka.statistics import LostBrokers

AWAY = [KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._DESTROY_BROKER, KafkaError.OFFSET_NOT_AVAILABLE]
GONE = [KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ASK_EVERY_S", 0.0)


class Broker:
    """Answers 7 after it has failed as often as a test says."""

    def __init__(self, code: int, failures: int) -> None:
        self.problem = KafkaException(KafkaError(code))
        self.failures = failures
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.problem
        return 7


@pytest.mark.parametrize("code", [*AWAY, *GONE])
@pytest.mark.parametrize("stop", [None, threading.Event()])
def test_the_answer_is_waited_for(code: int, stop: threading.Event | None) -> None:
    assert patiently(Broker(code, 3).ask, "Asking", "host:9092", stop) == 7


@pytest.mark.parametrize(("code", "limit"), [(AWAY[0], "RESTARTS_WITHIN_S"), (GONE[0], "KNOWS_TOPICS_WITHIN_S")])
def test_without_a_stop_the_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, code: int, limit: str) -> None:
    monkeypatch.setattr(patience, limit, 0.0)
    with pytest.raises(ClickstreamError, match="Asking at host:9092 failed"):
        patiently(Broker(code, 1).ask, "Asking", "host:9092")


def test_a_long_running_part_waits_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RESTARTS_WITHIN_S", 0.0)
    broker = Broker(AWAY[0], 1_000)
    assert patiently(broker.ask, "Asking", "host:9092", threading.Event()) == 7
    assert broker.asked == 1_001


def test_with_both_a_stop_and_a_limit_the_waiting_ends_by_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RESTARTS_WITHIN_S", 0.0)
    stop = threading.Event()
    with pytest.raises(ClickstreamError, match="Asking at host:9092 failed"):
        patiently(Broker(AWAY[0], 1).ask, "Asking", "host:9092", stop, limited=True)
    stop.set()
    with pytest.raises(Stopped):
        patiently(Broker(AWAY[0], 1).ask, "Asking", "host:9092", stop, limited=True)


@pytest.mark.parametrize("code", AWAY)
def test_a_stop_ends_the_waiting(code: int) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="Asking at host:9092: stopped"):
        patiently(Broker(code, 1_000).ask, "Asking", "host:9092", stop)


def test_a_topic_is_only_missing_once_that_has_been_said_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SURELY_KNOWS_TOPICS_WITHIN_S", 0.05)
    broker = Broker(GONE[1], 1_000_000)
    with pytest.raises(TopicGone, match="Asking at host:9092 failed"):
        patiently(broker.ask, "Asking", "host:9092", threading.Event())
    assert broker.asked > 1


def test_other_errors_are_said_at_once() -> None:
    broker = Broker(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1_000)
    with pytest.raises(ClickstreamError, match="ACL"):
        patiently(broker.ask, "Asking", "host:9092", threading.Event())
    assert broker.asked == 1


def test_a_consumer_asks_for_limits_patiently(mocker: Any) -> None:
    consumer = mocker.Mock()
    trouble = KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
    consumer.get_watermark_offsets.side_effect = [trouble, (3, 7)]
    assert watermarks(consumer, "clicks", 0, "host:9092") == (3, 7)


@pytest.mark.parametrize("ask", [partitions_of, lambda *given: watermarks(given[0], given[1], 0, *given[2:])])
def test_a_consumer_that_has_lost_all_brokers_is_not_waited_for(ask: Callable[..., object], mocker: Any) -> None:
    silence = KafkaException(KafkaError(KafkaError._TRANSPORT))
    consumer = mocker.Mock()
    consumer.list_topics.side_effect = consumer.get_watermark_offsets.side_effect = silence
    consumer.assignment.return_value = []
    consumer.poll.side_effect = [None, LostBrokers("there are none")]
    with pytest.raises(LostBrokers):
        ask(consumer, "clicks", "host:9092", threading.Event())


def test_a_topic_that_a_new_broker_does_not_know_yet_is_waited_for(mocker: Any) -> None:
    consumer = mocker.Mock()
    unknown = mocker.Mock(error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    known = mocker.Mock(error=None, partitions={1: None, 0: None})
    consumer.list_topics.side_effect = [mocker.Mock(topics={"clicks": topic}) for topic in (unknown, known)]
    assert partitions_of(consumer, "clicks", "host:9092") == [0, 1]
