"""The hub's threads, on a Kafka that answers as a test says."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.inspect import topicreader as module
from clickstream.inspect.hub import Hub, Listener, News
from clickstream.inspect.recent import Recent
from clickstream.inspect.topicreader import Stage
from clickstream.kafka import patience
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import EARLIEST
from tests.support import wait_until
from tests.unit.fakes import end, message, trouble

TOPIC = "clicks"


class FakeKafka:
    """One topic: its partitions' records, its id, and what is wrong with it."""

    address = "host:9092"

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.logs: dict[int, list[Message]] = {0: []}
        self.topic_id = "id-1"
        self.problem: int | None = None
        self.error: Message | None = None  # what the next poll returns
        self.held = False  # consumers get nothing
        self.busy = False  # no consumer is told of an end: more always comes
        self.consumers: list[FakeConsumer] = []

    @property
    def cluster(self) -> Cluster:
        return cast(Cluster, self)

    def write(self, *values: bytes, partition: int = 0, key: bytes | None = None) -> None:
        with self.changed:
            log = self.logs.setdefault(partition, [])
            log += [
                message(len(log) + number, value, partition=partition, topic=TOPIC, key=key)
                for number, value in enumerate(values)
            ]
            self.changed.notify_all()

    def recreate(self, *values: bytes) -> None:
        with self.changed:
            self.topic_id += "+"
            self.logs = {0: []}
        self.write(*values)

    def admin(self) -> Admin:
        return cast(Admin, FakeAdmin(self))

    def consumer(self, _group: str, _overrides: Mapping[str, Any] | None = None) -> Consumer:
        self.consumers.append(FakeConsumer(self))
        return cast(Consumer, self.consumers[-1])

    @property
    def open(self) -> list["FakeConsumer"]:
        return [one for one in self.consumers if not one.closed]


class FakeAdmin:
    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka

    def describe_topics(self, topics: TopicCollection, *, request_timeout: float) -> dict[str, Future[Any]]:
        partitions = [SimpleNamespace(id=number, leader=None) for number in self._kafka.logs]
        found = SimpleNamespace(topic_id=self._kafka.topic_id, partitions=partitions)
        return {name: self._answer(found) for name in topics.topic_names}

    def list_offsets(self, question: dict[TopicPartition, Any], *, request_timeout: float) -> dict[Any, "Future[Any]"]:
        logs = self._kafka.logs
        return {
            place: self._answer(SimpleNamespace(offset=0 if spec is EARLIEST else len(logs[place.partition])))
            for place, spec in question.items()
        }

    def list_topics(self, *, timeout: float) -> None:
        pass

    def _answer(self, answer: object) -> "Future[Any]":
        future: Future[Any] = Future()
        if self._kafka.problem is None:
            future.set_result(answer)
        else:
            future.set_exception(KafkaException(KafkaError(self._kafka.problem)))
        return future


class FakeConsumer:
    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self._at: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self.closed = False

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self._at = {place.partition: place.offset for place in places}
        self._ended = {}

    def poll(self, timeout: float) -> Message | None:
        with self._kafka.changed:
            if self._kafka.error is not None:
                error, self._kafka.error = self._kafka.error, None
                return error
            found = self._next()
            if found is None:  # not by its truth: a message has the length of its value
                self._kafka.changed.wait(timeout)
            return found

    def consume(self, number: int, _timeout: float) -> list[Message]:
        found: list[Message] = []
        with self._kafka.changed:
            while len(found) < number and (one := self._next()) is not None:
                found.append(one)
        return found

    def _next(self) -> Message | None:
        if self._kafka.held:
            return None
        for partition, at in self._at.items():
            log = self._kafka.logs.get(partition, [])
            if at < len(log):
                self._at[partition] += 1
                return log[at]
            if self._ended.get(partition) != at and not self._kafka.busy:
                self._ended[partition] = at
                return end(at, partition=partition, topic=TOPIC)
        return None

    def get_watermark_offsets(self, place: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached, "no reader waits for an answer"
        return 0, len(self._kafka.logs[place.partition])

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.02)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(module, "AGAIN_AFTER_S", 0.02)
    monkeypatch.setattr(patience, "KNOWS_TOPICS_WITHIN_S", 0.0)
    monkeypatch.setattr(patience, "SURELY_KNOWS_TOPICS_WITHIN_S", 0.0)


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def hub(kafka: FakeKafka) -> Iterator[Hub]:
    made = Hub(kafka.cluster)
    yield made
    made.close()
    assert kafka.open == []


def until(listener: Listener, stage: Stage) -> None:
    wait_until(lambda: listener.state.stage is stage, 60, lambda: f"{stage}: it is {listener.state}")


def values(listener: Listener, number: int) -> list[bytes | None]:
    """What the listener takes, until it is so many."""
    found: list[bytes | None] = []

    def enough() -> bool:
        found.extend(record.value() for record in listener.take().records)
        return len(found) >= number

    wait_until(enough, 60, lambda: f"{number} records: {found}")
    return found


def news(listener: Listener) -> News:
    wait_until(lambda: listener.wait(1.0), 60, "news")
    return listener.take()


def test_what_is_there_comes_first_and_then_what_comes(kafka: FakeKafka, hub: Hub) -> None:
    kafka.write(b"1", b"2")
    listener = hub.recent(TOPIC)
    assert values(listener, 2) == [b"1", b"2"]
    until(listener, Stage.LIVE)
    kafka.write(b"3")
    assert values(listener, 1) == [b"3"]


def test_one_thread_reads_for_all_and_ends_after_the_last(kafka: FakeKafka, hub: Hub) -> None:
    listeners = [hub.recent(TOPIC) for _ in range(20)]
    kafka.write(b"1")
    assert [values(listener, 1) for listener in listeners] == [[b"1"]] * 20
    assert len(kafka.consumers) == 1
    for listener in listeners[1:]:
        listener.close()
    kafka.write(b"2")
    assert values(listeners[0], 1) == [b"2"]
    listeners[0].close()
    listeners[0].close()  # twice does no harm
    wait_until(lambda: kafka.open == [], 60, "the consumer is closed")
    with hub.recent(TOPIC) as later:
        assert values(later, 2) == [b"1", b"2"]
    wait_until(lambda: kafka.open == [], 60, "the consumer is closed again")


def test_one_that_never_takes_holds_nobody_up_and_is_told_what_it_missed(kafka: FakeKafka) -> None:
    hub = Hub(kafka.cluster, recent=lambda: Recent(max_records=10))
    slow, quick = hub.recent(TOPIC), hub.recent(TOPIC)
    until(slow, Stage.LIVE)
    slow.take()
    quick.take()
    for number in range(100):
        kafka.write(b"%d" % number)
        assert values(quick, 1) == [b"%d" % number]
    late = slow.take()
    assert ([one.value() for one in late.records], late.skipped) == ([b"%d" % number for number in range(90, 100)], 90)
    hub.close()


def test_a_tab_that_comes_back_gets_one_snapshot(kafka: FakeKafka, hub: Hub) -> None:
    listener = hub.recent(TOPIC)
    kafka.write(b"1", b"2")
    values(listener, 2)
    again = listener.snapshot()
    assert ([one.value() for one in again.records], again.skipped, again.anew) == ([b"1", b"2"], 0, True)
    assert listener.take().records == []


def test_the_latest_of_every_key_of_a_whole_topic(kafka: FakeKafka, hub: Hub) -> None:
    for number in range(3_000):
        kafka.write(b"%d" % number, key=b"%d" % (number % 2))
    latest, recent = hub.latest(TOPIC), hub.recent(TOPIC)
    until(latest, Stage.LIVE)
    until(recent, Stage.LIVE)
    assert [one.value() for one in latest.take().records] == [b"2998", b"2999"]
    assert len(recent.take().records) == 1_000
    kafka.write(b"new", key=b"0")
    assert values(latest, 1) == [b"new"]


def test_the_last_records_are_of_all_partitions(kafka: FakeKafka, hub: Hub) -> None:
    for partition in range(4):
        kafka.write(*[b"x"] * 2_000, partition=partition)
    listener = hub.recent(TOPIC)
    until(listener, Stage.LIVE)
    found = [one.partition() for one in listener.take().records]
    assert {partition: found.count(partition) for partition in range(4)} == dict.fromkeys(range(4), 250)


def test_what_was_written_while_kafka_was_away_is_known_to_be_missing(kafka: FakeKafka, hub: Hub) -> None:
    kafka.write(b"1")
    kafka.write(b"1", partition=1)
    listener = hub.recent(TOPIC)
    values(listener, 2)
    until(listener, Stage.LIVE)
    assert listener.topic.reached.until is None
    kafka.held, kafka.problem = True, KafkaError._TRANSPORT
    until(listener, Stage.AWAY)
    kafka.write(b"2", partition=1)
    kafka.problem = None
    until(listener, Stage.CATCHING_UP)
    behind: list[int | None] = [listener.topic.reached.until]
    kafka.held = False
    assert values(listener, 1) == [b"2"]
    until(listener, Stage.LIVE)
    assert (behind[0] is None, listener.topic.reached.until) == (False, None)


def test_a_topic_of_which_no_end_is_told_is_read_to_its_end_whatever_its_timestamps_are(
    kafka: FakeKafka, hub: Hub
) -> None:
    kafka.busy = True
    kafka.write(b"1", b"2", b"3")
    listener = hub.recent(TOPIC)
    until(listener, Stage.LIVE)
    assert listener.topic.reached.until is None
    kafka.write(b"4")
    assert values(listener, 4) == [b"1", b"2", b"3", b"4"]
    wait_until(lambda: listener.topic.reached.until is None, 60, "it is up to date")


def test_partitions_that_are_added_are_read_from_their_beginning(kafka: FakeKafka, hub: Hub) -> None:
    kafka.write(b"old")
    listener = hub.recent(TOPIC)
    values(listener, 1)
    kafka.write(b"new 1", b"new 2", partition=1)
    assert values(listener, 2) == [b"new 1", b"new 2"]


def test_a_recreated_topic_begins_anew(kafka: FakeKafka, hub: Hub) -> None:
    kafka.write(b"1", b"2", b"3")
    listener = hub.recent(TOPIC)
    values(listener, 3)
    kafka.recreate(b"other 1", b"other 2", b"other 3", b"other 4")
    found: list[bytes | None] = []

    def all_of_it() -> bool:
        taken = listener.take()
        found[:] = [*([] if taken.anew else found), *(one.value() for one in taken.records)]
        return found == [b"other 1", b"other 2", b"other 3", b"other 4"]

    wait_until(all_of_it, 60, lambda: f"what the new topic holds, and nothing else: {found}")


@pytest.mark.parametrize(
    ("problem", "stage"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Stage.MISSING),
        (KafkaError._TRANSPORT, Stage.AWAY),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Stage.REFUSED),
    ],
)
@pytest.mark.parametrize("when", ["at first", "later"])
def test_what_is_wrong_is_told_and_passes(kafka: FakeKafka, hub: Hub, problem: int, stage: Stage, when: str) -> None:
    if when == "at first":
        kafka.problem = problem
    listener = hub.recent(TOPIC)
    if when == "later":
        until(listener, Stage.LIVE)
        kafka.problem = problem
    until(listener, stage)
    assert f"Reading {TOPIC} at host:9092 failed" in listener.state.words
    kafka.problem = None
    until(listener, Stage.LIVE)
    kafka.write(b"1")
    assert values(listener, 1) == [b"1"]


def test_a_sink_that_fails_once_gets_the_same_records_again(kafka: FakeKafka) -> None:
    class FailsOnce(Recent):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[list[bytes | None]] = []

        def add(self, records: Sequence[Message]) -> None:
            self.batches.append([one.value() for one in records])
            if len(self.batches) == 1:
                raise ValueError("not now")
            super().add(records)

    sink = FailsOnce()
    kafka.write(b"1", b"2")
    hub = Hub(kafka.cluster, recent=lambda: sink)
    listener = hub.recent(TOPIC)
    assert values(listener, 2) == [b"1", b"2"]
    assert sink.batches[:2] == [[b"1", b"2"]] * 2
    until(listener, Stage.LIVE)
    hub.close()


def test_a_topic_is_missing_only_when_that_is_said_for_a_while(
    kafka: FakeKafka, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SURELY_KNOWS_TOPICS_WITHIN_S", 60.0)
    listener = hub.recent(TOPIC)
    until(listener, Stage.LIVE)
    kafka.error = trouble(KafkaError._UNKNOWN_TOPIC, topic=TOPIC)  # as clients say while a broker restarts
    wait_until(lambda: len(kafka.consumers) == 2, 60, "it reads again")
    kafka.write(b"1")
    assert values(listener, 1) == [b"1"]
    assert listener.state.stage is Stage.LIVE


def test_after_trouble_nothing_is_read_twice(kafka: FakeKafka, hub: Hub) -> None:
    kafka.write(b"1", b"2")
    listener = hub.recent(TOPIC)
    values(listener, 2)
    kafka.error = trouble(KafkaError._UNKNOWN_TOPIC, topic=TOPIC)
    wait_until(lambda: len(kafka.consumers) == 2, 60, "it reads again")
    kafka.write(b"3")
    assert values(listener, 1) == [b"3"]


def test_news_are_told_once_until_they_are_taken(kafka: FakeKafka, hub: Hub) -> None:
    told: list[int] = []
    listener = hub.recent(TOPIC, lambda: told.append(1))
    until(listener, Stage.LIVE)
    listener.take()
    told.clear()
    kafka.write(b"1")
    wait_until(lambda: told, 60, "it is told")
    other = hub.recent(TOPIC)
    for number in range(20):
        kafka.write(b"%d" % number)
    values(other, 21)
    assert len(told) == 1
    listener.take()
    kafka.write(b"2")
    wait_until(lambda: len(told) == 2, 60, "it is told again")


def test_a_listener_that_cannot_be_told_harms_nobody(
    kafka: FakeKafka, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    def closed() -> None:
        raise RuntimeError("Event loop is closed")

    hub.recent(TOPIC, closed)
    other = hub.recent(TOPIC)
    kafka.write(b"1")
    assert values(other, 1) == [b"1"]
    kafka.write(b"2")
    assert values(other, 1) == [b"2"]
    assert caplog.text.count("cannot be told of news") == 1


def test_waiting_ends_with_news_and_with_another_state(kafka: FakeKafka, hub: Hub) -> None:
    listener = hub.recent(TOPIC)
    until(listener, Stage.LIVE)
    listener.take()
    assert not listener.wait(0.01)
    kafka.write(b"1")
    assert [one.value() for one in news(listener).records] == [b"1"]
    kafka.problem = KafkaError._TRANSPORT
    assert news(listener).state.stage is Stage.AWAY


def test_what_cannot_be_opened_yet_is_read_again(kafka: FakeKafka) -> None:
    away = threading.Event()
    away.set()

    def opened(message: Message) -> None:
        if away.is_set() and message.value() == b"2":
            raise ClickstreamError("The registry is away.")
        message.set_value(b"<%s>" % (message.value() or b""))

    hub = Hub(kafka.cluster, opened=opened)
    try:
        kafka.write(b"1", b"2", b"3")
        listener = hub.recent(TOPIC)
        until(listener, Stage.REFUSED)
        assert listener.state.words == "The registry is away."
        # Its fake gives the same objects again, where Kafka gives new ones.
        kafka.logs[0] = []
        kafka.write(b"1", b"2", b"3")
        away.clear()
        assert values(listener, 3) == [b"<1>", b"<2>", b"<3>"]
    finally:
        hub.close()
