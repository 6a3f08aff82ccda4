"""Errors over time by status, what the statuses mean, where they come from, and alerts.

Counts are of rows: a click with a status of 400 or more is an error. Alerts come from the streaming tables.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clickstream.history.model import CLICKS, ERROR_STATUS, Filter, Question, Top, Traffic
from clickstream.ui.keyed import People
from clickstream.ui.panels.alerts import CODES_TOPIC_SETTING, OPEN_MS, Alert, Alerts
from clickstream.ui.panels.codes import Codes
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.panels.figures import bucket_of
from clickstream.ui.panels.sessions import name_of
from clickstream.ui.past import Asked, Unhurried, checked, history_of, source_of, unread
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

MINUTE_MS = 60_000
WHERE = ("page", "user", "ip")
MAX_WHERE = 30
# Of config/tables/clickstream.sql: more than that of a status within a minute.
LIMIT = 5

Values = list[int | None]


class Params(Asked, frozen=True, forbid_unknown_fields=True):
    """See Asked."""


class Code(msgspec.Struct, frozen=True):
    """A status: `total` clicks in the range, `last_minute` in the last minute of it, `per_minute` in its minutes."""

    status: str
    name: str
    total: int
    last_minute: int
    per_minute: Values
    alerts: int


class Said(msgspec.Struct, frozen=True):
    """An alert (see alerts.Alert); `open`: it may go on."""

    status: str
    name: str
    from_: int = msgspec.field(name="from")
    to: int
    peak: int
    now: int
    open: bool


class Where(msgspec.Struct, frozen=True):
    """As lists of the Overview: [value, errors, errors in the period before]; of what came from `since` on (None:
    of all of the time), as the rows of the history may not reach as far as its sums."""

    rows: list[tuple[str, int, int | None]]
    more: int
    total: int
    since: int | None


class Visitors(msgspec.Struct, frozen=True):
    """`met` of `all` visitors had an error; None where the rows do not reach the whole range."""

    met: int | None
    all: int | None


class State(msgspec.Struct, frozen=True):
    """`series`: errors of each status in the buckets that begin at `times`; None is not known.

    Of what was written after `read_until` not all is read yet (None: all is).
    `hits` and `errors` are in [from, to), `last_hits` and `last_errors` in the last minute of it.
    """

    from_: int = msgspec.field(name="from")
    to: int
    bucket: int
    final: int | None
    newest: int | None
    covered_from: int | None
    read_until: int | None
    times: list[int]
    series: dict[str, Values]
    minutes: list[int]
    hits_per_minute: Values
    errors_per_minute: Values
    hits: int
    errors: int
    last_hits: int
    last_errors: int
    visitors: Visitors
    codes: list[Code]
    where: dict[str, Where]
    names: dict[str, str]
    alerts: list[Said]
    limit: int
    alerts_topic: TopicState
    codes_topic: TopicState
    clicks: TopicState


class _Counted(msgspec.Struct, frozen=True):
    """What was found in the history, in [start, end); `minutes` has whole minutes only.

    `final` and `read_until` are of before the counts: what came while they were taken is in some of them.
    """

    start: int
    end: int
    final: int | None
    read_until: int | None
    traffic: Traffic
    minutes: Traffic
    last: Traffic
    tops: dict[str, Top]
    visitors: Visitors


class ErrorsPanel:
    """Errors over time, their codes and who has them; see contract.StatePanel."""

    def __init__(self, services: Services, params: Params) -> None:
        """Raises ClickstreamError for parameters that make no sense."""
        self._filters = checked(params)
        self._params = params
        self._history = history_of(services)
        self._services = services
        self._people = People(services)
        self._codes = Codes(services.hub, services.settings[CODES_TOPIC_SETTING])
        self._alerts = Alerts(services.hub, self._codes)
        self._counted: Unhurried[_Counted] = Unhurried()

    def state(self, now: int) -> State:
        found = self._counted.get(lambda: self._count(now))
        start, end = found.start, found.end
        said = self._alerts.since(start, end)
        final = found.final
        still = (end if final is None else min(end, final)) - OPEN_MS
        minutes = found.minutes
        return State(
            from_=start,
            to=end,
            bucket=bucket_of(self._params.range),
            final=None if final is None else min(final, end),
            newest=self._history.coverage().newest,
            covered_from=found.traffic.covered_from if found.traffic.covered_from > start else None,
            read_until=unread(found.read_until, end),
            times=found.traffic.times,
            series={status: found.traffic.statuses[status] for status in errors_in(found.traffic.statuses)},
            minutes=minutes.times,
            hits_per_minute=minutes.hits,
            errors_per_minute=minutes.errors,
            hits=found.traffic.totals.hits,
            errors=found.traffic.totals.errors,
            last_hits=found.last.totals.hits,
            last_errors=found.last.totals.errors,
            visitors=found.visitors,
            codes=codes(found.traffic, minutes, found.last, said, self._codes.names(list(found.traffic.statuses))),
            where={dim: _where(top, start) for dim, top in found.tops.items()},
            names=self._names(found.tops),
            alerts=[_said(one, still) for one in said],
            limit=LIMIT,
            alerts_topic=self._services.topic_state(self._alerts.listener),
            codes_topic=self._services.topic_state(self._codes.listener),
            clicks=source_of(self._services, CLICKS),
        )

    def close(self) -> None:
        self._people.close()
        self._alerts.close()
        self._codes.close()

    def _count(self, now: int) -> _Counted:
        history, filters, bucket = self._history, self._filters, bucket_of(self._params.range)
        end = self._params.end(now)
        start = (end - self._params.range) // bucket * bucket
        final, until = history.final(), history.read_until(CLICKS)
        traffic = history.traffic(Question(start, end, bucket, filters))
        last = history.traffic(Question(end - MINUTE_MS, end, MINUTE_MS, filters))
        first, behind = -(-start // MINUTE_MS) * MINUTE_MS, end // MINUTE_MS * MINUTE_MS
        minutes = history.traffic(Question(first, behind, MINUTE_MS, filters)) if first < behind else last
        of_errors = only_errors(filters, traffic.statuses)
        if of_errors is None:
            visitors = Visitors(0, history.visitors(start, end, filters))
            return _Counted(start, end, final, until, traffic, minutes, last, {}, visitors)
        before = history.traffic(Question(start, end, bucket, filters).before)
        # Also those that came in the period before only: they are in the numbers of that period.
        of_both = only_errors(filters, traffic.statuses | before.statuses) or of_errors
        tops = history.tops(Question(start, end, MINUTE_MS, of_both), WHERE, MAX_WHERE)
        visitors = Visitors(history.visitors(start, end, of_errors), history.visitors(start, end, filters))
        return _Counted(start, end, final, until, traffic, minutes, last, tops, visitors)

    def _names(self, tops: Mapping[str, Top]) -> dict[str, str]:
        people = self._people.by_id()
        return {row.value: name_of(row.value, people) for row in tops["user"].rows} if "user" in tops else {}


def errors_in(statuses: Mapping[str, Any]) -> list[str]:
    """Those that are errors, in order."""
    return sorted(status for status in statuses if status.isdecimal() and int(status) >= ERROR_STATUS)


def only_errors(filters: Sequence[Filter], statuses: Mapping[str, Any]) -> tuple[Filter, ...] | None:
    """The filters, and that it is an error; None when there is none among `statuses`, which fit the filters."""
    wanted = errors_in(statuses)
    if not wanted:
        return None
    others = [one for one in filters if one.dim != "status"]
    return (*others, *(Filter("status", True, status) for status in wanted))


def codes(
    traffic: Traffic, minutes: Traffic, last: Traffic, said: Sequence[Alert], names: Mapping[str, str]
) -> list[Code]:
    """All statuses that came: errors first, each by their number of clicks."""
    found = [
        Code(
            status=status,
            name=names.get(status, ""),
            total=total(values),
            last_minute=total(last.statuses.get(status, [])),
            per_minute=minutes.statuses.get(status, [0] * len(minutes.times)),
            alerts=sum(one.status == status for one in said),
        )
        for status, values in traffic.statuses.items()
        if status.lstrip("-").isdecimal()
    ]
    return sorted(found, key=lambda one: (int(one.status) < ERROR_STATUS, -one.total, one.status))


def total(values: Values) -> int:
    """The sum of what is known."""
    return sum(value for value in values if value is not None)


def _where(top: Top, start: int) -> Where:
    since = top.covered_from if top.covered_from > start else None
    return Where([(row.value, row.hits, row.before) for row in top.rows], top.more, top.total, since)


def _said(one: Alert, still: int) -> Said:
    return Said(one.status, one.name, one.from_, one.to, one.peak, one.now, one.to > still)


def _make(services: Services, params: Any) -> ErrorsPanel:
    return ErrorsPanel(services, params)


KIND = StateKind(Params, _make)
