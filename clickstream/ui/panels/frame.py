"""What every page shows around it: whether Kafka answers, the watermark, alerts, and a number beside each page."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.history.history import History, TopicStatus
from clickstream.history.model import CLICKS, EVENTS, VIP, Question
from clickstream.inspect.topicreader import Stage
from clickstream.ui.panels.alerts import CODES_TOPIC_SETTING, OPEN_MS, Alert, Alerts
from clickstream.ui.panels.codes import Codes
from clickstream.ui.panels.contract import NoParams, StateKind
from clickstream.ui.panels.rail import Number, RailNumbers
from clickstream.ui.remembered.asof import Kept
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from clickstream.ui.wire import Instant

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
# Product events per second: of ten seconds that ended five seconds ago.
EVENTS_OPEN_MS, EVENTS_OF_MS = 5_000, 10_000


class Kafka(msgspec.Struct, frozen=True):
    """`since` (epoch ms) and `words` only if it is away."""

    ok: bool
    since: int | None = None
    words: str = ""


class Now(msgspec.Struct, frozen=True):
    """The alerts of the last hour: those that go on, the newest first; how many others; when the last of all ended."""

    open: list[Alert]
    earlier: int
    last: int | None


class Behind(msgspec.Struct, frozen=True):
    """The history reads `topic` more slowly than it is written: of what came after `until` (epoch ms) not all is in."""

    topic: str
    until: int


class Frame(msgspec.Struct, frozen=True):
    """Times are epoch ms. `empty`: no click has been seen. `alerts`: None if no tables compute them. `behind`: None
    while the history has read all that there is. `holds`: see history.holds_ms. `remembers`: from when on topics and
    parts can be shown as they were."""

    kafka: Kafka
    final: int | None
    newest: int | None
    empty: bool
    alerts: Now | None
    behind: Behind | None
    holds: int | None
    numbers: dict[str, Number]
    remembers: int | None


class PastNumbers(msgspec.Struct, frozen=True):
    """The numbers beside the pages at an instant. `at`: of when those of topics and parts are; None: `words` say why
    there are none."""

    at: int | None
    words: str
    numbers: dict[str, Number]


class PastNumbersPanel:
    """What was beside each page; see contract.StatePanel."""

    def __init__(self, services: Services, at: int) -> None:
        self._services = services
        self._at = at
        self._kept = Kept(services.memory, at)

    def state(self, now: int) -> PastNumbers:
        history, at = self._services.history, min(self._at, now)
        numbers = of_history(history, at) if isinstance(history, History) else {}
        try:
            moment = self._kept.moment(now)
        except ClickstreamError as problem:
            return PastNumbers(None, str(problem), numbers)
        return PastNumbers(moment.at, "", moment.others.numbers | numbers)

    def close(self) -> None:
        """It holds nothing."""


class FramePanel:
    """What is around every page: connection, watermark, alerts, the rail's numbers; see contract.StatePanel."""

    def __init__(self, services: Services, history: History | None) -> None:
        """Without a history it tells of alerts and of Kafka only."""
        self._services = services
        self._history = history
        self._codes = Codes(services.hub, services.settings[CODES_TOPIC_SETTING])
        self._alerts = Alerts(services.hub, self._codes)
        self._rail = RailNumbers(services)

    def state(self, now: int) -> Frame:
        history = self._history
        newest = history.coverage().newest if history is not None else None
        final = history.final() if history is not None else None
        return Frame(
            kafka=kafka(history.status().topics if history is not None else [self._services.statuses.topic()]),
            final=final,
            newest=newest,
            empty=history is not None and newest is None,
            alerts=self._recent_alerts(now, final) if self._alerts.are_computed else None,
            behind=behind(history) if history is not None and newest is not None else None,
            holds=history.holds_ms() if history is not None else 0,
            numbers=self._numbers(now),
            remembers=None if self._services.memory is None else self._services.memory.first,
        )

    def close(self) -> None:
        self._alerts.close()
        self._codes.close()
        self._rail.close()

    def _recent_alerts(self, now: int, final: int | None) -> Now:
        found = self._alerts.since(now - HOUR_MS)
        still = (now if final is None else min(now, final)) - OPEN_MS
        going_on = [alert for alert in reversed(found) if alert.to > still]
        return Now(going_on, len(found) - len(going_on), max((alert.to for alert in found), default=None))

    def _numbers(self, now: int) -> dict[str, Number]:
        numbers = self._rail.numbers(now, self._services.watching.names.get(0.0).answer)
        return numbers if self._history is None else numbers | of_history(self._history, now)


def of_history(history: History, now: int) -> dict[str, Number]:
    """Visitors of the last 5 min, open sessions, errors of the last minute, product events per second."""
    numbers: dict[str, Number] = {}
    current, active = history.current(now), history.active_at(now)
    if current is not None:
        numbers["overview"] = Number(current)
    if active is not None:
        numbers["sessions"] = Number(active)
    errors = history.traffic(Question(now - MINUTE_MS, now, MINUTE_MS))
    if errors.covered_from < now:
        numbers["errors"] = Number(errors.totals.errors, "/min", bad=errors.totals.errors > 0)
    final = now - EVENTS_OPEN_MS
    events = history.tally(final - EVENTS_OF_MS, final, EVENTS_OF_MS).totals
    if events:
        numbers["products"] = Number(sum(events.values()) * 1000 / EVENTS_OF_MS, "/s")
    return numbers


def behind(history: History) -> Behind | None:
    """The topic that is furthest behind."""
    found = [
        Behind(topic, until)
        for kind, topic in zip((CLICKS, EVENTS, VIP), history.topics, strict=True)
        if (until := history.read_until(kind)) is not None
    ]
    return min(found, key=lambda one: one.until, default=None)


def kafka(topics: Sequence[TopicStatus | TopicState]) -> Kafka:
    """Away while a reader gets no answer, since the first of them got none."""
    away = [(_since_ms(topic), topic.words) for topic in topics if topic.stage == Stage.AWAY]
    return Kafka(False, *min(away)) if away else Kafka(True)


def _since_ms(topic: TopicStatus | TopicState) -> int:
    """The history tells it in seconds, the server in ms."""
    return topic.since if isinstance(topic, TopicState) else int(topic.since * 1000)


def _make(services: Services, _params: Any) -> FramePanel:
    return FramePanel(services, services.history if isinstance(services.history, History) else None)


class PastParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Epoch ms."""

    at: Instant


def _make_past(services: Services, params: PastParams) -> PastNumbersPanel:
    return PastNumbersPanel(services, params.at)


KIND = StateKind(NoParams, _make)
NUMBERS = StateKind(PastParams, _make_past)
