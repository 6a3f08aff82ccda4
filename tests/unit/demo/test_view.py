import re
from collections import deque
from dataclasses import replace

import pytest
from rich.console import Console

from clickstream.config import config_dir
from clickstream.demo.demo import HISTORY, Outcome, Snapshot, TableLine, explain_outcome
from clickstream.demo.view import line, sparkline, view
from clickstream.errors import ClickstreamError
from clickstream.tables.sql.check import check_file
from tests.hostile import HOSTILE, SHOWN, assert_harmless

FULL = Snapshot(
    "127.0.0.1:9092",
    "running",
    seconds=12.0,
    acknowledged=12_345,
    counted=12_000,
    rate_in=1_000.4,
    rate_out=999.6,
    lag=345,
    tally={"purchase": 3_000, "productview": 9_000, "[bold]odd[/bold]": 0},
    history_in=deque([0.0, 500.0, 1000.0]),
)


def rendered(snapshot: Snapshot, width: int) -> str:
    console = Console(width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(view(snapshot, width))
    return capture.get()


def test_the_plain_line_names_phase_rates_totals_and_counts() -> None:
    assert line(FULL) == (
        "running in=1000/s out=1000/s acknowledged=12345 counted=12000 lag=345 "
        "[bold]odd[/bold]=0 productview=9000 purchase=3000"
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_view_fits_its_width(width: int) -> None:
    lines = rendered(FULL, width).splitlines()

    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 96, 120])
def test_a_long_history_leaves_the_figures_whole(width: int) -> None:
    history = deque([float(number) for number in range(1, HISTORY + 1)])
    long = replace(FULL, acknowledged=12_345_678, rate_in=123_456, history_in=history, history_out=history)
    text = rendered(long, width)

    assert "123,456/s" in text
    assert "12,345,678" in text
    assert "█" in text
    assert "…" not in text


def test_a_long_name_leaves_the_figures_whole() -> None:
    assert re.search(r"x…  +1  +100.0%", rendered(replace(FULL, tally={"x" * 500: 1}), 80))


def test_the_shipped_tables_fit_a_terminal_of_24_lines() -> None:
    names = [
        insert.target.name
        for path in sorted((config_dir() / "tables").glob("*.sql"))
        for insert in check_file(path).program.inserts
    ]
    text = rendered(replace(FULL, tables=[TableLine(name, 1_234_567, 0.0) for name in names]), 80)

    assert len(text.splitlines()) < 24
    assert all(re.search(rf"\b{name}\b", text) for name in names)


def test_the_view_shows_counts_and_shares() -> None:
    text = rendered(FULL, 100)

    assert "9,000" in text
    assert "75.0%" in text
    assert "25.0%" in text
    assert "127.0.0.1:9092" in text


def test_an_empty_view_has_every_event_name_and_no_share() -> None:
    text = rendered(Snapshot("localhost:1", "joining"), 80)

    for name in ("productview", "purchase", "addtobasket", "removefrombasket"):
        assert name in text
    assert "%" not in text


def test_what_a_topic_holds_is_shown_not_interpreted() -> None:
    assert "[bold]odd[/bold]" in rendered(FULL, 100)


def test_what_a_topic_or_a_file_names_does_nothing_to_a_terminal() -> None:
    named = replace(FULL, address=HOSTILE, tally={HOSTILE: 1}, tables=[TableLine(HOSTILE, 1, 1.0)])
    for shown in (line(named), rendered(named, 600)):
        assert_harmless(shown)
        assert SHOWN in shown
    assert rendered(named, 600).count(SHOWN) >= 2


def test_a_sparkline_is_relative_to_its_highest_value() -> None:
    assert sparkline([0, 50, 100]) == " ▄█"
    assert sparkline([0, 0]) == ""
    assert sparkline([]) == ""


def test_an_equal_outcome_says_so() -> None:
    assert explain_outcome(Outcome(10, 10), "event-topic").endswith("Equal.")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome(10, 9), "not everything was counted"),
        (Outcome(10, 11), "another producer"),
        (Outcome(10, 10, "1 events are unconfirmed"), "unconfirmed"),
    ],
)
def test_an_unequal_outcome_is_a_failure_with_its_likely_cause(outcome: Outcome, reason: str) -> None:
    with pytest.raises(ClickstreamError, match=reason):
        explain_outcome(outcome, "event-topic")
