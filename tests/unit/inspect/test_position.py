from datetime import datetime

import pytest
from pytest_mock import MockerFixture

from clickstream.inspect import position
from clickstream.inspect.offsets import Limits
from clickstream.inspect.position import Beginning, End, Offset, Position, Time
from clickstream.kafka.clients import Cluster

NOON_MS = 1_585_137_600_000


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("beginning", Beginning()),
        ("end", End()),
        ("0", Offset(0)),
        ("20200325", Offset(20_200_325)),
        ("2020-03-25T12:00:00Z", Time(NOON_MS)),
        ("2020-03-25T12:00Z", Time(NOON_MS)),
        ("2020-03-25T13:00:00.5+01:00", Time(NOON_MS + 500)),
        ("2020-03-25 12:00:00+00:00", Time(NOON_MS)),
        ("2020-03-25T12:00:00.123Z", Time(NOON_MS + 123)),
        ("1970-01-01T00:00:00Z", Time(0)),
        ("1970-01-01T00:00:00.0005Z", Time(0)),
        ("9999-12-31T23:59:59Z", Time(253_402_300_799_000)),
        ("2020-03-25", Time(int(datetime(2020, 3, 25).timestamp() * 1000))),
    ],
)
def test_four_ways_to_say_where(text: str, parsed: Position) -> None:
    assert position.parse(text) == parsed


@pytest.mark.parametrize(
    "text",
    ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.9999Z", "1969-07-20", "1900-01-01T00:00Z", "0001-01-01"],
)
def test_before_1970_is_the_beginning(text: str) -> None:
    assert position.parse(text) == Beginning()


@pytest.mark.parametrize("text", ["", "start", "-1", "1.5", "2020-13-01", "25/03/2020", "\u0663", "now"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="beginning, end, an offset, or a time"):
        position.parse(text)


def test_the_last_day_of_all_is_a_time_in_every_zone() -> None:
    found = position.parse("9999-12-31T23:59:59")
    assert isinstance(found, Time)
    assert found.timestamp > 253_402_000_000_000


LIMITS = {("t", 0): Limits(5, 10), ("t", 1): Limits(100, 100)}


@pytest.mark.parametrize(
    ("where", "starts"),
    [
        (Beginning(), [5, 100]),
        (End(), [10, 100]),
        (Offset(7), [7, 100]),
        (Offset(0), [5, 100]),
        (Offset(99), [10, 100]),
    ],
)
def test_starts_stay_within_the_log(mocker: MockerFixture, where: Position, starts: list[int]) -> None:
    assert list(position.starts(Cluster("k"), mocker.Mock(), where, LIMITS).values()) == starts


def test_a_time_begins_at_the_offsets_that_the_broker_names_or_at_the_end(mocker: MockerFixture) -> None:
    answers = {("t", 0): mocker.Mock(offset=8), ("t", 1): mocker.Mock(offset=-1)}
    mocker.patch("clickstream.inspect.offsets.ask", return_value=answers)
    assert position.starts(Cluster("k"), mocker.Mock(), Time(1), LIMITS) == {("t", 0): 8, ("t", 1): 100}
