from pytest_mock import MockerFixture

from clickstream.kafka.clients import Cluster
from clickstream.parts import status
from clickstream.records import Status, encode

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


def seen(mocker: MockerFixture, *records: Record) -> list[status.Seen]:
    mocker.patch.object(status, "existing", return_value={"s": 1})
    mocker.patch.object(status, "read_to_end", side_effect=lambda _c, _t, take: [take(record) for record in records])
    return status.running(Cluster("localhost:1"), "s")


def test_the_last_word_of_each_part_counts(mocker: MockerFixture) -> None:
    older = Record(b"producer-here-1", encode(PART), 100.0)
    newer = Record(b"producer-here-1", encode(PART), 102.0)

    parts = seen(mocker, older, newer)

    assert [part.at for part in parts] == [102.0]
    assert parts[0].silent_s(105.5) == 3.5


def test_a_part_that_said_goodbye_is_not_listed(mocker: MockerFixture) -> None:
    assert not seen(mocker, Record(b"p", encode(PART), 100.0), Record(b"p", None, 101.0))


def test_a_part_silent_for_a_day_is_not_listed(mocker: MockerFixture) -> None:
    long_ago = Record(b"killed", encode(PART), 100.0)
    now = Record(b"alive", encode(PART), 100.0 + 25 * 3600)

    assert [part.at for part in seen(mocker, long_ago, now)] == [now.timestamp()[1] / 1000]


def test_a_record_of_someone_else_is_passed_over(mocker: MockerFixture) -> None:
    parts = seen(mocker, Record(b"x", b"\xff not ours", 100.0), Record(b"p", encode(PART), 100.0))

    assert [part.status for part in parts] == [PART]


def test_no_topic_means_that_nothing_runs(mocker: MockerFixture) -> None:
    mocker.patch.object(status, "existing", return_value={})

    assert status.running(Cluster("localhost:1"), "s") == []
