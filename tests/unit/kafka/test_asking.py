"""One that is asked for as long as a part runs, whatever becomes of librdkafka's clients behind it."""

import contextlib
import gc
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from clickstream.kafka import patience
from clickstream.kafka.admin import ask_description, cluster_id
from clickstream.kafka.asking import RENEWS_AFTER_S, Admin
from clickstream.kafka.errors import is_transient
from clickstream.kafka.offsets import LATEST
from tests.unit.fakes import Clock
from tests.unit.kafka.brokers import CLUSTER

ATTEMPT_S = 3.0
TOPIC = TopicCollection(["t"])


class Client:
    """One of librdkafka's. A question that is not answered takes ATTEMPT_S."""

    def __init__(self, clock: Clock, code: int | None = None, *, dies: bool = False) -> None:
        self._clock = clock
        self.code = code  # of the error that it answers with; None: the answer
        self.dies = dies  # after an answer that there are no brokers
        self.waiting: list[Future[Any]] = []

    def list_topics(self, timeout: float) -> Any:
        if self.dies:
            self.dies, self.code = False, KafkaError._TRANSPORT
            return SimpleNamespace(brokers={}, topics={})
        return self._answer(SimpleNamespace(brokers={1: "host"}, cluster_id="cluster-1")).result()

    def describe_topics(self, _topics: TopicCollection, **_options: Any) -> dict[str, "Future[Any]"]:
        return {"t": self._answer(SimpleNamespace(topic_id="id-1", partitions=[]))}

    def list_offsets(self, places: dict[TopicPartition, Any], **_options: Any) -> dict[Any, "Future[Any]"]:
        return {place: self._answer(SimpleNamespace(offset=OFFSET_INVALID)) for place in places}

    def delete_topics(self, names: list[str], **_options: Any) -> dict[str, "Future[Any]"]:
        self.waiting.append(Future())
        return dict.fromkeys(names, self.waiting[-1])

    def _answer(self, answer: object) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.code is None:
            future.set_result(answer)
        else:
            self._clock.now += ATTEMPT_S if self.code < 0 else 0.1
            future.set_exception(KafkaException(KafkaError(self.code)))
        return future


class Clients:
    """Hands out a client that `behaves` so, then others that answer."""

    def __init__(self, *, stays: bool = False, **behaves: Any) -> None:
        self.clock = Clock()
        self._behaves = behaves
        self._stays = stays  # so behave all of them
        self.made = 0
        self._newest: Callable[[], Client | None] = lambda: None
        self.admin = Admin(self._make, self.clock.monotonic)

    def _make(self) -> AdminClient:
        self.made += 1
        client = Client(self.clock, **self._behaves)
        if not self._stays:
            self._behaves = {}
        self._newest = weakref.ref(client)
        return cast(AdminClient, client)

    def newest(self) -> Client:
        found = self._newest()
        assert found is not None
        return found


def describe(admin: Admin) -> None:
    ask_description(admin, "t")


def is_silent(ask: Callable[[], object]) -> bool:
    """Whether the question is not answered; it may be asked again then."""
    try:
        ask()
    except KafkaException as problem:
        return is_transient(problem)
    return False


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN])
def test_what_is_not_answered_is_asked_through_a_new_client(code: int) -> None:
    clients = Clients(code=code)
    assert is_silent(lambda: describe(clients.admin))  # and it has looked around
    assert clients.made == 1
    describe(clients.admin)
    assert clients.made == 2


def test_an_answer_without_brokers_is_none_and_a_client_that_dies_of_it_is_replaced() -> None:
    clients = Clients(dies=True)
    describe(clients.admin)
    assert is_silent(lambda: clients.admin.list_topics(timeout=1))
    while is_silent(lambda: describe(clients.admin)):
        assert clients.made == 1
    assert clients.made == 2


def test_those_who_wait_for_kafka_are_answered_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ASK_EVERY_S", 0.0)
    clients = Clients(dies=True)
    assert cluster_id(CLUSTER, clients.admin) == "cluster-1"


def test_in_an_outage_a_client_is_replaced_now_and_then() -> None:
    clients = Clients(code=KafkaError._TRANSPORT, stays=True)
    begun = clients.clock.now
    for _ in range(10):
        assert is_silent(lambda: describe(clients.admin))
    assert 2 < clients.made <= 1 + (clients.clock.now - begun) / RENEWS_AFTER_S


def test_one_silence_is_not_enough() -> None:
    clients = Clients(code=KafkaError._TIMED_OUT)
    assert is_silent(lambda: clients.admin.list_topics(timeout=1))
    clients.clock.now += 2 * RENEWS_AFTER_S
    assert is_silent(lambda: clients.admin.list_topics(timeout=1))
    assert clients.made == 1


@pytest.mark.parametrize("code", [None, KafkaError.NOT_CONTROLLER, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_client_that_any_broker_answers_is_kept(code: int | None) -> None:
    """As one of several whose leader of the topic is frozen."""
    clients = Clients()
    for _ in range(10):
        clients.newest().code = KafkaError._TIMED_OUT
        assert is_silent(lambda: clients.admin.describe_topics(TOPIC)["t"].result())
        clients.newest().code = code
        with contextlib.suppress(KafkaException):
            clients.admin.list_topics(timeout=1)
    assert clients.made == 1


def test_an_offset_that_nobody_told_is_no_answer() -> None:
    clients = Clients()
    for _ in range(3):
        clients.admin.list_offsets({TopicPartition("t", 0): LATEST})
        clients.clock.now += ATTEMPT_S
    assert clients.made == 2


def test_a_client_is_held_until_all_that_was_asked_of_it_is_answered() -> None:
    clients = Clients(code=KafkaError._TIMED_OUT)
    first = weakref.ref(clients.newest())
    deleting = clients.admin.delete_topics(["t"])["t"]
    assert is_silent(lambda: describe(clients.admin))
    describe(clients.admin)
    gc.collect()
    assert (clients.made, first() is None) == (2, False)
    first().waiting.pop().set_result(None)  # type: ignore[union-attr]
    assert deleting.done()
    describe(clients.admin)
    gc.collect()
    assert first() is None
