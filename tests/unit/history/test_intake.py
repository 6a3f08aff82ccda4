"""Records on their way into the store: each once, whatever is read again."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from unittest.mock import Mock

import duckdb
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


class Breaking:
    """The connection of a store, on which a statement fails once."""

    def __init__(self, store: Store, at: int) -> None:
        self.left = at
        self.broke = False
        self._db = store.db

    def __getattr__(self, name: str) -> object:
        found = getattr(self._db, name)
        return self._counted(found) if name in ("execute", "sql") else found

    def _counted(self, work: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **named: object) -> object:
            self.left -= 1
            if self.left == 0:
                self.broke = True
                self._db.execute("SELECT error('broken')")  # so that the transaction is over as well
            return work(*args, **named)

        return counted


def break_store(store: Store, at: int) -> Breaking:
    """Its statement number `at` fails."""
    breaking = Breaking(store, at)
    every = [*store.rows.values(), *(getattr(store.rollups, name) for name in ("_fine", "_minutes", "_seen"))]
    for one in (store, store.rollups, *every, store.rollups._seen_fine):
        setattr(one, "db" if one is store else "_db", breaking)
    return breaking


def numbers(store: Store) -> object:
    """All that a batch changes."""
    kept = [*store.rows.values(), *(level.segments for level in (*store.rollups.levels, *store.rollups.seen))]
    rows = [
        sorted(row for table in one.tables() for row in store.db.execute(f"FROM {table}").fetchall()) for one in kept
    ]
    spans = [[(one.window, one.rows, one.first, one.last) for one in each.segments] for each in kept]
    rollups = store.rollups
    return (
        rows, spans, [(level.since, level.until) for level in (*rollups.levels, *rollups.seen)], store.newest(CLICKS),
        store.since(CLICKS), dict(store.added), {kind: dict(found) for kind, found in store.skipped.items()},
    )  # fmt: skip


@pytest.mark.parametrize("at", [1, 2, 4, 7, 11, 16, 22, 29, 37])
def test_a_batch_is_added_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Whichever statement fails: what was there stays, and the next try leads to what it would have led to at once."""
    monkeypatch.setattr(feed, "FLUSH_EVERY_S", 0.0)
    monkeypatch.setattr("clickstream.history.rollups.REWRITE_ROWS", 5)
    limits = Limits(history_ms=60_000)
    broken, sound = Store(limits, clock=lambda: NOW), Store(limits, clock=lambda: NOW)
    first = [one for second in range(0, 90, 7) for one in records(0, second, time=NOW - 200_000 + second * 1_000)]
    # Late, ahead of the clock, and so new that rows go and minutes are summed up.
    second = [
        *records(0, 200, time=NOW - 150_000), *records(0, 201, time=NOW + 10**8), *records(0, 202, time=NOW),
        *records(1, 0, time=NOW - 1_000),
    ]  # fmt: skip
    intakes = []
    for store in (broken, sound):
        intake: Intake[Click] = Intake(store, CLICKS, Click, store.add_clicks)
        intake.begin(0, {0: 0, 1: 0}, set())
        intake.add(first)
        intakes.append(intake)
    before = numbers(broken)
    breaking = break_store(broken, at)
    with contextlib.suppress(duckdb.Error):
        intakes[0].add(second)
        assert not breaking.broke or broken.added[CLICKS] == sound.added[CLICKS] + 3
    breaking.left = 0
    if breaking.broke and broken.added[CLICKS] == sound.added[CLICKS]:
        assert numbers(broken) == before
        intakes[0].add(second)
    intakes[1].add(second)
    assert numbers(broken) == numbers(sound)


def test_a_batch_for_which_there_is_no_memory_makes_room_for_itself(
    monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]
) -> None:
    """In one transaction with it, what is dropped for it would come back each time."""
    monkeypatch.setattr(feed, "FLUSH_EVERY_S", 0.0)
    intake.begin(0, {0: 0}, set())
    intake.add([*records(0, 0, time=NOW - 600_000), *records(0, 1, time=NOW)])
    held = store.rows[CLICKS].rows
    with monkeypatch.context() as broken:
        broken.setattr(store.clicks, "table", Mock(side_effect=duckdb.OutOfMemoryException))
        with pytest.raises(duckdb.OutOfMemoryException):
            intake.add(records(0, 2, time=NOW))
    assert store.rows[CLICKS].rows == held - 1
    intake.add([])
    assert store.rows[CLICKS].rows == held


def test_what_cannot_be_added_waits_and_nothing_more_is_taken_before(
    monkeypatch: pytest.MonkeyPatch, store: Store, intake: Intake[Click]
) -> None:
    intake.begin(0, {0: 0}, set())
    with monkeypatch.context() as broken:
        broken.setattr(store.clicks, "table", Mock(side_effect=MemoryError))
        for _ in range(3):
            with pytest.raises(MemoryError):
                intake.add(records(0, 0, 1))
        with pytest.raises(MemoryError):
            intake.flush_if_due()
        with pytest.raises(MemoryError):
            intake.add(records(0, 2))
    intake.add(records(0, 2))
    assert taken(store, intake) == 3
