"""Waiting for a Kafka that was away at the start: what is said of it, and when it is over."""

import threading
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from clickstream.collect import arrival
from clickstream.collect.arrival import Arrival
from clickstream.errors import ClickstreamError
from clickstream.kafka.errors import explain
from clickstream.kafka.patience import Stopped

AWAY, REFUSED = KafkaError._TRANSPORT, KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "AGAIN_AFTER_S", 0.0)


def answering(*codes: int) -> Callable[[threading.Event], object]:
    """One failure after the other, then the topics."""
    left = list(codes)

    def prepare(_stop: threading.Event) -> None:
        if not left:
            return
        problem = KafkaException(KafkaError(left.pop(0)))
        raise explain(problem, "Listing topics", "kafka:9092") from problem

    return prepare


def run(*codes: int, say_every: float = 600.0) -> Arrival:
    found = Arrival("kafka:9092", answering(*codes), say_every=say_every)
    found.run(threading.Event())
    return found


def test_it_is_over_once_the_topics_are_there() -> None:
    assert run(AWAY, REFUSED, AWAY).over.is_set()


def test_an_absence_is_not_said_with_every_attempt(caplog: pytest.LogCaptureFixture) -> None:
    run(*[AWAY] * 50)
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka at kafka:9092 answers: what is in the spool goes there now."
    ]


def test_an_absence_is_said_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    run(AWAY, say_every=0.0)
    assert "Events go to the spool until Kafka has their topics." in caplog.text


def test_a_topic_that_is_refused_is_said_at_once_and_once(caplog: pytest.LogCaptureFixture) -> None:
    run(AWAY, REFUSED, REFUSED)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_it_ends_when_it_is_stopped() -> None:
    def stopped(_stop: threading.Event) -> None:
        raise Stopped("stopped")

    found = Arrival("kafka:9092", stopped)
    found.run(threading.Event())
    assert not found.over.is_set()


def test_what_is_written_for_people_is_no_absence() -> None:
    def unled(stop: threading.Event) -> None:
        stop.set()
        raise ClickstreamError("Topic t was created but has no leader.")

    found = Arrival("kafka:9092", unled)
    found.run(threading.Event())
    assert not found.over.is_set()
