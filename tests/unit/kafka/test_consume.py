import itertools
import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from hypothesis import given
from hypothesis import strategies as st

from clickstream.errors import ClickstreamError
from clickstream.kafka import consume
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import (
    EARLIEST,
    End,
    Run,
    TopicGone,
    partitions_of,
    read_again,
    read_to_end,
    split,
    watermarks,
)
from clickstream.kafka.log import Truncated
from clickstream.kafka.patience import Stopped
from tests.support import PATIENCE
from tests.unit.fakes import FakeConsumer, end, message, trouble
from tests.unit.kafka.brokers import CLUSTER, FakeAdmin
from tests.unit.mockkafka import MockKafka

PASSING = [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._MAX_POLL_EXCEEDED]
GONE = [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION]


def parts(messages: list[Message]) -> list[Run | End]:
    return list(split(messages, "host:9092"))


def places(found: Iterable[Run | End]) -> list[tuple[int, list[int] | int]]:
    """(partition, offsets) of runs and (partition, offset) of ends."""
    return [
        (part.partition, part.offset if isinstance(part, End) else [one.offset() or 0 for one in part.messages])
        for part in found
    ]


# --- split


def test_nothing_is_nothing() -> None:
    assert parts([]) == []


def test_records_are_split_where_the_partition_changes() -> None:
    batch = [message(5), message(6), message(0, partition=1), message(7)]
    assert places(parts(batch)) == [(0, [5, 6]), (1, [0]), (0, [7])]


def test_a_run_knows_its_topic() -> None:
    (run,) = parts([message(0, topic="clicks")])
    assert (type(run), run.topic) == (Run, "clicks")


def test_records_of_several_topics_are_split_where_the_topic_changes() -> None:
    batch = [message(5, topic="a"), message(6, topic="a"), message(0, topic="b"), message(7, topic="a"), end(8)]
    found = list(split(batch, "host:9092", topics=2))
    assert [one.topic for one in found] == ["a", "b", "a", "t"]
    assert places(found) == [(0, [5, 6]), (0, [0]), (0, [7]), (0, 8)]


def test_ends_stand_where_they_were() -> None:
    batch = [message(5), end(6), message(0, partition=1), message(1, partition=1), end(2, partition=1), message(6)]
    assert places(parts(batch)) == [(0, [5]), (0, 6), (1, [0, 1]), (1, 2), (0, [6])]


def test_the_end_of_an_empty_partition() -> None:
    assert places(parts([end(0, partition=3)])) == [(3, 0)]


def test_a_reader_that_joins_no_group_needs_no_right_to_one() -> None:
    refused = trouble(KafkaError.GROUP_AUTHORIZATION_FAILED)
    assert places(parts([message(5), refused, message(6)])) == [(0, [5]), (0, [6])]


def test_a_member_of_a_group_is_told_which_refuses_it() -> None:
    found = split([message(5), trouble(KafkaError.GROUP_AUTHORIZATION_FAILED)], "host:9092", joined="mine")
    assert places([next(found)]) == [(0, [5])]
    with pytest.raises(ClickstreamError, match=r"^Joining group mine at host:9092 failed: .* an ACL on that group"):
        next(found)


@pytest.mark.parametrize("code", PASSING)
def test_an_error_that_passes_by_itself_loses_no_record(code: int) -> None:
    batch = [message(5), trouble(code), message(6), end(7), trouble(code)]
    assert places(parts(batch)) == [(0, [5]), (0, [6]), (0, 7)]


def test_a_retriable_error_passes() -> None:
    retriable = Message(topic="t", partition=0, error=KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION, "x", False, True))
    assert parts([retriable]) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Reading t at host:9092 failed: .*ACL"),
        (KafkaError._AUTO_OFFSET_RESET, "t partition 2: .* not in the log .* --reset starts over"),
        (KafkaError.FENCED_INSTANCE_ID, "Reading t at host:9092 failed: "),
    ],
)
def test_any_other_error_stops_after_the_records_before_it(code: int, words: str) -> None:
    found = split([message(5, partition=2), trouble(code, partition=2), message(6, partition=2)], "host:9092")
    assert places([next(found)]) == [(2, [5])]
    with pytest.raises(ClickstreamError, match=words) as stop:
        next(found)
    assert not isinstance(stop.value, TopicGone)


@pytest.mark.parametrize("code", GONE)
def test_a_missing_topic_is_an_error_of_its_own(code: int) -> None:
    with pytest.raises(TopicGone, match="Reading t at host:9092"):
        parts([trouble(code)])


events = st.one_of(
    st.tuples(st.sampled_from([message, end]), st.integers(0, 2)),
    st.tuples(st.just(None), st.sampled_from(PASSING)),
)


@given(st.lists(events, max_size=30))
def test_no_record_is_lost_doubled_or_moved(plan: list[tuple[object, int]]) -> None:
    offsets = itertools.count()
    batch = [
        trouble(what) if make is None else make(next(offsets), partition=what)  # type: ignore[operator]
        for make, what in plan
    ]
    flat: list[tuple[int, int]] = []
    for partition, offset in places(parts(batch)):
        flat += [(partition, one) for one in (offset if isinstance(offset, list) else [offset])]
    kept = [(one.partition() or 0, one.offset() or 0) for one in batch if one.offset() is not None]
    assert flat == kept
    assert all(isinstance(part, End) or len({one.partition() for one in part.messages}) == 1 for part in parts(batch))


# --- reading to the end, by the real client


def fill(kafka: MockKafka, topic: str, *partitions: int) -> None:
    """As many records as said into each partition: b"<partition>/<offset>"."""
    producer = kafka.cluster.producer({"linger.ms": 0, "enable.idempotence": False})
    for partition, count in enumerate(partitions):
        for offset in range(count):
            producer.produce(topic, b"%d/%d" % (partition, offset), partition=partition)
    assert producer.flush(10 * PATIENCE) == 0


@pytest.fixture
def filled(kafka: MockKafka) -> MockKafka:
    kafka.create("t", 3)
    fill(kafka, "t", 4, 0, 2)
    return kafka


def test_all_partitions_are_read_to_their_ends(filled: MockKafka) -> None:
    found: list[bytes | None] = []
    ends = read_to_end(filled.cluster, "t", lambda one: found.append(one.value()))
    assert ends == {0: 4, 1: 0, 2: 2}
    assert sorted(value or b"" for value in found) == [b"0/0", b"0/1", b"0/2", b"0/3", b"2/0", b"2/1"]


def test_only_what_follows_the_given_offsets_is_read(filled: MockKafka) -> None:
    found: list[bytes | None] = []
    ends = read_to_end(filled.cluster, "t", lambda one: found.append(one.value()), start={0: 3, 2: 2})
    assert (ends, found) == ({0: 4, 2: 2}, [b"0/3"])


def test_an_offset_that_the_log_does_not_have_is_an_error(filled: MockKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "admin", lambda *_: FakeAdmin({0: (6, 8)}).client)
    with pytest.raises(Truncated, match="t partition 0: offset 5 comes next, but the log begins at 6"):
        read_to_end(filled.cluster, "t", lambda one: None, start={0: 5})


def test_what_a_client_says_for_a_moment_ends_no_reading_and_skips_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = [message(number) for number in range(4)]
    consumer = FakeConsumer(
        log, [log[0], log[1], trouble(KafkaError.UNKNOWN_TOPIC_OR_PART)], [trouble(KafkaError._AUTO_OFFSET_RESET)]
    )
    monkeypatch.setattr(Cluster, "consumer", lambda *_: consumer.client)
    monkeypatch.setattr(Cluster, "admin", lambda *_: FakeAdmin({0: (0, 4)}).client)
    found: list[int | None] = []

    ends = read_to_end(CLUSTER, "t", lambda one: found.append(one.offset()), start={0: EARLIEST})

    assert (ends, found) == ({0: 4}, [0, 1, 2, 3])
    assert consumer.assigned == [EARLIEST, 2, 2]


def test_what_a_client_says_for_a_moment_leaves_nothing_out_that_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = [message(number) for number in range(4)]
    consumer = FakeConsumer(log, [log[1], trouble(KafkaError.UNKNOWN_TOPIC_OR_PART)])
    monkeypatch.setattr(Cluster, "consumer", lambda *_: consumer.client)
    monkeypatch.setattr(Cluster, "admin", lambda *_: FakeAdmin({0: (0, 4)}).client)
    assert [one.offset() for one in read_again(CLUSTER, "t", [(0, 1), (0, 3)])] == [1, 3]
    assert consumer.assigned == [1, 2]


def test_what_retention_has_taken_is_left_out_of_what_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer([message(number) for number in range(4)], [trouble(KafkaError._AUTO_OFFSET_RESET)])
    monkeypatch.setattr(Cluster, "consumer", lambda *_: consumer.client)
    monkeypatch.setattr(Cluster, "admin", lambda *_: FakeAdmin({0: (2, 4)}).client)
    assert [one.offset() for one in read_again(CLUSTER, "t", [(0, 1), (0, 3)])] == [3]
    assert consumer.assigned == [1, 2]


def test_an_end_that_is_not_reached_in_time_is_an_error(filled: MockKafka) -> None:
    with pytest.raises(ClickstreamError, match=r"Reading t at 127\.0\.0\.1:\d+ to its end: nothing came for 0 s"):
        read_to_end(filled.cluster, "t", lambda one: None, timeout=0.0)


@pytest.mark.parametrize("with_stop", [False, True])
def test_records_that_are_read_again_are_waited_for(monkeypatch: pytest.MonkeyPatch, with_stop: bool) -> None:
    """With a stop as long as it takes, also where that is longer than anybody waits who is in a hurry."""
    consumer, silent = FakeConsumer([message(number) for number in range(3)]), [None, None]
    monkeypatch.setattr(Cluster, "consumer", lambda *_: consumer.client)
    poll, hours = consumer.poll, itertools.count(step=3600)
    monkeypatch.setattr(consumer, "poll", lambda timeout: silent.pop() if silent else poll(timeout))
    monkeypatch.setattr(consume, "time", SimpleNamespace(monotonic=lambda: float(next(hours))))
    found = read_again(CLUSTER, "t", [(0, 1)], stop=threading.Event() if with_stop else None)
    if with_stop:
        assert [one.offset() for one in found] == [1]
    else:
        with pytest.raises(ClickstreamError, match=r"Reading t at .*: nothing came for 60 s"):
            list(found)


def test_a_stop_ends_a_wait_for_records_that_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "consumer", lambda *_: FakeConsumer([]).client)
    monkeypatch.setattr(FakeConsumer, "poll", lambda *_: None)
    monkeypatch.setattr(consume, "STOPPED_AFTER_S", 0.0)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        list(read_again(CLUSTER, "t", [(0, 0)], stop=stop))


def test_a_topic_that_is_written_as_fast_as_it_is_read_ends_where_it_ended(
    filled: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record that is read is followed by two more, and so is every one of those."""
    monkeypatch.setattr(consume, "ENDLESS_S", 0.5)
    writer = filled.cluster.producer({"linger.ms": 0})
    taken: list[tuple[int, int]] = []

    def take(message: Message) -> None:
        taken.append((message.partition() or 0, message.offset() or 0))
        for _ in range(2):
            writer.produce("t", b"more", partition=message.partition() or 0)
        writer.flush(10 * PATIENCE)

    ends = read_to_end(filled.cluster, "t", take)
    last = {partition: max(offset for one, offset in taken if one == partition) for partition in (0, 2)}
    assert ends == {0: last[0] + 1, 1: 0, 2: last[2] + 1}, "a second reading goes on there"
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._NOENT, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_ends_that_nobody_tells_are_not_waited_for_by_who_reads(mocker: Any, code: int) -> None:
    """Records may come meanwhile, or the client say that it has lost all brokers: it does when it is polled."""
    consumer = mocker.Mock()
    consumer.get_watermark_offsets.side_effect = KafkaException(KafkaError(code))
    assert consume._bounds(consumer, "t", [0, 1], "a") == {}
    consumer.get_watermark_offsets.side_effect = [(0, 3), (1, 7)]
    assert consume._bounds(consumer, "t", [0, 1], "a") == {0: 3, 1: 7}


def test_partitions_and_watermarks(filled: MockKafka) -> None:
    consumer = filled.cluster.consumer("g")
    assert partitions_of(consumer, "t", "a") == [0, 1, 2]
    assert watermarks(consumer, "t", 2, "a") == (0, 2)
    consumer.close()


def test_a_topic_that_does_not_exist_is_named(filled: MockKafka) -> None:
    filled.fail_topic("gone", KafkaError.UNKNOWN_TOPIC_OR_PART)
    consumer = filled.cluster.consumer("g")
    with pytest.raises(ClickstreamError, match=r"Looking up topic gone at .* clickstream topics create"):
        partitions_of(consumer, "gone", filled.cluster.address)
    consumer.close()
