import threading

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from clickstream.errors import ClickstreamError
from clickstream.inspect import read as read_module
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.read import Span, last, read
from tests.unit.inspect.records import Log, record

P0: Partition = ("t", 0)
P1: Partition = ("t", 1)


def offsets(messages: list[Message]) -> list[int]:
    return [message.offset() or 0 for message in messages]


def read_all(log: Log, spans: dict[Partition, Span]) -> list[Message]:
    batches = read(log.consumer(), spans, "kafka:9092", threading.Event(), patience=0.05)
    return [message for batch in batches for message in batch]


def test_a_span_is_read_up_to_its_end_exclusive() -> None:
    log = Log([record(offset) for offset in range(10)], {P0: 10})
    assert offsets(read_all(log, {P0: Span(3, 6)})) == [3, 4, 5]


def test_what_was_written_since_the_end_was_asked_for_is_left_out() -> None:
    log = Log([record(0), record(5)], {P0: 6})
    assert offsets(read_all(log, {P0: Span(0, 3)})) == [0]


def test_an_end_that_no_record_has_is_not_waited_for() -> None:
    log = Log([record(0), record(1)], {P0: 9})
    assert offsets(read_all(log, {P0: Span(0, 9)})) == [0, 1]


def test_an_empty_span_is_not_asked_for() -> None:
    log = Log([], {P0: 5})
    log.silent = True
    assert read_all(log, {P0: Span(5, 5)}) == []


def test_a_span_without_an_end_goes_on_until_stopped() -> None:
    log = Log([record(0)], {P0: 1})
    stop = threading.Event()
    found: list[Message] = []
    for batch in read(log.consumer(), {P0: Span(0)}, "kafka:9092", stop):
        found += batch
        if len(found) == 1:
            log.records.append(record(1))
        else:
            stop.set()
    assert offsets(found) == [0, 1]


def test_silence_is_an_error_that_names_the_partition() -> None:
    log = Log([record(0)], {P0: 1, P1: 1})
    log.silent = True
    with pytest.raises(ClickstreamError, match=r"Kafka at kafka:9092 sent nothing of t partition 1 for 0 s"):
        read_all(log, {P1: Span(0, 1)})


def test_silence_while_following_is_none() -> None:
    log = Log([], {P0: 0})
    stop = threading.Event()
    for empty, batch in enumerate(read(log.consumer(), {P0: Span(0)}, "k", stop, patience=0.0)):
        assert batch == []
        if empty == 3:
            stop.set()


def test_the_last_ones_are_merged_over_partitions_by_time() -> None:
    records = [record(offset, partition=0, timestamp=1_000 + 10 * offset) for offset in range(10)]
    records += [record(offset, partition=1, timestamp=1_085 + offset) for offset in range(3)]
    log = Log(records, {P0: 10, P1: 3})
    limits = {P0: Limits(0, 10), P1: Limits(0, 3)}
    found = last(log.consumer(), limits, 5, "k", threading.Event())
    assert [(message.partition(), message.offset()) for message in found] == [(0, 8), (1, 0), (1, 1), (1, 2), (0, 9)]


def test_only_the_end_of_a_long_partition_is_read() -> None:
    log = Log([record(offset) for offset in range(1_000)], {P0: 1_000})
    last(log.consumer(), {P0: Limits(0, 1_000)}, 5, "k", threading.Event())
    assert len(log.read) == 5


def test_records_that_are_too_large_to_hold_are_refused_before_all_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_module, "BATCH", 10)
    log = Log([record(offset, b"x" * 2**16) for offset in range(100)], {P0: 100})
    with pytest.raises(ClickstreamError, match=r"The last 100 records of t have more than 1 MB\. Ask for fewer"):
        last(log.consumer(), {P0: Limits(0, 100)}, 100, "k", threading.Event(), most_bytes=2**20)
    assert len(log.read) == 40


def test_only_the_last_ones_of_all_partitions_count_for_what_they_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_module, "BATCH", 10)
    limits = {("t", number): Limits(0, 60) for number in range(5)}
    records = [
        record(offset, b"x" * 10, partition=number, timestamp=1_000 + offset * 7 % 50)
        for _topic, number in limits
        for offset in range(60)
        if offset % 3
    ]
    log = Log(records, dict.fromkeys(limits, 60))
    found = last(log.consumer(), limits, 20, "k", threading.Event(), most_bytes=200)
    assert found == last(log.consumer(), limits, 20, "k", threading.Event())


def test_none_of_the_last_are_none() -> None:
    log = Log([record(0)], {P0: 1})
    assert last(log.consumer(), {P0: Limits(0, 1)}, 0, "k", threading.Event()) == []
    assert log.read == []


logs = st.dictionaries(
    st.tuples(st.just("t"), st.integers(0, 2)),
    st.tuples(st.sets(st.integers(0, 60)), st.integers(0, 5), st.integers(0, 30)),
    min_size=1,
)


@given(logs, st.integers(1, 8), st.integers(1, 4), st.integers(0, 40))
def test_the_last_ones_are_found_across_gaps(
    drawn: dict[Partition, tuple[set[int], int, int]], number: int, divisor: int, window: int
) -> None:
    """Against reading everything: whatever compaction, transaction markers and filters leave."""
    records, limits = [], {}
    for partition, (present, markers, low) in drawn.items():
        top = max(present, default=0) + 1 + markers
        limits[partition] = Limits(min(low, top), top)
        records += [
            record(offset, partition=partition[1], timestamp=1_000 + offset * 7 % 50)
            for offset in present
            if offset >= low
        ]
    log = Log(records, {partition: limit.high for partition, limit in limits.items()})

    def keep(message: Message) -> bool:
        return (message.offset() or 0) % divisor == 0

    found = last(log.consumer(), limits, number, "k", threading.Event(), keep=keep, window=window)

    expected = []
    for partition in limits:
        own = [message for message in records if message.partition() == partition[1] and keep(message)]
        expected += sorted(own, key=lambda message: message.offset() or 0)[-number:]
    expected.sort(key=lambda message: (message.timestamp()[1], message.partition() or 0, message.offset() or 0))
    assert found == expected[-number:]


def test_records_are_opened_before_anybody_looks_at_them() -> None:
    log = Log([record(offset, b"%d" % offset) for offset in range(4)], {P0: 4})

    def opened(message: Message) -> None:
        message.set_value(b"opened " + (message.value() or b""))

    def keep(message: Message) -> bool:
        return message.value() != b"opened 2"

    stop = threading.Event()
    found = last(log.consumer(), {P0: Limits(0, 4)}, 2, "kafka:9092", stop, keep=keep, opened=opened)
    assert [one.value() for one in found] == [b"opened 1", b"opened 3"]
