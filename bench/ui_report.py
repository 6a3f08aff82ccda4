"""What `bench ui` and `bench ui-memory` measured, as tables. Pure functions."""

import math
from collections.abc import Sequence

from bench.table import markdown
from bench.ui import BUDGETS, Budget, Plan, Result
from bench.ui_memory import FIGURES, Sample, thirds
from bench.ui_memory import Plan as MemoryPlan
from bench.ui_tabs import Case

FILES_SHOWN = 6


def texts(result: Result, plan: Plan) -> list[str]:
    """The parts of the report: budgets, then what is behind them."""
    page, back = result.page, result.back
    largest = sorted(page.first_view.items(), key=lambda file: -file[1])[:FILES_SHOWN]
    shown = ", ".join(f"{name} {size / 1000:.1f}" for name, size in largest)
    charts = ", ".join(f"{value:.0f}" for value in sorted(page.first_charts))
    return [
        markdown(["budget", "wanted", "measured", ""], [_budget(one, result) for one in BUDGETS]),
        f"First view: {len(page.first_view)} files; the largest (kB): {shown}. First chart, of "
        f"{len(page.first_charts)} loads: {charts} ms, with a history of {page.filled:,} clicks. "
        f"In the {plan.page.duration:.0f} s {page.clicks:,} clicks came.",
        f"Restart: {plan.returning} tabs; no server was ready for {back.away:.1f} s; at most {back.cpu_peak:.0f} % of "
        "a core in a second from then on.",
        f"Many tabs: {plan.tabs.duration:.0f} s of each; open in each: {', '.join(plan.tabs.panels)}.",
        tabs(result.cases),
    ]


def _budget(one: Budget, result: Result) -> list[str]:
    wanted = f"{'<=' if one.at_most else '>='} {one.bound:g}"
    value = one.value(result)
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return [one.text, wanted, shown, "met" if one.is_met(result) else "**not met**"]


def tabs(cases: Sequence[Case]) -> str:
    """One line for each number of tabs."""
    rows = [
        [
            str(one.tabs),
            f"{one.cpu:.1f}",
            f"{one.peak_mb:.0f}",
            "" if math.isnan(one.gap_p99) else f"{one.gap_p99:.2f}",
            f"{one.ends_after:.1f}",
        ]
        for one in cases
    ]
    return markdown(["tabs", "% of a core", "peak MB", "p99 between two states, s", "ended after, s"], rows)


def memory(samples: Sequence[Sample], plan: MemoryPlan) -> list[str]:
    """How much was held, in each third of the time."""
    rows = []
    for name, figure in FIGURES.items():
        parts = thirds(samples, figure)
        rows.append([name, *(f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in parts), _change(parts)])
    went = f"another page {plan.switches} times" if plan.switches else "the Overview all the time"
    minutes = plan.duration / 60
    return [
        f"{minutes:g} min, {plan.rate:,.0f} clicks/s, `--history {plan.history:g}s`; the tab shows {went}.",
        markdown(["medians", "first third", "second", "last", "last over second"], rows),
    ]


def _change(parts: Sequence[float]) -> str:
    return f"{100 * (parts[-1] / parts[-2] - 1):+.1f} %"
