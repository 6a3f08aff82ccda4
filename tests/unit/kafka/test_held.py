"""Nothing that was asked in vain keeps who asked: a client has threads, connections, and a place of a thousand."""

import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka.errors import answer_of
from clickstream.kafka.patience import patiently

REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED


class Client:
    """Stands in for one of Kafka's."""

    def ask(self) -> None:
        future: Future[None] = Future()
        future.set_exception(KafkaException(KafkaError(REFUSED)))
        answer_of(future)


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ask(client: Client) -> None:
    client.ask()


def ask_patiently(client: Client) -> None:
    patiently(client.ask, "Asking", "localhost:1")


@pytest.mark.parametrize("way", [ask, ask_patiently])
def test_who_asked_in_vain_is_gone(way: Callable[[Client], None]) -> None:
    client = Client()
    gone = weakref.ref(client)
    try:
        way(client)
    except (KafkaException, ClickstreamError) as problem:
        assert "authorization" in str(problem).lower()  # noqa: PT017 - pytest.raises would keep it
    del client
    assert gone() is None


def test_an_answer_is_as_the_future_has_it() -> None:
    future: Future[int] = Future()
    with pytest.raises(TimeoutError):
        answer_of(future, 0.01)
    future.set_result(7)
    assert answer_of(future) == 7
    failed: Future[int] = Future()
    failed.set_exception(ValueError("odd"))
    with pytest.raises(ValueError, match="odd"):
        answer_of(failed)
