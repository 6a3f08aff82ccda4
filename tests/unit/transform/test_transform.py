"""When a transform reads, and when it takes over: with a consumer and transactions of our own making, without Kafka."""

import itertools
import queue
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.patience import Stopped
from clickstream.kafka.transactions import Record as Written
from clickstream.kafka.transactions import RefusedRecord
from clickstream.records import TransformOwner, TransformPlace
from clickstream.stop import Stop
from clickstream.transform import reading, transform
from clickstream.transform.api import Record
from clickstream.transform.model import Call, FunctionAway, Options, Outcomes
from clickstream.transform.reading import Input
from clickstream.transform.state import State
from clickstream.transform.transform import TakenOver, Transform

TOPIC, STATE = "clicks", "transform-it-state"
# Empty-handed ones, and calls of any kind, after which the consumer stops the transform.
WAITS, CALLS = 50, 1_000


class Backlog:
    """A consumer of two partitions without an end, and of the state topic, of which records come once it has waited.

    `waits` counts how often it was asked to wait and had nothing: it does not, so that no time passes.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._next = {0: 0, 1: 0}
        self.paused: set[int] = set()
        self.asked = 0
        self.waits = 0
        self.states: list[Message] = []

    def assign(self, _places: Sequence[TopicPartition]) -> None:
        self.paused.clear()

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self.paused |= {place.partition for place in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        self.paused -= {place.partition for place in places}

    def consume(self, count: int, timeout: float) -> list[Message]:
        self.asked += 1
        found = [self.states.pop()] if self.states and self.waits else []
        readable = sorted(self._next.keys() - self.paused)
        for number in itertools.islice(itertools.cycle(readable), count - len(found)):
            found.append(Message(topic=TOPIC, partition=number, offset=self._next[number], value=b"{}"))
            self._next[number] += 1
        if timeout and not found:
            self.waits += 1
        if self.waits == WAITS or self.asked == CALLS:
            self._stop.set()
        return found

    def get_watermark_offsets(self, _place: TopicPartition, **_options: Any) -> tuple[int, int]:
        return 0, 1_000_000

    def close(self) -> None:
        pass


class AwayCaller:
    """Finds the function away, whatever it is asked."""

    where = "the server at nowhere:1"

    def __init__(self) -> None:
        self.outcomes: Outcomes = queue.Queue()

    def start(self) -> None:
        pass

    def ask(self, call: Call) -> None:
        self.outcomes.put((call, FunctionAway("no connection")))

    def close(self) -> None:
        pass


class FakeCluster:
    address = "nowhere:1"

    def __init__(self, consumer: Backlog) -> None:
        self._consumer = consumer

    def admin(self) -> None:
        return None

    def consumer(self, _group: str, _settings: dict[str, Any]) -> Backlog:
        return self._consumer


class NoTransactions:
    made = 0

    def __init__(self, *_given: Any, **_more: Any) -> None:
        type(self).made += 1

    def commit(self, _records: Any) -> None:
        pass

    def poll(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def backlog(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> Backlog:
    for name, value in {
        "ensure": lambda *_: None,
        "identify": lambda *_, **__: LogIdentity(TOPIC, "id"),
        "read_state": lambda *_: State(STATE),
        "Transactions": NoTransactions,
    }.items():
        monkeypatch.setattr(transform, name, value)
    monkeypatch.setattr("clickstream.transform.reading.kafka_log.check", lambda *_, **__: {})
    monkeypatch.setattr(reading, "ends", lambda *_, **__: {0: 1_000_000, 1: 1_000_000})
    monkeypatch.setattr(reading, "know_leaders", lambda *_: None)
    monkeypatch.setattr(NoTransactions, "made", 0)
    for name, limit in {"MOST_WAITING": 400, "ENOUGH": 50, "AT_ONCE": 100}.items():
        monkeypatch.setattr(reading, name, limit)
    return Backlog(stop)


def transform_of(backlog: Backlog, **options: Any) -> Transform:
    cluster: Any = FakeCluster(backlog)
    return Transform(cluster, AwayCaller(), Options(TOPIC, "results", "dead", "it", in_flight=10, **options))


def waiting(part: Transform) -> int:
    assert part._input is not None
    return sum(map(len, part._input.waiting.values()))


def test_while_the_function_is_away_no_more_is_read_than_there_is_room_for(backlog: Backlog, stop: Stop) -> None:
    part = transform_of(backlog)
    part.run(stop)
    assert backlog.waits == WAITS  # it rests when there is nothing to do
    assert backlog.asked < CALLS
    assert reading.MOST_WAITING <= waiting(part) <= reading.MOST_WAITING + reading.AT_ONCE


def test_a_newer_process_is_heard_of_while_there_is_no_room(backlog: Backlog, stop: Stop) -> None:
    said = State(STATE).owned(TransformOwner(id="newer", process="there pid 1", since="now"))
    backlog.states.append(Message(topic=STATE, partition=0, offset=0, key=said.key, value=said.value))
    part = transform_of(backlog)
    with pytest.raises(TakenOver, match="there pid 1"):
        part.run(stop)
    assert waiting(part) >= reading.MOST_WAITING


def test_a_partition_that_was_at_its_end_is_read_while_another_one_is_held_up(backlog: Backlog, stop: Stop) -> None:
    cluster: Any = FakeCluster(backlog)
    admin: Any = None
    source = Input(cluster, LogIdentity(TOPIC, "id"), "group", admin, stop)
    source.begin(State(STATE))
    source.ended[1] = 0
    source.waiting[0].extend(Message(topic=TOPIC, partition=0) for _ in range(reading.MOST_WAITING))
    source.take(0.0)
    assert (len(source.waiting[0]), len(source.waiting[1])) == (reading.MOST_WAITING, reading.AT_ONCE)
    source.take(0.0)
    assert len(source.waiting[1]) == reading.AT_ONCE


def test_a_start_with_other_topics_fences_nobody(backlog: Backlog, stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    place = TransformPlace(topic=TOPIC, topic_id="id", output="other", partition=0, next_offset=0)
    monkeypatch.setattr(transform, "read_state", lambda *_: State(STATE, places={0: place}))
    with pytest.raises(ClickstreamError, match="Choose another --name"):
        transform_of(backlog).run(stop)
    assert NoTransactions.made == 0
    transform_of(backlog, start_over=True).run(stop)
    assert NoTransactions.made == 1


def at_work(backlog: Backlog, stop: Stop, transactions: Any, calls: int) -> tuple[Transform, list[Call]]:
    """A transform that has begun, and so many calls that are done."""
    part = transform_of(backlog)
    part._stop, part._transactions, part._state = stop, transactions, State(STATE)
    part._identity = LogIdentity(TOPIC, "id")
    return part, [Call(Record(b"{}", None, (), None, TOPIC, 0, offset)) for offset in range(calls)]


def test_a_stop_whose_time_is_over_ends_the_search_for_what_is_refused(backlog: Backlog, stop: Stop) -> None:
    class Refusing(NoTransactions):
        commits = 0

        def commit(self, _records: Any) -> None:
            self.commits += 1
            if self.commits == 2:
                stop.set_for(0)
            raise RefusedRecord("too late", "invalid-timestamp")

    refusing = Refusing()
    part, done = at_work(backlog, stop, refusing, 1_000)
    with pytest.raises(Stopped):
        part._write(done)
    assert refusing.commits == 2


def test_all_that_is_refused_is_set_aside_one_by_one(backlog: Backlog, stop: Stop) -> None:
    class Refusing(NoTransactions):
        def commit(self, records: Any) -> None:
            if any(record.topic == "results" for record in records):
                raise RefusedRecord("too late", "invalid-timestamp")

    part, done = at_work(backlog, stop, Refusing(), 5)
    for call in done:
        call.finished = [Written("results", None, b"{}")]
    part._write(done)
    assert [call.set_aside for call in done] == [True] * 5
    assert part._saved[0] == 5
