import time
from datetime import datetime

import pytest

from clickstream.inspect import text


@pytest.mark.parametrize(
    ("timestamp", "shown"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_585_163_149_007, "2020-03-25T19:05:49.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (10**17, 10**17),
    ],
)
def test_timestamps_are_shown_in_utc_to_the_millisecond(timestamp: int, shown: str | int) -> None:
    assert text.utc(timestamp) == shown


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes(octets: int | None, shown: str) -> None:
    assert text.size(octets) == shown


@pytest.mark.parametrize("timestamp", [1_767_225_600_000, 1_782_864_000_000])
def test_times_of_a_view_have_one_zone_in_summer_too(monkeypatch: pytest.MonkeyPatch, timestamp: int) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        offset = text.zone().utcoffset(None)
        assert offset is not None
        assert text.in_zone("LAST WRITE") == f"LAST WRITE ({'CEST' if offset.seconds == 7_200 else 'CET'})"
        there = datetime.fromisoformat(f"{text.local(timestamp)}+00:00").timestamp() - offset.total_seconds()
        assert there == timestamp / 1000
    finally:
        monkeypatch.undo()
        time.tzset()
