"""What `bench collect` measured, as a table. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.collect import DIVOLTE, Result
from bench.collect_memory import COLLECTOR, FILLS_FOR, Held, Plan
from bench.table import markdown


@dataclass(frozen=True)
class Target:
    """Of the cases with this title: `name` of a Result at least, or at most, `bound`."""

    title: str
    name: str
    text: str
    bound: float
    at_most: bool = False


TARGETS = (
    Target("GET, `--ack queue`", "rate", "requests/s", 15_000),
    Target("GET, `--ack queue`", "cpu_us", "CPU us per request", 70, at_most=True),
    Target("GET, `--ack kafka`", "rate", "requests/s", 10_000),
    Target("POST of 20 events, `--ack kafka`, two workers", "events", "events/s", 100_000),
    Target("GET at 5,000/s, `--ack kafka`", "p99_ms", "p99, ms", 25, at_most=True),
    Target("POST of one event at 5,000/s, `--ack kafka`", "p99_ms", "p99, ms", 25, at_most=True),
)

# MB of a worker, and of its growth once all has filled up that fills up.
PEAK_MB = 150
GROWTH_MB = 10


def texts(results: Sequence[Result]) -> list[str]:
    """The table, and the targets of the cases that were measured."""
    rows = [
        [
            one.case.title,
            f"{one.rate:,.0f}",
            f"{one.events:,.0f}",
            f"{one.cpu_us:.0f}",
            f"{one.p50_ms:.1f}",
            f"{one.p99_ms:.1f}",
            f"{one.errors:,}",
            f"{one.peak_mb:.0f}",
            f"{one.stored:,} of {_answered(one):,}",
        ]
        for one in results
    ]
    head = ["", "requests/s", "events/s", "CPU us per request", "p50, ms", "p99, ms", "errors", "peak MB", "in Kafka"]
    by_title = {one.case.title: one for one in results}
    judged = [_judged(target, by_title[target.title]) for target in TARGETS if target.title in by_title]
    found = [markdown(head, rows)]
    theirs = by_title.get(DIVOLTE.title)
    ours = [one for one in results if one.case.sends == DIVOLTE.sends and one.case.rate is None and one is not theirs]
    if theirs is not None and ours:
        ratios = [[one.case.title, *_ratios(one, theirs)] for one in ours]
        found.append(markdown(["ours is better than Divolte by", "requests/s", "CPU per request"], ratios))
    return [*found, "**Targets**", markdown(["target", "wanted", "measured", ""], judged)] if judged else found


def _ratios(ours: Result, theirs: Result) -> tuple[str, str]:
    return f"{ours.rate / theirs.rate:.2f}", f"{theirs.cpu_us / ours.cpu_us:.2f}"


def _answered(one: Result) -> int:
    return round((one.requests - one.errors) * one.events / one.rate) if one.rate else 0


def _judged(target: Target, result: Result) -> list[str]:
    value: float = getattr(result, target.name)
    met = value <= target.bound if target.at_most else value >= target.bound
    wanted = f"{'<=' if target.at_most else '>='} {target.bound:,g}"
    shown = f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    return [f"{target.title}: {target.text}", wanted, shown, "met" if met else "**not met**"]


def memory(results: Sequence[Held], plan: Plan) -> list[str]:
    """How much each process held over the time, and whether that is as wanted."""
    rows = [
        [
            one.case.title,
            f"{one.requests / one.seconds:,.0f}",
            f"{one.p99_ms:.1f}",
            f"{one.errors:,}",
            process.process,
            *(f"{mb:.0f}" for mb in (process.start, process.filled, process.end, process.peak)),
        ]
        for one in results
        for process in one.memory
    ]
    filled = f"after {plan.duration * FILLS_FOR:.0f} s"
    head = ["", "requests/s", "p99, ms", "errors", "process", "start, MB", filled, "end", "peak"]
    workers = [process for one in results for process in one.memory if process.process != COLLECTOR]
    judged = [
        _bounded("a worker's peak, MB", max(one.peak for one in workers), PEAK_MB),
        _bounded(f"a worker's growth {filled}, MB", max(one.growth for one in workers), GROWTH_MB),
    ]
    how = f"{plan.rate:,.0f} requests/s for {plan.duration / 60:g} min; workers: {plan.workers}."
    return [how, markdown(head, rows), "**Targets**", markdown(["target", "wanted", "measured", ""], judged)]


def _bounded(text: str, value: float, bound: float) -> list[str]:
    return [text, f"<= {bound:,g}", f"{value:,.0f}", "met" if value <= bound else "**not met**"]
