import logging
import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from clickstream.errors import ClickstreamError
from clickstream.kafka import produce
from clickstream.kafka.produce import Sender, record_time
from tests.support import PATIENCE
from tests.unit.fakes import Clock, FakeProducer
from tests.unit.kafka.sends import Send, both_ways, send_in_a_batch, send_one_by_one
from tests.unit.mockkafka import PRODUCE, MockKafka

TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)

# Without idempotence the client need not ask for an id first, which takes half a second.
AT_ONCE = {"linger.ms": 0, "enable.idempotence": False}


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
    assert sender.flush(10 * PATIENCE) == 0
    assert (sender.sent, sender.failed, sender.acknowledged) == (500, 0, 500)


# --- offered, where nothing may wait


def test_a_full_queue_takes_no_offer_and_tells_so_at_once() -> None:
    producer = FakeProducer(room=4)
    sender = Sender(producer.client)
    assert [sender.offer("t", b"%d" % number) for number in range(6)] == [True] * 4 + [False] * 2
    assert producer.polls == 0, "nothing was waited for"
    assert (sender.sent, sender.failed, sender.queued) == (4, 0, 4), "what was not taken counts nowhere"
    sender.poll()
    assert sender.offer("t", b"later")
    sender.flush()
    assert [record.value for record in producer.delivered] == [b"0", b"1", b"2", b"3", b"later"]
    assert (sender.sent, sender.acknowledged) == (5, 5)


def test_an_offer_is_the_same_record_as_one_that_is_sent() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    whole: dict[str, Any] = {"headers": [("h", b"v")], "timestamp": 7}
    sender.send("t", b"value", b"key", **whole)
    assert sender.offer("t", b"value", b"key", **whole)
    sent, offered = producer.queue
    assert sent == offered


def test_offers_that_fail_are_counted_and_said_as_others(caplog: pytest.LogCaptureFixture) -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    assert sender.offer("t", b"0")
    producer.deliver(TIMED_OUT)
    producer.refusals = [KafkaError(KafkaError._UNKNOWN_PARTITION)]
    assert sender.offer("t", b"1"), "it is not for want of room: another try would not help"
    assert (sender.sent, sender.failed, sender.acknowledged) == (2, 2, 0)
    assert "was not delivered" in caplog.text


def test_an_offer_to_a_producer_that_cannot_go_on_raises() -> None:
    producer = FakeProducer()
    producer.refusals = [KafkaError(KafkaError._FATAL)]
    with pytest.raises(ClickstreamError, match="cannot go on"):
        Sender(producer.client).offer("t", b"x")


def test_an_offer_that_is_too_large_is_explained_without_asking_the_broker(
    kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = kafka.cluster.producer({**AT_ONCE, "message.max.bytes": 1_000})
    monkeypatch.setattr(producer, "_admin", lambda: pytest.fail("the broker was asked"))
    sender = Sender(producer)
    assert sender.offer("t", b"x" * 2_000)
    assert (sender.sent, sender.failed) == (1, 1)
    assert "message.max.bytes is 1,000" in (sender.first_failure or "")


def test_the_real_client_with_a_full_queue_takes_no_offer(kafka: MockKafka) -> None:
    sender = Sender(kafka.cluster.producer({**AT_ONCE, "linger.ms": 60_000, "queue.buffering.max.messages": 7}))
    taken = [sender.offer("t", b"x") for _ in range(20)]
    assert taken == [True] * 7 + [False] * 13
    assert sender.flush(10 * PATIENCE) == 0
    assert (sender.sent, sender.failed, sender.acknowledged) == (7, 0, 7)


# --- asked to end while the broker is away

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


@pytest.mark.parametrize(
    ("code", "levels"), [(KafkaError._MSG_TIMED_OUT, []), (KafkaError.TOPIC_AUTHORIZATION_FAILED, [logging.ERROR])]
)
def test_of_records_that_may_time_out_only_refusals_are_said(
    caplog: pytest.LogCaptureFixture, code: int, levels: list[int]
) -> None:
    producer = FakeProducer()
    producer.on_poll = lambda: None
    sender = Sender(producer.client, time_outs_level=logging.DEBUG)
    sender.send("t", b"x")
    with caplog.at_level(logging.INFO):
        producer.deliver(KafkaError(code))
    assert [record.levelno for record in caplog.records] == levels
    assert sender.failed == 1


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
    sender.flush(10 * PATIENCE)
    sender.send("t", b"fine")
    sender.flush(10 * PATIENCE)
    assert (sender.sent, sender.failed, sender.acknowledged) == (2, 1, 1)
    assert sender.first_failure == (
        "a record of 9 bytes came in a batch larger than topic t takes: raise max.message.bytes of the topic, or send "
        "smaller batches with -X batch.size=100000"
    )


@both_ways
def test_a_record_too_large_for_the_producer_says_what_to_change(kafka: MockKafka, send: Send) -> None:
    sender = Sender(kafka.cluster.producer({**AT_ONCE, "message.max.bytes": 1_000}))
    if send is send_one_by_one:
        sender.send("t", b"x" * 2_000, b"key")
    else:
        sender.send_batch("t", [{"key": b"key", "value": b"x" * 2_000}])
    with pytest.raises(ClickstreamError) as raised:
        sender.must_have_delivered("Rows")
    assert str(raised.value) == (
        "Rows could not be written: a record of 2,003 bytes for topic t is larger than the producer sends "
        "(message.max.bytes is 1,000): use -X message.max.bytes=100000."
    )


def test_a_broker_that_is_away_is_seen(kafka: MockKafka) -> None:
    sender = Sender(kafka.cluster.producer({**AT_ONCE, "message.timeout.ms": 100}))
    with kafka.down():
        send_in_a_batch(sender, 3)
        assert sender.flush(10 * PATIENCE) == 0
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


@both_ways
def test_a_user_who_may_write_nowhere_is_told_the_topic(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """The client raises that where it works, once; its records are refused without the reason."""
    producer = FakeProducer()
    forbidden = KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "Broker: Cluster authorization failed", True)

    def fail() -> None:
        producer.on_poll = lambda: None
        raise KafkaException(forbidden)

    producer.on_poll = fail
    sender = Sender(producer.client)
    sender.poll()
    sender.close(0)
    producer.refusals = [KafkaError(KafkaError._FATAL)]
    with pytest.raises(ClickstreamError, match=r"cannot go on: .*Cluster authorization failed \(topic t: ask .* Write"):
        send(sender, 1)


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


def test_what_was_seen_to_be_acknowledged_stays_so() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    send_in_a_batch(sender, 3)
    producer.deliver()
    assert sender.acknowledged == 3
    producer.queue = [None, None]  # type: ignore[list-item]  # statistics, or records that `sent` does not know yet
    assert sender.acknowledged == 3


def test_a_producer_at_full_speed_is_acknowledged_more_and_more(kafka: MockKafka) -> None:
    small = {"queue.buffering.max.messages": 10_000}  # the sender has to wait for what is acknowledged
    sender = Sender(kafka.cluster.producer({**AT_ONCE, **small, "statistics.interval.ms": 1}))

    def send() -> None:
        for _ in range(200):
            send_in_a_batch(sender, 500)

    sending = threading.Thread(target=send)
    sending.start()
    seen = [0]
    while sending.is_alive():
        seen.append(sender.acknowledged)
    sender.flush()
    assert seen == sorted(seen)
    assert 0 < seen[-1] <= sender.acknowledged == 100_000


def test_the_last_success_is_when_more_was_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(produce, "time", clock)
    producer = FakeProducer()
    producer.on_poll = lambda: None
    sender = Sender(producer.client)
    send_in_a_batch(sender, 3)
    seen = [sender.last_success]
    clock.now += 5
    producer.deliver()
    seen.append(sender.last_success)
    clock.now += 5
    assert [*seen, sender.last_success] == [None, 1_005, 1_005]


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
    assert (sender.sent, sender.failed, sender.unconfirmed, sender.acknowledged) == (3, 3, 3, 0)


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
    with pytest.raises(ClickstreamError, match="3 records were not confirmed in time"):
        sender.must_have_delivered("State", 1.0)


# --- the time of a record


@pytest.mark.parametrize(("time_ms", "given"), [(None, 0), (0, 1), (1, 1), (1_700_000_000_000, 1_700_000_000_000)])
def test_a_time_as_the_client_takes_it(time_ms: int | None, given: int) -> None:
    assert record_time(time_ms) == given


def test_there_is_no_time_before_1970() -> None:
    with pytest.raises(ClickstreamError, match="cannot have a time before 1970: -1 ms"):
        record_time(-1)


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
