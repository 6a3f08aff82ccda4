import random
from collections import Counter

import msgspec
import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from clickstream.errors import ClickstreamError
from clickstream.kafka import clients
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.produce import Sender
from clickstream.records import CounterState, decode, encode
from clickstream.tally import state as module
from clickstream.tally.state import Fold, StateLog, check_identity, state_topic
from tests.support import wait_until
from tests.unit.fakes import trouble
from tests.unit.mockkafka import PRODUCE, MockKafka
from tests.unit.tally.doubles import OPTIONS, FakeCluster, state

# --- the fold


def folded(*states: CounterState) -> Fold:
    fold = Fold()
    for one in states:
        fold.add(one)
    return fold


def test_nothing_is_epoch_0_and_no_counts() -> None:
    assert (folded().epoch, folded().states, folded().counts()) == (0, {}, {})


def test_the_highest_offset_of_a_partition_wins() -> None:
    assert folded(state(0, 5), state(0, 9), state(0, 7)).states == {0: state(0, 9)}


def test_a_late_write_of_a_slow_member_changes_nothing() -> None:
    assert folded(state(0, 9), state(0, 5)).counts() == {"a": 9}


def test_partitions_add_up() -> None:
    fold = folded(state(0, 5, counts={"a": 2, "b": 3}), state(1, 7, counts={"b": 4, "c": 3}))
    assert fold.counts() == {"a": 2, "b": 7, "c": 3}


def test_a_new_epoch_forgets_the_old_one() -> None:
    fold = folded(state(0, 9), state(1, 9), state(0, 2, epoch=1))
    assert (fold.epoch, fold.states) == (1, {0: state(0, 2, epoch=1)})


def test_a_late_write_of_an_old_epoch_changes_nothing() -> None:
    fold = folded(state(0, 2, epoch=1), state(0, 9), state(1, 9))
    assert fold.states == {0: state(0, 2, epoch=1)}


def test_the_end_seen_at_the_same_offset_is_learned() -> None:
    assert folded(state(0, 5), state(0, 5, at_end=True)).states[0].at_end


def test_folding_changes_no_state() -> None:
    first = state(0, 5)
    fold = folded(first, state(1, 5))
    fold.counts().update({"a": 100})
    assert fold.counts() == {"a": 10}
    assert first == state(0, 5)


@st.composite
def logs(draw: st.DrawFn) -> list[CounterState]:
    """States as members write them: equal counts at an equal place, and more of them later."""
    places = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 9))
    found = draw(st.lists(places, max_size=20))
    return [
        state(partition, offset, epoch=epoch, counts={"a": offset, f"p{partition}": epoch})
        for epoch, partition, offset in found
    ]


@given(logs(), st.randoms())
def test_the_order_of_the_records_never_matters(log: list[CounterState], order: random.Random) -> None:
    shuffled = list(log)
    order.shuffle(shuffled)
    one, other = folded(*log), folded(*shuffled)
    assert (one.epoch, one.states, one.counts()) == (other.epoch, other.states, other.counts())


@given(logs())
def test_the_fold_is_the_most_advanced_state_of_the_newest_epoch(log: list[CounterState]) -> None:
    newest = max((one.epoch for one in log), default=0)
    best: dict[int, CounterState] = {}
    for one in sorted(log, key=lambda one: one.next_offset):
        if one.epoch == newest:
            best[one.partition] = one
    total: Counter[str] = Counter()
    for one in best.values():
        total.update(one.counts)
    assert (folded(*log).epoch, folded(*log).states, folded(*log).counts()) == (newest, best, total)


@given(logs())
def test_what_compaction_leaves_is_right_for_its_offset(log: list[CounterState]) -> None:
    """Of every key it keeps the record written last: that of a slow member may be the less advanced one."""
    kept = list({(one.epoch, one.partition): one for one in log}.values())
    assert folded(*kept).epoch == folded(*log).epoch
    assert folded(*kept).states.keys() == folded(*log).states.keys()
    assert all(one in log for one in folded(*kept).states.values())


# --- what the state is about


def test_the_state_of_this_counter_is_accepted() -> None:
    check_identity([state(0), state(1)], OPTIONS.from_topic, OPTIONS.field, OPTIONS.to_topic, OPTIONS.group)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"topic": "x"}, r"Group g has counted field name of x into tallies\. .*--group, or --reset"),
        ({"field": "x"}, r"Group g has counted field x of clicks into tallies\."),
        ({"output": "x"}, r"Group g has counted field name of clicks into x\."),
        ({"version": 7}, r"Group g was counted by version 7 of the counting logic, this is 1\. --reset"),
    ],
)
def test_the_state_of_another_counter_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ClickstreamError, match=words):
        check_identity([state(0), state(1, **change)], OPTIONS.from_topic, OPTIONS.field, OPTIONS.to_topic, "g")


def test_the_state_topic_is_compacted_and_of_one_partition() -> None:
    declared = state_topic("g")
    assert (declared.name, declared.partitions, declared.config["cleanup.policy"]) == ("g-state", 1, "compact")
    assert int(declared.config["max.message.bytes"]) >= 10_000 * (256 + 10)


# --- the topic, with the real client


@pytest.fixture
def kafka(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> MockKafka:
    kafka.create("g-state", 1)
    monkeypatch.setattr(module, "ensure", lambda _cluster, wanted, _stop=None: [topic.name for topic in wanted])
    return kafka


@pytest.fixture
def sender(kafka: MockKafka) -> Sender:
    return Sender(kafka.cluster.producer({"linger.ms": 0, "enable.idempotence": False}))


@pytest.fixture
def log(kafka: MockKafka, sender: Sender) -> StateLog:
    found = StateLog(kafka.cluster, sender, "g")
    found.open()
    return found


def test_what_is_saved_is_known_here_at_once_and_elsewhere_by_following(
    kafka: MockKafka, sender: Sender, log: StateLog
) -> None:
    other = StateLog(kafka.cluster, sender, "g")
    other.open()
    log.save([state(0, 5), state(1, 7)])
    assert log.fold.counts() == {"a": 12}

    def known() -> bool:
        other.follow()
        return other.fold.counts() == {"a": 12}

    wait_until(known)
    other.close()
    log.close()


def test_following_does_not_wait(log: StateLog, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    class Consumer:
        def consume(self, _size: int, timeout: float) -> list[object]:
            waits.append(timeout)
            return []

    monkeypatch.setattr(log, "_consumer", Consumer())
    log.follow()
    assert waits == [0]


def test_who_rests_fetches_nothing_and_serves_what_the_client_reports(
    kafka: MockKafka, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []
    monkeypatch.setattr(kafka.cluster.statistics, "take", reports.append)
    monkeypatch.setattr(clients, "EVERY_MS", 20)
    resting = StateLog(kafka.cluster, sender, "g")
    resting.open()
    resting.rest()
    reports.clear()
    resting.save([state(0, 5)])

    def served() -> bool:
        resting.rest()
        return len(reports) >= 5

    wait_until(served)
    told = [msgspec.json.decode(report) for report in reports]
    assert {one["rxmsgs"] for one in told if one["type"] == "consumer"} == {0}
    resting.close()


def test_a_restart_finds_what_was_saved(kafka: MockKafka, sender: Sender, log: StateLog) -> None:
    log.save([state(0, 5), state(1, 7)])
    log.save([state(0, 9)])
    restarted = StateLog(kafka.cluster, sender, "g")
    restarted.open()
    assert restarted.fold.states == {0: state(0, 9), 1: state(1, 7)}
    restarted.close()
    log.close()


def test_catching_up_reads_to_the_end(kafka: MockKafka, sender: Sender, log: StateLog) -> None:
    other = StateLog(kafka.cluster, sender, "g")
    other.open()
    log.save([state(0, 5)])
    other.catch_up()
    assert other.fold.states == {0: state(0, 5)}
    other.close()
    log.close()


def test_what_is_not_acknowledged_is_not_known(kafka: MockKafka, log: StateLog) -> None:
    """A tally is published only from acknowledged state."""
    kafka.fail_next(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(
        ClickstreamError, match=r"^State on g-state could not be written: .* larger than topic g-state takes"
    ):
        log.save([state(0, 5)])
    assert log.fold.states == {}
    log.close()


def test_forgotten_states_are_tombstones(kafka: MockKafka, sender: Sender, log: StateLog) -> None:
    log.save([state(0, 5)])
    log.forget([state(0, 5)])
    found: list[tuple[object, bytes | None]] = []
    read_to_end(kafka.cluster, "g-state", lambda one: found.append((one.key(), one.value())))
    key = b'{"epoch":0,"partition":0}'
    assert [(key, value and decode(value, CounterState)) for key, value in found] == [(key, state(0, 5)), (key, None)]
    log.catch_up()
    assert log.fold.states == {0: state(0, 5)}, "a tombstone says nothing about counts"
    log.close()


@pytest.mark.parametrize("value", [b"{}", b"\xff", b'{"purchase":1,"receiveAt":"now"}'])
def test_a_record_that_is_no_state_is_an_error_with_its_place(kafka: MockKafka, sender: Sender, value: bytes) -> None:
    sender.send("g-state", encode(state(0, 5)), b"k")
    sender.send("g-state", value, b"k")
    sender.flush()
    log = StateLog(kafka.cluster, sender, "g")
    with pytest.raises(ClickstreamError, match=r"^g-state offset 1 is not a counter's state \(.*--group"):
        log.open()
    log.close()


# --- who has reached the end


def test_ends_are_those_seen_since_the_log_was_opened(kafka: MockKafka, sender: Sender, log: StateLog) -> None:
    log.save([state(0, 5, at_end=True)])
    assert log.ended == {0}
    later = StateLog(kafka.cluster, sender, "g")
    later.open()
    assert later.ended == set()
    log.save([state(1, 5, at_end=True), state(2, 5)])
    later.catch_up()
    assert later.ended == {1}
    later.close()
    log.close()


def test_an_end_stays_one_when_more_records_come(log: StateLog) -> None:
    log.save([state(0, 5, at_end=True)])
    log.save([state(0, 9)])
    assert log.ended == {0}
    log.close()


def test_the_ends_of_an_old_epoch_do_not_count(log: StateLog) -> None:
    log.save([state(0, 2, epoch=1)])
    log.save([state(1, 5, epoch=0, at_end=True)])
    assert log.ended == set()
    log.close()


def test_a_topic_that_seems_gone_for_a_moment_is_read_on() -> None:
    kafka = FakeCluster()
    log = StateLog(kafka.cluster, Sender.__new__(Sender), "g")
    log._positions = {0: 17}
    consumer = kafka.consumer_client
    consumer.assign = lambda places: consumer.assigned.append({one.partition: one.offset for one in places})  # type: ignore[method-assign]
    consumer.batches = [[trouble(KafkaError._UNKNOWN_TOPIC)]]
    log.follow()
    assert consumer.assigned == [{0: 17}]
