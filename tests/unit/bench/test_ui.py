"""What the dashboard takes, as tables beside its budgets."""

import math
from dataclasses import replace

import pytest

from bench import ui_report
from bench.ui import Plan, Result
from bench.ui_memory import FIGURES, Sample, thirds
from bench.ui_memory import Plan as MemoryPlan
from bench.ui_page import Page
from bench.ui_page import Plan as PagePlan
from bench.ui_return import Back
from bench.ui_tabs import Case, percentile
from bench.ui_tabs import Plan as TabsPlan

PLAN = Plan(PagePlan(1_000_000, 3, 5_000, 30, 60), 100, TabsPlan([0, 100], ["sources"], 100, 5, 20))
GOOD = Result(
    Page(1_000_000, {"/": 600, "/js/app.js": 99_400}, [900.0, 400.0, 500.0], 9.5, 12.0, 60.0, 2, 300_000),
    Back([0.4, 3.9, 7.0], 2.5, 55.0),
    [Case(0, 1.0, 90.0, math.nan, 0.5), Case(100, 12.34, 120.0, 1.01, 0.9)],
)


@pytest.mark.parametrize(
    ("values", "share", "found"), [([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0] * 99 + [9.0], 0.99, 1.0), ([5.0], 0.99, 5.0)]
)
def test_percentile(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


def test_percentile_of_nothing() -> None:
    assert math.isnan(percentile([], 0.99))


def test_one_line_for_each_number_of_tabs() -> None:
    text = ui_report.tabs(GOOD.cases)
    assert "| 0 | 1.0 | 90 |  | 0.5 |" in text
    assert "| 100 | 12.3 | 120 | 1.01 | 0.9 |" in text


def test_every_budget_has_its_figure_and_whether_it_is_met() -> None:
    budgets, about, *_rest = ui_report.texts(GOOD, PLAN)
    assert "| first view, kB in all as sent | <= 150 | 100 | met |" in budgets
    assert "| first chart drawn, ms after the navigation | <= 1000 | 500 | met |" in budgets
    assert "**" not in budgets
    assert "/js/app.js 99.4, / 0.6" in about
    bad = replace(GOOD, page=replace(GOOD.page, server=15.1, first_view={"/": 150_100}), back=Back([1.0, 2.0], 1, 1))
    lines = ui_report.texts(bad, PLAN)[0].splitlines()
    assert [line.split("|")[1].strip() for line in lines if "not met" in line] == [
        "first view, kB in all as sent",
        "a minute of clicks: server, % of a core",
        "after a restart: from the first tab to the last, s",
    ]


def test_memory_is_told_by_thirds_and_how_it_grows() -> None:
    samples = [Sample(10.0 * n, 100.0 + 10 * (n // 3), 5.0, 1_000, 80, n) for n in range(9)]
    assert thirds(samples, FIGURES["server, MB"]) == [100.0, 110.0, 120.0]
    about, table = ui_report.memory(samples, MemoryPlan(300, 5_000, 1_800, 60))
    assert about.startswith("30 min, 5,000 clicks/s, `--history 300s`; the tab shows another page 60 times")
    assert "| server, MB | 100 | 110 | 120 | +9.1 % |" in table
    assert "| nodes | 1,000 | 1,000 | 1,000 | +0.0 % |" in table
