"""Records on their way into the store: each once, whatever is read again."""

import threading
from collections.abc import Mapping
from unittest.mock import Mock

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from clickstream.history import feed
from clickstream.history.decode import Click
from clickstream.history.feed import Intake, recent_past
from clickstream.history.model import CLICKS
from clickstream.history.store import Limits, Store
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits as Log

NOW = 1_600_000_000_000


def records(partition: int, *offsets: int, time: int = NOW) -> list[Message]:
    return [
        Message(
            topic="clicks",
            partition=partition,
            offset=offset,
            value=b'{"_time":%d,"ip":"10.0.0.%d"}' % (time, partition),
            timestamp=(TIMESTAMP_CREATE_TIME, time),
        )
        for offset in offsets
    ]


@pytest.fixture
def store() -> Store:
    return Store(Limits(), clock=lambda: NOW)


@pytest.fixture
def intake(store: Store, monkeypatch: pytest.MonkeyPatch) -> Intake[Click]:
    monkeypatch.setattr(feed, "FLUSH_EVERY_S", 0.0)

    def add(clicks: object) -> None:
        store.add_clicks(clicks)  # type: ignore[arg-type]

    return Intake(store, CLICKS, Click, add)


def taken(store: Store, intake: Intake[Click]) -> int:
    intake.flush_if_due()
    return store.rows[CLICKS].rows


def test_a_record_counts_once_however_often_it_is_read(store: Store, intake: Intake[Click]) -> None:
    intake.begin(0, {0: 5, 1: 0}, set())
    intake.add(records(0, 5, 6, 7))
    intake.add([*records(0, 6, 7, 8), *records(1, 0, 1)])
    intake.add([*records(1, 0, 1, 5), *records(0, 8)])
    intake.add(records(0, 3, 4))
    assert taken(store, intake) == 7


def test_a_batch_that_cannot_be_read_counts_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]
) -> None:
    intake.begin(0, {0: 0}, set())
    with monkeypatch.context() as broken:
        broken.setattr(intake, "reader", Mock(read=Mock(side_effect=MemoryError)))
        with pytest.raises(MemoryError):
            intake.add(records(0, 0, 1))
    intake.add(records(0, 0, 1))
    assert taken(store, intake) == 2


def test_a_recreated_topic_has_other_records_at_the_same_offsets(store: Store, intake: Intake[Click]) -> None:
    intake.begin(0, {0: 0}, set())
    intake.add(records(0, 0, 1, 2))
    assert taken(store, intake) == 3
    intake.add(records(0, 3))
    generation = intake.generation
    intake.forget()
    assert not intake.add_earlier(records(0, 0), generation), "what was read of the former one is left out"
    intake.add(records(0, 0, 1))
    assert taken(store, intake) == 2


def begun(
    monkeypatch: pytest.MonkeyPatch, intake: Intake[Click], logs: Mapping[int, Log], at: Mapping[int, int]
) -> Mapping[int, int]:

    monkeypatch.setattr(feed, "at_times", lambda cluster, topic, times, stop: at)
    begin = recent_past(
        Cluster("nowhere:1"),
        "clicks",
        intake,
        history_ms=60_000,
        max_rows=100,
        clock=lambda: NOW,
        stop=threading.Event(),
    )
    return begin(logs)


def test_reading_begins_with_the_history(monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]) -> None:
    logs = {0: Log(10, 100), 1: Log(0, 50), 2: Log(0, 30)}
    assert begun(monkeypatch, intake, logs, {0: 70, 1: 20, 2: -1}) == {0: 70, 1: 20, 2: 30}
    assert store.since(CLICKS) == NOW - 60_000


def test_a_topic_that_is_read_from_its_beginning_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]
) -> None:
    begun(monkeypatch, intake, {0: Log(0, 10), 1: Log(0, 0)}, {0: 0, 1: -1})
    assert store.since(CLICKS) == 0


def test_more_records_than_rows_are_not_read(
    monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]
) -> None:
    logs = {0: Log(0, 1_000), 1: Log(0, 200)}
    assert begun(monkeypatch, intake, logs, {0: 600, 1: 200}) == {0: 900, 1: 200}
    intake.add(records(0, 900, time=NOW - 9_000))
    intake.add(records(0, 901, time=NOW - 8_000))
    assert store.since(CLICKS) == NOW - 9_000, "what happened before was left out"


def test_what_was_deleted_before_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]
) -> None:
    begun(monkeypatch, intake, {0: Log(40, 80), 1: Log(40, 80)}, {0: 40, 1: 50})
    intake.add(records(1, 50, time=NOW - 50_000))
    assert store.since(CLICKS) == NOW - 60_000
    intake.add(records(0, 40, time=NOW - 30_000))
    assert store.since(CLICKS) == NOW - 30_000


def test_what_comes_in_drops_is_handed_over_together(
    store: Store, intake: Intake[Click], monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.begin(0, {0: 0}, set())
    intake.add(records(0, 0))
    assert store.rows[CLICKS].rows == 1
    monkeypatch.setattr(feed, "FLUSH_EVERY_S", 3600.0)
    intake.add(records(0, 1))
    intake.flush_if_due()
    assert store.rows[CLICKS].rows == 1
    monkeypatch.setattr(feed, "FLUSH_EVERY_S", 0.0)
    intake.flush_if_due()
    assert store.rows[CLICKS].rows == 2
