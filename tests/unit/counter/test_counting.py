"""The counter's loop: what is counted, saved and published; its rooms are tested in tally/."""

from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.statistics import LostBrokers
from clickstream.tally import trial
from tests.unit.counter.world import World, bad, click
from tests.unit.fakes import end, message, trouble
from tests.unit.tally.doubles import OPTIONS, TOPIC, state, waits_for

# --- counting, saving, publishing


def test_what_was_counted_is_saved_and_then_published(world: World) -> None:
    world.run(world.given(0), [click(0), click(1, "b"), click(2)])
    assert world.events[-2:] == [("save", {0: (3, {"a": 2, "b": 1})}), ("publish", {"a": 2, "b": 1})]


def test_counting_goes_on_from_the_saved_state(world: World) -> None:
    world.states.written = [state(0, 5, counts={"a": 5})]
    world.run(world.given(0), [click(4), click(5), click(6)])
    assert world.saved()[-1] == {0: (7, {"a": 7})}


def test_what_was_counted_before_a_stop_that_ends_a_wait_is_saved_and_published(world: World) -> None:
    world.options = replace(OPTIONS, interval=60.0, as_json=waits_for(b"away", world.stop))
    away = message(2, b"away", topic=TOPIC)
    world.run(world.given(0), [click(0), click(1)], [away, click(3)])
    assert world.events[-2:] == [("save", {0: (2, {"a": 2})}), ("publish", {"a": 2})]


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


# --- what it says of itself


def test_totals_gauges_and_the_tally(world: World) -> None:
    world.consumer.watermarks = {0: (0, 10)}
    world.states.written = [state(0, 5)]
    counter = world.run(world.given(0), [click(5), click(6)])
    assert counter.totals()["counted"] == 2
    assert counter.gauges() == {"lag": 3}
    assert counter.tally == {"a": 7}
    assert (counter.kind, counter.topics) == ("counter", ["clicks", "tallies"])


def test_while_nothing_comes_its_clients_are_served(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they report would pile up in them."""
    served: list[str] = []
    monkeypatch.setattr(world.sender, "poll", lambda: served.append("sender"))
    world.run(world.given(0), [], [])
    assert world.publishers[-1].polls >= 2
    assert len(served) >= 2


def test_after_its_client_has_lost_all_brokers_it_saves_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saving would wait without end, and others may own its partitions by then."""
    close = world.consumer.close
    monkeypatch.setattr(world.consumer, "close", lambda: (world.consumer.on_revoke(world.consumer, []), close()))

    def lost() -> list[Message]:
        raise LostBrokers("The client was told that there are none.")

    world.options = replace(OPTIONS, interval=60.0)
    with pytest.raises(LostBrokers):
        world.run(world.given(0), [click(0)], lost)
    assert world.consumer.closed
    assert world.states.closed
    assert world.saved() == []


@pytest.mark.parametrize(("batch", "settled"), [([click(0), end(1, topic=TOPIC)], True), ([click(0)], False)])
def test_it_is_settled_when_all_up_to_the_end_is_published(world: World, batch: list[Message], settled: bool) -> None:
    assert world.run(world.given(0), batch).settled is settled


@pytest.mark.parametrize(("first_end", "settled"), [(2, True), (3, True), (4, False)])
def test_a_topic_that_is_always_written_is_settled_where_it_ended_at_the_start(
    world: World, first_end: int, settled: bool
) -> None:
    world.source.first_ends = {0: first_end}
    assert world.run(world.given(0), [click(0), click(1), click(2)]).settled is settled


def test_totals_only_grow_also_when_it_publishes_no_more(world: World) -> None:
    counter = world.run(world.given(0), world.later(5, click(0)), world.taken(0), world.given(0), [click(1)])
    assert len(world.publishers) == 2
    assert counter.totals()["tallies"] == len(world.published()) == 2
    assert world.tallies_when_closing == [1, 2]
