"""The interleavings that kills and freezes lead to, one at a time."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition

from clickstream import counter as counter_module
from clickstream.counter import Counter
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.group import GroupTopic, Member
from clickstream.kafka.produce import Sender
from clickstream.kafka.transactions import Fenced, Transactions
from clickstream.records import CounterState
from clickstream.tally import each as each_module
from clickstream.tally.options import CounterOptions
from clickstream.tally.publish import EPOCH_HEADER, TallyPublisher
from clickstream.tally.state import StateLog
from clickstream.topics import ensure
from tests.integration.librdkafka import admin_of
from tests.integration.support import (
    count,
    counting,
    decreases,
    header,
    make_topic,
    named,
    options_for,
    produce,
    records,
    shares,
    tallies,
)
from tests.support import PATIENCE, wait_until


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def crash_at(
    monkeypatch: pytest.MonkeyPatch, place: type, method: str, *, call: int, after: bool = False
) -> Iterator[None]:
    """The counter run in the block dies before or after the so-manieth call of a method, and saves nothing more."""
    real = getattr(place, method)
    calls = 0

    def crash(self: object, *arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Crash
        result = real(self, *arguments)
        if calls == call:
            raise Crash
        return result

    with monkeypatch.context() as patch:
        patch.setattr(place, method, crash)
        patch.setattr(Counter, "_hand_over", Counter._drop_publisher)
        yield


@pytest.mark.parametrize("each", [False, True])
def test_a_crash_before_or_after_any_step_loses_and_doubles_nothing(
    kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch, each: bool
) -> None:
    make_topic(kafka, topic_name)
    options = options_for(topic_name)
    produce(kafka, topic_name, [*named(*["purchase"] * 1000), b"no name"])
    monkeypatch.setattr(counter_module, "BATCH", 10)
    monkeypatch.setattr(each_module, "BATCH", 10)
    often = replace(options, interval=0.0)
    steps: list[tuple[type, str, int]] = [(Member, "commit", 3), (Transactions, "commit", 3)]
    # The first is the initialisation, then come the commits: of two that belonged together, one would be the third.
    steps += [(Transactions, "_patiently", 3), (Transactions, "_patiently", 4)]
    if not each:
        steps.append((StateLog, "save", 3))
    for (place, method, call), after in itertools.product(steps, (False, True)):
        with crash_at(monkeypatch, place, method, call=call, after=after), pytest.raises(Crash):
            count(kafka, topic_name, each=each, options=often)
    count(kafka, topic_name, each=each, options=often)
    found = tallies(kafka, options.to_topic)
    assert found[-1] == {"purchase": 1000}
    assert decreases(found) == []
    if each:
        assert found == [{"purchase": number} for number in range(1, 1001)]
    letters = records(kafka, options.dead_letter_topic)  # at least once
    assert {(letter.value(), header(letter, "origin-topic")) for letter in letters} == {(b"no name", topic_name)}


def test_committed_offsets_are_for_display_only(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    produce(kafka, topic_name, named(*["purchase"] * 50))
    count(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 5))
    admin = admin_of(Cluster(kafka))
    for wrong in (0, 53):
        place = TopicPartition(topic_name, 0, wrong)
        group = ConsumerGroupTopicPartitions(f"{topic_name}-group", [place])
        admin.alter_consumer_group_offsets([group])[group.group_id].result()
        count(kafka, topic_name)
        assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 50}, {"purchase": 55}]


@contextmanager
def state_log(kafka: str, group: str) -> Iterator[StateLog]:
    cluster = Cluster(kafka)
    sender = Sender(cluster.producer({"linger.ms": 0}))
    log = StateLog(cluster, sender, group)
    log.open()
    try:
        yield log
    finally:
        log.close()
        sender.close()


def state_after(kafka: str, options: CounterOptions, events: int) -> CounterState:
    """What a member saves that has counted `events` purchases in partition 0; the first was saved by `count`."""
    with state_log(kafka, options.group) as log:
        return replace_state(log.fold.states[0], events)


def replace_state(state: CounterState, events: int, epoch: int | None = None) -> CounterState:
    return CounterState(
        epoch=state.epoch if epoch is None else epoch,
        topic=state.topic,
        topic_id=state.topic_id,
        field=state.field,
        output=state.output,
        partition=state.partition,
        next_offset=events,
        counts={"purchase": events},
    )


def test_state_that_a_frozen_member_writes_late_changes_nothing(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    options = options_for(topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 50))
    count(kafka, topic_name)
    with state_log(kafka, options.group) as late:
        late.save([state_after(kafka, options, events=20)])
    produce(kafka, topic_name, named(*["purchase"] * 5))
    assert count(kafka, topic_name).totals()["counted"] == 5
    assert tallies(kafka, options.to_topic) == [{"purchase": 50}, {"purchase": 55}]


def test_state_of_an_epoch_that_is_over_is_not_gone_back_to(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    options = options_for(topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 50))
    count(kafka, topic_name)
    old = state_after(kafka, options, events=50)
    with state_log(kafka, options.group) as log:
        log.save([replace_state(old, events=10, epoch=old.epoch + 1)])
        log.save([old])
    assert count(kafka, topic_name).totals()["counted"] == 40


def test_what_could_not_be_saved_is_not_published(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    # Room for a state without counts, not for one with long names.
    make_topic(kafka, f"{topic_name}-group-state", partitions=1, cleanup_policy="compact", max_message_bytes="1200")
    incompressible = random.Random(1)
    produce(kafka, topic_name, named(*[incompressible.randbytes(100).hex() for _ in range(20)]))
    with pytest.raises(ClickstreamError, match=r"State on .* could not be written: .*larger than topic .* takes"):
        count(kafka, topic_name)
    assert tallies(kafka, f"{topic_name}-tally") == []


def test_a_frozen_publisher_cannot_publish_once_another_has_taken_over(kafka: str, topic_name: str) -> None:
    cluster = Cluster(kafka)
    ensure(cluster, [topic_name])
    frozen = TallyPublisher(cluster, topic_name, "group", 0)
    assert frozen.publish({"purchase": 5})
    successor = TallyPublisher(cluster, topic_name, "group", 0)
    assert successor.publish({"purchase": 7})
    with pytest.raises(Fenced):
        frozen.publish({"purchase": 6})
    assert tallies(kafka, topic_name) == [{"purchase": 5}, {"purchase": 7}]


def test_a_publisher_that_was_frozen_while_it_committed_ends_quietly(
    kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(kafka)
    ensure(cluster, [topic_name])
    frozen = TallyPublisher(cluster, topic_name, "group", 0)
    made: list[TallyPublisher] = []
    patiently = Transactions._patiently

    def freeze(transactions: Transactions, step: Callable[[float], None]) -> None:
        if step.__name__ == "commit_transaction" and not made:
            transactions._producer.flush(10 * PATIENCE)
            made.append(TallyPublisher(cluster, topic_name, "group", 0))
        patiently(transactions, step)

    monkeypatch.setattr(Transactions, "_patiently", freeze)
    with pytest.raises(Fenced):
        frozen.publish({"purchase": 6})
    frozen.close()
    assert made[0].publish({"purchase": 5})
    assert tallies(kafka, topic_name) == [{"purchase": 5}]


def test_what_a_frozen_publisher_left_half_done_is_undone(kafka: str, topic_name: str) -> None:
    cluster = Cluster(kafka)
    ensure(cluster, [topic_name])
    half_done = Producer({"bootstrap.servers": kafka, "transactional.id": topic_name})
    half_done.init_transactions(10 * PATIENCE)
    half_done.begin_transaction()
    nine = b'{"purchase":9,"receiveAt":"2020-02-27T00:06:38UTC"}'
    half_done.produce(topic_name, nine, topic_name.encode(), headers=[(EPOCH_HEADER, b"0")])
    half_done.flush(10 * PATIENCE)
    uncommitted = Cluster(kafka, for_consumers={"isolation.level": "read_uncommitted"})
    successor = TallyPublisher(uncommitted, topic_name, group=topic_name, epoch=0)
    assert successor.last == {}
    assert successor.publish({"purchase": 7})
    assert tallies(kafka, topic_name) == [{"purchase": 7}]


def test_a_publisher_waits_until_it_has_reached_the_last_tally(kafka: str, topic_name: str) -> None:
    cluster = Cluster(kafka)
    ensure(cluster, [topic_name])
    TallyPublisher(cluster, topic_name, "group", 0).publish({"purchase": 5, "productview": 1})
    TallyPublisher(cluster, topic_name, "another group", 0).publish({"purchase": 100})
    successor = TallyPublisher(cluster, topic_name, "group", 0)
    behind = [{"purchase": 4, "productview": 1}, {"purchase": 9}, {"purchase": 9, "productview": 0}]
    assert not any(successor.publish(counts) for counts in behind)
    assert not successor.publish({"purchase": 5, "productview": 1})
    assert successor.publish({"purchase": 5, "productview": 2})
    assert TallyPublisher(cluster, topic_name, "group", 1).publish({"purchase": 1})  # a reset: another epoch
    in_order = [{"purchase": 5, "productview": 1}, {"purchase": 5, "productview": 2}, {"purchase": 1}]
    assert tallies(kafka, topic_name, "group") == in_order


def test_a_last_tally_that_cannot_be_seen_is_not_fallen_short_of(
    kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_topic(kafka, topic_name, partitions=1)
    options = options_for(topic_name)
    make_topic(kafka, options.to_topic, partitions=1)
    produce(kafka, topic_name, named(*["purchase"] * 50))
    count(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 50))

    # While a member restores, the publisher that it is about to replace saves and publishes for the last time,
    # behind an open transaction of another group: readers of committed records do not get past that.
    frozen = TallyPublisher(Cluster(kafka), options.to_topic, options.group, 0)
    state = state_after(kafka, options, events=80)
    other = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topic_name}-other"})
    other.init_transactions(10 * PATIENCE)
    other.begin_transaction()
    other.produce(options.to_topic, b"{}", b"another group")
    other.flush(10 * PATIENCE)
    made: list[TallyPublisher] = []

    def take_over(cluster: Cluster, topic: str, group: str, epoch: int, stop: threading.Event) -> TallyPublisher:
        if not made:
            with state_log(kafka, group) as log:
                log.save([state])
            assert frozen.publish({"purchase": 80})
        made.append(TallyPublisher(cluster, topic, group, epoch, stop))
        return made[-1]

    monkeypatch.setattr(counter_module, "TallyPublisher", take_over)
    monkeypatch.setattr(counter_module, "BATCH", 10)
    monkeypatch.setattr(StateLog, "follow", lambda log: None)  # slow in telling what others have saved
    count(kafka, topic_name, options=replace(options, interval=0.0))
    other.abort_transaction(10 * PATIENCE)
    found = tallies(kafka, options.to_topic)
    assert decreases(found) == []
    assert found[-1] == {"purchase": 100}


def test_a_frozen_predecessor_that_comes_back_does_not_end_its_successor(
    kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 300))
    group = f"{topic_name}-group"
    # It comes back, and is given partitions, after the successor had looked for others.
    monkeypatch.setattr(GroupTopic, "members", lambda *_: 0)
    strategy = {"partition.assignment.strategy": "roundrobin"}
    predecessor = Cluster(kafka).consumer(group, strategy)
    predecessor.subscribe([topic_name])

    def members_are(number: int) -> bool:
        predecessor.poll(0.1)  # it takes part in rebalances
        return len(shares(kafka, group)) == number

    successor = threading.Thread(target=count, args=(kafka, topic_name), kwargs={"each": True})
    try:
        wait_until(lambda: members_are(1), 30, "it is a member")
        successor.start()
        wait_until(lambda: members_are(2), 30, "they share")
        wait_until(lambda: len(tallies(kafka, f"{topic_name}-tally")) > 0, 30, "the successor counts its share")
        successor.join(1)
        assert successor.is_alive(), "it is not at the end of what it does not have"
    finally:
        predecessor.close()
    wait_until(lambda: not successor.is_alive(), 60, "the successor comes to the end")
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": number} for number in range(1, 301)]


def test_the_rightful_publisher_takes_the_right_back(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    options = options_for(topic_name)
    ensure(Cluster(kafka), [options.to_topic])
    produce(kafka, topic_name, named("purchase"))
    with counting(kafka, topic_name) as problem:
        wait_until(lambda: tallies(kafka, options.to_topic) == [{"purchase": 1}], 30, "the first tally")
        # A member that was frozen while it took over goes on with that, though the group has forgotten it.
        TallyPublisher(Cluster(kafka), options.to_topic, options.group, 0)
        produce(kafka, topic_name, named("purchase"))
        wait_until(lambda: problem() or tallies(kafka, options.to_topic)[-1] == {"purchase": 2}, 30, "the second tally")
        assert problem() is None


def test_a_member_stops_when_its_group_was_started_over(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    options = options_for(topic_name)
    ensure(Cluster(kafka), [options.to_topic])
    produce(kafka, topic_name, named("purchase"))
    with counting(kafka, topic_name) as problem:
        wait_until(lambda: tallies(kafka, options.to_topic) == [{"purchase": 1}], 30, "the first tally")
        with state_log(kafka, options.group) as log:
            log.save([replace_state(log.fold.states[0], events=0, epoch=1)])
        raised = wait_until(problem, 30, "the counter ends")
    assert isinstance(raised, ClickstreamError)
    assert "was started over" in str(raised)
