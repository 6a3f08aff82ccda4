"""The Overview: who is here, what they do, what breaks."""

import time
from typing import Annotated, Any, Literal

import msgspec

from clickstream.errors import ConfigError
from clickstream.history.history import History
from clickstream.history.model import CLICKS, DIMENSIONS, SESSION_GAP_MS, Filter, Question, Top, Traffic
from clickstream.ui.panels.alerts import CODES_TOPIC_SETTING, Alert, Alerts
from clickstream.ui.panels.codes import Codes
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.panels.figures import (
    FEW,
    MINUTE_MS,
    Figure,
    Series,
    Values,
    bucket_of,
    error_rate,
    mean,
    per_minute,
    per_second,
    rates,
    shares,
    spark,
)
from clickstream.ui.panels.setup import Setup, setup
from clickstream.ui.panels.sliding import Sliding
from clickstream.ui.past import unread
from clickstream.ui.services import Services

LISTS = ("page", "referrer", "browser", "os", "device", "status", "country")
ROWS = 24
# The map shows them all.
COUNTRIES = 300
DAY_MS = 24 * 60 * MINUTE_MS
# Lists are asked for every other second, and so much later than their last question took that they have a tenth of a
# core at most.
LISTS_EVERY_S = 1.8
REST = 9


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`to` (epoch ms): a past instant, None is now. `whole`: figures are of the whole range, not of its last moments.

    `filters`: dimension, whether it is or is not, and the value.
    """

    range: Annotated[int, msgspec.Meta(ge=1000, le=DAY_MS)]
    to: Annotated[int, msgspec.Meta(ge=0)] | None = None
    filters: Annotated[tuple[tuple[str, Literal["=", "!="], str], ...], msgspec.Meta(max_length=50)] = ()
    whole: bool = False


class List(msgspec.Struct, frozen=True):
    """`rows`: value, how often, and how often in the period before; `more` values are not among them."""

    rows: list[tuple[str, int, int | None]]
    more: int
    total: int


class PlacesState(msgspec.Struct, frozen=True):
    """`source` of the countries: None, "made up", or a file; `unknown` clicks came from elsewhere."""

    source: str | None
    unknown: int


class Overview(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Times are epoch ms. `covered_from`: the history reaches only so far; None if it reaches the whole range. Of what
    was written after `read_until` not all is read yet; None if all is."""

    from_: int
    to: int
    bucket: int
    final: int | None
    newest: int | None
    covered_from: int | None
    hits: int
    setup: Setup | None
    figures: dict[str, Figure]
    series: dict[str, Series]
    alerts: list[Alert]
    read_until: int | None
    tops: dict[str, List]
    names: dict[str, dict[str, str]]
    places: PlacesState


class OverviewPanel:
    """Who is here and what they do, in a range, under filters; see contract.StatePanel."""

    def __init__(self, services: Services, history: History, params: Params) -> None:
        unknown = sorted({dimension for dimension, _sign, _value in params.filters} - set(DIMENSIONS))
        if unknown:
            raise ConfigError(f"There is no dimension {unknown[0]!r}; there are {', '.join(DIMENSIONS)}.")
        self._services = services
        self._history = history
        self._params = params
        self._filters = tuple(Filter(name, sign == "=", value) for name, sign, value in params.filters)
        self._codes = Codes(services.hub, services.settings[CODES_TOPIC_SETTING])
        self._alerts = Alerts(services.hub, self._codes)
        self._visitors = Sliding(lambda end: history.current(end, self._filters))
        self._visitors_before = Sliding(lambda end: history.current(end, self._filters))
        self._before: tuple[int, Traffic, list[int | None]] | None = None
        self._changes = 0  # of the history, when that was remembered
        self._tops: dict[str, Top] = {}
        self._tops_until: int | None = None
        self._tops_due = 0.0

    def state(self, now: int) -> Overview:
        question = self._question(now)
        # Before the counts: what comes while they are taken is in some of them.
        final, until = self._history.final(), self._history.read_until(CLICKS)
        self._forget_touched(question)
        traffic = self._history.traffic(question)
        series, before = self._series(question, traffic, final)
        tops, tops_until = self._lists(question, until)
        coverage = self._history.coverage()
        covered = max(traffic.covered_from, question.start)
        return Overview(
            from_=question.start,
            to=question.end,
            bucket=question.bucket,
            final=final,
            newest=coverage.newest,
            covered_from=covered if covered > question.start else None,
            hits=traffic.totals.hits,
            setup=setup(self._services, self._history.status(), coverage.newest),
            figures=self._figures(question, traffic, before, series, final),
            series=series,
            alerts=self._alerts.since(question.start, self._params.to),
            read_until=unread(_earlier(until, tops_until), question.end),
            tops={name: listed(top) for name, top in tops.items()},
            names={"status": self._codes.names([row.value for row in tops["status"].rows])},
            places=PlacesState(self._history.status().places, tops["country"].unknown),
        )

    def close(self) -> None:
        self._alerts.close()
        self._codes.close()

    def _question(self, now: int) -> Question:
        end = self._params.to or now
        bucket = bucket_of(self._params.range)
        start = (end - self._params.range) // bucket * bucket
        return Question(start, end, bucket, self._filters)

    # --- over time

    def _series(self, question: Question, traffic: Traffic, final: int | None) -> tuple[dict[str, Series], Traffic]:
        times, bucket = traffic.times, question.bucket
        before, active_before = self._period_before(question)
        ends = [min(at + bucket, question.end) for at in times]
        length = len(times) * bucket
        visitors = self._visitors.values(ends, final)
        # Only when the range itself is known: it is looked at first.
        ends_before = [at + bucket - length for at in times]
        visitors_before: list[int | None] = [None] * len(times)
        if None not in visitors:
            visitors_before = self._visitors_before.values(ends_before, final)
        self._visitors.forget_before(question.start)
        self._visitors_before.forget_before(question.start - length)
        errors = Series(rates(traffic.errors, bucket, MINUTE_MS), rates(before.errors, bucket, MINUTE_MS))
        return {
            "visitors": Series(visitors, visitors_before),
            "hits": Series(rates(traffic.hits, bucket, MINUTE_MS), rates(before.hits, bucket, MINUTE_MS)),
            "bytes": Series(rates(traffic.bytes, bucket, 1000), rates(before.bytes, bucket, 1000)),
            "errors": Series(shares(traffic.errors, traffic.hits), shares(before.errors, before.hits)),
            "active": Series(self._history.active(question), active_before),
            "errors_per_min": errors,
        }, before

    def _period_before(self, question: Question) -> tuple[Traffic, list[int | None]]:
        """As many buckets, right before; asked once for each beginning, and when clicks have come for it."""
        if self._before is None or self._before[0] != question.start:
            asked = _before(question)
            self._before = question.start, self._history.traffic(asked), self._history.active(asked)
        return self._before[1], self._before[2]

    def _forget_touched(self, question: Question) -> None:
        """What clicks have come for since the last time is not known any more."""
        self._changes, spans = self._history.touched_since(self._changes)
        self._visitors.touch(spans)
        self._visitors_before.touch(spans)
        before = _before(question)
        if any(first < before.end and before.start - SESSION_GAP_MS <= last for first, last in spans):
            self._before = None

    # --- figures

    def _figures(
        self, question: Question, traffic: Traffic, before: Traffic, series: dict[str, Series], final: int | None
    ) -> dict[str, Figure]:
        values = self._values(question, traffic, series)
        begin = question.start
        whole = before.covered_from <= before.times[0]
        means: dict[str, tuple[float | None, float | None]] = {
            "visitors": (mean(series["visitors"].values), _whole_mean(series["visitors"].before)),
            "hits": (per_minute(traffic, question.end), per_minute(before, begin) if whole else None),
            "bytes": (per_second(traffic, question.end), per_second(before, begin) if whole else None),
            "errors": (error_rate(traffic), error_rate(before) if whole else None),
            "active": (mean(series["active"].values), _whole_mean(series["active"].before)),
        }
        few = min(traffic.totals.hits, before.totals.hits) < FEW
        # A rate that rises from nearly nothing says most: errors need to be many in one of the two periods.
        few_errors = few or max(traffic.totals.errors, before.totals.errors) < FEW
        return {
            name: Figure(
                values[name],
                *means[name],
                few=few_errors if name == "errors" else few,
                spark=spark(series[name].values, traffic.times, question.bucket, final),
            )
            for name in means
        }

    def _values(self, question: Question, traffic: Traffic, series: dict[str, Series]) -> dict[str, float | None]:
        end = question.end
        if self._params.whole:
            return {
                "visitors": self._history.visitors(question.start, end, self._filters),
                "hits": per_minute(traffic, end),
                "bytes": per_second(traffic, end),
                "errors": error_rate(traffic),
                "active": mean(series["active"].values),
            }
        last = self._history.traffic(Question(end - MINUTE_MS, end, MINUTE_MS, self._filters))
        known = last.covered_from < end
        return {
            "visitors": self._history.current(end, self._filters),
            "hits": last.totals.hits if known else None,
            "bytes": last.totals.bytes * 1000 / MINUTE_MS if known else None,
            "errors": error_rate(last),
            "active": self._history.active_at(end, self._filters),
        }

    # --- lists

    def _lists(self, question: Question, until: int | None) -> tuple[dict[str, Top], int | None]:
        """The lists, and up to when was read what is counted in them; `until` is that of now."""
        begun = time.monotonic()
        if begun >= self._tops_due or not self._tops:
            self._tops, self._tops_until = self._asked_lists(question), until
            took = time.monotonic() - begun
            self._tops_due = begun + max(LISTS_EVERY_S, took * (1 + REST))
        return self._tops, self._tops_until

    def _asked_lists(self, question: Question) -> dict[str, Top]:
        """The values of a dimension with an included one are counted without it: one click changes the choice."""
        included = {one.dim for one in self._filters if one.include}
        plain = [name for name in LISTS if name not in included and name != "country"]
        found = dict(self._history.tops(question, plain, ROWS))
        for name in [one for one in LISTS if one not in plain]:
            others = tuple(one for one in self._filters if one.dim != name or not one.include)
            rows = COUNTRIES if name == "country" else ROWS
            found |= self._history.tops(msgspec.structs.replace(question, filters=others), [name], rows)
        return found


def listed(top: Top) -> List:
    """A dimension's most frequent values, as the page lists them."""
    return List([(row.value, row.hits, row.before) for row in top.rows], top.more, top.total)


def _before(question: Question) -> Question:
    """As many buckets, right before."""
    length = len(question.bucket_starts()) * question.bucket
    return msgspec.structs.replace(question, start=question.start - length, end=question.start)


def _earlier(*until: int | None) -> int | None:
    """The earliest; None is up to date."""
    return min((one for one in until if one is not None), default=None)


def _whole_mean(values: Values) -> float | None:
    """None if a part of it is not known: it would be the mean of something else."""
    return None if None in values else mean(values)


def _make(services: Services, params: Any) -> OverviewPanel:
    if not isinstance(services.history, History):
        raise ConfigError("This server keeps no history of the topics.")
    return OverviewPanel(services, services.history, params)


KIND = StateKind(Params, _make)
