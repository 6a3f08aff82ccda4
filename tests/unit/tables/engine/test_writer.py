"""The writing thread: works in their order, and nothing that goes wrong is overlooked."""

import threading
from collections.abc import Iterator

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.writing.writer import AHEAD, Writer


@pytest.fixture
def sender(mocker: MockerFixture) -> Sender:
    found: Sender = mocker.create_autospec(Sender, instance=True)
    return found


@pytest.fixture
def writer(sender: Sender) -> Iterator[Writer]:
    made = Writer(sender)
    made.start()
    yield made
    made.close()


def test_works_are_done_in_their_order_before_a_flush_returns(writer: Writer, sender: Sender) -> None:
    done: list[int] = []
    for number in range(20):
        writer.put(lambda db, number=number: done.append(db.execute(f"SELECT {number}").fetchone()[0]))  # type: ignore[misc]
    writer.flush()
    assert done == list(range(20))
    sender.must_have_delivered.assert_called_once()  # type: ignore[attr-defined]


def test_a_flush_says_what_the_broker_did_not_take(writer: Writer, sender: Sender) -> None:
    sender.must_have_delivered.side_effect = ClickstreamError("Rows could not be written")  # type: ignore[attr-defined]
    with pytest.raises(ClickstreamError, match="Rows could not be written"):
        writer.flush()


def test_after_a_failure_nothing_more_is_done_and_everything_says_so(writer: Writer, sender: Sender) -> None:
    done: list[int] = []

    def fail(_db: object) -> None:
        raise ClickstreamError("no")

    writer.put(fail)
    with pytest.raises(ClickstreamError, match="no"):
        writer.flush()
    with pytest.raises(ClickstreamError, match="no"):
        writer.put(lambda _db: done.append(1))
    with pytest.raises(ClickstreamError, match="no"):
        writer.flush()
    assert done == []
    sender.must_have_delivered.assert_not_called()  # type: ignore[attr-defined]


def test_works_wait_for_each_other_in_a_short_queue(writer: Writer) -> None:
    go, taken = threading.Event(), threading.Event()

    def wait(_db: object) -> None:
        taken.set()
        go.wait(10)

    writer.put(wait)
    assert taken.wait(10)
    for _ in range(AHEAD):
        writer.put(lambda _db: None)
    more = threading.Thread(target=writer.put, args=(lambda _db: None,))
    more.start()
    more.join(0.05)
    assert more.is_alive()
    go.set()
    more.join(10)
    assert not more.is_alive()
