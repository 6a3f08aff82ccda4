"""How the counter leaves: at the end of its topic, and when it is told to."""

from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, Message

from clickstream import counter as module
from clickstream.counter import Counter
from clickstream.errors import ClickstreamError
from tests.unit.counter.world import Batch, World, click
from tests.unit.fakes import end, trouble
from tests.unit.tally.doubles import OPTIONS, TOPIC, state

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


def test_an_end_that_kafka_never_tells_is_where_the_topic_ended_at_the_start(world: World) -> None:
    world.source.first_ends = {0: 3}
    leaving(world, world.given(0), [click(0), click(1)], world.later(5, click(2), click(3)))
    assert world.published()[-1] == {"a": 4}


def test_another_member_must_have_saved_what_there_was_at_our_start(world: World) -> None:
    world.source.partition_count = 2
    world.source.first_ends = {0: 0, 1: 7}

    def other(next_offset: int) -> Batch:
        def saves() -> list[Message]:
            world.states.written.append(state(1, next_offset))
            world.clock.now += 5
            return []

        return saves

    leaving(world, world.given(0), other(6), other(8))
    assert world.published()[-1] == {"a": 8}


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
