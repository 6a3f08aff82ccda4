"""One tally per event: the loop, with everything around it played by the test."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.transactions import Fenced, Record
from clickstream.records import CounterState, StateKey, Tally, decode
from clickstream.tally import counting
from clickstream.tally import each as module
from clickstream.tally.each import EachCounter
from tests.unit.fakes import Clock, Kept, end, message, trouble
from tests.unit.tally.doubles import OPTIONS, TOPIC, FakeCluster, FakeConsumer, FakeStates, FakeTopic, state, waits_for

Batch = list[Message] | Callable[[], list[Message]]


class Source(FakeTopic):
    def __init__(self) -> None:
        super().__init__()
        self.partition_count = 1
        self.running = 0
        self.same_again: list[bool] = []
        self.problem: Exception | None = None

    def same(self) -> bool:
        if self.problem is not None:
            raise self.problem
        return self.same_again.pop(0) if self.same_again else self.is_same

    def partitions(self) -> int:
        return self.partition_count

    def members(self, _group: str) -> int:
        return self.running

    def close(self) -> None:
        pass


class Polled(Kept):
    polls = 0

    def poll(self) -> None:
        self.polls += 1
        super().poll()


class States(FakeStates):
    topic = "g-state"
    rests = 0

    def open(self) -> None:
        self.catch_up()

    def rest(self) -> None:
        self.rests += 1

    def close(self) -> None:
        pass


class Transactions:
    def __init__(self) -> None:
        self.polls = 0
        self.commits: list[list[Record]] = []
        self.problem: Exception | None = None
        self.closed = False

    def commit(self, records: Sequence[Record]) -> None:
        if self.problem is not None:
            raise self.problem
        self.commits.append(list(records))

    def poll(self) -> None:
        self.polls += 1

    def close(self) -> None:
        self.closed = True

    def tallies(self) -> list[list[dict[str, int]]]:
        """Counts of the tallies, transaction by transaction."""
        return [
            [Tally.decode(value or b"").counts for topic, _, value, *_ in records if topic == OPTIONS.to_topic]
            for records in self.commits
        ]

    def states(self) -> list[dict[int, tuple[int, dict[str, int]]]]:
        """Offsets and counts of the states, transaction by transaction."""
        return [
            {
                one.partition: (one.next_offset, one.counts)
                for topic, _, value, *_ in records
                if topic == "g-state"
                for one in [decode(value or b"", CounterState)]
            }
            for records in self.commits
        ]


class World:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.order: list[str] = []
        self.kafka = FakeCluster()
        self.source = Source()
        self.states = States()
        self.sender = Polled()
        self.transactions = Transactions()
        self.stop = threading.Event()
        self.options = OPTIONS
        self.kafka.producer = lambda _settings: self.sender.producer.client  # type: ignore[attr-defined]
        patch.setattr(module, "time", Clock())
        patch.setattr(counting, "ensure", lambda _cluster, _topics, _stop=None: self.order.append("ensure"))
        patch.setattr(counting, "GroupTopic", lambda _cluster, _topic, _stop, remedy: self.source)
        patch.setattr(counting, "Sender", lambda _producer: self.sender)
        patch.setattr(counting, "StateLog", lambda _cluster, _sender, _group: self.states)
        patch.setattr(module, "Transactions", self._fence)
        patch.setattr(self.states, "open", self._open)

    def _fence(self, _cluster: object, _group: str, _stop: object, doing: str) -> Transactions:
        self.order.append("fence")
        if isinstance(self.transactions.problem, Fenced):
            self.transactions.problem = None
        return self.transactions

    def _open(self, _stop: object) -> None:
        self.order.append("read states")
        self.states.catch_up()

    @property
    def consumer(self) -> FakeConsumer:
        return self.kafka.consumer_client

    def given(self, *partitions: int) -> Batch:
        def batch() -> list[Message]:
            self.consumer.give(*partitions)
            return []

        return batch

    def run(self, *batches: Batch) -> EachCounter:
        def last() -> list[Message]:
            self.stop.set()
            return []

        self.consumer.batches = [*batches, last]
        counter = EachCounter(self.kafka.cluster, self.options)
        counter.run(self.stop)
        return counter


def click(offset: int, name: Any = '"a"', partition: int = 0) -> Message:
    return message(offset, f'{{"name":{name}}}'.encode(), partition=partition, topic=TOPIC)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_every_event_has_its_tally(world: World) -> None:
    world.run(world.given(0), [click(0), click(1, '"b"'), click(2)])
    assert world.transactions.tallies()[-1] == [{"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}]


def test_tallies_and_the_state_that_they_come_from_are_one_transaction(world: World) -> None:
    world.run(world.given(0), [click(0), click(1)])
    assert world.transactions.tallies()[-1] == [{"a": 1}, {"a": 2}]
    assert world.transactions.states()[-1] == {0: (2, {"a": 2})}
    topic, key, _, headers, _ = world.transactions.commits[-1][0]
    assert (topic, key, headers) == ("tallies", b"g", [("epoch", b"0")])
    assert world.transactions.commits[-1][-1][:2] == ("g-state", b'{"epoch":0,"partition":0}')
    assert StateKey(0, 0) == decode(world.transactions.commits[-1][-1].key or b"", StateKey)


def test_a_restart_goes_on_where_the_state_ends(world: World) -> None:
    world.states.written = [state(0, 5, epoch=2, counts={"a": 5})]
    world.run(world.given(0), [click(4), click(5)])
    assert world.transactions.tallies() == [[{"a": 6}]]
    assert world.transactions.commits[-1][0][3] == [("epoch", b"2")]


def test_partitions_add_up_in_each_tally(world: World) -> None:
    world.source.partition_count = 2
    world.run(world.given(0, 1), [click(0), click(0, '"b"', 1), click(1)])
    assert world.transactions.tallies()[-1] == [{"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}]


def test_what_cannot_be_read_has_no_tally_but_moves_the_offset(world: World) -> None:
    counter = world.run(world.given(0), [click(0), click(1, "null"), click(2)])
    assert world.transactions.tallies()[-1] == [{"a": 1}, {"a": 2}]
    assert world.transactions.states()[-1] == {0: (3, {"a": 2})}
    assert [record.topic for record in world.sender.records] == ["dead"]
    assert counter.totals() == {"counted": 2, "dead_letters": 1, "tallies": 2}


def test_what_was_counted_before_a_stop_that_ends_a_wait_is_committed(world: World) -> None:
    world.options = replace(OPTIONS, as_json=waits_for(b"away", world.stop))
    away = message(2, b"away", topic=TOPIC)
    world.run(world.given(0), [click(0)], [click(1), away, click(3)])
    assert world.transactions.tallies() == [[{"a": 1}], [{"a": 2}]]
    assert world.transactions.states()[-1] == {0: (2, {"a": 2})}


def test_a_dead_letter_that_is_not_delivered_stops_before_the_offset_moves_on(world: World) -> None:
    world.sender.producer.on_poll = lambda: world.sender.producer.deliver(KafkaError(KafkaError._MSG_TIMED_OUT))
    with pytest.raises(ClickstreamError, match="Dead letters to dead could not be written"):
        world.run(world.given(0), [click(0), click(1, "null")])
    assert world.transactions.states() == []


@pytest.mark.parametrize("at_end", [False, True])
def test_a_field_that_no_record_has_stops_it_and_nothing_is_written(world: World, at_end: bool) -> None:
    world.options = replace(OPTIONS, exit_at_end=at_end)
    with pytest.raises(ClickstreamError, match="None of the 2 records of topic clicks has a name in field name"):
        world.run(world.given(0), [click(0, "null"), click(1, "null"), end(2, topic=TOPIC)])
    assert (world.transactions.states(), world.sender.records) == ([], [])


def test_what_is_not_committed_is_not_counted_as_published(world: World) -> None:
    world.states.written = [state(0, 0, counts={})]
    world.transactions.problem = ClickstreamError("too large")
    with pytest.raises(ClickstreamError, match="too large"):
        world.run(world.given(0), [click(0)])
    assert world.consumer.committed == []


def test_nothing_new_is_no_transaction(world: World) -> None:
    world.states.written = [state(0, 5)]
    world.run(world.given(0), [], [])
    assert world.transactions.commits == []


def test_while_nothing_comes_all_clients_are_served(world: World) -> None:
    """What they report would pile up in them."""
    world.states.written = [state(0, 5)]
    world.run(world.given(0), [], [])
    assert world.transactions.polls >= 2
    assert world.states.rests >= 2
    assert world.sender.polls >= 2


# --- alone


def test_a_group_with_members_is_left_alone(world: World) -> None:
    world.source.running = 1
    with pytest.raises(ClickstreamError, match=r"--emit each needs to be the only member of group g.*--group"):
        world.run()
    assert world.order == [], "nothing is fenced or created"


def test_a_predecessors_open_transaction_is_ended_before_the_state_is_read(world: World) -> None:
    world.run()
    assert world.order == ["ensure", "fence", "read states"]


def test_who_is_fenced_by_another_ends_and_says_so(world: World) -> None:
    def another() -> list[Message]:
        world.source.running = 2
        world.transactions.problem = Fenced("newer")
        return [click(0)]

    with pytest.raises(ClickstreamError, match="Another counter has taken over group g") as stop:
        world.run(world.given(0), another)
    assert not isinstance(stop.value, Fenced)
    assert world.order.count("fence") == 1, "the other is left alone"
    assert world.consumer.closed
    assert world.transactions.closed


def test_who_is_fenced_by_the_broker_alone_goes_on_from_what_is_committed(world: World) -> None:
    def fenced() -> list[Message]:
        world.transactions.problem = Fenced("the coordinator died")
        # It died behind the commit of the first two.
        world.states.written = [state(0, 2, counts={"a": 2})]
        return [click(0), click(1)]

    world.states.written = [state(0, 0, counts={})]
    world.source.running = 0
    world.run(world.given(0), fenced, lambda: [click(2)])
    assert world.order.count("fence") == 2
    assert world.consumer.assigned[-1] == {0: 2}
    assert world.transactions.tallies() == [[{"a": 3}]]


def test_who_got_only_some_partitions_finds_out_by_writing(world: World) -> None:
    world.source.partition_count = 2
    world.states.written = [state(0, 5), state(1, 7)]
    world.run(world.given(0))
    assert world.transactions.states() == [{0: (5, {"a": 5})}]


def test_tallies_hold_what_was_counted_of_partitions_that_another_got(world: World) -> None:
    world.source.partition_count = 2
    world.states.written = [state(0, 5), state(1, 7)]
    world.run(world.given(0), [click(5)])
    assert world.transactions.tallies()[-1] == [{"a": 13}]


# --- the log


def test_a_recreated_topic_is_noticed_before_anything_is_committed(world: World) -> None:
    world.states.written = [state(0, 0, counts={})]
    world.source.problem = ClickstreamError("was recreated")
    with pytest.raises(ClickstreamError, match="was recreated"):
        world.run(world.given(0), [click(0)])
    assert world.transactions.commits == []


def test_records_behind_an_error_that_passes_are_read_again(world: World) -> None:
    world.states.written = [state(0, 0, counts={})]
    world.run(world.given(0), [click(0), trouble(KafkaError._UNKNOWN_TOPIC, topic=TOPIC), click(1)])
    assert world.consumer.assigned[-1] == {0: 1}
    assert world.transactions.states() == [{0: (1, {"a": 1})}]


def test_a_broker_that_is_away_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.states.written = [state(0, 0, counts={})]
    world.source.same_again = [False, False, True]
    monkeypatch.setattr(world.stop, "wait", lambda _seconds: False)
    world.run(world.given(0), [click(0)])
    assert world.transactions.tallies() == [[{"a": 1}]]


def test_a_stop_ends_the_wait_for_the_broker_and_says_what_is_not_saved(world: World) -> None:
    world.states.written = [state(0, 0, counts={})]
    world.source.is_same = False

    def interrupted() -> list[Message]:
        world.stop.set()
        return [click(0)]

    with pytest.raises(ClickstreamError, match=r"the latest counts are not saved\. Nothing is lost"):
        world.run(world.given(0), interrupted)
    assert world.transactions.commits == []


def test_records_of_partitions_of_others_are_not_counted(world: World) -> None:
    world.run(world.given(0), [click(0), click(0, partition=3)])
    assert world.transactions.tallies()[-1] == [{"a": 1}]


def test_too_many_names_stop(world: World) -> None:
    world.source.partition_count = 2
    world.states.written = [
        state(partition, 9, counts={f"{partition}-{number}": 1 for number in range(5_000)}) for partition in (0, 1)
    ]
    with pytest.raises(ClickstreamError, match="more than 10,000"):
        world.run(world.given(0, 1), [click(9)])
    assert world.transactions.commits == []


# --- the end


def test_with_exit_at_end_it_leaves_when_all_ends_are_reached(world: World) -> None:
    world.options = replace(OPTIONS, exit_at_end=True)
    world.source.partition_count = 2

    def too_many() -> list[Message]:
        raise AssertionError("it should have left")

    world.consumer.batches = [
        world.given(0, 1),
        [click(0), end(1, topic=TOPIC)],
        [end(0, partition=1, topic=TOPIC)],
        too_many,
    ]
    EachCounter(world.kafka.cluster, world.options).run(world.stop)
    assert len(world.consumer.batches) == 1
    assert world.transactions.states()[-1] == {1: (0, {})}


def test_with_exit_at_end_an_end_that_kafka_never_tells_is_where_the_topic_ended_at_the_start(world: World) -> None:
    world.options = replace(OPTIONS, exit_at_end=True)
    world.source.first_ends = {0: 2}

    def too_many() -> list[Message]:
        raise AssertionError("it should have left")

    world.consumer.batches = [world.given(0), [click(0)], [click(1), click(2)], too_many]
    EachCounter(world.kafka.cluster, world.options).run(world.stop)
    assert len(world.consumer.batches) == 1


def test_it_leaves_the_group_and_closes_what_it_opened(world: World) -> None:
    world.run(world.given(0))
    assert world.consumer.closed
    assert world.transactions.closed


def test_the_lag_is_known(world: World) -> None:
    world.consumer.watermarks = {0: (0, 10)}
    counter = world.run(world.given(0), [click(0)])
    assert counter.gauges() == {"lag": 9}
