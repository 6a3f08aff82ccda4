import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Message
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect import conditions, position
from clickstream.inspect.offsets import Limits
from clickstream.inspect.tail import Tail, find, tail
from clickstream.kafka.clients import Cluster
from tests.unit.inspect.records import Log, record


@pytest.fixture
def log(mocker: MockerFixture) -> Log:
    """Topic t with offsets 0 to 29 in partition 0; its consumer and its limits."""
    log = Log([record(offset, b'{"n":%d}' % (offset % 3)) for offset in range(30)], {("t", 0): 30})
    mocker.patch("clickstream.inspect.tail.reader", return_value=log)
    mocker.patch("clickstream.inspect.tail.find", return_value={("t", 0): Limits(0, 30)})
    mocker.patch.object(Cluster, "admin")
    return log


def offsets(batches: Iterator[list[Message]]) -> list[int]:
    return [message.offset() or 0 for batch in batches for message in batch]


def start(asked: Tail) -> Iterator[list[Message]]:
    return tail(Cluster("k"), asked, threading.Event())


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Tail(["t"]), list(range(20, 30))),
        (Tail(["t"], 3), [27, 28, 29]),
        (Tail(["t"], 0), []),
        (Tail(["t"], 2, condition=conditions.parse("n=1")), [25, 28]),
        (Tail(["t"], 2, position.Beginning(), condition=conditions.parse("n=1")), [1, 4]),
        (Tail(["t"], start=position.Offset(26)), [26, 27, 28, 29]),
        (Tail(["t"], 2, position.Offset(26)), [26, 27]),
        (Tail(["t"], 2, position.Beginning(), follow=True), [0, 1]),
        (Tail(["t"], start=position.End()), []),
    ],
)
def test_which_records(asked: Tail, expected: list[int]) -> None:
    assert offsets(start(asked)) == expected


def test_following_goes_on_after_the_last_ones_without_gap_or_repeat(log: Log) -> None:
    batches = start(Tail(["t"], 2, follow=True))
    found = [message.offset() for message in next(batches)]
    log.records += [record(30), record(31)]
    while len(found) < 4:
        found += [message.offset() for message in next(batches)]
    assert found == [28, 29, 30, 31]


def topics(mocker: MockerFixture, leader: int) -> None:
    mocker.patch("clickstream.inspect.tail.metadata", return_value={"t": {0: mocker.Mock(leader=leader)}})
    mocker.patch("clickstream.inspect.offsets.limits", side_effect=lambda *given: {p: Limits(0, 1) for p in given[2]})


def test_a_partition_that_does_not_exist(mocker: MockerFixture) -> None:
    topics(mocker, leader=1)
    with pytest.raises(ClickstreamError, match="Topic t has no partition 1"):
        find(Cluster("k"), mocker.Mock(), ["t"], 1)


def test_a_partition_without_a_leader_is_an_error_and_no_endless_wait(mocker: MockerFixture) -> None:
    topics(mocker, leader=-1)
    mocker.patch("clickstream.inspect.tail.LEADER_WITHIN_S", 0.01)
    mocker.patch("clickstream.inspect.tail.LOOK_EVERY_S", 0.001)
    with pytest.raises(ClickstreamError, match="Partition 0 of topic t has no leader at k"):
        find(Cluster("k"), mocker.Mock(), ["t"])


def test_a_leader_that_comes_after_the_start_of_a_broker_is_waited_for(mocker: MockerFixture) -> None:
    topics(mocker, leader=1)
    mocker.patch("clickstream.inspect.tail.LOOK_EVERY_S", 0.001)
    seen = [{"t": {0: mocker.Mock(leader=leader)}} for leader in (-1, -1, 1)]
    mocker.patch("clickstream.inspect.tail.metadata", side_effect=seen)
    assert find(Cluster("k"), mocker.Mock(), ["t"]) == {("t", 0): Limits(0, 1)}


def test_a_declared_topic_is_waited_for(log: Log, mocker: MockerFixture, caplog: pytest.LogCaptureFixture) -> None:
    mocker.patch("clickstream.inspect.tail.LOOK_EVERY_S", 0.001)
    mocker.patch("clickstream.inspect.tail.metadata", side_effect=[{}, {}, {"event-topic": {}}])
    batches = start(Tail(["event-topic"], 2, position.Beginning(), follow=True))
    assert [message.offset() for message in next(batches)] == [0, 1]
    assert caplog.messages == ["Topic event-topic does not exist yet; waiting for it."]


def test_a_stop_ends_the_wait(mocker: MockerFixture) -> None:
    mocker.patch.object(Cluster, "admin")
    mocker.patch("clickstream.inspect.tail.metadata", return_value={})
    stop = threading.Event()
    stop.set()
    assert list(tail(Cluster("k"), Tail(["event-topic"], follow=True), stop)) == []


@pytest.mark.parametrize("start_at", [None, "20"])
def test_records_are_opened_before_anybody_looks_at_them(log: Log, start_at: str | None) -> None:
    def opened(message: Message) -> None:
        message.set_value(b'{"n":%d}' % ((message.offset() or 0) + 100))

    where = None if start_at is None else position.parse(start_at)
    asked = Tail(["t"], 3, where, condition=conditions.parse("n>=125"), open=opened)
    expected = [25, 26, 27] if start_at else [27, 28, 29]
    assert offsets(start(asked)) == expected
