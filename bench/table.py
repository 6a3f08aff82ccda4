"""From runs to a table: rates without the start-up, ratios to peers, targets. Pure functions."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measure import Usage


@dataclass(frozen=True)
class Cost:
    """One program over `events` events, and the same program over `few`: the difference is what events cost,
    without what it costs to start and to end."""

    events: int
    whole: Usage
    few: int
    short: Usage
    broker_cpu: float = 0.0  # s that the broker used meanwhile for the many, less those for the few

    @property
    def rate(self) -> float:
        """Events per second of the difference; NaN when the short run took as long as the whole."""
        seconds = self.whole.seconds - self.short.seconds
        return (self.events - self.few) / seconds if seconds > 0 else math.nan

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds of the program per million events of the difference."""
        return (self.whole.cpu - self.short.cpu) / (self.events - self.few) * 1e6

    @property
    def broker_cpu_per_million(self) -> float:
        return self.broker_cpu / (self.events - self.few) * 1e6


@dataclass(frozen=True)
class Row:
    """A program's medians over the rounds; peak memory is the largest that was seen."""

    name: str
    title: str
    events: int
    seconds: float
    short_seconds: float
    rate: float
    cpu_per_million: float
    broker_cpu_per_million: float
    peak_mb: float


def row(name: str, title: str, costs: Sequence[Cost]) -> Row:
    """Every column is a median of its own: one disturbed round disturbs none."""

    def middle(column: Callable[[Cost], float]) -> float:
        return median(column(cost) for cost in costs)

    return Row(
        name=name,
        title=title,
        events=costs[0].events,
        seconds=middle(lambda cost: cost.whole.seconds),
        short_seconds=middle(lambda cost: cost.short.seconds),
        rate=middle(lambda cost: cost.rate),
        cpu_per_million=middle(lambda cost: cost.cpu_per_million),
        broker_cpu_per_million=middle(lambda cost: cost.broker_cpu_per_million),
        peak_mb=max(cost.whole.peak_mb for cost in costs),
    )


HEADINGS = (
    "",
    "events",
    "whole run, s",
    "short run, s",
    "events/s",
    "CPU s per M events",
    "broker's CPU s per M",
    "peak MB",
    "ours is faster by",
)


def table(rows: Sequence[Row], ours: str) -> str:
    """A Markdown table; the last column is the rate of the row called `ours` divided by each row's."""
    by_name = {row.name: row for row in rows}
    cells = []
    for row in rows:
        ratio = by_name[ours].rate / row.rate if ours in by_name and row.name != ours else math.nan
        figures = [
            row.title,
            f"{row.events:,}",
            f"{row.seconds:.1f}",
            f"{row.short_seconds:.1f}",
            rounded(row.rate),
            f"{row.cpu_per_million:.1f}",
            f"{row.broker_cpu_per_million:.1f}",
            f"{row.peak_mb:.0f}",
            "" if math.isnan(ratio) else f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}",
        ]
        cells.append(figures)
    return markdown(HEADINGS, cells)


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    ruler = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(map(_line, (headings, ruler, *rows)))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rounded(value: float) -> str:
    """Three significant digits, which is more than such a measurement is worth: 1234567 is 1,230,000."""
    if math.isnan(value) or value == 0:
        return "-"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.0f}" if abs(value) >= 100 else f"{round(value, digits):g}"


@dataclass(frozen=True)
class Target:
    """A bound that was set beforehand on a figure made of some rows."""

    text: str
    needs: tuple[str, ...]
    value: Callable[[Mapping[str, Row]], float]
    bound: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound


def _rates(ours: str, *peers: str) -> Callable[[Mapping[str, Row]], float]:
    """Our rate over that of the fastest peer."""
    return lambda rows: rows[ours].rate / max(rows[peer].rate for peer in peers)


def _rate_target(text: str, bound: float, ours: str, *peers: str) -> Target:
    return Target(text, (ours, *peers), _rates(ours, *peers), bound)


TARGETS = (
    _rate_target(
        "producer, rate over ProducerPerformance's (the better of its rows)",
        1.5,
        "producer",
        "perf-producer",
        "perf-producer-large",
    ),
    _rate_target("producer, rate over the original's loop", 100, "producer", "naive-flush"),
    _rate_target("counter, rate over Streams exactly_once_v2", 2.5, "counter", "streams-eos"),
    _rate_target("counter, rate over Streams at_least_once", 2.0, "counter", "streams"),
    Target(
        "counter, CPU per event over that of Streams exactly_once_v2",
        ("counter", "streams-eos"),
        lambda rows: rows["counter"].cpu_per_million / rows["streams-eos"].cpu_per_million,
        0.333,
        at_most=True,
    ),
    Target(
        "counter, CPU per event over that of Streams at_least_once",
        ("counter", "streams"),
        lambda rows: rows["counter"].cpu_per_million / rows["streams"].cpu_per_million,
        0.333,
        at_most=True,
    ),
    _rate_target(
        "counter, rate over ConsumerPerformance's (the better of its rows)",
        0.7,
        "counter",
        "perf-consumer",
        "perf-consumer-large",
    ),
    _rate_target("counter, rate over the original's loop", 100, "counter", "naive-counter"),
    Target(
        "counter, peak MB over the memory test's events",
        ("memory",),
        lambda rows: rows["memory"].peak_mb,
        150,
        at_most=True,
    ),
)


def verdicts(rows: Sequence[Row]) -> str:
    """A Markdown table of the targets whose rows were all measured."""
    by_name = {row.name: row for row in rows}
    lines = [_line(["target", "wanted", "measured", ""]), _line(["---", "---:", "---:", "---"])]
    for target in TARGETS:
        if by_name.keys() >= set(target.needs):
            value = target.value(by_name)
            wanted = f"{'<=' if target.at_most else '>='} {target.bound:g}"
            met = "too few events" if math.isnan(value) else "met" if target.met(value) else "**not met**"
            lines.append(_line([target.text, wanted, rounded(value), met]))
    return "\n".join(lines) if len(lines) > 2 else ""
