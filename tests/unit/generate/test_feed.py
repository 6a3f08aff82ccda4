import contextlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from clickstream.errors import ClickstreamError
from clickstream.generate.cue import AT_ONCE
from clickstream.generate.feed import Feed
from clickstream.generate.flaws import Flaws
from clickstream.generate.plan import Plan
from clickstream.generate.timeline import Phase, Timeline
from clickstream.generate.traffic import LATEST_MS
from clickstream.generate.web import web
from clickstream.kafka.produce import Sender, shortfall
from clickstream.parts.part import Controls
from clickstream.records import Action, WebClick, decode
from clickstream.stop import Stop
from tests.unit.fakes import FakeProducer, Sent
from tests.unit.generate.test_pace import Clock
from tests.unit.mockkafka import PRODUCE, MockKafka

START_MS = 1_767_225_600_000
TIMELINE = Timeline([Phase(50)])


def plan(**changes: Any) -> Plan:
    """A hundred clicks, sent at once, whose own times are 20 ms apart from START_MS on."""
    return replace(Plan(1, TIMELINE, AT_ONCE, START_MS, 100), **changes)


def feed(asked: Plan, producer: FakeProducer, **options: Any) -> Feed:
    traffic = web(20, seed=asked.seed, topic="clicks", codes_topic="codes", users_topic="users")
    return Feed(traffic, asked, Sender(producer.client), Sender(producer.client), **options)


def run(asked: Plan, stop: threading.Event | None = None, **options: Any) -> list[Sent]:
    """The clicks that a run has sent."""
    producer = FakeProducer()
    feed(asked, producer, **options).run(stop or threading.Event())
    return of("clicks", producer.delivered)


def of(topic: str, records: Sequence[Sent]) -> list[Sent]:
    return [record for record in records if record.topic == topic]


def times(records: Sequence[Sent]) -> list[int]:
    return [decode(record.value, WebClick).time_ms - START_MS for record in records]


def bare(records: Sequence[Sent]) -> list[tuple[object, object]]:
    return [(record.key, record.value) for record in records]


# --- what is sent


def test_references_are_delivered_before_the_first_click() -> None:
    producer = FakeProducer()
    feed(plan(), producer).run(threading.Event())
    assert [record.topic for record in producer.delivered] == ["codes"] * 6 + ["users"] * 20 + ["clicks"] * 100


@pytest.mark.parametrize(
    ("asked", "since"),
    [
        (plan(), START_MS),
        (plan(flaws=Flaws(late=0.1, late_by_ms=5_000)), START_MS - 5_000),
        (plan(flaws=Flaws(late_by_ms=5_000)), START_MS),
        (plan(start_ms=START_MS + 90_000), START_MS + 60_000),
        (plan(start_ms=None), START_MS + 60_000),
        (plan(start_ms=None, timeline=None, flaws=Flaws(late=0.1, late_by_ms=5_000)), START_MS + 55_000),
    ],
    ids=["start", "late", "none late", "start in the future", "now", "now, late"],
)
def test_references_hold_from_before_the_earliest_click_on_and_never_from_the_future(asked: Plan, since: int) -> None:
    producer = FakeProducer()
    feed(asked, producer, now_ms=lambda: START_MS + 60_000).run(threading.Event())
    assert {record.timestamp for record in of("codes", producer.delivered)} == {since}
    assert {record.timestamp for record in of("users", producer.delivered)} == {since}
    assert min(times(of("clicks", producer.delivered))) + START_MS >= since


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
def test_exactly_as_many_as_asked_for(count: int) -> None:
    assert len(run(plan(count=count))) == count


def test_times_are_those_of_the_timeline_from_the_start() -> None:
    assert times(run(plan(count=1_500))) == TIMELINE.offsets(0, 1_500)


def test_the_same_seed_count_and_start_give_the_same_records_at_whatever_pace() -> None:
    flaws = Flaws(late=0.2, late_by_ms=5_000, malformed=0.1)
    clock = Clock()
    fast = run(plan(count=1_200, flaws=flaws))
    slow = run(plan(count=1_200, flaws=flaws, stretch=1.0), clock.stop, monotonic=clock)
    assert clock.now - 500.0 == pytest.approx(1_199 / 50)
    assert bare(fast) == bare(slow)


def test_another_count_is_a_longer_or_shorter_piece_of_the_same() -> None:
    flaws = Flaws(late=0.2, late_by_ms=5_000, malformed=0.1)
    assert bare(run(plan(count=1_700, flaws=flaws)))[:1_200] == bare(run(plan(count=1_200, flaws=flaws)))


def test_another_seed_gives_other_clicks() -> None:
    assert bare(run(plan())) != bare(run(plan(seed=2)))


# --- flaws


def test_late_clicks_are_the_same_clicks_with_an_earlier_time() -> None:
    on_time, late = run(plan(count=1_000)), run(plan(count=1_000, flaws=Flaws(late=0.3, late_by_ms=5_000)))
    by_ms = [one - other for one, other in zip(times(on_time), times(late), strict=True)]
    assert min(by_ms) == 0
    assert 4_000 < max(by_ms) <= 5_000
    assert sum(1 for ms in by_ms if ms) == pytest.approx(300, abs=50)
    assert [record.key for record in late] == [record.key for record in on_time]


def test_the_rest_is_untouched_by_malformed_records() -> None:
    good, flawed = run(plan(count=1_000)), run(plan(count=1_000, flaws=Flaws(malformed=0.3)))
    spoiled = [one for one, other in zip(good, flawed, strict=True) if one.value != other.value]
    assert len(spoiled) == pytest.approx(300, abs=50)
    assert [record.key for record in flawed] == [record.key for record in good]


def test_flaws_are_counted_as_far_as_they_were_sent() -> None:
    flaws = Flaws(late=0.5, late_by_ms=1_000, malformed=0.5)
    sent = feed(plan(count=10, flaws=flaws), FakeProducer())
    sent.run(threading.Event())
    assert 0 < sent.totals()["late"] < 10
    assert 0 < sent.totals()["malformed"] < 10


# --- the clock


def test_without_a_start_the_first_click_happens_now() -> None:
    found = run(plan(start_ms=None, count=3), now_ms=lambda: START_MS + 77)
    assert times(found) == [77, 97, 117]


def test_without_a_start_times_follow_the_clock_over_an_outage() -> None:
    clock = Clock()

    def outage() -> None:
        if clock.now > 501.0:
            clock.on_wait = lambda: None
            clock.now += 60.0

    clock.on_wait = outage
    asked = plan(start_ms=None, stretch=1.0, count=500)
    found = times(run(asked, clock.stop, monotonic=clock, now_ms=lambda: START_MS))
    assert found[:50] == TIMELINE.offsets(0, 50)
    assert found[-1] == pytest.approx(499 * 20 + 59_000, abs=100)


def test_with_a_start_an_outage_changes_nothing() -> None:
    clock = Clock()

    def outage() -> None:
        clock.on_wait = lambda: None
        clock.now += 60.0

    clock.on_wait = outage
    assert times(run(plan(stretch=1.0, count=500), clock.stop, monotonic=clock)) == TIMELINE.offsets(0, 500)


def test_without_a_timeline_clicks_happen_when_they_are_sent() -> None:
    now = iter(range(START_MS, START_MS + 10))
    found = times(run(plan(timeline=None, start_ms=None, count=2_500), now_ms=lambda: next(now)))
    assert found == sorted(found)
    assert sorted({found.count(ms) for ms in found}) == [500, 1_000]


def test_the_end_of_time_is_said() -> None:
    with pytest.raises(ClickstreamError, match="has reached 9987-"):
        run(plan(start_ms=LATEST_MS - 1_000, count=100))


# --- what commands change


def controls_of(running: Feed) -> Controls:
    assert running.controls is not None
    return running.controls


def steered(asked: Plan, clock: Clock, commands: dict[float, tuple[Action, float | None]]) -> list[Sent]:
    """The clicks of a run to which, so many seconds after its beginning, commands come."""
    producer = FakeProducer()
    running = feed(
        asked,
        producer,
        monotonic=clock,
        now_ms=lambda: START_MS + round((clock.now - 500.0) * 1000),
        allow_control=True,
    )
    left = dict(commands)
    controls = controls_of(running)

    def obey() -> None:
        for at in [at for at in left if clock.now - 500.0 >= at]:
            controls.obey(*left.pop(at))

    clock.on_wait = obey
    running.run(clock.stop)
    assert not left
    return of("clicks", producer.delivered)


LIVE = plan(start_ms=None, stretch=1.0, timeline=Timeline([Phase(1)]), count=10)
OWN = plan(stretch=1.0, timeline=Timeline([Phase(1)]), count=10)


def test_a_pause_is_skipped_by_clicks_that_follow_the_clock() -> None:
    clock = Clock()
    found = times(steered(LIVE, clock, {2.5: ("pause", None), 62.5: ("resume", None)}))
    assert found[:3] == [0, 1_000, 2_000]
    assert found[3] == pytest.approx(62_500, abs=500)
    assert [one - found[3] for one in found[3:]] == [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000]
    assert clock.now - 500.0 == pytest.approx(68.5, abs=0.5)


def test_a_pause_changes_nothing_in_clicks_with_a_time_of_their_own() -> None:
    clock = Clock()
    found = times(steered(OWN, clock, {2.5: ("pause", None), 62.5: ("resume", None)}))
    assert found == [1_000 * number for number in range(10)]
    assert clock.now - 500.0 == pytest.approx(68.5, abs=0.5)


def test_a_stop_ends_a_pause_and_sends_nothing_more() -> None:
    clock = Clock()
    producer = FakeProducer()
    running = feed(LIVE, producer, monotonic=clock, now_ms=lambda: START_MS, allow_control=True)

    def pause_then_stop() -> None:
        if clock.now > 502.5:
            controls_of(running).obey("pause", None)
        if clock.now > 520.0:
            clock.stop.set()

    clock.on_wait = pause_then_stop
    running.run(clock.stop)
    assert len(of("clicks", producer.delivered)) == 3


def test_another_rate_holds_from_the_next_click_on() -> None:
    found = times(steered(LIVE, Clock(), {2.5: ("rate", 10.0)}))
    assert found[:3] == [0, 1_000, 2_000]
    assert found[3] == pytest.approx(2_500, abs=300)
    assert [one - found[3] for one in found[3:]] == [0, 100, 200, 300, 400, 500, 600]


def test_another_rate_does_not_wait_for_a_click_that_is_due_much_later() -> None:
    clock = Clock()
    slow = plan(start_ms=None, stretch=1.0, timeline=Timeline([Phase(0.001)]), count=10)
    steered(slow, clock, {2.5: ("rate", 10.0)})
    assert clock.now - 500.0 < 10.0


def test_as_fast_as_it_can_and_back() -> None:
    clock = Clock()
    asked = plan(start_ms=None, stretch=1.0, timeline=Timeline([Phase(1)]), count=2_500)
    found = times(steered(asked, clock, {2.5: ("rate", None)}))
    assert len(found) == 2_500
    assert clock.now - 500.0 < 5.0
    assert found == sorted(found)


def test_a_time_of_their_own_keeps_its_event_rate() -> None:
    clock = Clock()
    found = times(steered(OWN, clock, {2.5: ("rate", 100.0)}))
    assert found == [1_000 * number for number in range(10)]
    assert clock.now - 500.0 < 4.0


def test_a_rate_that_it_cannot_have_changes_nothing() -> None:
    scheduled = plan(start_ms=None, stretch=1.0, timeline=Timeline([Phase(1, 5_000), Phase(2, 5_000)]))
    running = feed(scheduled, FakeProducer(), allow_control=True)
    with pytest.raises(ValueError, match="schedule"):
        controls_of(running).obey("rate", 10.0)
    assert controls_of(running).wanted_rate is None


def test_so_many_of_the_next_clicks_are_late_and_malformed() -> None:
    producer, clean = FakeProducer(), run(plan(count=50))
    running = feed(plan(count=50), producer, allow_control=True)
    controls_of(running).obey("late", 7.0)
    controls_of(running).obey("malformed", 5.0)
    running.run(threading.Event())
    found = of("clicks", producer.delivered)
    totals = running.totals()
    assert (totals["late"], totals["malformed"]) == (7, 5)
    assert times(found[:7]) == [ms - 60_000 for ms in times(clean[:7])]
    assert bare(found[7:45]) == bare(clean[7:45])
    assert all(one.value != other.value for one, other in zip(found[45:], clean[45:], strict=True))
    assert min(record.timestamp for record in of("codes", producer.delivered)) <= START_MS - 60_000


def test_nothing_is_steered_that_was_not_allowed_to_be() -> None:
    assert feed(plan(), FakeProducer()).controls is None


# --- the end


def test_a_stop_ends_it_and_what_was_sent_is_confirmed() -> None:
    stop, producer = threading.Event(), FakeProducer()

    def stop_after_a_while() -> None:
        producer.deliver()
        if len(producer.delivered) >= 5_000:
            stop.set()

    producer.on_poll = stop_after_a_while
    sent = feed(plan(count=None), producer)
    sent.run(stop)
    assert sent.totals()["sent"] >= 4_000
    assert sent.totals()["acknowledged"] == sent.totals()["sent"]


def test_after_a_stop_nothing_is_sent() -> None:
    producer, stop = FakeProducer(), threading.Event()
    stop.set()
    feed(plan(), producer).run(stop)
    assert producer.delivered == []


@pytest.mark.parametrize("room", [5, None])
def test_a_stop_before_the_references_are_confirmed_says_what_is_unconfirmed(room: int | None) -> None:
    producer, stop = FakeProducer(room), Stop(drain_s=0.0)
    producer.on_poll = stop.set
    traffic = web(20, seed=1, topic="clicks", codes_topic="codes", users_topic="users")
    clicks, references = (Sender(producer.client, stop) for _ in range(2))
    with contextlib.suppress(ClickstreamError):  # the references' own, if all of them were sent
        Feed(traffic, plan(), clicks, references).run(stop)
    assert clicks.sent == 0
    assert references.unconfirmed == references.sent > 0
    assert "records are unconfirmed" in (shortfall("records", clicks, references) or "")


def test_references_that_cannot_be_delivered_end_it(kafka: MockKafka) -> None:
    clicks, references = (Sender(kafka.cluster.producer({"linger.ms": 0, "enable.idempotence": False})) for _ in "ab")
    traffic = web(20, seed=1, topic="clicks", codes_topic="codes", users_topic="users")
    kafka.fail_next(PRODUCE, *[KafkaError.MSG_SIZE_TOO_LARGE] * 30)
    with pytest.raises(ClickstreamError, match="reference records could not be written"):
        Feed(traffic, plan(), clicks, references).run(threading.Event())
    assert clicks.sent == 0


def test_totals_and_gauges_tell_how_far_it_is() -> None:
    sent = feed(plan(), FakeProducer())
    sent.run(threading.Event())
    assert sent.totals() == {
        "sent": 100,
        "acknowledged": 100,
        "failed": 0,
        "late": 0,
        "malformed": 0,
        "references": 26,
    }
    assert sent.gauges() == {"queued": 0}
    assert (sent.kind, sent.topics) == ("generate-web", ["clicks", "codes", "users"])
