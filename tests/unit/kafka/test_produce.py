import logging
import threading
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError

from clickstream.errors import ClickstreamError
from clickstream.kafka import produce
from clickstream.kafka.produce import Sender
from tests.unit.fakes import FakeProducer
from tests.unit.mockkafka import PRODUCE, MockKafka

TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)

# Without idempotence the client need not ask for an id first, which takes half a second.
AT_ONCE = {"linger.ms": 0, "enable.idempotence": False}


def batch(count: int) -> list[dict[str, bytes]]:
    return [{"key": b"%d" % number, "value": b"%d" % number} for number in range(count)]


def send_one_by_one(sender: Sender, count: int) -> None:
    for entry in batch(count):
        sender.send("t", entry["value"], entry["key"])


def send_in_a_batch(sender: Sender, count: int) -> None:
    sender.send_batch("t", batch(count))


both_ways = pytest.mark.parametrize("send", [send_one_by_one, send_in_a_batch])
Send = Callable[[Sender, int], None]


# --- a full local queue


@both_ways
def test_a_full_queue_is_waited_for_and_drops_nothing(send: Send) -> None:
    producer = FakeProducer(room=4)
    send(Sender(producer.client), 10)
    producer.deliver()
    assert [record.value for record in producer.delivered] == [b"%d" % number for number in range(10)]


@both_ways
def test_what_waited_for_room_is_counted_once(send: Send) -> None:
    producer = FakeProducer(room=4)
    sender = Sender(producer.client)
    send(sender, 10)
    sender.flush()
    assert (sender.sent, sender.failed, sender.acknowledged) == (10, 0, 10)


@both_ways
def test_the_real_client_with_a_small_queue_drops_nothing(kafka: MockKafka, send: Send) -> None:
    sender = Sender(kafka.cluster.producer({**AT_ONCE, "queue.buffering.max.messages": 7}))
    send(sender, 500)
    assert sender.flush(10) == 0
    assert (sender.sent, sender.failed, sender.acknowledged) == (500, 0, 500)


@both_ways
def test_a_stop_ends_the_wait_for_room_and_says_what_was_lost(
    send: Send, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(produce, "DRAIN_S", 0.0)
    stop = threading.Event()
    producer = FakeProducer(room=4)
    producer.on_poll = stop.set  # and no room
    sender = Sender(producer.client, stop)
    send(sender, 10)
    assert (sender.sent, sender.failed) == (10, 6)
    assert sender.first_failure == "stopped while the local queue was full (topic t)"
    assert "not delivered" in caplog.text


def test_room_within_the_time_to_drain_is_used_after_a_stop() -> None:
    stop = threading.Event()
    stop.set()
    sender = Sender(FakeProducer(room=4).client, stop)
    send_in_a_batch(sender, 10)
    assert (sender.sent, sender.failed) == (10, 0)


# --- failures


def test_delivery_failures_are_counted_and_the_first_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    send_in_a_batch(sender, 0)
    producer.on_poll = lambda: None
    send_in_a_batch(sender, 3)
    producer.deliver(TIMED_OUT)
    sender.send("u", b"x")
    producer.deliver(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert (sender.sent, sender.failed, sender.acknowledged) == (4, 4, 0)
    assert sender.first_failure == "Local: Message timed out (topic t)"
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "one line, not one per record"


@both_ways
def test_a_refused_record_is_sent_and_failed(send: Send) -> None:
    producer = FakeProducer()
    producer.refusals = [KafkaError(KafkaError._UNKNOWN_TOPIC)]
    sender = Sender(producer.client)
    send(sender, 3)
    sender.flush()
    assert (sender.sent, sender.failed, sender.acknowledged) == (3, 1, 2)


def test_a_broker_that_refuses_is_seen(kafka: MockKafka) -> None:
    sender = Sender(kafka.cluster.producer(AT_ONCE))
    kafka.fail_next(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    sender.send("t", b"too large")
    sender.flush(10)
    sender.send("t", b"fine")
    sender.flush(10)
    assert (sender.sent, sender.failed, sender.acknowledged) == (2, 1, 1)
    assert sender.first_failure == "Broker: Message size too large (topic t)"


def test_a_broker_that_is_away_is_seen(kafka: MockKafka) -> None:
    sender = Sender(kafka.cluster.producer({**AT_ONCE, "message.timeout.ms": 100}))
    with kafka.down():
        send_in_a_batch(sender, 3)
        assert sender.flush(10) == 0
    assert (sender.sent, sender.failed, sender.acknowledged) == (3, 3, 0)


@pytest.mark.parametrize("error", [KafkaError(KafkaError._FATAL), KafkaError(KafkaError._FENCED, "x", True)])
@both_ways
def test_a_fatal_error_stops(send: Send, error: KafkaError) -> None:
    producer = FakeProducer()
    producer.refusals = [error]
    with pytest.raises(ClickstreamError, match="cannot go on"):
        send(Sender(producer.client), 3)


@both_ways
def test_a_fatal_error_of_the_real_client_stops(kafka: MockKafka, send: Send) -> None:
    client = kafka.cluster.producer({"linger.ms": 0})
    kafka.break_for_good(client, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
    with pytest.raises(ClickstreamError, match="cannot go on"):
        send(Sender(client), 3)


# --- what is acknowledged


def test_what_is_queued_is_not_acknowledged() -> None:
    producer = FakeProducer()
    producer.on_poll = lambda: None
    sender = Sender(producer.client)
    send_in_a_batch(sender, 3)
    assert (sender.queued, sender.acknowledged) == (3, 0)
    producer.deliver()
    assert (sender.queued, sender.acknowledged) == (0, 3)


def test_after_a_flush_events_that_are_no_records_do_not_count() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    send_in_a_batch(sender, 3)
    sender.flush()
    producer.queue = [None, None]  # type: ignore[list-item]  # statistics, for example
    assert sender.acknowledged == 3


def test_acknowledged_is_never_below_0() -> None:
    producer = FakeProducer()
    producer.queue = [None]  # type: ignore[list-item]
    assert Sender(producer.client).acknowledged == 0


def test_closing_fails_what_is_not_confirmed_in_time() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    producer.on_poll = lambda: None
    send_in_a_batch(sender, 3)
    sender.close(0)
    assert producer.purged
    assert (sender.sent, sender.failed, sender.acknowledged) == (3, 3, 0)


def test_closing_purges_nothing_that_is_confirmed() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    send_in_a_batch(sender, 3)
    sender.close()
    assert not producer.purged
    assert (sender.sent, sender.failed, sender.acknowledged) == (3, 0, 3)


# --- what must have been delivered


def test_all_delivered_is_no_error() -> None:
    sender = Sender(FakeProducer().client)
    send_in_a_batch(sender, 3)
    sender.must_have_delivered("State")


def test_a_failure_at_any_time_is_an_error() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    sender.send("t", b"lost")
    producer.deliver(TIMED_OUT)
    send_in_a_batch(sender, 3)
    with pytest.raises(ClickstreamError, match=r"^State could not be written: Local: Message timed out \(topic t\)\.$"):
        sender.must_have_delivered("State")


def test_what_is_not_confirmed_in_time_is_an_error() -> None:
    producer = FakeProducer()
    producer.on_poll = lambda: None
    sender = Sender(producer.client)
    send_in_a_batch(sender, 3)
    with pytest.raises(ClickstreamError, match="3 records were not confirmed within 1 s"):
        sender.must_have_delivered("State", 1.0)


# --- threads


def test_threads_share_a_sender() -> None:
    sender = Sender(FakeProducer(room=50).client)
    threads = [threading.Thread(target=send_in_a_batch, args=(sender, 1_000)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.flush()
    assert (sender.sent, sender.failed, sender.acknowledged) == (3_000, 0, 3_000)
