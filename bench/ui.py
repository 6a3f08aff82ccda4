"""`bench ui`: what the dashboard takes, of the machine and of the browser, beside its budgets."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import ui_page, ui_return, ui_tabs
from bench.broker import bench_kafka
from bench.tab import chromium

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`returning`: how many tabs come back after a restart."""

    page: ui_page.Plan
    returning: int
    tabs: ui_tabs.Plan


@dataclass(frozen=True)
class Result:
    page: ui_page.Page
    back: ui_return.Back
    cases: list[ui_tabs.Case]


@dataclass(frozen=True)
class Budget:
    """A bound that was set beforehand; `at_most`: else it is the least."""

    text: str
    value: Callable[[Result], float]
    bound: float
    at_most: bool = True

    def is_met(self, result: Result) -> bool:
        value = self.value(result)
        return value <= self.bound if self.at_most else value >= self.bound


BUDGETS = (
    Budget("first view, kB in all as sent", lambda result: result.page.first_view_kb, 150),
    Budget("first chart drawn, ms after the navigation", lambda result: result.page.first_chart_ms, 1000),
    Budget("a minute of clicks: server, % of a core", lambda result: result.page.server, 15),
    Budget("a minute of clicks: main thread of the tab, % busy", lambda result: result.page.main_thread, 25),
    Budget("a minute of clicks: longest task in the tab, ms", lambda result: result.page.longest_task, 200),
    Budget("a minute of clicks: changes that a screen reader tells", lambda result: result.page.spoken, 6),
    Budget("after a restart: the last tab is back, s", lambda result: result.back.last, 20),
    Budget("after a restart: from the first tab to the last, s", lambda result: result.back.spread, 3, at_most=False),
    Budget("with all tabs open: it ends, s", lambda result: max(case.ends_after for case in result.cases), 3),
)


def measure(plan: Plan, say: Say) -> Result:
    """Raises ClickstreamError when a program, a tab or the browser fails."""
    with bench_kafka(say) as kafka, chromium() as browser:
        page = ui_page.measure(kafka, browser, plan.page, say)
        waits = ui_return.page_waits(kafka, browser, plan.returning)
    with bench_kafka(say) as kafka:  # without the clicks of before, which each server would read
        back = ui_return.measure(kafka, waits, say)
        return Result(page, back, ui_tabs.measure(kafka, plan.tabs, say))
