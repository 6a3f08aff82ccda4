from collections.abc import Callable

import msgspec
import pytest
from pytest_mock import MockerFixture

from clickstream.kafka.clients import Cluster
from clickstream.parts import status
from clickstream.records import Requests, RunningSql, Status, encode
from tests.unit.fakes import message

PART = Status(
    "producer-here-1", "producer", "here", "2026-01-01T00:00:00UTC", "running", {"sent": 5.0}, ["event-topic"]
)


class Record:
    def __init__(self, key: bytes, value: bytes | None, seconds: float) -> None:
        self._key, self._value, self._seconds = key, value, seconds

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 1, round(self._seconds * 1000)


def seen(mocker: MockerFixture, *records: Record, now: float = 110.0) -> list[status.Seen]:
    mocker.patch.object(status, "existing", return_value={"s": 1})

    def read(_cluster: object, _topic: str, take: Callable[[Record], None], **_more: object) -> dict[int, int]:
        for record in records:
            take(record)
        return {0: len(records)}

    mocker.patch.object(status, "read_to_end", side_effect=read)
    return status.Reports(Cluster("localhost:1"), "s", lambda: now).look()


def test_the_last_word_of_each_part_counts(mocker: MockerFixture) -> None:
    older = Record(b"producer-here-1", encode(PART), 100.0)
    newer = Record(b"producer-here-1", encode(PART), 102.0)

    parts = seen(mocker, older, newer)

    assert [part.at for part in parts] == [102.0]
    assert parts[0].silent_s(105.5) == 3.5


def test_a_part_that_said_goodbye_is_not_listed(mocker: MockerFixture) -> None:
    assert not seen(mocker, Record(b"producer-here-1", encode(PART), 100.0), Record(b"producer-here-1", None, 101.0))


def test_a_part_silent_for_ten_seconds_is_dead(mocker: MockerFixture) -> None:
    (part,) = seen(mocker, Record(b"producer-here-1", encode(PART), 100.0))
    assert [part.is_dead(now) for now in (99.0, 110.0, 110.1)] == [False, False, True]


@pytest.mark.parametrize(
    ("at", "said_at", "silent_s"),
    [
        (990.0, None, 10.0),
        (960.0, 999.0, 1.0),  # Kafka is behind
        (999.0, 400.0, 1.0),  # its host is behind
        (999.0, 5_000.0, 1.0),  # its host is ahead
        (5_000.0, 990.0, 10.0),  # Kafka is ahead
        (5_000.0, 6_000.0, 0.0),
    ],
)
def test_how_old_a_word_is_that_was_there_before(at: float, said_at: float | None, silent_s: float) -> None:
    said = msgspec.structs.replace(PART, said_at=None if said_at is None else int(said_at * 1000))
    assert status.Seen(said, at, 1_000.0).silent_s(1_000.0) == silent_s


@pytest.mark.parametrize("at", [100.0, 990.0, 5_000.0])
def test_how_old_a_word_is_that_was_heard_live_is_told_by_our_clock(at: float) -> None:
    clock = iter([1_000.0, 1_002.0])
    heard = status.Heard(lambda: next(clock))
    for live in (False, True):
        heard.take(Record(b"producer-here-1", encode(PART), at), live=live)  # type: ignore[arg-type]
    [part] = heard.parts(1_002.0)
    assert part.silent_s(1_005.0) == 3.0


@pytest.mark.parametrize(("now", "listed"), [(100.0 + 3599, 1), (100.0 + 3601, 0)])
def test_a_part_silent_for_an_hour_is_not_listed(mocker: MockerFixture, now: float, listed: int) -> None:
    assert len(seen(mocker, Record(b"producer-here-1", encode(PART), 100.0), now=now)) == listed


FAILED = msgspec.structs.replace(PART, state="failed", error="The disk is full.")


@pytest.mark.parametrize(("now", "listed"), [(100.0 + 599, 1), (100.0 + 601, 0)])
def test_a_part_that_failed_is_listed_for_ten_minutes(mocker: MockerFixture, now: float, listed: int) -> None:
    found = seen(mocker, Record(b"producer-here-1", encode(FAILED), 100.0), now=now)
    assert [(part.has_failed, part.is_dead(now)) for part in found] == [(True, False)] * listed


def test_a_part_that_failed_is_forgotten_when_it_starts_again(mocker: MockerFixture) -> None:
    (part,) = seen(
        mocker, Record(b"producer-here-1", encode(FAILED), 100.0), Record(b"producer-here-1", encode(PART), 101.0)
    )
    assert (part.has_failed, part.status) == (False, PART)


def test_parts_that_are_dead_or_failed_do_not_run() -> None:
    dead = msgspec.structs.replace(PART, id="dead")
    parts = [status.Seen(PART, 100.0), status.Seen(dead, 99.9), status.Seen(FAILED, 110.0)]
    assert status.living(parts, 110.0) == [PART]


def test_a_part_whose_clock_is_hours_ahead_leaves_the_others_listed(mocker: MockerFixture) -> None:
    other = msgspec.structs.replace(PART, id="other")
    sound, ahead = Record(b"producer-here-1", encode(PART), 100.0), Record(b"other", encode(other), 40_000.0)
    assert [part.status for part in seen(mocker, sound, ahead, now=101.0)] == [other, PART]


def test_when_a_word_was_heard_is_told_by_the_clock_here() -> None:
    heard = status.Heard(lambda: 50_000.0)
    heard.take(Record(b"producer-here-1", encode(PART), 100.0))  # type: ignore[arg-type]
    assert heard.parts(100.0) == [status.Seen(PART, 100.0, 50_000.0)]


def test_what_a_killed_part_has_left_is_forgotten_an_hour_after_it() -> None:
    told, sql = Requests("producer-here-1", []), RunningSql("producer-here-1", "clicks", "SELECT 1", {})
    heard = status.Heard()
    for key, value in ((told.key, encode(told)), (sql.key, encode(sql))):
        heard.take(message(0, value, key=key.encode()))
    heard.parts(50.0)
    heard.take(Record(b"producer-here-1", encode(PART), 100.0))  # type: ignore[arg-type]
    heard.parts(100.0)
    assert (heard.requests(), heard.running_sql()) == ({told.id: told}, {sql.id: sql})
    gone_at = 100.0 + status.FORGET_AFTER_S + 1
    heard.parts(gone_at)
    assert (len(heard._requests), len(heard._sql)) == (1, 1)
    heard.parts(gone_at + status.FORGET_AFTER_S + 1)
    assert (heard._requests, heard._sql, heard._unlisted) == ({}, {}, {})


def test_the_sql_of_a_part_is_another_record(mocker: MockerFixture) -> None:
    sql = RunningSql("producer-here-1", "clicks", "SELECT 1", {"edges": []})
    parts = seen(mocker, Record(b"producer-here-1", encode(PART), 100.0), Record(sql.key.encode(), encode(sql), 100.0))
    assert [part.status for part in parts] == [PART]


def test_the_requests_of_a_part_are_another_record(mocker: MockerFixture) -> None:
    told = Requests("producer-here-1", [{"status": 200}])
    records = [Record(b"producer-here-1", encode(PART), 100.0), Record(told.key.encode(), encode(told), 100.0)]
    assert [part.status for part in seen(mocker, *records)] == [PART]
    heard = status.Heard()
    for key, value in ((PART.id.encode(), encode(PART)), (told.key.encode(), encode(told))):
        heard.take(message(0, value, key=key))
    assert heard.requests() == {"producer-here-1": told}
    heard.take(message(0, None, key=told.key.encode()))
    assert heard.requests() == {}


def test_a_status_of_an_older_version_is_read(mocker: MockerFixture) -> None:
    old = b'{"id":"a","kind":"counter","host":"h","since":"s","state":"running","rates":{"lag":2.0},"topics":["t"]}'
    (part,) = seen(mocker, Record(b"a", old, 100.0))
    assert (part.status.totals, part.status.positions, part.status.group) == ({}, [], None)


def test_a_record_of_someone_else_is_ignored(mocker: MockerFixture) -> None:
    parts = seen(mocker, Record(b"x", b"\xff not ours", 100.0), Record(b"producer-here-1", encode(PART), 100.0))

    assert [part.status for part in parts] == [PART]


def test_how_old_a_word_is_counts_from_after_it_was_waited_for(mocker: MockerFixture) -> None:
    clock = [100.0]
    mocker.patch.object(status, "existing", return_value={"s": 1})

    def read(_cluster: object, _topic: str, take: Callable[[Record], None], **_more: object) -> dict[int, int]:
        take(Record(b"producer-here-1", encode(PART), 100.0))
        clock[0] += status.FORGET_AFTER_S + 1
        return {0: 1}

    mocker.patch.object(status, "read_to_end", side_effect=read)
    assert status.Reports(Cluster("localhost:1"), "s", lambda: clock[0]).look() == []


def test_no_topic_means_that_nothing_runs(mocker: MockerFixture) -> None:
    mocker.patch.object(status, "existing", return_value={})

    assert status.Reports(Cluster("localhost:1"), "s").look() == []
