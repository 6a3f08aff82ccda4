"""When what was read is a batch, and how much more it takes."""

import pytest
from confluent_kafka import Message

from clickstream.sinks.buffer import CONSUME_AT_MOST, Buffer
from tests.unit.fakes import message


def buffer(*, rows: int = 100, size: int = 10_000, linger_s: float = 0.5) -> Buffer:
    return Buffer(rows, size, linger_s)


def messages(count: int, size: int = 10) -> list[Message]:
    return [message(number, b"x" * size) for number in range(count)]


@pytest.mark.parametrize(("rows", "size", "due"), [(4, 1_000, False), (3, 1_000, True), (4, 30, True)])
def test_a_full_batch_is_due_at_once(rows: int, size: int, due: bool) -> None:
    found = buffer(rows=rows, size=size)
    found.add("t", messages(3), 0.0)
    assert found.is_due(0.0) is due


def test_the_first_that_came_is_due_after_a_while_whatever_came_later() -> None:
    found = buffer(linger_s=0.5)
    found.add("t", messages(1), 10.0)
    found.add("t", messages(1), 10.4)
    assert not found.is_due(10.4)
    assert found.is_due(10.5)


def test_an_offset_alone_is_due_after_a_while_and_nothing_never() -> None:
    found = buffer(linger_s=0.5)
    assert not found.is_due(1e9)
    found.start_linger(10.0)
    assert found.is_due(10.5)


@pytest.mark.parametrize(
    ("rows", "size", "room"),
    [
        pytest.param(100, 1_000_000, 97, id="rows that the batch lacks"),
        pytest.param(100_000, 10**9, CONSUME_AT_MOST, id="no more than that at once"),
        pytest.param(100, 3_500, 5, id="bytes of values as they were lately"),
        pytest.param(3, 1_000_000, 1, id="always one"),
    ],
)
def test_no_more_is_read_than_the_batch_lacks(rows: int, size: int, room: int) -> None:
    found = buffer(rows=rows, size=size)
    found.add("t", messages(2, size=250), 0.0)
    found.add("t", messages(1, size=500), 0.0)
    assert found.room() == room


def test_draining_gives_all_by_topic_and_leaves_nothing() -> None:
    found = buffer(rows=3)
    a, b, more = messages(2), messages(1), messages(1)
    found.add("a", a, 0.0)
    found.add("b", b, 0.0)
    found.add("a", more, 0.0)
    assert found.drain() == {"a": [*a, *more], "b": b}
    assert found.drain() == {}
    assert not found.is_due(1e9)
    assert found.room() == 3
