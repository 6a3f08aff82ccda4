"""A sender that is asked to end while the broker is away."""

import pytest
from confluent_kafka import KafkaError

from clickstream import stop as stopping
from clickstream.errors import ClickstreamError
from clickstream.kafka import produce
from clickstream.kafka.produce import Sender, must_be_acknowledged, shortfall
from clickstream.stop import Stop
from tests.unit.fakes import Clock, FakeProducer
from tests.unit.kafka.sends import Send, both_ways, send_in_a_batch

TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)


@both_ways
def test_a_stop_ends_the_wait_for_room_and_what_does_not_fit_is_unconfirmed(
    send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    stop = Stop(drain_s=0.0)
    producer = FakeProducer(room=4)
    producer.on_poll = stop.set  # and no room
    sender = Sender(producer.client, stop)
    send(sender, 10)
    assert (sender.sent, sender.failed, sender.unconfirmed) == (10, 6, 6)
    assert sender.first_failure is None
    assert caplog.text == "", "it is said once, at the end"


def test_room_within_the_time_to_drain_is_used_after_a_stop() -> None:
    stop = Stop()
    stop.set()
    sender = Sender(FakeProducer(room=4).client, stop)
    send_in_a_batch(sender, 10)
    assert (sender.sent, sender.failed) == (10, 0)


def test_waiting_for_room_and_draining_share_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(produce, "time", clock)
    monkeypatch.setattr(stopping, "time", clock)
    stop = Stop(drain_s=20.0)
    producer = FakeProducer(room=4)
    senders = [Sender(producer.client, stop) for _ in range(2)]  # sharing it, as clicks and dead letters do

    def pass_time() -> None:
        clock.now += 0.1

    producer.on_poll = pass_time
    stop.set()
    for sender in senders:
        send_in_a_batch(sender, 10)
    for sender in senders:
        sender.close()
    assert 1_020 <= clock.now < 1_022
    assert [(sender.sent, sender.acknowledged, sender.unconfirmed) for sender in senders] == [(10, 0, 10)] * 2


def test_a_stop_shortens_a_flush_that_has_begun() -> None:
    stop = Stop(drain_s=0.0)
    producer = FakeProducer()
    producer.on_poll = lambda: None
    sender = Sender(producer.client, stop)
    send_in_a_batch(sender, 3)
    producer.on_poll = stop.set
    assert sender.flush(3600.0) == 3


def test_until_it_is_asked_to_stop_a_sender_waits_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    for module in (produce, stopping):
        monkeypatch.setattr(module, "time", clock)
    stop = Stop(drain_s=8.0)
    producer = FakeProducer()
    sender = Sender(producer.client, stop)
    sender.send("t", b"x")

    def outage() -> None:
        clock.now += 1
        if clock.now == 2_000:
            stop.set()

    producer.on_poll = outage
    sender.close()
    assert 2_008 <= clock.now < 2_012
    assert (sender.sent, sender.unconfirmed) == (1, 1)


def test_what_a_stop_leaves_is_told_once_with_its_count() -> None:
    stop = Stop(drain_s=0.0)
    stop.set()
    producer = FakeProducer(room=4)
    producer.on_poll = lambda: None
    clicks, references = (Sender(producer.client, stop) for _ in range(2))
    send_in_a_batch(references, 3)
    send_in_a_batch(clicks, 1200)
    clicks.close()
    references.close()
    says = (
        r"^1,203 records are unconfirmed: Kafka did not acknowledge them in time\. They may be in the topic or not\.$"
    )
    with pytest.raises(ClickstreamError, match=says):
        must_be_acknowledged("records", clicks, references)


def test_what_was_refused_and_what_is_unconfirmed_are_told_apart() -> None:
    producer = FakeProducer()
    sender = Sender(producer.client)
    producer.on_poll = lambda: None
    send_in_a_batch(sender, 2)
    producer.deliver(TIMED_OUT)
    send_in_a_batch(sender, 3)
    sender.close(0)
    assert shortfall("events", sender) == (
        "2 events were not delivered: Local: Message timed out (topic t). 3 events are unconfirmed: Kafka did not "
        "acknowledge them in time. They may be in the topic or not."
    )


def test_nothing_is_told_when_all_is_acknowledged() -> None:
    sender = Sender(FakeProducer().client)
    send_in_a_batch(sender, 3)
    sender.close()
    must_be_acknowledged("events", sender)
