"""Rows as posts: what is told, left out and refused, with a receiver and a ledger of our own making."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from clickstream.kafka.offsets import Partition
from clickstream.sinks.documents import NOT_A_NUMBER
from clickstream.sinks.inputs import described, plain
from clickstream.sinks.model import Batch, Place
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Away, Refused
from clickstream.sinks.webhook.message import as_json
from clickstream.sinks.webhook.sent import Sent
from clickstream.sinks.webhook.target import Budget, WebhookTarget
from clickstream.stop import Stop
from tests.unit.sinks.archives import TOPIC, record

SUMMARY = f"{TOPIC}/0/2/summary"


class Receiver:
    """Raises what `answers` has for an id, once or (`always`) whenever it comes; `ids` are those of all posts."""

    def __init__(
        self, always: Mapping[str, Exception] | None = None, once: Mapping[str, Exception] | None = None
    ) -> None:
        self.ids: list[str] = []
        self._always = dict(always or {})
        self._once = dict(once or {})

    def post(self, _body: bytes, id: str) -> None:
        self.ids.append(id)
        problem = self._always.get(id) or self._once.pop(id, None)
        if problem is not None:
            raise problem


class Notes:
    """A ledger that only remembers the last places."""

    def __init__(self) -> None:
        self.places: dict[Partition, int] = {}

    def verify(self) -> None:
        pass

    def commit(self, places: Mapping[Partition, int], _extras: Mapping[Partition, str]) -> None:
        self.places |= places


class Clock:
    """Stands still; to wait is to move it on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Waits(Stop):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0.0
        return False


def target_of(receiver: Receiver, per_minute: int) -> tuple[WebhookTarget, Notes]:
    clock, notes = Clock(), Notes()
    poster: Any = receiver
    ledger: Any = notes
    target = WebhookTarget(
        poster,
        "webhook at here",
        ledger,
        Waits(clock),
        lambda alert, _cleaned: as_json(alert),
        budget=Budget(per_minute, clock),
        sent=Sent(86_400),
    )
    return target, notes


def batch(count: int) -> Batch:
    messages = [record(number, b"%d" % number) for number in range(count)]
    rows = RecordReader(plain(TOPIC), early=True).read(messages).rows
    return Batch((rows,), {(TOPIC, 0): count})


def ids(*offsets: int) -> list[str]:
    return [f"{TOPIC}/0/{offset}" for offset in offsets]


def test_a_summary_that_is_refused_is_told_in_the_log_and_all_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver({SUMMARY: Refused("422", "no summaries")})
    target, notes = target_of(receiver, 2)
    with caplog.at_level(logging.WARNING):
        assert target.write(batch(10)).appended == 2
    assert receiver.ids == [*ids(0, 1), SUMMARY]
    assert "webhook at here refuses the summary of 8 rows that were left out: 422: no summaries." in caplog.messages
    assert target.gauges() == {"left_out": 8.0}
    assert notes.places == {(TOPIC, 0): 10}


def test_a_post_that_is_refused_counts_as_one_of_the_minute() -> None:
    receiver = Receiver({ids(0)[0]: Refused("422", "no")})
    target, _ = target_of(receiver, 2)
    whole = batch(10)
    with pytest.raises(Refused):
        target.write(whole)
    target.write(whole.without([next(whole.messages())]))
    assert receiver.ids == [*ids(0, 1), SUMMARY]


def test_what_is_changed_in_rows_that_were_posted_before_an_outage_is_counted_once() -> None:
    """Those that were committed before it do not come again; in the end, all rows are counted."""
    source = described(TOPIC, "x DOUBLE", None)
    messages = [record(number, b'{"x":"NaN"}') for number in range(5)]
    whole = Batch((RecordReader(source, early=True).read(messages).rows,), {(TOPIC, 0): 5})
    target, notes = target_of(Receiver(once={ids(3)[0]: Away("nobody answers")}), 0)
    with pytest.raises(Away):
        target.write(whole)
    assert notes.places == {(TOPIC, 0): 3}
    rest = whole.after({(TOPIC, 0): Place("id", 3)})
    assert target.write(rest).cleaned == {("x", NOT_A_NUMBER): 5}


def test_a_post_that_is_tried_again_counts_once() -> None:
    receiver = Receiver(once={ids(0)[0]: Away("nobody answers")})
    target, _ = target_of(receiver, 2)
    with pytest.raises(Away):
        target.write(batch(10))
    target.write(batch(10))
    assert receiver.ids == [*ids(0, 0, 1), SUMMARY]
