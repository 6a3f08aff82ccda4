"""The writing thread: works in their order, and nothing that goes wrong is overlooked."""

import threading
from collections.abc import Iterator

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Sender
from clickstream.stop import Stop
from clickstream.tables.engine.writing import writer as writer_module
from clickstream.tables.engine.writing.writer import AHEAD, Writer
from tests.support import PATIENCE
from tests.unit.fakes import FakeProducer


@pytest.fixture
def sender(mocker: MockerFixture) -> Sender:
    found: Sender = mocker.create_autospec(Sender, instance=True)
    return found


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def writer(sender: Sender, stop: threading.Event) -> Iterator[Writer]:
    made = Writer(sender)
    made.start(stop)
    yield made
    made.close()


def test_works_are_done_in_their_order_before_a_flush_returns(writer: Writer, sender: Sender) -> None:
    done: list[int] = []
    for number in range(20):
        writer.put(lambda db, number=number: done.append(db.execute(f"SELECT {number}").fetchone()[0]))  # type: ignore[misc]
    writer.flush()
    assert done == list(range(20))
    sender.deliver_all.assert_called_once()  # type: ignore[attr-defined]


def test_a_flush_says_what_the_broker_did_not_take(writer: Writer, sender: Sender) -> None:
    sender.deliver_all.side_effect = ClickstreamError("Rows could not be written")  # type: ignore[attr-defined]
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
    sender.deliver_all.assert_not_called()  # type: ignore[attr-defined]


def test_works_wait_for_each_other_in_a_short_queue(writer: Writer) -> None:
    go, taken = threading.Event(), threading.Event()

    def wait(_db: object) -> None:
        taken.set()
        go.wait(10 * PATIENCE)

    writer.put(wait)
    assert taken.wait(10 * PATIENCE)
    for _ in range(AHEAD):
        writer.put(lambda _db: None)
    more = threading.Thread(target=writer.put, args=(lambda _db: None,))
    more.start()
    more.join(0.05)
    assert more.is_alive()
    go.set()
    more.join(10 * PATIENCE)
    assert not more.is_alive()


def test_a_stop_does_not_wait_long_for_a_broker_that_is_away(
    writer: Writer, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "GRACE_S", 0.2)
    back = threading.Event()

    def wait(_db: object) -> None:
        back.wait(30 * PATIENCE)

    for _ in range(AHEAD + 1):
        writer.put(wait)
    stop.set()
    with pytest.raises(Stopped):
        writer.flush()
    with pytest.raises(Stopped):
        writer.put(wait)
    back.set()


@pytest.fixture
def full(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """One whose client takes one record, and no more until the broker is back: it never is."""
    monkeypatch.setattr(writer_module, "GRACE_S", 0.2)
    producer = FakeProducer(room=1)
    producer.on_poll = lambda: None
    ended = Stop()
    made = Writer(Sender(producer.client, ended))
    made.start(stop)
    made.send("t", b"first")
    yield made
    ended.set_for(0.0)
    made.close()


def test_a_record_that_is_sent_at_once_does_not_outlast_a_stop(full: Writer, stop: threading.Event) -> None:
    stop.set()
    with pytest.raises(Stopped):
        full.send("t", b"second")


def test_records_are_sent_at_once_as_soon_as_there_is_room(stop: threading.Event) -> None:
    producer = FakeProducer(room=1)
    made = Writer(Sender(producer.client))
    made.start(stop)
    for number in range(3):
        made.send("t", b"%d" % number, b"k", headers=[("h", b"v")])
    made.close()
    found = producer.delivered + producer.queue
    assert [(one.value, one.key, one.headers) for one in found] == [(b"%d" % n, b"k", [("h", b"v")]) for n in range(3)]
