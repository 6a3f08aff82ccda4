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


def test_columns_are_aligned_and_never_cut() -> None:
    long = "x" * 300
    lines = text.columns(("NAME", "N"), [["a", "1"], [long, "1,000"]], frozenset({"N"}))
    assert lines == ["NAME" + " " * 302 + "N", "a" + " " * 305 + "1", f"{long}  1,000"]


def test_columns_escape_what_they_show() -> None:
    assert text.columns(("NAME",), [["\x1b[2J"]])[1] == "\\u001b[2J"
