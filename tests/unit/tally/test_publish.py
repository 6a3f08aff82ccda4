import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.transactions import Fenced, Record
from clickstream.records import Tally
from clickstream.tally import publish
from clickstream.tally.publish import TallyPublisher, last_tally, tally_of
from tests.support import PATIENCE
from tests.unit.fakes import Clock
from tests.unit.mockkafka import MockKafka


def written(kafka: MockKafka, topic: str = "out") -> list[Message]:
    found: list[Message] = []
    read_to_end(kafka.cluster, topic, found.append)
    return found


@pytest.fixture
def kafka(kafka: MockKafka) -> MockKafka:
    kafka.create("out", 1)
    return kafka


# --- tallies


class FakeTransactions:
    """What a publisher commits."""

    def __init__(self) -> None:
        self.committed: list[Record] = []
        self.problem: Exception | None = None
        self.closed = False

    def commit(self, records: Sequence[Record]) -> None:
        if self.problem is not None:
            raise self.problem
        self.committed += records

    def close(self) -> None:
        self.closed = True


Make = Callable[..., tuple[TallyPublisher, FakeTransactions]]


def make_publisher(
    patch: pytest.MonkeyPatch, last: dict[str, int], epoch: int
) -> tuple[TallyPublisher, FakeTransactions]:
    transactions = FakeTransactions()
    patch.setattr(publish, "Transactions", lambda _cluster, _group, _stop, doing: transactions)
    patch.setattr(publish, "last_tally", lambda _cluster, _topic, _group, _epoch, _stop: last)
    patch.setattr(publish, "time", Clock())
    return TallyPublisher(cast(Cluster, None), "out", "g", epoch), transactions


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda last=None, epoch=0: make_publisher(monkeypatch, last or {}, epoch)


def test_a_tally_has_the_group_as_key_the_epoch_as_header_and_the_time(make: Make) -> None:
    publisher, transactions = make(epoch=7)
    assert publisher.publish({"purchase": 3})
    assert transactions.committed == [
        Record("out", b"g", b'{"purchase":3,"receiveAt":"1970-01-01T00:16:40UTC"}', [("epoch", b"7")])
    ]
    assert publisher.last == {"purchase": 3}


@pytest.mark.parametrize(
    ("last", "counts", "published"),
    [
        ({}, {}, False),
        ({}, {"a": 1}, True),
        ({"a": 1}, {"a": 1}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 2}, {"a": 1}, False),
        ({"a": 2}, {"a": 1, "b": 9}, False),
        ({"a": 2}, {"b": 9}, False),
        ({"a": 2, "b": 1}, {"a": 2, "b": 1, "c": 1}, True),
        ({"a": 2, "b": 1}, {"b": 1, "a": 2}, False),
    ],
)
def test_a_tally_is_neither_repeated_nor_lower_in_any_name(
    make: Make, last: dict[str, int], counts: dict[str, int], published: bool
) -> None:
    publisher, transactions = make(last)
    assert publisher.publish(counts) is published
    assert len(transactions.committed) == published
    assert publisher.last == (counts if published else last)


def test_a_tally_that_could_not_be_written_is_published_the_next_time(make: Make) -> None:
    publisher, transactions = make()
    transactions.problem = Fenced("by another")
    with pytest.raises(Fenced):
        publisher.publish({"a": 1})
    assert publisher.last == {}
    transactions.problem = None
    assert publisher.publish({"a": 1})


def test_what_is_published_does_not_change_with_the_counts(make: Make) -> None:
    publisher, _ = make()
    counts = {"a": 1}
    publisher.publish(counts)
    counts["a"] += 1
    assert publisher.last == {"a": 1}


snapshots = st.dictionaries(st.sampled_from("abc"), st.integers(0, 5))


@given(st.lists(snapshots, max_size=12), snapshots)
def test_no_count_ever_goes_down_and_no_tally_comes_twice(plan: list[dict[str, int]], last: dict[str, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        publisher, transactions = make_publisher(patch, last, 0)
        for counts in plan:
            publisher.publish(counts)
    seen = [last, *(Tally.decode(record.value or b"").counts for record in transactions.committed)]
    for before, after in itertools.pairwise(seen):
        assert after != before
        assert all(after.get(name, 0) >= count for name, count in before.items())


def test_earlier_publishers_are_stopped_before_their_last_tally_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def read(*_args: object) -> dict[str, int]:
        order.append("read")
        return {}

    monkeypatch.setattr(publish, "Transactions", lambda *_args, doing: order.append("fence"))
    monkeypatch.setattr(publish, "last_tally", read)
    TallyPublisher(cast(Cluster, None), "out", "g", 0)
    assert order == ["fence", "read"]


def test_closing_gives_up_the_right_to_publish(make: Make) -> None:
    publisher, transactions = make()
    publisher.close()
    assert transactions.closed


# --- the last tally


def put(kafka: MockKafka, *tallies: tuple[str, int, dict[str, int]], partition: int = 0) -> None:
    producer = kafka.cluster.producer({"linger.ms": 0, "enable.idempotence": False})
    for group, epoch, counts in tallies:
        value = Tally(counts, "now").encode()
        producer.produce("out", value, group.encode(), partition=partition, headers=[("epoch", str(epoch).encode())])
    assert producer.flush(10 * PATIENCE) == 0


def test_an_empty_topic_has_no_last_tally(kafka: MockKafka) -> None:
    assert last_tally(kafka.cluster, "out", "g", 0) == {}


def test_the_last_tally_is_that_of_the_group_and_epoch(kafka: MockKafka) -> None:
    put(kafka, ("g", 1, {"a": 1}), ("g", 1, {"a": 2}), ("g", 0, {"a": 7}), ("h", 1, {"a": 9}))
    assert last_tally(kafka.cluster, "out", "g", 1) == {"a": 2}
    assert last_tally(kafka.cluster, "out", "g", 0) == {"a": 7}
    assert last_tally(kafka.cluster, "out", "g", 2) == {}
    assert last_tally(kafka.cluster, "out", "other", 1) == {}


@pytest.mark.parametrize("others", [63, 64, 600])
def test_the_last_tally_is_found_behind_those_of_other_groups(kafka: MockKafka, others: int) -> None:
    put(kafka, ("g", 0, {"a": 1}), ("g", 0, {"a": 2}), *[("h", 0, {"a": 9})] * others)
    assert last_tally(kafka.cluster, "out", "g", 0) == {"a": 2}


def test_over_several_partitions_the_highest_count_of_each_name_is_the_last(kafka: MockKafka) -> None:
    kafka.create("two", 2)
    producer = kafka.cluster.producer({"linger.ms": 0, "enable.idempotence": False})
    for partition, counts in enumerate([{"a": 5, "b": 1}, {"a": 4, "b": 2, "c": 3}]):
        value = Tally(counts, "now").encode()
        producer.produce("two", value, b"g", partition=partition, headers=[("epoch", b"0")])
    producer.flush(10 * PATIENCE)
    assert last_tally(kafka.cluster, "two", "g", 0) == {"a": 5, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("key", "headers", "value", "counts"),
    [
        (b"g", [("epoch", b"0")], b'{"a":1,"receiveAt":"now"}', {"a": 1}),
        (b"h", [("epoch", b"0")], b'{"a":1,"receiveAt":"now"}', None),
        (None, [("epoch", b"0")], b'{"a":1,"receiveAt":"now"}', None),
        (b"g", [("epoch", b"1")], b'{"a":1,"receiveAt":"now"}', None),
        (b"g", None, b'{"a":1,"receiveAt":"now"}', None),
        (b"g", [("epoch", b"0")], b'{"a":1}', None),
        (b"g", [("epoch", b"0")], b"\xff", None),
        (b"g", [("epoch", b"0")], None, None),
    ],
)
def test_what_is_a_tally_of_the_group_and_epoch(
    key: bytes | None, headers: Any, value: bytes | None, counts: dict[str, int] | None
) -> None:
    assert tally_of(Message(key=key, headers=headers, value=value), "g", 0) == counts


def test_of_any_epoch() -> None:
    assert tally_of(Message(key=b"g", value=b'{"a":1,"receiveAt":"now"}'), "g") == {"a": 1}
