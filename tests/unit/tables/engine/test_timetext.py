"""Times and dates as texts; the expected values are those that Flink 2.3 was seen to read."""

import pytest

from clickstream.tables.engine.decoding.timetext import days, milliseconds

STANDARD = ["SQL", "ISO-8601"]
TIMES = [
    # text, then what TIMESTAMP(3) makes of it in SQL format, TIMESTAMP_LTZ(3) in SQL, and both in ISO-8601
    ("2023-11-14 22:12:25", 1699999945000, None, None, None),
    ("2023-11-14 22:12:25Z", None, 1699999945000, None, None),
    ("2023-11-14T22:12:25", None, None, 1699999945000, None),
    ("2023-11-14T22:12:25Z", None, None, None, 1699999945000),
    ("2023-11-14t22:12:25", None, None, 1699999945000, None),
    ("2023-11-14t22:12:25Z", None, None, None, None),
    ("2023-11-14T22:12:25z", None, None, None, None),
    ("2023-11-14 22:12", None, None, None, None),
    ("2023-11-14T22:12", None, None, 1699999920000, None),
    ("2023-11-14T22:12Z", None, None, None, 1699999920000),
    ("2023-11-14T22", None, None, None, None),
    ("2023-11-14 22:12:25.", 1699999945000, None, None, None),
    ("2023-11-14 22:12:25.1", 1699999945100, None, None, None),
    ("2023-11-14 22:12:25.123456789", 1699999945123, None, None, None),
    ("2023-11-14 22:12:25.1234567890", None, None, None, None),
    ("2023-11-14 22:12:25,5", None, None, None, None),
    ("2023-11-14 22:12:25+00:00", None, None, None, None),
    (" 2023-11-14 22:12:25", None, None, None, None),
    ("2023-11-14", None, None, None, None),
    ("", None, None, None, None),
    ("2023-02-29 10:00:00", 1677578400000, None, None, None),
    ("2023-02-30T10:00:00", None, None, None, None),
    ("2023-02-31T10:00:00Z", None, None, None, 1677578400000),
    ("2023-04-31 10:00:00", 1682848800000, None, None, None),
    ("2023-12-32 10:00:00", None, None, None, None),
    ("2023-13-01 10:00:00", None, None, None, None),
    ("2023-13-31 10:00:00", None, None, None, None),
    ("2023-00-31 10:00:00", None, None, None, None),
    ("2023-01-01 24:00:00.000", 1672617600000, None, None, None),
    ("2023-01-01 24:00:00.001", None, None, None, None),
    ("2023-01-01T24:00:00", None, None, None, None),
    ("2023-01-01T24:00Z", None, None, None, 1672617600000),
    ("2023-01-01 23:59:60", None, None, None, None),
    ("1969-12-31 23:59:59.9996", -1, None, None, None),
    ("0000-01-01 00:00:00", -62167219200000, None, None, None),
    ("-0001-01-01 00:00:00", -62198755200000, None, None, None),
    ("-0000-01-01 00:00:00", None, None, None, None),
    ("+12023-01-01 00:00:00", 317242051200000, None, None, None),
    ("12023-01-01 00:00:00", None, None, None, None),
    ("+2023-01-01 00:00:00", None, None, None, None),
    # Beyond what DuckDB can hold; Flink's own value has overflowed.
    ("+999999999-12-31 23:59:59", None, None, None, None),
]


@pytest.mark.parametrize(("text", "local", "instant", "iso_local", "iso_instant"), TIMES)
def test_times(text: str, local: int, instant: int, iso_local: int, iso_instant: int) -> None:
    found = [milliseconds(standard, zoned=zoned)(text) for standard in STANDARD for zoned in (False, True)]
    assert found == [local, instant, iso_local, iso_instant]


DATES = [
    ("2023-11-14", 19675),
    ("2024-02-29", 19782),
    ("2023-02-29", None),
    ("2023-13-01", None),
    ("0000-01-01", -719528),
    ("-0001-01-01", -719893),
    ("-0000-01-01", None),
    ("+12023-01-01", 3671783),
    ("12023-01-01", None),
    ("9999-12-31", 2932896),
    ("2023-11-14Z", None),
    ("2023-11-14 ", None),
    ("2023-1-14", None),
    ("+999999999-12-31", None),
]


@pytest.mark.parametrize(("text", "day"), DATES)
def test_dates(text: str, day: int | None) -> None:
    assert days(text) == day
