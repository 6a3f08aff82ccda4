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
        ("2020-03-25", Time(int(datetime(2020, 3, 25).timestamp() * 1000))),
    ],
)
def test_four_ways_to_say_where(text: str, parsed: Position) -> None:
    assert position.parse(text) == parsed


@pytest.mark.parametrize("text", ["", "start", "-1", "1.5", "2020-13-01", "25/03/2020", "\u0663", "now"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="beginning, end, an offset, or a time"):
        position.parse(text)


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
