import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.inspect import text

OBEYED = ["\x00", "\x1b", "\n", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066"]


@pytest.mark.parametrize("character", OBEYED)
def test_a_terminal_never_gets_what_it_would_obey(character: str) -> None:
    assert text.has_controls(f"a{character}b")
    assert not text.has_controls(text.escaped(f"a{character}b"))


@given(st.text())
def test_escaping_within_a_json_string_changes_nothing(content: str) -> None:
    assert json.loads(text.escaped(json.dumps(content, ensure_ascii=False))) == content


@pytest.mark.parametrize("plain", ["", "Blåbærgrød", "日本語", "😀", "a b"])
def test_other_text_stays(plain: str) -> None:
    assert text.escaped(plain) == plain
    assert not text.has_controls(plain)


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
