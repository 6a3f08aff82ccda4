import functools
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from clickstream import producer as module
from clickstream.errors import ClickstreamError
from clickstream.generate.pace import Pace
from clickstream.generate.products import ProductEvents
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Controls
from clickstream.producer import EventProducer
from clickstream.records import Event, decode
from tests.support import PATIENCE, wait_until
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


# --- what commands change


def steered(sender: Sender, **options: Any) -> tuple[EventProducer, Controls]:
    found = EventProducer(sender, "events", stream(1), clock=lambda: END_OF_2019, allow_control=True, **options)
    assert found.controls is not None
    return found, found.controls


def test_a_paused_producer_sends_nothing_until_it_is_resumed() -> None:
    kept, stop = Kept(), threading.Event()
    producer, controls = steered(kept, rate=float("inf"), count=5_000)
    controls.obey("pause", None)
    running = threading.Thread(target=producer.run, args=(stop,))
    running.start()
    wait_until(lambda: kept.producer.polls > 2, 60, "it waits")
    assert kept.sent == 0
    controls.obey("resume", None)
    running.join(60 * PATIENCE)
    assert kept.sent == 5_000


def test_a_stop_ends_the_pause() -> None:
    kept, stop = Kept(), threading.Event()
    producer, controls = steered(kept, rate=float("inf"), count=5_000, threads=2)
    controls.obey("pause", None)
    stop.set()
    producer.run(stop)
    assert kept.sent == 0


def test_another_rate_is_that_of_all_threads() -> None:
    kept = Kept()
    producer, controls = steered(kept, rate=0.001, count=3_000, threads=3)
    controls.obey("rate", None)
    producer.run(threading.Event())
    assert kept.sent == 3_000


def test_so_many_of_the_next_events_are_late_and_malformed() -> None:
    kept = Kept()
    producer, controls = steered(kept, rate=float("inf"), count=1_000)
    controls.obey("late", 7.0)
    controls.obey("malformed", 5.0)
    producer.run(threading.Event())
    dates = Counter(decode(record.value, Event).date for record in kept.records[:-5])
    assert dates == {"2019-12-31T23:58:59UTC": 7, "2019-12-31T23:59:59UTC": 988}
    for record in kept.records[-5:]:
        with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
            decode(record.value, Event)
    assert producer.totals() == {"sent": 1_000, "acknowledged": 1_000, "failed": 0, "late": 7, "malformed": 5}


def test_nothing_is_steered_that_was_not_allowed_to_be() -> None:
    assert EventProducer(Kept(), "events", stream(1)).controls is None
