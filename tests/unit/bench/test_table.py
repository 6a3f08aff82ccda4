"""From runs to rates, ratios and verdicts."""

import math

import pytest

from bench.measure import Usage
from bench.table import TARGETS, Cost, Row, Target, rounded, row, table, verdicts


def cost(seconds: float, cpu: float = 3.0, peak: float = 100.0, short: float = 1.0) -> Cost:
    return Cost(1_001_000, Usage(seconds, cpu, peak), 1_000, Usage(short, 1.0, 50.0), broker_cpu=0.5)


def a_row(name: str, rate: float, cpu: float = 1.0, peak: float = 100.0) -> Row:
    return Row(name, f"the {name}", 1_000, 2.0, 1.0, rate, cpu, 0.5, peak)


def test_the_rate_is_that_of_the_difference() -> None:
    assert cost(3.0).rate == 500_000


def test_cpu_per_million_is_that_of_the_difference() -> None:
    assert cost(3.0, cpu=3.5).cpu_per_million == pytest.approx(2.5)
    assert cost(3.0).broker_cpu_per_million == pytest.approx(0.5)


def test_a_run_no_longer_than_the_short_one_has_no_rate() -> None:
    assert math.isnan(cost(1.0).rate)


def test_a_row_has_the_median_of_every_column_and_the_largest_peak() -> None:
    found = row("x", "X", [cost(3.0, cpu=9.0, peak=90), cost(5.0, cpu=2.0, peak=130), cost(2.0, cpu=3.0, peak=110)])
    assert (found.seconds, found.rate, found.cpu_per_million, found.peak_mb) == (3.0, 500_000, 2.0, 130)


def test_the_last_column_says_how_much_faster_ours_is() -> None:
    lines = table([a_row("ours", 300.0), a_row("slow", 100.0), a_row("naive", 1.0)], ours="ours").splitlines()
    assert [line.split("|")[-2].strip() for line in lines[2:]] == ["", "3.00", "300"]


def test_without_ours_there_are_no_ratios() -> None:
    assert table([a_row("slow", 100.0)], ours="ours").splitlines()[2].endswith("|  |")


def test_every_line_of_the_table_has_as_many_cells() -> None:
    lines = table([a_row("ours", 300.0), a_row("none", math.nan)], ours="ours").splitlines()
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_234_567.0, "1,230,000"),
        (999.6, "1,000"),
        (123.4, "123"),
        (12.34, "12.3"),
        (2.5, "2.5"),
        (0.12345, "0.123"),
        (0.0, "-"),
        (math.nan, "-"),
    ],
)
def test_three_digits_are_shown(value: float, text: str) -> None:
    assert rounded(value) == text


def test_a_lower_bound_and_an_upper_bound() -> None:
    at_least = Target("", (), lambda rows: 0, 2.0)
    at_most = Target("", (), lambda rows: 0, 2.0, at_most=True)
    assert [at_least.met(2.0), at_least.met(1.99), at_most.met(2.0), at_most.met(2.01)] == [True, False, True, False]


def test_verdicts_are_given_only_on_what_was_measured() -> None:
    text = verdicts([a_row("producer", 300.0), a_row("perf-producer", 100.0), a_row("perf-producer-large", 250.0)])
    assert len(text.splitlines()) == 3
    # Against the better of the two rows.
    assert "| 1.2 | **not met** |" in text


def test_a_target_that_is_met() -> None:
    assert "| <= 150 | 149 | met |" in verdicts([a_row("memory", 1.0, peak=149.0)])


def test_no_verdict_on_a_rate_that_could_not_be_measured() -> None:
    assert "| - | too few events |" in verdicts([a_row("counter", math.nan), a_row("streams-eos", 1.0)])


def test_without_any_target_there_is_no_table() -> None:
    assert verdicts([a_row("naive-poll", 1.0)]) == ""


def test_targets_speak_of_rows_that_exist() -> None:
    from bench.heart import names

    assert {name for target in TARGETS for name in target.needs} <= set(names())
