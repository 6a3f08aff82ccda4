"""The counter's loop, with everything around it played by the test; its rooms are tested in tally/."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from clickstream import counter as module
from clickstream.counter import Counter
from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import TopicGone
from clickstream.records import CounterState
from clickstream.tally import counting, trial
from clickstream.tally.publish import Fenced
from tests.unit.fakes import Clock, Kept, end, message, trouble
from tests.unit.tally.doubles import OPTIONS, TOPIC, FakeCluster, FakeConsumer, FakeStates, FakeTopic, state

Batch = list[Message] | Callable[[], list[Message]]


class Source(FakeTopic):
    def __init__(self) -> None:
        super().__init__()
        self.partition_count = 1
        self.running = 1
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


class States(FakeStates):
    topic = "g-state"

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world
        self.ended: set[int] = set()
        self.closed = False

    def open(self, _stop: object) -> None:
        self.catch_up()

    def follow(self) -> None:
        self.catch_up()

    def save(self, states: Iterable[CounterState]) -> None:
        saved = list(states)
        if self.problem is not None:
            raise self.problem
        self._world.events.append(("save", {one.partition: (one.next_offset, one.counts) for one in saved}))
        self.written += saved
        self.catch_up()

    def catch_up(self) -> None:
        super().catch_up()
        self.ended |= {one.partition for one in self.written if one.at_end}

    def close(self) -> None:
        self.closed = True


class Publisher:
    def __init__(self, world: "World", epoch: int) -> None:
        self._world = world
        self.epoch = epoch
        self.last: Mapping[str, int] = dict(world.last_tally)
        self.closed = False

    def publish(self, counts: Mapping[str, int]) -> bool:
        if self._world.publishing_problems:
            raise self._world.publishing_problems.pop(0)
        lower = any(counts.get(name, 0) < count for name, count in self.last.items())
        if counts == self.last or lower:
            return False
        self._world.events.append(("publish", dict(counts)))
        self.last = dict(counts)
        return True

    def close(self) -> None:
        self._world.tallies_when_closing += [one.totals()["tallies"] for one in self._world.counters]
        self.closed = True


class World:
    """What surrounds a counter, and what the counter did to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.kafka = FakeCluster()
        self.source = Source()
        self.states = States(self)
        self.sender = Kept()
        self.publishers: list[Publisher] = []
        self.publishing_problems: list[Exception] = []
        self.take_over_problems: list[Exception] = []
        self.last_tally: dict[str, int] = {}
        self.events: list[tuple[str, Any]] = []
        self.stop = threading.Event()
        self.options = OPTIONS
        self.counters: list[Counter] = []
        self.tallies_when_closing: list[int] = []
        self.kafka.producer = lambda _settings: self.sender.producer.client  # type: ignore[attr-defined]
        patch.setattr(module, "time", self.clock)
        patch.setattr(
            counting, "ensure", lambda _cluster, topics, _stop=None: self.events.append(("ensure", list(topics)))
        )
        patch.setattr(counting, "GroupTopic", lambda _cluster, _topic, _stop, remedy: self.source)
        patch.setattr(counting, "Sender", lambda _producer: self.sender)
        patch.setattr(counting, "StateLog", lambda _cluster, _sender, _group: self.states)
        patch.setattr(module, "TallyPublisher", lambda _cluster, _topic, _group, epoch, _stop: self._publisher(epoch))

    def _publisher(self, epoch: int) -> Publisher:
        if self.take_over_problems:
            raise self.take_over_problems.pop(0)
        self.publishers.append(Publisher(self, epoch))
        return self.publishers[-1]

    @property
    def consumer(self) -> FakeConsumer:
        return self.kafka.consumer_client

    def run(self, *batches: Batch) -> Counter:
        """Run a counter through `batches`, then stop it."""

        def last() -> list[Message]:
            self.stop.set()
            return []

        self.consumer.batches = [*batches, last]
        counter = Counter(self.kafka.cluster, self.options)
        self.counters.append(counter)
        counter.run(self.stop)
        return counter

    # Batches.

    def given(self, *partitions: int) -> Batch:
        return self._then(lambda: self.consumer.give(*partitions))

    def taken(self, *partitions: int) -> Batch:
        return self._then(lambda: self.consumer.take(*partitions))

    def lost(self, *partitions: int) -> Batch:
        return self._then(lambda: self.consumer.lose(*partitions))

    def later(self, seconds: float, *messages: Message) -> Batch:
        def batch() -> list[Message]:
            self.clock.now += seconds
            return list(messages)

        return batch

    @staticmethod
    def _then(step: Callable[[], None]) -> Batch:
        def batch() -> list[Message]:
            step()
            return []

        return batch

    # What happened.

    def saved(self) -> list[Any]:
        return [what for name, what in self.events if name == "save"]

    def published(self) -> list[dict[str, int]]:
        return [what for name, what in self.events if name == "publish"]


def click(offset: int, name: str = "a", partition: int = 0) -> Message:
    return message(offset, b'{"name":"%s"}' % name.encode(), partition=partition, topic=TOPIC)


def bad(offset: int, partition: int = 0) -> Message:
    return message(offset, b"no json", partition=partition, topic=TOPIC)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


# --- counting, saving, publishing


def test_what_was_counted_is_saved_and_then_published(world: World) -> None:
    world.run(world.given(0), [click(0), click(1, "b"), click(2)])
    assert world.events[-2:] == [("save", {0: (3, {"a": 2, "b": 1})}), ("publish", {"a": 2, "b": 1})]


def test_counting_goes_on_from_the_saved_state(world: World) -> None:
    world.states.written = [state(0, 5, counts={"a": 5})]
    world.run(world.given(0), [click(4), click(5), click(6)])
    assert world.saved()[-1] == {0: (7, {"a": 7})}


def test_output_topics_are_there_before_anything_is_read(world: World) -> None:
    world.run()
    assert world.events[0] == ("ensure", ["tallies", "dead"])


def test_nothing_counted_is_nothing_saved(world: World) -> None:
    world.states.written = [state(0, 5)]
    world.last_tally = {"a": 5}
    world.run(world.given(0))
    assert (world.saved(), world.published()) == ([], [])


def test_only_partitions_that_changed_are_saved(world: World) -> None:
    world.states.written = [state(0, 5), state(1, 5)]
    world.run(world.given(0, 1), [click(5, partition=1)])
    assert world.saved() == [{1: (6, {"a": 6})}]


def test_a_tally_is_made_of_what_all_members_have_saved(world: World) -> None:
    world.states.written = [state(1, 7, counts={"a": 1, "b": 6})]
    world.run(world.given(0), [click(0)])
    assert world.published()[-1] == {"a": 2, "b": 6}


def test_what_is_not_saved_is_not_published(world: World) -> None:
    world.source.is_same = False  # the broker does not answer
    world.source.same_again = [False, False, False, True]
    world.run(world.given(0), world.later(5, click(0)))
    names = [name for name, _ in world.events if name in ("save", "publish")]
    assert names == ["save", "publish"]


def test_only_the_owner_of_partition_0_publishes(world: World) -> None:
    world.run(world.given(1, 2), [click(0, partition=1)])
    assert (world.publishers, world.published()) == ([], [])
    assert world.saved()[-1][1] == (1, {"a": 1})


def test_it_publishes_for_the_epoch_of_the_state(world: World) -> None:
    world.states.written = [state(0, 0, epoch=3, counts={})]
    world.run(world.given(0))
    assert [one.epoch for one in world.publishers] == [3]


def test_there_is_one_tally_per_interval(world: World) -> None:
    world.options = replace(OPTIONS, interval=1.0)
    world.run(
        world.given(0),
        world.later(0.4, click(0)),
        world.later(0.4, click(1)),
        world.later(0.4, click(2)),  # 1.2 s
        world.later(0.4, click(3)),
        world.later(0.4, click(4)),
        world.later(0.4, click(5)),  # 2.4 s
    )
    assert world.published() == [{"a": 3}, {"a": 6}]


def test_it_waits_for_records_no_longer_than_until_the_next_tally(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    consume = world.consumer.consume

    def noted(size: int, timeout: float) -> list[Message]:
        waits.append(timeout)
        return consume(size, timeout)

    monkeypatch.setattr(world.consumer, "consume", noted)
    world.options = replace(OPTIONS, interval=0.25)
    world.run(world.later(0.2), world.later(0.2), world.later(0.0))
    assert waits == [0.0, 0.1, pytest.approx(0.05), pytest.approx(0.05)]


# --- what cannot be read


def test_dead_letters_are_delivered_before_the_offset_moves_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = world.sender.flush

    def noted(timeout: float = 30.0) -> int:
        world.events.append(("flush", len(world.sender.records)))
        return flush(timeout)

    monkeypatch.setattr(world.sender, "flush", noted)
    counter = world.run(world.given(0), [click(0), bad(1), click(2)])
    assert world.events.index(("flush", 1)) < world.events.index(("save", {0: (3, {"a": 2})}))
    assert counter.totals() == {"counted": 2, "dead_letters": 1, "tallies": 1}


def test_a_dead_letter_that_is_not_delivered_stops_before_the_offset_moves_on(world: World) -> None:
    def fail() -> None:
        world.sender.producer.deliver(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    world.sender.producer.on_poll = fail
    with pytest.raises(ClickstreamError, match=r"Dead letters to dead could not be written: .*authorization"):
        world.run(world.given(0), [click(0), bad(1)])
    assert all(next_offset == 0 for saved in world.saved() for next_offset, _ in saved.values())


# --- a field that no record has


@pytest.mark.parametrize("at_end", [False, True])
def test_a_field_that_no_record_has_stops_it_and_nothing_is_written(world: World, at_end: bool) -> None:
    world.options = replace(OPTIONS, exit_at_end=at_end)
    with pytest.raises(ClickstreamError, match="None of the 2 records of topic clicks has a name in field name"):
        world.run(world.given(0), world.later(5), [bad(0), bad(1), end(2, topic=TOPIC)])
    assert (world.saved(), world.published(), world.sender.records) == ([], [], [])


def test_bad_records_before_the_first_name_are_set_aside_once_it_is_there(world: World) -> None:
    counter = world.run(world.given(0), [bad(0)], world.later(5), [bad(1), click(2)])
    assert counter.totals() == {"counted": 1, "dead_letters": 2, "tallies": 1}
    assert world.saved()[-1] == {0: (3, {"a": 1})}


def test_bad_records_that_are_read_again_are_not_taken_for_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LOOK_AT_RECORDS", 5)
    gone = trouble(KafkaError.UNKNOWN_TOPIC_OR_PART, topic=TOPIC)
    batches = [[bad(0), bad(1), gone] for _ in range(4)]
    counter = world.run(world.given(0), *batches, [bad(0), bad(1), click(2)])
    assert counter.totals() == {"counted": 1, "dead_letters": 2, "tallies": 1}


def test_a_stop_before_the_first_name_saves_nothing_and_is_no_failure(world: World) -> None:
    world.run(world.given(0), [end(0, topic=TOPIC)], world.later(5), [bad(0), end(1, topic=TOPIC)], world.later(5))
    assert world.saved() == [{0: (0, {})}]
    assert world.sender.records == []


def test_what_another_member_counts_lets_bad_records_go(world: World) -> None:
    def other_counts() -> list[Message]:
        world.clock.now += 5
        world.states.written.append(state(1, 7))
        return []

    world.run(world.given(0), [bad(0)], other_counts)
    assert len(world.sender.records) == 1
    assert world.saved()[-1] == {0: (1, {})}


# --- the log and the state


def test_a_recreated_topic_is_noticed_before_its_records_are_saved(world: World) -> None:
    def recreated() -> list[Message]:
        world.source.problem = ClickstreamError("was recreated")
        return [click(0)]

    with pytest.raises(ClickstreamError, match="was recreated"):
        world.run(world.given(0), recreated)
    assert all(next_offset == 0 for saved in world.saved() for next_offset, _ in saved.values())


def test_records_of_partitions_of_others_are_not_counted(world: World) -> None:
    world.run(world.given(0), [click(0), click(0, partition=7)])
    assert world.saved()[-1] == {0: (1, {"a": 1})}


def test_records_behind_an_error_that_passes_are_read_again(world: World) -> None:
    """Clients say for a moment that a topic is gone while a broker restarts."""
    world.source.same_again = [False]
    batch = [click(0), trouble(KafkaError._UNKNOWN_TOPIC, topic=TOPIC), click(1), click(2)]
    world.run(world.given(0), batch)
    assert world.consumer.assigned[-1] == {0: 1}
    assert world.saved()[-1] == {0: (1, {"a": 1})}


def test_a_topic_that_is_gone_stops(world: World) -> None:
    world.source.problem = TopicGone("Describing topic clicks failed")
    with pytest.raises(ClickstreamError, match="Describing topic clicks"):
        world.run(world.given(0), [trouble(KafkaError._UNKNOWN_TOPIC, topic=TOPIC)])


def test_any_other_error_of_the_consumer_stops(world: World) -> None:
    with pytest.raises(ClickstreamError, match="Reading clicks at host:9092 failed"):
        world.run(world.given(0), [trouble(KafkaError.TOPIC_AUTHORIZATION_FAILED, topic=TOPIC)])


def test_a_group_that_is_started_over_stops_its_members(world: World) -> None:
    def start_over() -> list[Message]:
        world.states.written.append(state(0, 0, epoch=1, counts={}))
        return [click(1)]

    with pytest.raises(ClickstreamError, match=r"started over \(--reset\) while this member counted"):
        world.run(world.given(0), [click(0)], start_over)


def test_too_many_names_of_all_partitions_together_stop(world: World) -> None:
    for partition in (1, 2):
        counts = {f"{partition}-{number}": 1 for number in range(5_001)}
        world.states.written.append(state(partition, 9, counts=counts))
    with pytest.raises(ClickstreamError, match="more than 10,000"):
        world.run(world.given(0))
    assert world.published() == []


# --- rebalances


def test_what_was_counted_is_saved_before_partitions_are_given_up(world: World) -> None:
    world.run(world.given(0, 1), [click(0), click(0, "b", partition=1)], world.taken(0, 1))
    assert world.saved()[-1] == {0: (1, {"a": 1}), 1: (1, {"b": 1})}


def test_what_was_counted_of_lost_partitions_is_not_saved(world: World) -> None:
    world.states.written = [state(0, 5)]
    world.run(world.given(0), [click(5)], world.lost(0))
    assert world.saved() == []


def test_who_gives_partition_0_up_publishes_no_more(world: World) -> None:
    world.run(world.given(0), world.taken(0), world.given(1), world.later(9, click(0, partition=1)))
    assert [one.closed for one in world.publishers] == [True]


def test_after_a_rebalance_a_new_publisher_reads_the_last_tally_anew(world: World) -> None:
    world.run(world.given(0, 1), world.taken(0, 1), world.given(0))
    assert [one.closed for one in world.publishers] == [True, True]


def test_a_publisher_reads_the_states_once_no_earlier_one_can_write(world: World) -> None:
    """A tally that was published after our restore comes from states that we then know."""

    def make(_cluster: object, _topic: str, _group: str, epoch: int, _stop: object) -> Publisher:
        world.states.written.append(state(1, 7))
        return Publisher(world, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TallyPublisher", make)
        patch.setattr(world.states, "follow", lambda: None)
        world.states.written = [state(0, 5)]
        world.run(world.given(0))
    assert world.published() == [{"a": 12}]


def test_what_goes_wrong_in_a_rebalance_stops(world: World) -> None:
    world.source.contradiction = ClickstreamError("retention deleted 5 records")
    world.states.written = [state(0, 5)]
    with pytest.raises(ClickstreamError, match="retention"):
        world.run(world.given(0))


# --- who publishes


def test_a_publisher_that_is_fenced_steps_back_and_counts_on(world: World) -> None:
    world.consumer.commit_problem = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)  # the group knows better
    world.publishing_problems = [Fenced("newer")]
    world.run(world.given(0), world.later(5, click(0)), world.later(5, click(1)))
    assert [one.closed for one in world.publishers] == [True]
    assert world.published() == []
    assert world.saved()[-1] == {0: (2, {"a": 2})}


def test_the_rightful_publisher_takes_the_right_again(world: World) -> None:
    world.publishing_problems = [Fenced("a frozen former one")]
    world.run(world.given(0), world.later(5, click(0)), world.later(5, click(1)))
    assert len(world.publishers) == 2
    assert world.published()[-1] == {"a": 2}


def test_who_is_fenced_while_taking_over_tries_again_while_it_is_a_member(world: World) -> None:
    world.take_over_problems = [Fenced("two at once")]
    world.run(world.given(0), world.later(5, click(0)))
    assert world.published() == [{"a": 1}]


# --- with --exit-at-end


def leaving(world: World, *batches: Batch, others: int = 0) -> list[str]:
    """Run with exit_at_end until it leaves by itself; fails when it needs more batches."""
    world.options = replace(OPTIONS, exit_at_end=True)
    world.source.running = 1 + others
    world.consumer.batches = list(batches)
    counter = Counter(world.kafka.cluster, world.options)
    left_over = list(world.consumer.batches)

    def too_many() -> list[Message]:
        raise AssertionError("it should have left")

    world.consumer.batches = [*left_over, too_many]
    counter.run(world.stop)
    assert len(world.consumer.batches) == 1, "it left before the end"
    return [name for name, _ in world.events]


def test_it_leaves_when_the_end_is_reached_and_published(world: World) -> None:
    leaving(world, world.given(0), [click(0), end(1, topic=TOPIC)])
    assert world.events[-2:] == [("save", {0: (1, {"a": 1})}), ("publish", {"a": 1})]
    assert world.states.written[-1].at_end


def test_an_empty_topic_is_at_its_end(world: World) -> None:
    leaving(world, world.given(0), [end(0, topic=TOPIC)])
    assert world.published() == []


def test_it_does_not_leave_before_every_partition_has_reached_its_end(world: World) -> None:
    world.source.partition_count = 2
    leaving(
        world,
        world.given(0, 1),
        [end(0, topic=TOPIC)],
        world.later(5),
        world.later(5, click(0, partition=1), end(1, partition=1, topic=TOPIC)),
    )


def test_ends_that_other_members_have_seen_count(world: World) -> None:
    world.source.partition_count = 2

    def other() -> list[Message]:
        world.states.written.append(state(1, 5, at_end=True))
        world.clock.now += 5
        return []

    leaving(world, world.given(0), [end(0, topic=TOPIC)], other)
    assert world.published()[-1] == {"a": 5}


def test_who_does_not_publish_leaves_as_soon_as_all_ends_are_reached(world: World) -> None:
    world.source.partition_count = 2

    def other() -> list[Message]:
        world.states.written.append(state(0, 5, at_end=True))
        world.clock.now += 5
        return []

    leaving(world, world.given(1), [end(0, partition=1, topic=TOPIC)], other, others=5)
    assert world.publishers == []


def test_the_publisher_leaves_last(world: World) -> None:
    def others_leave() -> list[Message]:
        world.source.running = 1
        return []

    leaving(world, world.given(0), [end(0, topic=TOPIC)], world.later(0.1), others_leave, others=2)


def test_the_publisher_does_not_wait_for_others_without_end(world: World) -> None:
    late = module.OTHERS_LEAVE_WITHIN_S + 1
    leaving(world, world.given(0), [end(0, topic=TOPIC)], world.later(late), others=2)


def test_a_tally_that_cannot_be_reached_any_more_is_an_error(world: World) -> None:
    world.last_tally = {"a": 99}
    with pytest.raises(ClickstreamError, match=r"last tally of g on tallies is higher .* --reset"):
        leaving(world, world.given(0), [click(0), end(1, topic=TOPIC)])


def test_without_it_the_end_is_no_reason_to_leave(world: World) -> None:
    world.run(world.given(0), [end(0, topic=TOPIC)], world.later(5, click(0)), world.later(5, click(1)))
    assert world.saved()[-1] == {0: (2, {"a": 2})}


# --- the end


def test_it_leaves_the_group_and_closes_what_it_opened(world: World) -> None:
    world.run(world.given(0))
    assert world.consumer.closed
    assert world.states.closed
    assert all(one.closed for one in world.publishers)


def test_it_leaves_the_group_also_when_it_fails(world: World) -> None:
    world.states.problem = None
    with pytest.raises(ClickstreamError):
        world.run(world.given(0), [trouble(KafkaError.TOPIC_AUTHORIZATION_FAILED, topic=TOPIC)])
    assert world.consumer.closed
    assert world.states.closed


def test_a_broker_that_comes_back_in_time_gets_the_last_counts(world: World) -> None:
    def away() -> list[Message]:
        world.source.same_again = [False, False]
        return [click(0)]

    world.run(world.given(0), world.later(5), away)
    assert world.saved()[-1] == {0: (1, {"a": 1})}


def test_a_broker_that_stays_away_is_said_and_nothing_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> bool:
        world.clock.now += 5
        return False

    def goes() -> list[Message]:
        monkeypatch.setattr(world.source, "same", away)
        return [click(0)]

    with pytest.raises(ClickstreamError, match=r"is away: the latest counts are not saved\. Nothing is lost"):
        world.run(world.given(0), world.later(5), goes)
    assert all(next_offset == 0 for saved in world.saved() for next_offset, _ in saved.values())


# --- what it says of itself


def test_totals_gauges_and_the_tally(world: World) -> None:
    world.consumer.watermarks = {0: (0, 10)}
    world.states.written = [state(0, 5)]
    counter = world.run(world.given(0), [click(5), click(6)])
    assert counter.totals()["counted"] == 2
    assert counter.gauges() == {"lag": 3}
    assert counter.tally == {"a": 7}
    assert (counter.kind, counter.topics) == ("counter", ["clicks", "tallies"])


@pytest.mark.parametrize(("batch", "settled"), [([click(0), end(1, topic=TOPIC)], True), ([click(0)], False)])
def test_it_is_settled_when_all_up_to_the_end_is_published(world: World, batch: list[Message], settled: bool) -> None:
    assert world.run(world.given(0), batch).settled is settled


def test_totals_only_grow_also_when_it_publishes_no_more(world: World) -> None:
    counter = world.run(world.given(0), world.later(5, click(0)), world.taken(0), world.given(0), [click(1)])
    assert len(world.publishers) == 2
    assert counter.totals()["tallies"] == len(world.published()) == 2
    assert world.tallies_when_closing == [1, 2]
