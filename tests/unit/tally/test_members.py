from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.group import Member
from clickstream.tally.members import PartitionCounts, Restoring
from tests.unit.fakes import message
from tests.unit.tally.doubles import OPTIONS, FakeCluster, FakeConsumer, FakeStates, FakeTopic, state


class Group:
    """A member, and what it calls before it gives partitions up and after it got some."""

    def __init__(self) -> None:
        self.kafka = FakeCluster()
        self.source = FakeTopic()
        self.states = FakeStates()
        self.heard: list[tuple[str, list[int]]] = []
        self.problem: Exception | None = None
        self.restoring = Restoring(OPTIONS, self.source.topic, self.states.states)
        self.member = Member(
            self.kafka.cluster,
            OPTIONS.group,
            self.source.topic,
            self.restoring.restore,
            before_revoke=lambda: self._hear("before revoke"),
            after_assign=lambda: self._hear("after assign"),
        )
        self.member.join()

    def _hear(self, what: str) -> None:
        self.heard.append((what, sorted(self.member.owned)))
        if self.problem is not None:
            raise self.problem

    @property
    def consumer(self) -> FakeConsumer:
        return self.kafka.consumer_client

    def rebalance(self, *steps: Callable[[], None]) -> list[Message]:
        """The member's next batch, of which `steps` happen in the middle."""

        def batch() -> list[Message]:
            for step in steps:
                step()
            return [message(0, partition=partition, topic="clicks") for partition in range(3)]

        self.consumer.batches.append(batch)
        return self.member.next_batch(10, 0.1)


@pytest.fixture
def group() -> Group:
    return Group()


# --- one partition


def test_counts_begin_as_the_state_says() -> None:
    own = PartitionCounts(state(2, 5, epoch=3, counts={"a": 4}, at_end=True))
    assert (own.epoch, own.partition, own.next_offset, own.counts) == (3, 2, 5, {"a": 4})
    assert not own.unsaved
    assert not own.at_end, "there may be more by now"


def test_counting_does_not_change_the_state_that_it_began_with() -> None:
    before = state(2, 5, counts={"a": 4})
    PartitionCounts(before).counts["a"] += 1
    assert before.counts == {"a": 4}


def test_passing_records_leaves_the_end_and_wants_to_be_saved() -> None:
    own = PartitionCounts(state(2, 5))
    own.at_end = True
    own.passed(8)
    assert (own.next_offset, own.unsaved, own.at_end) == (8, True, False)


# --- getting partitions


def test_partitions_are_restored_and_read_on_from_their_state(group: Group) -> None:
    group.states.written = [state(0, 5), state(1, 7)]
    group.rebalance(lambda: group.consumer.give(0, 1))
    assert {number: (own.next_offset, own.counts) for number, own in group.member.owned.items()} == {
        0: (5, {"a": 5}),
        1: (7, {"a": 7}),
    }
    assert group.consumer.assigned[-1] == {0: 5, 1: 7}
    assert group.member.assigned


def test_only_what_was_given_is_restored(group: Group) -> None:
    group.states.written = [state(0, 5), state(1, 7)]
    group.rebalance(lambda: group.consumer.give(1))
    assert list(group.member.owned) == [1]
    assert group.source.checked == [state(1, 7)]


def test_what_others_have_saved_meanwhile_is_read_first(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    group.states.written = [state(0, 50)]
    group.rebalance(lambda: group.consumer.take(0), lambda: group.consumer.give(0))
    assert group.consumer.assigned[-1] == {0: 50}


def test_a_partition_without_a_state_begins_where_its_log_does_and_wants_to_be_saved(group: Group) -> None:
    group.source.first = 3
    group.states.written = [state(1, 7, epoch=4)]
    group.rebalance(lambda: group.consumer.give(0, 1))
    new, known = group.member.owned[0], group.member.owned[1]
    assert (new.next_offset, new.counts, new.epoch, new.unsaved) == (3, {}, 4, True)
    assert not known.unsaved


def test_the_first_batch_after_an_assignment_is_read_again_from_the_restored_offsets(group: Group) -> None:
    group.states.written = [state(0, 5)]
    assert group.rebalance(lambda: group.consumer.give(0)) == []
    assert group.consumer.assigned == [{0: 5}, {0: 5}], "in the rebalance, and once more after the batch"


def test_after_that_batches_are_read_as_they_are(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    group.consumer.batches = [[message(5)]]
    assert len(group.member.next_batch(10, 0.1)) == 1
    assert len(group.consumer.assigned) == 2


def test_after_assign_is_called_with_the_partitions_restored(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0, 2))
    assert group.heard == [("after assign", [0, 2])]


def test_no_partitions_are_an_assignment_too(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give())
    assert group.member.assigned
    assert group.member.owned == {}


# --- giving partitions up


def test_before_partitions_are_given_up_they_can_be_saved(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0, 1))
    group.heard.clear()
    group.rebalance(lambda: group.consumer.take(0, 1))
    assert group.heard == [("before revoke", [0, 1])]
    assert group.member.owned == {}
    assert not group.member.assigned


def test_lost_partitions_are_not_saved(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0, 1))
    group.heard.clear()
    group.rebalance(lambda: group.consumer.lose(0, 1))
    assert group.heard == []
    assert group.member.owned == {}
    assert not group.member.assigned


@pytest.mark.parametrize("how", ["take", "lose"])
def test_a_batch_that_a_rebalance_cuts_is_dropped_and_read_again(group: Group, how: str) -> None:
    group.states.written = [state(0, 5), state(1, 7)]
    group.rebalance(lambda: group.consumer.give(0, 1))
    group.states.written = [state(0, 6)]
    batch = group.rebalance(lambda: getattr(group.consumer, how)(0, 1), lambda: group.consumer.give(0))
    assert batch == []
    assert group.consumer.assigned[-1] == {0: 6}
    assert list(group.member.owned) == [0]


@pytest.mark.parametrize("how", ["take", "lose"])
def test_a_batch_in_which_partitions_only_go_is_dropped_too(group: Group, how: str) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    assert group.rebalance(lambda: getattr(group.consumer, how)(0)) == []


# --- what goes wrong in a rebalance


def test_a_log_that_contradicts_the_state_stops(group: Group) -> None:
    group.states.written = [state(0, 5)]
    group.source.contradiction = ClickstreamError("retention")
    with pytest.raises(ClickstreamError, match="retention"):
        group.rebalance(lambda: group.consumer.give(0))
    assert group.heard == []


@pytest.mark.parametrize("change", [{"topic": "other"}, {"field": "other"}, {"output": "other"}, {"version": 2}])
def test_a_state_of_something_else_stops(group: Group, change: dict[str, object]) -> None:
    group.states.written = [state(1, 5, **change)]  # also when it is another partition's
    with pytest.raises(ClickstreamError, match="Group g"):
        group.rebalance(lambda: group.consumer.give(0))


@pytest.mark.parametrize("when", ["before revoke", "after assign"])
def test_what_fails_in_a_callback_is_raised_where_it_is_seen(group: Group, when: str) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    group.problem = ClickstreamError("disk full")
    step = group.consumer.take if when == "before revoke" else group.consumer.give
    with pytest.raises(ClickstreamError, match="disk full"):
        group.rebalance(lambda: step(0))


def test_partitions_are_given_up_even_if_saving_fails(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    group.problem = ClickstreamError("disk full")
    with pytest.raises(ClickstreamError):
        group.rebalance(lambda: group.consumer.take(0))
    assert group.member.owned == {}


# --- what it says of itself


def test_the_state_of_a_partition_names_all_that_it_is_about(group: Group) -> None:
    group.states.written = [state(0, 5, epoch=2)]
    group.rebalance(lambda: group.consumer.give(0))
    own = group.member.owned[0]
    own.counts["b"] += 1
    own.passed(9)
    own.at_end = True
    assert group.restoring.state_of(own) == state(0, 9, epoch=2, counts={"a": 5, "b": 1}, at_end=True)


def test_a_saved_state_does_not_change_with_later_counts(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    saved = group.restoring.state_of(group.member.owned[0])
    group.member.owned[0].counts["later"] += 1
    assert saved.counts == {}


def test_offsets_are_committed_for_those_who_look_at_the_lag(group: Group) -> None:
    group.states.written = [state(0, 5), state(2, 7)]
    group.rebalance(lambda: group.consumer.give(0, 2))
    group.member.commit()
    assert group.consumer.committed == [{0: 5, 2: 7}]


def test_nothing_is_committed_without_partitions(group: Group) -> None:
    group.member.commit()
    assert group.consumer.committed == []


def test_a_commit_that_fails_is_no_trouble(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    group.consumer.commit_problem = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
    group.member.commit()


def test_a_member_that_the_group_has_forgotten_is_not_current(group: Group) -> None:
    group.rebalance(lambda: group.consumer.give(0))
    assert group.member.is_current()
    group.consumer.commit_problem = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)
    assert not group.member.is_current()


def test_the_lag_is_what_is_behind_the_known_ends(group: Group) -> None:
    group.states.written = [state(0, 5), state(1, 7), state(2, 9)]
    group.rebalance(lambda: group.consumer.give(0, 1, 2))
    group.consumer.watermarks = {0: (0, 15), 1: (0, 6)}  # 1 is just ahead, of 2 nothing is known yet
    assert group.member.lag() == 10


def test_leaving_closes_the_consumer(group: Group) -> None:
    group.member.leave()
    assert group.consumer.closed
