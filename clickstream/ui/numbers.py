"""The numbers of the pages that can be counted again: how the history answers each, and how the topic's records do.

What each means, and its query, is told to people in static/js/numbers.js.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event

import msgspec

from clickstream.history.decode import Click, ProductEvent
from clickstream.history.history import History
from clickstream.history.model import CLICKS, EVENTS, SESSION_GAP_MS, Filter, Question, Totals
from clickstream.history.plain import ClickTotals, EventCount, FunnelCount, SessionCount, Values, has_failed
from clickstream.history.reread import Reread
from clickstream.history.sessions import LOOK_BACK_MS
from clickstream.ui.panels.errors import only_errors
from clickstream.ui.panels.figures import MINUTE_MS

Steps = list[tuple[int, int | None, int | None]]
"""Of each step of a funnel: users, and within how many ms of the step before half and 90 % of them took it."""

Counts = dict[str | None, int]
"""Of each value of a dimension, how many clicks had it (of countries: visitors); None is of what has no value."""

Value = float | Steps | Counts | None
"""None: of nothing, or not known."""


class Of(msgspec.Struct, frozen=True):
    """What a number is of: records of [start, end); clicks that fit the filters, events, or the way through steps.

    Of a list, the values of `dimension`; so many `rows` of it are told one by one.
    """

    start: int
    end: int
    filters: tuple[Filter, ...] = ()
    threshold: int = 0
    event: str = ""
    steps: tuple[str, ...] = ()
    window: int = 0
    dimension: str = ""
    rows: int = 0

    @property
    def question(self) -> Question:
        """The same to the history; totals are of the range, whatever the buckets: minutes reach back furthest."""
        return Question(self.start, self.end, MINUTE_MS, self.filters)

    def share_of(self, ms: int) -> float:
        """`ms` as a share of the range: what makes counts rates."""
        return ms / (self.end - self.start)


@dataclass(frozen=True)
class Plain:
    """Takes a topic's records from `since` on one by one (clicks with their values), and says the number then."""

    take: Callable[..., None]
    value: Callable[[], Value]
    since: int


@dataclass(frozen=True)
class Number:
    """`kind` of records (history.model) that it is counted from."""

    kind: str
    in_history: Callable[[History, Of], Value]
    plainly: Callable[[Of], Plain]


def _of_totals(value: Callable[[Totals, Of], Value]) -> Number:
    def in_history(history: History, of: Of) -> Value:
        found = history.traffic(of.question)
        return value(found.totals, of) if found.covered_from <= of.start else None

    def plainly(of: Of) -> Plain:
        count = ClickTotals()
        return Plain(count.take, lambda: value(count.totals, of), of.start)

    return Number(CLICKS, in_history, plainly)


def _of_clicks(in_history: Callable[[History, Of], Value], value: Callable[[ClickTotals], Value]) -> Number:
    def plainly(of: Of) -> Plain:
        count = ClickTotals(["user"])
        return Plain(count.take, lambda: value(count), of.start)

    return Number(CLICKS, in_history, plainly)


def _of_values(in_history: Callable[[History, Of], Value], counts: Callable[[Values], bool]) -> Number:
    """`counts` says of a click's values whether it is counted."""

    def plainly(of: Of) -> Plain:
        count = ClickTotals([of.dimension])

        def take(click: Click, values: Values) -> None:
            if counts(values):
                count.take(click, values)

        return Plain(take, lambda: count.counts(of.dimension), of.start)

    return Number(CLICKS, in_history, plainly)


def _of_sessions(
    in_history: Callable[[History, Of], Value],
    counts: Callable[[int, int, Of], bool],
    before: int = 0,
) -> Number:
    """`counts` says of a session's last click and bytes whether it is one; clicks of `before` ms more are looked at."""

    def plainly(of: Of) -> Plain:
        count = SessionCount()

        def value() -> int:
            return sum(counts(last, octets, of) for last, octets in count.sessions(of.start))

        return Plain(count.take, value, of.start - before)

    return Number(CLICKS, in_history, plainly)


def _of_events(in_history: Callable[[History, Of], Value], value: Callable[[EventCount, Of], Value]) -> Number:
    def plainly(of: Of) -> Plain:
        count = EventCount()
        return Plain(count.take, lambda: value(count, of), of.start)

    return Number(EVENTS, in_history, plainly)


def _users(history: History, of: Of) -> Value:
    found = history.tops(of.question, ["user"], 1, before=False)["user"]
    return len(found.rows) + found.more if found.covered_from <= of.start else None


def _values(history: History, of: Of) -> Counts | None:
    counts, covered_from = history.values(of.question, of.dimension)
    return counts if covered_from <= of.start else None


def _of_errors(of_these: Callable[[History, Of], Value], none: Value) -> Callable[[History, Of], Value]:
    """The same number of errors alone; `none` where there are none."""

    def in_history(history: History, of: Of) -> Value:
        traffic = history.traffic(of.question)
        if traffic.covered_from > of.start:
            return None
        filters = only_errors(of.filters, traffic.statuses)
        return none if filters is None else of_these(history, msgspec.structs.replace(of, filters=filters))

    return in_history


def _visitors(history: History, of: Of) -> Value:
    return history.visitors(of.start, of.end, of.filters)


def _sessions(history: History, of: Of) -> Value:
    found = history.sessions(of.start, of.end, 1, filters=of.filters)
    return found.total if found.covered_from <= of.start else None


def _open_sessions(history: History, of: Of) -> Value:
    found = history.sessions(of.start, of.end, 1, filters=of.filters)
    return found.open if found.covered_from <= of.start else None


def _large_sessions(history: History, of: Of) -> Value:
    """Of a session that began before the range all bytes count: so far back the history must reach."""
    since = history.coverage().rows_from
    if since is None or since > of.start - LOOK_BACK_MS:
        return None
    return history.sessions(of.start, of.end, 1, filters=of.filters, min_bytes=of.threshold + 1).total


def _event_rate(history: History, of: Of) -> Value:
    found = history.tally(of.start, of.end, of.end - of.start)
    return found.totals.get(of.event, 0) * of.share_of(1_000) if found.covered_from <= of.start else None


def _event_users(history: History, of: Of) -> Value:
    found = history.funnel(of.start, of.end, ["any"], 0)
    return found.users if found.covered_from <= of.start else None


def _funnel(history: History, of: Of) -> Value:
    found = history.funnel(of.start, of.end, of.steps, of.window)
    if found.covered_from > of.start:
        return None
    return [(step.users, step.median_ms, step.p90_ms) for step in found.steps]


def _funnel_plainly(of: Of) -> Plain:
    count = FunnelCount(of.steps, of.window)
    return Plain(count.take, count.steps, of.start)


NUMBERS: Mapping[str, Number] = {
    "visitors": _of_clicks(_visitors, lambda count: count.visitors),
    "users": _of_clicks(_users, lambda count: len(count.top("user"))),
    "met": _of_clicks(_of_errors(_visitors, 0), lambda count: count.met),
    "values": _of_values(_values, lambda values: True),
    "error_values": _of_values(_of_errors(_values, {}), has_failed),
    "clicks": _of_totals(lambda totals, of: totals.hits),
    "clicks_bytes": _of_totals(lambda totals, of: totals.bytes),
    "error_clicks": _of_totals(lambda totals, of: totals.errors),
    "hits": _of_totals(lambda totals, of: totals.hits * of.share_of(MINUTE_MS)),
    "bytes": _of_totals(lambda totals, of: totals.bytes * of.share_of(1_000)),
    "errors": _of_totals(lambda totals, of: totals.errors / totals.hits if totals.hits else None),
    "errors_per_minute": _of_totals(lambda totals, of: totals.errors * of.share_of(MINUTE_MS)),
    "sessions": _of_sessions(_sessions, lambda last, octets, of: True),
    "open_sessions": _of_sessions(_open_sessions, lambda last, octets, of: last > of.end - SESSION_GAP_MS),
    "large_sessions": _of_sessions(_large_sessions, lambda last, octets, of: octets > of.threshold, LOOK_BACK_MS),
    "event_rate": _of_events(_event_rate, lambda count, of: count.names[of.event] * of.share_of(1_000)),
    "event_users": _of_events(_event_users, lambda count, of: len(count.users)),
    "funnel": Number(EVENTS, _funnel, _funnel_plainly),
}


def reread(history: History, number: Number, of: Of, plain: Plain, stop: Event) -> tuple[Reread, int]:
    """Read the topic again for `plain`; and of how many records it was not told, as the history left them out."""
    is_left_out, ahead = history.left_out(number.kind).again(), 0

    def take(record: Click | ProductEvent, *values: Values) -> None:
        nonlocal ahead
        if is_left_out(record):
            ahead += 1
        else:
            plain.take(record, *values)

    if number.kind == CLICKS:
        found = history.reread_clicks(msgspec.structs.replace(of.question, start=plain.since), take, stop)
    else:
        found = history.reread_events(plain.since, of.end, take, stop)
    return found, ahead
