"""Numbers of the Overview: how series are made from the history's answers, and figures from series. All pure."""

from collections.abc import Sequence
from statistics import fmean

import msgspec

from clickstream.history.model import Traffic

MINUTE_MS = 60_000
SPARK_POINTS = 60
# Of fewer events a change says nothing.
FEW = 10

Values = Sequence[float | None]

# A range of that many minutes has buckets of that many seconds.
BUCKETS = {5: 5, 15: 10, 30: 15, 60: 30, 360: 60, 1440: 300}
FINE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300)
MOST_BUCKETS = 130


class Series(msgspec.Struct, frozen=True):
    """By bucket, and the same of the period before; None is not known."""

    values: Values
    before: Values


class Figure(msgspec.Struct, frozen=True):
    """`value` is of the last moments (or of the whole range), `mean` of the range, `before` of the one before it.

    `few`: of so few events that a change says nothing. `spark` is what is final of the series, shortened.
    """

    value: float | None
    mean: float | None
    before: float | None
    few: bool
    spark: Values


def bucket_of(range_ms: int) -> int:
    """The length of buckets (ms) for a range; one that was dragged takes the finest with at most 130."""
    known = BUCKETS.get(range_ms // MINUTE_MS) if range_ms % MINUTE_MS == 0 else None
    fine = next((one for one in FINE_S if range_ms <= one * 1000 * MOST_BUCKETS), 900)
    return 1000 * (known or fine)


def rates(counts: Values, bucket: int, per_ms: int) -> Values:
    """Counts of buckets as counts per `per_ms`."""
    return [None if count is None else count * per_ms / bucket for count in counts]


def shares(parts: Values, wholes: Values) -> Values:
    """None where there is nothing to have a share of."""
    return [part / whole if part is not None and whole else None for part, whole in zip(parts, wholes, strict=True)]


def mean(values: Values) -> float | None:
    """Of what is known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def spark(values: Values, times: Sequence[int], bucket: int, final: int | None) -> Values:
    """At most SPARK_POINTS means of neighbours, up to the last bucket that is final."""
    closed = [value for value, time in zip(values, times, strict=True) if final is not None and time + bucket <= final]
    step = max(1, -(-len(closed) // SPARK_POINTS))
    # From the end: the last point is whole.
    first = len(closed) % step
    return [mean(closed[at : at + step]) for at in range(first, len(closed), step)]


def per_minute(traffic: Traffic, end: int) -> float | None:
    """Clicks a minute of what is known of a range up to `end`."""
    known = end - traffic.covered_from
    return traffic.totals.hits * MINUTE_MS / known if known > 0 else None


def per_second(traffic: Traffic, end: int) -> float | None:
    """Bytes a second, likewise."""
    known = end - traffic.covered_from
    return traffic.totals.bytes * 1000 / known if known > 0 else None


def error_rate(traffic: Traffic) -> float | None:
    """The share of clicks with an error."""
    totals = traffic.totals
    return totals.errors / totals.hits if totals.hits else None
