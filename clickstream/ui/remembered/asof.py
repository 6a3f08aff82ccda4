"""What panels ask, as it was at a past instant: the same panels answer for it as for now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clickstream.errors import ClickstreamError
from clickstream.inspect import lags
from clickstream.inspect.lags import Lags, ReaderLag, SeenTimes
from clickstream.inspect.rates import BUCKET_S, BUCKETS, TopicList
from clickstream.inspect.refreshed import Fixed
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import Seen
from clickstream.records import Requests, RunningSql
from clickstream.ui.remembered.moment import Moment
from clickstream.ui.remembered.ring import Ring, Snapshot
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from clickstream.ui.watching import Watching

if TYPE_CHECKING:
    from clickstream.ui.panels.contract import StatePanel

EVERY_MS = 10_000
# So far back go sparklines, and the times of what waits to be read.
BEFORE_MS = int(BUCKET_S * BUCKETS * 1000)
TREND_MS = 5 * 60_000
# A snapshot stands for the time after it, but not for hours in which the machine slept.
STANDS_FOR_MS = 60_000

P = TypeVar("P", bound="AtInstant")


class AtInstant(Protocol):
    """Parameters of a panel that can be asked of a past instant: epoch ms, None is now."""

    @property
    def at(self) -> int | None: ...


class PastStatuses:
    """Statuses as of a moment."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    def topic(self) -> TopicState:
        return self._moment.parts.topic

    def parts(self, now: float | None = None) -> list[Seen]:
        """Whatever time it is now."""
        return self._moment.parts.parts

    def running_sql(self) -> dict[str, RunningSql]:
        return {one.id: one for one in self._moment.sql}

    def requests(self) -> dict[str, Requests]:
        """They are in the remembered answer of their panel."""
        return {}


@dataclass(frozen=True)
class Past:
    """A past instant: `moments` are those of the ten minutes before, the oldest first; the last one stands for it."""

    moments: Sequence[Moment]

    @property
    def moment(self) -> Moment:
        return self.moments[-1]

    @property
    def at(self) -> int:
        """Of when it really is, epoch ms."""
        return self.moment.at

    def topics(self) -> Looked[TopicList]:
        """The list of then, with the rates of the ten minutes before."""
        seen = self.moment.topics
        if seen.answer is None:
            return seen
        histories = self._histories()
        lines = [replace(one, history=histories.get(one.name, [])) for one in seen.answer.lines]
        return replace(seen, answer=replace(seen.answer, lines=lines))

    def _histories(self) -> dict[str, list[float]]:
        """Rates by topic, one for every BUCKET_S, as inspect/rates.Rate has them."""
        found: dict[str, list[float]] = {}
        before: float | None = None
        for moment in self.moments:
            at, rates = moment.rates()
            if before is not None and at <= before:  # Kafka is away: nobody knows yet what came in
                continue
            # The first rate after a while without answers is the mean of that while.
            buckets = round((EVERY_MS / 1000 if before is None else at - before) / BUCKET_S)
            # A topic that is there anew begins again, as one whose rate is not known.
            found = {
                name: [] if rate is None else [*found.get(name, []), *[rate] * min(buckets, BUCKETS)][-BUCKETS:]
                for name, rate in rates.items()
            }
            before = at
        return found

    def reader_lags(self, topics: Sequence[str] | None = None) -> dict[str, list[ReaderLag]]:
        """Who read these topics (None: those that our parts read), and how far behind they were."""
        now = 0.0

        def clock() -> float:
            return now

        if topics is None:
            topics = sorted({place.topic for one in self.moment.parts.parts for place in one.status.positions})
        times = SeenTimes()
        known = {topic: Lags(topic, times, clock=clock) for topic in topics}
        looked: dict[str, list[ReaderLag]] = {}
        for moment in self.moments:
            seen = moment.some_topics(topics)
            # While Kafka is away its answer stays the same; of the last moment something is to be said all the same.
            if seen.answer is None or (seen.at <= now and moment is not self.moment):
                continue
            now = max(now, seen.at)
            if moment.at <= self.at - TREND_MS:
                for one in known.values():
                    one.observe(seen.answer.ends)
                continue
            for topic, one in known.items():
                readings = lags.readings(topic, moment.groups, moment.parts.parts)
                looked[topic] = one.look(readings, seen.answer.ends)
        return looked


def past(ring: Ring | None, at: int, now: int) -> Past:
    """The instant `at`, epoch ms. Raises ClickstreamError when it is not remembered."""
    snapshot = None if ring is None else ring.at(min(at, now))
    if ring is None or snapshot is None or min(at, now) - snapshot.at > STANDS_FOR_MS:
        raise ClickstreamError(_forgotten(ring, snapshot))
    return Past([Moment(one) for one in ring.between(snapshot.at - BEFORE_MS, snapshot.at)])


class Kept:
    """The moment that stands for an instant: what was shown once stays, also when there is no more room for it."""

    def __init__(self, ring: Ring | None, at: int) -> None:
        self._ring = ring
        self._at = at
        self._moment: Moment | None = None

    def moment(self, now: int) -> Moment:
        """Raises ClickstreamError when it is not remembered, and was not before."""
        try:
            found = past(self._ring, self._at, now).moment
        except ClickstreamError:
            if self._moment is None:
                raise
            return self._moment
        if self._moment is None or self._moment.at != found.at:
            self._moment = found
        return self._moment


def moments_before(services: Services) -> Sequence[Moment]:
    """Those of the ten minutes before the time that `services` are of, the oldest first."""
    if services.past is not None:
        return services.past.moments
    now = services.clock()
    return [] if services.memory is None else [Moment(one) for one in services.memory.between(now - BEFORE_MS, now)]


def _forgotten(ring: Ring | None, before: Snapshot | None) -> str:
    """Without times: the page tells those in its own zone."""
    if ring is None or not len(ring):
        return "This server remembers nothing of topics and parts yet."
    if before is None:
        return "What this server remembers of topics and parts does not reach back so far."
    return "Nothing of topics and parts is remembered of that moment: the server or its machine stood still."


def as_of(services: Services, then: Past) -> Services:
    """`services`, as they were."""
    moment = then.moment
    topics = then.topics()
    names = None if topics.answer is None else [line.name for line in topics.answer.lines]
    watching = Watching(Fixed(topics), Fixed(moment.groups), Fixed(Looked(names, topics.at, topics.problem)))
    return replace(services, statuses=PastStatuses(moment), watching=watching, past=then, clock=lambda: then.at)


class PastPanel:
    """A panel as it was; what it answers is that of the moment that is remembered. See contract.StatePanel."""

    def __init__(self, services: Services, at: int, make: Callable[[Services], "StatePanel"]) -> None:
        self._services = services
        self._at = at
        self._make = make
        self._known: tuple[int, Any] | None = None

    def state(self, now: int) -> Any:
        ring = self._services.memory
        snapshot = None if ring is None else ring.at(min(self._at, now))
        # What was shown once stays, also when there is no more room for it.
        if self._known is None or (snapshot is not None and snapshot.at != self._known[0]):
            then = past(ring, self._at, now)
            panel = self._make(as_of(self._services, then))
            try:
                self._known = then.at, panel.state(then.at)
            finally:
                panel.close()
        return self._known[1]

    def close(self) -> None:
        """Each panel is closed as soon as it has answered."""


def or_past(make: Callable[[Services, P], "StatePanel"]) -> Callable[[Services, P], "StatePanel"]:
    """Makes a panel of now, or of the instant that is asked for."""

    def made(services: Services, params: P) -> "StatePanel":
        at = params.at
        return make(services, params) if at is None else PastPanel(services, at, lambda then: make(then, params))

    return made
