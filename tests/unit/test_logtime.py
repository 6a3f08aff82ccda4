from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.logtime import epoch_ms, log_time

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 30), timezones=ZONES).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(MOMENTS)
def test_agrees_with_datetime(moment: datetime) -> None:
    text = moment.strftime("%d/%b/%Y:%H:%M:%S %z")
    assert epoch_ms(text) == round(moment.timestamp() * 1000)


@given(MOMENTS)
def test_is_written_as_it_was_read(moment: datetime) -> None:
    text = moment.strftime("%d/%b/%Y:%H:%M:%S %z")
    ms = epoch_ms(text)
    assert ms is not None
    assert log_time(ms, text[-5:]) == text


def test_the_zone_moves_the_moment() -> None:
    assert epoch_ms("17/May/2015:12:05:03 +0200") == epoch_ms("17/May/2015:10:05:03 +0000") == 1431857103000
    assert epoch_ms("17/May/2015:04:35:03 -0530") == 1431857103000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "31/Feb/2015:10:05:03 +0000",
        "00/May/2015:10:05:03 +0000",
        "17/Mai/2015:10:05:03 +0000",
        "17/may/2015:10:05:03 +0000",
        "17/05/2015:10:05:03 +0000",
        "17/May/0000:10:05:03 +0000",
        "17/May/2015:24:05:03 +0000",
        "17/May/2015:10:60:03 +0000",
        "17/May/2015:10:05:60 +0000",
        "17/May/2015:10:05:3 +0000",
        "17/May/2015:10:05:03",
        "17/May/2015:10:05:03 UTC",
        "17/May/2015:10:05:03 +00:00",
        "17/May/2015:10:05:03 +0060",
        "17/May/2015:10:05:03 +0000 ",
        "17/May/2015:10:05 :03+0000",
        "\u0661\u0667/May/2015:10:05:03 +0000",
        "2015-05-17T10:05:03+00:00",
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    assert epoch_ms(text) is None


def test_years_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(OverflowError):
        log_time(300_000_000_000_000, "+0000")
