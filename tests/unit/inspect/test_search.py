import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from clickstream.inspect import conditions, position, search
from clickstream.inspect.offsets import Limits
from clickstream.inspect.search import Answer, Bounds, End, Question, Search, newest_first
from clickstream.kafka.clients import Cluster
from tests.unit.inspect.records import Log, record

Place = tuple[int, int]


@pytest.fixture
def topic(mocker: MockerFixture) -> Callable[..., Log]:
    """Topic t: these records, and where its partitions end."""

    def make(records: list[Message], high: Mapping[int, int]) -> Log:
        log = Log(records, {("t", number): end for number, end in high.items()})
        mocker.patch("clickstream.inspect.search.reader", return_value=log)
        mocker.patch(
            "clickstream.inspect.search.find",
            side_effect=lambda _cluster, _admin, _topics, partition=None: {
                ("t", number): Limits(0, end) for number, end in high.items() if partition in (None, number)
            },
        )
        mocker.patch.object(Cluster, "admin")
        return log

    return make


def ask(stop: threading.Event | None = None, bounds: Bounds | None = None, **asked: Any) -> Answer[Place]:
    question = Question("t", **asked)
    # However slow the machine is: those that are about time give their own.
    within = bounds or Bounds(seconds=120.0)
    job = Search(Cluster("k"), question, lambda message: (message.partition() or 0, message.offset() or 0), within)
    return job.run(stop or threading.Event())


def numbers(count: int, partition: int = 0) -> list[Message]:
    return [
        record(offset, b'{"n":%d}' % (offset % 3), partition=partition, timestamp=1_000 + 10 * offset + partition)
        for offset in range(count)
    ]


def test_the_newest_come_first_over_partitions_by_time(topic: Callable[..., Log]) -> None:
    topic([*numbers(5, 0), *numbers(5, 1)], {0: 5, 1: 5})
    found = ask(limit=4)
    assert found.found == [(1, 4), (0, 4), (1, 3), (0, 3)]
    assert (found.end, found.places) == (End.LIMIT, {0: 3, 1: 3})


def test_a_partition_keeps_its_order_where_clocks_disagree(topic: Callable[..., Log]) -> None:
    skewed = [record(0, timestamp=9_000), record(1, timestamp=1_000), record(2, timestamp=5_000)]
    topic([*skewed, record(0, partition=1, timestamp=4_000)], {0: 3, 1: 1})
    assert ask().found == [(0, 2), (1, 0), (0, 1), (0, 0)]
    assert newest_first([*skewed, record(0, partition=1, timestamp=4_000)])[0].offset() == 2


def test_forwards_from_a_position(topic: Callable[..., Log]) -> None:
    topic(numbers(100), {0: 100})
    found = ask(start=position.Offset(40), limit=3)
    assert found.found == [(0, 40), (0, 41), (0, 42)]
    assert found.places == {0: 43}


def test_a_condition_looks_as_far_back_as_it_must(topic: Callable[..., Log]) -> None:
    topic([*(record(offset, b'{"rare":1}') for offset in (3, 5)), *numbers(3000)[6:]], {0: 3000})
    found = ask(condition=conditions.parse("rare = 1"))
    assert found.found == [(0, 5), (0, 3)]
    assert (found.end, found.places, found.progress.read) == (End.COMPLETE, None, 2996)


def test_a_key_is_compared_in_bytes(topic: Callable[..., Log]) -> None:
    topic([record(0, key=b"a"), record(1, key=b"\xff"), record(2, key=None)], {0: 3})
    assert ask(key=b"\xff").found == [(0, 1)]


def test_one_partition_only(topic: Callable[..., Log]) -> None:
    topic([*numbers(3, 0), *numbers(3, 1)], {0: 3, 1: 3})
    assert ask(partition=1).found == [(1, 2), (1, 1), (1, 0)]


@pytest.mark.parametrize("start", [None, position.Beginning()])
@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    limit=st.integers(1, 7),
    filtered=st.booleans(),
)
def test_going_on_tells_every_record_once(
    start: position.Position | None, lengths: list[int], limit: int, filtered: bool
) -> None:
    records = [one for number, length in enumerate(lengths) for one in numbers(length, number)]
    high = dict(enumerate(lengths))
    condition = conditions.parse("n = 1" if filtered else "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_WINDOW", 4)
        patch.setattr(search, "MAX_WINDOW", 8)
        patch.setattr(search, "reader", lambda *_: Log(records, {("t", one): end for one, end in high.items()}))
        patch.setattr(search, "find", lambda *_: {("t", one): Limits(0, end) for one, end in high.items()})
        patch.setattr(Cluster, "admin", lambda _self: None)
        told: list[Place] = []
        places: dict[int, int] | None = None
        for _turn in range(200):
            answer = ask(start=start, limit=limit, condition=condition, places=places)
            told += answer.found
            places = answer.places
            if places is None:
                break
    wanted = [
        (one.partition() or 0, one.offset() or 0) for one in records if not filtered or (one.offset() or 0) % 3 == 1
    ]
    assert places is None
    assert sorted(told) == sorted(wanted)


def test_a_search_ends_after_so_many_records_and_says_so(topic: Callable[..., Log]) -> None:
    topic(numbers(5_000), {0: 5_000})
    found = ask(condition=conditions.parse("nothing = 1"), bounds=Bounds(records=1_000))
    assert found.end is End.RECORDS
    assert found.progress.read < 5_000
    assert found.places is not None


def test_a_search_ends_after_so_long(topic: Callable[..., Log]) -> None:
    topic(numbers(50), {0: 50})
    clock = iter([0.0, 100.0, 200.0])
    job = Search(
        Cluster("k"), Question("t"), lambda message: message.offset(), Bounds(seconds=20), clock=lambda: next(clock)
    )
    assert job.run(threading.Event()).end is End.TIME


def test_a_search_ends_when_it_is_stopped(topic: Callable[..., Log]) -> None:
    topic(numbers(50), {0: 50})
    stop = threading.Event()
    stop.set()
    assert ask(stop).end is End.STOPPED


def test_what_was_read_of_a_window_that_broke_off_is_read_again(topic: Callable[..., Log]) -> None:
    """Its newer end was not read: to tell the older one would leave a hole."""
    topic(numbers(5_000), {0: 5_000})
    first = ask(condition=conditions.parse("n = 1"), limit=2_000, bounds=Bounds(records=1))
    assert (first.end, first.found) == (End.RECORDS, [])
    second = ask(condition=conditions.parse("n = 1"), limit=2_000, places=first.places)
    assert len(second.found) == 1_667


@pytest.fixture
def times(mocker: MockerFixture) -> Callable[[list[Message]], None]:
    """Has the broker know of these records which is the first that is not older than a time."""

    def make(records: list[Message]) -> None:
        def first(place: tuple[str, int], time: int) -> int:
            found = [one.offset() or 0 for one in records if one.partition() == place[1] and one.timestamp()[1] >= time]
            return min(found, default=-1)

        mocker.patch(
            "clickstream.inspect.offsets.ask",
            side_effect=lambda _cluster, _admin, limits, at: {
                one: mocker.Mock(offset=first(one, at.timestamp)) for one in limits
            },
        )

    return make


def test_at_a_past_instant_what_has_come_since_is_not_there(
    topic: Callable[..., Log], times: Callable[[list[Message]], None]
) -> None:
    records = [*numbers(5, 0), *numbers(5, 1)]
    topic(records, {0: 5, 1: 5})
    times(records)
    found = ask(limit=4, instant=1_030)
    assert found.found == [(0, 3), (1, 2), (0, 2), (1, 1)]
    rest = ask(instant=1_030, places=found.places)
    assert (rest.found, rest.end) == ([(0, 1), (1, 0), (0, 0)], End.COMPLETE)
    assert ask(instant=999).found == []


def test_a_record_that_came_behind_younger_ones_is_found(
    topic: Callable[..., Log], times: Callable[[list[Message]], None]
) -> None:
    records = [record(0, timestamp=1_000), record(1, timestamp=9_000), record(2, timestamp=2_000)]
    topic(records, {0: 3})
    times(records)
    assert ask(instant=2_000).found == [(0, 2), (0, 0)]


@pytest.mark.parametrize("start", [position.Offset(2), position.Time(1_020)])
def test_a_place_to_begin_at_and_an_instant_are_a_span(
    start: position.Position, topic: Callable[..., Log], times: Callable[[list[Message]], None]
) -> None:
    records = numbers(9)
    topic(records, {0: 9})
    times(records)
    assert ask(start=start, instant=1_050).found == [(0, 2), (0, 3), (0, 4), (0, 5)]
    assert ask(start=start, instant=1_010).found == []


def test_a_condition_does_not_see_what_is_younger(
    topic: Callable[..., Log], times: Callable[[list[Message]], None], mocker: MockerFixture
) -> None:
    """One that notes what it sees, as that for dead letters notes marks, would know what nobody knew then."""
    records = numbers(9)
    topic(records, {0: 9})
    times(records)
    term = mocker.Mock()
    assert len(ask(condition=conditions.Condition((term,)), instant=1_050).found) == 6
    assert max(call.args[0].message.offset() for call in term.accepts.call_args_list) == 5
