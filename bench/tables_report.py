"""What `bench tables` measured, as tables. Pure functions."""

from collections.abc import Mapping, Sequence

from bench.final_rows import Rows
from bench.table import Row, markdown, rounded, row
from bench.tables import FLINK, OUR, PARALLELISM, Case, Result

TITLES = {OUR: "**tables run**", FLINK: f"Flink, parallelism {PARALLELISM}"}
FIGURES = (
    "",
    "events",
    "whole run, s",
    "short run, s",
    "events/s, start-up included",
    "events/s",
    "CPU us per event",
    "broker's CPU us per event",
    "peak MB",
    "rows of results",
)
RATIOS = ("ours is better by", "events/s, start-up included", "events/s", "CPU per event", "peak memory", "results")


def texts(result: Result) -> list[str]:
    """The parts of the report: figures, ratios, what failed."""
    rows = {
        (case.name, side): row(side, f"{case.title}: {TITLES[side]}", result.costs[case.name, side])
        for case in result.cases
        for side in TITLES
        if (case.name, side) in result.costs
    }
    parts = []
    if rows:
        parts.append(markdown(FIGURES, [_figures(one, result.rows[place]) for place, one in rows.items()]))
    both = [case for case in result.cases if (case.name, OUR) in rows and (case.name, FLINK) in rows]
    if both:
        parts.append(markdown(RATIOS, [_ratios(case, rows, result.rows) for case in both]))
    titles = {case.name: case.title for case in result.cases}
    for (name, side), reason in result.failed.items():
        parts.append(f"**Failed**: {titles[name]}, {side}: {reason}")
    return parts


def _figures(one: Row, rows: Mapping[str, Rows]) -> list[str]:
    return [
        one.title,
        f"{one.events:,}",
        f"{one.seconds:.1f}",
        f"{one.short_seconds:.1f}",
        rounded(one.events / one.seconds),
        rounded(one.rate),
        f"{one.cpu_per_million:.1f}",
        f"{one.broker_cpu_per_million:.1f}",
        f"{one.peak_mb:.0f}",
        f"{sum(found.count for found in rows.values()):,}",
    ]


def _ratios(
    case: Case, rows: Mapping[tuple[str, str], Row], found: Mapping[tuple[str, str], Mapping[str, Rows]]
) -> Sequence[str]:
    ours, peer = rows[case.name, OUR], rows[case.name, FLINK]
    return [
        case.title,
        _times(peer.seconds, ours.seconds),
        _times(ours.rate, peer.rate),
        _times(peer.cpu_per_million, ours.cpu_per_million),
        _times(peer.peak_mb, ours.peak_mb),
        agreement(found[case.name, OUR], found[case.name, FLINK]),
    ]


def _times(more: float, less: float) -> str:
    """How often `less` goes into `more`; - when one is no number, or not positive, after a subtraction."""
    if not (more > 0 and less > 0):
        return "-"
    return rounded(more / less)


def agreement(ours: Mapping[str, Rows], peers: Mapping[str, Rows]) -> str:
    """Whether both wrote the same rows to each table, and if not, where."""
    other = [
        f"{name}: {rows.count:,} rows and {peers[name].count:,}"
        if rows.count != peers[name].count
        else f"{name}: {rows.count:,} rows, contents differ"
        for name, rows in ours.items()
        if rows != peers[name]
    ]
    return f"**differ**: {'; '.join(other)}" if other else "equal"
