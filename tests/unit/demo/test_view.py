import re
from collections import deque
from dataclasses import replace

import pytest

from clickstream.config import config_dir
from clickstream.demo.demo import HISTORY, Minute, Outcome, Snapshot, TableLine, explain_outcome
from clickstream.demo.view import line, sparkline, view
from clickstream.errors import ClickstreamError
from clickstream.records import EVENT_NAMES
from clickstream.screen.live import Size
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


NAMES = [
    insert.target.name
    for path in sorted((config_dir() / "tables").glob("*.sql"))
    for insert in check_file(path).program.inserts
]
NOON_MS = 1_767_268_800_000


def rendered(snapshot: Snapshot, width: int, height: int = 23) -> str:
    return "\n".join(line.plain for line in view(snapshot, Size(width, height)))


def test_the_plain_line_names_phase_rates_totals_and_counts() -> None:
    assert line(FULL) == (
        "demo running: produced 12,345 (1,000/s), counted 12,000 (1,000/s), lag 345, "
        "[bold]odd[/bold] 0, productview 9,000, purchase 3,000"
    )


@pytest.mark.parametrize("height", [10, 14, 23, 50])
@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("minutes", [0, 1, 20])
def test_every_size_has_whole_numbers_and_a_footer(width: int, height: int, minutes: int) -> None:
    history = deque([float(number) for number in range(1, HISTORY + 1)])
    shown = replace(
        FULL,
        acknowledged=12_345_678,
        rate_in=123_456,
        tally=dict.fromkeys((*EVENT_NAMES, *(f"{letter}-and-more" for letter in "abcdefghij")), 1234567),
        history_in=history,
        history_out=history,
        tables=[TableLine(name, 7_654_321, 1.0) for name in NAMES],
        minutes=[Minute(NOON_MS - 60_000 * number, 987_654, 321, 10**9, 5, number == 0) for number in range(minutes)],
    )
    lines = view(shown, Size(width, height))
    assert len(lines) <= height
    # The footer may be longer: the screen cuts it with an ellipsis.
    assert all(line.cell_len <= width for line in lines[:-1])
    assert lines[-1].plain.startswith("Ctrl-C drains and ends")
    text = "\n".join(line.plain for line in lines)
    assert "12,345,678" in text
    assert "123,456" in text
    if height >= 14:
        assert "1,234,567" in text
    if height >= 23:
        assert ("987,654" in text) is (minutes > 0)
        assert "7,654,321" in text or f"{len(NAMES)} TABLES  {7_654_321 * len(NAMES):,} rows" in text


@pytest.mark.parametrize("width", [80, 96, 120])
def test_a_long_history_leaves_the_figures_whole(width: int) -> None:
    history = deque([float(number) for number in range(1, HISTORY + 1)])
    long = replace(FULL, acknowledged=12_345_678, rate_in=123_456, history_in=history, history_out=history)
    text = rendered(long, width)

    assert re.search(r"produced +123,456 +12,345,678  .*█$", text, re.MULTILINE)
    assert "…" not in text


def test_a_long_name_leaves_the_figures_whole() -> None:
    assert re.search(r"x…  +1  +100.0%", rendered(replace(FULL, tally={"x" * 500: 1}), 80))


def test_the_shipped_tables_fit_a_terminal_of_24_lines() -> None:
    text = rendered(replace(FULL, tables=[TableLine(name, 1_234_567, 0.0) for name in NAMES]), 80)

    assert all(re.search(rf"\b{name}\b", text) for name in NAMES)


def test_a_table_is_shown_as_it_is_now_newest_first() -> None:
    minutes = [Minute(NOON_MS + 60_000, 7, 3, 1_000, 1, True), Minute(NOON_MS, 2_890, 110, 1_234_567, 57, False)]
    text = rendered(replace(FULL, tables=[TableLine("traffic_per_min", 2, 0.0)], minutes=minutes), 80)
    lines = text[text.index("TRAFFIC") :].splitlines()[:3]
    assert [re.split("  +", line) for line in lines] == [
        ["TRAFFIC (UTC)", "HITS", "VISITORS", "BYTES", "ERRORS"],
        ["12:01 so far", "7", "3", "1,000", "1"],
        ["12:00", "2,890", "110", "1,234,567", "57"],
    ]


def test_names_that_are_not_shown_are_counted() -> None:
    text = rendered(replace(FULL, tally={f"n{number:02}": 1 for number in range(40)}), 80)
    assert re.search(r"^EVENT \(and \d+ more\)  +COUNT", text, re.MULTILINE)


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
