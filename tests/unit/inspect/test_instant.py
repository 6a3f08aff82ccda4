"""What of a topic had come by a past instant."""

import pytest
from pytest_mock import MockerFixture

from clickstream.inspect import instant
from clickstream.inspect.instant import Extent, extent_at, had_come
from clickstream.inspect.offsets import Limits
from clickstream.kafka.clients import Cluster
from tests.unit.inspect.records import record

LIMITS = {("t", 0): Limits(5, 90_000), ("t", 1): Limits(100, 120), ("t", 2): Limits(7, 7)}


def test_now_is_all_of_it(mocker: MockerFixture) -> None:
    assert extent_at(Cluster("k"), mocker.Mock(), LIMITS, None) == Extent(LIMITS, 90_015)


def test_it_ends_a_little_behind_the_first_younger_record(mocker: MockerFixture) -> None:
    """A record behind that one may be older, and is looked for only so far."""
    # None of partition 1 is younger; of partition 2 the log has been cut meanwhile.
    answers = {("t", 0): mocker.Mock(offset=1_000), ("t", 1): mocker.Mock(offset=-1), ("t", 2): mocker.Mock(offset=3)}
    ask = mocker.patch("clickstream.inspect.offsets.ask", return_value=answers)
    found = extent_at(Cluster("k"), mocker.Mock(), LIMITS, 4_999)
    assert found.limits == {
        ("t", 0): Limits(5, 1_000 + instant.LATE_RECORDS),
        ("t", 1): Limits(100, 120),
        ("t", 2): Limits(7, 7),
    }
    assert found.records == 995 + 20
    assert ask.call_args.args[3].timestamp == 5_000


@pytest.mark.parametrize(
    ("timestamp", "at", "came"), [(10, 10, True), (11, 10, False), (9, 10, True), (None, 10, True), (11, None, True)]
)
def test_a_record_came_when_its_timestamp_says(timestamp: int | None, at: int | None, came: bool) -> None:
    assert had_come(record(0, timestamp=timestamp), at) is came
