"""The counter as a member of its group: the log and its state, rebalances, and who publishes."""

import pytest
from confluent_kafka import KafkaError, Message

from clickstream import counter as module
from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import TopicGone
from clickstream.kafka.transactions import Fenced
from tests.unit.counter.world import Publisher, World, click
from tests.unit.fakes import trouble
from tests.unit.tally.doubles import TOPIC, state

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
