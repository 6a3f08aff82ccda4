import functools
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError

from clickstream import producer as module
from clickstream.errors import ClickstreamError
from clickstream.generate.pace import Pace
from clickstream.generate.products import ProductEvents
from clickstream.kafka.produce import Sender
from clickstream.producer import EventProducer
from clickstream.records import Event, decode
from tests.unit.fakes import FakeProducer, Kept, Sent
from tests.unit.mockkafka import PRODUCE, MockKafka

# Making the pools takes a tenth of a second.
stream = functools.cache(ProductEvents)

END_OF_2019 = 1577836799.9


def run(sender: Sender | None = None, stop: threading.Event | None = None, **options: Any) -> list[Sent]:
    """What a producer of `options` has sent by its end."""
    kept = Kept()
    EventProducer(sender or kept, "events", stream(1), clock=lambda: END_OF_2019, **options).run(
        stop or threading.Event()
    )
    return kept.records


def without_date(records: Sequence[Sent]) -> Counter[tuple[object, ...]]:
    found: Counter[tuple[object, ...]] = Counter()
    for record in records:
        event = decode(record.value, Event)
        found[record.key, event.product_id, event.event_name, event.user_id] += 1
    return found


# --- how many


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
@pytest.mark.parametrize("threads", [1, 3])
def test_exactly_as_many_as_asked_for(count: int, threads: int) -> None:
    assert len(run(count=count, threads=threads, rate=float("inf"))) == count


def test_the_records_are_events_of_the_topic_with_the_time_of_sending() -> None:
    records = run(count=1_500)
    assert {record.topic for record in records} == {"events"}
    assert {decode(record.value, Event).date for record in records} == {"2019-12-31T23:59:59UTC"}


# --- the same again


@pytest.mark.parametrize("rate", [50_000, float("inf")])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_seed_and_count_give_the_same_events_whatever_rate_and_threads(rate: float, threads: int) -> None:
    expected = Counter(
        (key, event.product_id, event.event_name, event.user_id)
        for number, size in enumerate([1_000, 1_000, 500])
        for key, tail in stream(1).block(number)[:size]
        for event in [decode(b'{"date":"' + tail, Event)]
    )
    assert without_date(run(count=2_500, rate=rate, threads=threads)) == expected


def test_another_count_is_a_longer_or_shorter_piece_of_the_same() -> None:
    short, long = (without_date(run(count=count, threads=2)) for count in (1_200, 2_100))
    assert short < long


# --- the rate


def test_the_rate_is_that_of_all_threads_together(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(rate: float) -> Pace:
        made.append(rate)
        return Pace(rate)

    monkeypatch.setattr(module, "Pace", make)
    run(count=300, rate=20_000, threads=4)
    assert made == [20_000]


# --- the end


def test_a_stop_ends_it_and_what_was_sent_is_confirmed() -> None:
    stop = threading.Event()
    producer = FakeProducer()

    def stop_after_a_while() -> None:
        producer.deliver()
        if len(producer.delivered) >= 5_000:
            stop.set()

    producer.on_poll = stop_after_a_while
    sender = Sender(producer.client)
    run(sender, stop, threads=3)
    assert sender.sent >= 5_000
    assert (sender.failed, sender.acknowledged) == (0, sender.sent)


def test_after_a_stop_nothing_is_sent() -> None:
    stop = threading.Event()
    stop.set()
    assert run(stop=stop, rate=float("inf")) == []


def test_what_ends_one_thread_ends_all_and_is_said() -> None:
    producer = FakeProducer()
    producer.refusals = [KafkaError(KafkaError._FATAL)]
    with pytest.raises(ClickstreamError, match="cannot go on"):
        run(Sender(producer.client), threads=3, rate=1_000)


def test_a_delivery_failure_is_in_the_totals(kafka: MockKafka) -> None:
    sender = Sender(kafka.cluster.producer({"linger.ms": 0, "enable.idempotence": False}))
    producer = EventProducer(sender, "events", stream(1), count=10)
    kafka.fail_next(PRODUCE, *[KafkaError.MSG_SIZE_TOO_LARGE] * 10)
    producer.run(threading.Event())
    assert producer.totals() == {"sent": 10, "acknowledged": 0, "failed": 10}


def test_totals_and_gauges_tell_how_far_it_is() -> None:
    fake = FakeProducer()
    fake.on_poll = lambda: None
    sender = Sender(fake.client)
    producer = EventProducer(sender, "events", stream(1))
    sender.send_batch("events", [{"key": b"k", "value": b"v"}] * 3)
    assert producer.totals() == {"sent": 3, "acknowledged": 0, "failed": 0}
    assert producer.gauges() == {"queued": 3}
    assert (producer.kind, producer.topics) == ("producer", ["events"])
