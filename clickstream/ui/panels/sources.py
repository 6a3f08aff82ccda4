"""Every part that reports on the status topic, and how it is doing."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from clickstream.parts.status import Seen
from clickstream.records import Answer, utc_seconds
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.remembered.asof import EVERY_MS, STANDS_FOR_MS, moments_before, or_past
from clickstream.ui.remembered.moment import Moment
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

# Which of a part's rates is the one that people ask for.
MAIN = ("acknowledged", "rows", "counted", "events", "frames_sent")
BUCKET_MS = 5_000
BUCKETS = 120
NOTICED_AHEAD_MS = 3_000


class Source(msgspec.Struct, frozen=True):
    """One part; times are epoch ms by Kafka's clock, None is unknown. `state` is running, paused, failed or dead.

    `main`: the name of the rate that says how busy it is, and `history` that rate every `bucket_ms`, oldest first, as
    far back as it is known. `control`: it heeds commands. `wanted`: records per second that it is to reach.
    """

    id: str
    kind: str
    name: str | None
    host: str
    state: str
    silent_s: float
    since: int | None
    rates: dict[str, float]
    totals: dict[str, int]
    gauges: dict[str, float]
    topics: list[str]
    group: str | None
    last_success: int | None
    error: str | None
    error_at: int | None
    control: bool
    paused: bool
    wanted: float | None
    main: str | None
    history: list[float]
    answers: list[Answer]


class Sources(msgspec.Struct, frozen=True):
    """Every part that reports, at `at` (epoch ms); their histories are rates of `bucket_ms` each."""

    at: int
    topic: TopicState
    bucket_ms: int
    control_topic: str
    parts: list[Source]


class SourcesPanel:
    """The parts that report, with what can be asked of them; see contract.StatePanel."""

    def __init__(self, services: Services, moments: Callable[[], Iterable[Moment]] = tuple) -> None:
        """`moments`: what is remembered of the last ten minutes, the oldest first: the histories have it for the time
        in which nobody looked."""
        self._statuses = services.statuses
        self._control_topic: str = services.settings["control-topic"]
        self._moments = moments
        self._history: dict[str, deque[float]] = {}
        self._bucket = 0

    def state(self, now: int) -> Sources:
        parts = self._statuses.parts(now / 1000)
        if now // BUCKET_MS > self._bucket + 1:
            self._note_moments()
        self._note(parts, now)
        shown = [source(one, now / 1000, list(self._history.get(one.status.id, ()))) for one in parts]
        return Sources(now, self._statuses.topic(), BUCKET_MS, self._control_topic, shown)

    def close(self) -> None:
        """The statuses stay: other panels share them."""

    def _note_moments(self) -> None:
        for moment in self._moments():
            for at in range(moment.at - EVERY_MS + BUCKET_MS, moment.at + 1, BUCKET_MS):
                if at // BUCKET_MS > self._bucket:
                    self._note(moment.parts.parts, at)

    def _note(self, parts: list[Seen], now: int) -> None:
        """Once in each bucket of time, the rates; they stand for a few buckets before as well of which nothing is
        known. After more of those the histories begin anew."""
        bucket = now // BUCKET_MS
        if bucket == self._bucket:
            return
        missed = max(0, bucket - self._bucket - 1)
        known, self._history = self._history, {}
        if missed * BUCKET_MS > STANDS_FOR_MS:
            known, missed = {}, 0
        self._bucket = bucket
        for one in parts:
            before = known.get(one.status.id)
            history = self._history[one.status.id] = deque(maxlen=BUCKETS) if before is None else before
            main = main_rate(one)
            rate = 0.0 if main is None or one.is_dead(now / 1000) else one.status.rates[main]
            history.extend([rate] * (1 if before is None else 1 + missed))


def main_rate(part: Seen) -> str | None:
    """The name of the rate that says how busy it is."""
    return next((name for name in MAIN if name in part.status.rates), None)


def source(part: Seen, now: float, history: list[float]) -> Source:
    """`now` in epoch seconds."""
    status = part.status
    ahead = _ahead_ms(part)

    def by_kafka(utc: str | None) -> int | None:
        at = _milliseconds(utc)
        return None if at is None else at - ahead

    state = "dead" if part.is_dead(now) else "paused" if status.paused else status.state
    return Source(
        id=status.id,
        kind=status.kind,
        name=status.name,
        host=status.host,
        state=state,
        silent_s=round(part.silent_s(now), 1),
        since=by_kafka(status.since),
        rates=status.rates,
        totals=status.totals,
        gauges=status.gauges,
        topics=status.topics,
        group=status.group,
        last_success=by_kafka(status.last_success),
        error=status.error,
        error_at=by_kafka(status.error_at),
        control=status.control,
        paused=status.paused,
        wanted=status.wanted_rate,
        main=main_rate(part),
        history=history,
        answers=status.answers,
    )


def _ahead_ms(part: Seen) -> int:
    """How far the clock of its host is ahead of Kafka's, in whole seconds; what is less than the way there is none."""
    said_at = part.status.said_at
    if said_at is None or abs(ahead := said_at - part.at * 1000) < NOTICED_AHEAD_MS:
        return 0
    return round(ahead / 1000) * 1000


def _milliseconds(utc: str | None) -> int | None:
    """What another process says may be in a form of a later version: then the time is not known."""
    try:
        return None if utc is None else utc_seconds(utc) * 1000
    except ValueError:
        return None


def _make(services: Services, _params: Any) -> SourcesPanel:
    return SourcesPanel(services, lambda: moments_before(services))


KIND = StateKind(At, or_past(_make))
