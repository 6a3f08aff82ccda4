"""What collectors got of what sites sent, and what came of the last requests."""

from collections.abc import Iterable
from typing import Any

import msgspec

from clickstream.inspect.topicreader import Stage
from clickstream.parts.status import living
from clickstream.records import Requests, WebLoss
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.remembered.asof import Past, or_past
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

HOUR_MS = 3_600_000
HOURS = 24
MAX_SITES = 50
MAX_REQUESTS = 100
COLLECTOR = "collect"  # the kind of part


class Site(msgspec.Struct, frozen=True):
    """The last 24 hours of a site; `hours` has how many events arrived in each of them, the latest last. `last`: when
    the last of all came, epoch ms; None: its collector does not say."""

    site: str
    sent: int
    received: int
    missing: int
    doubled: int
    hours: list[int]
    last: int | None = None


class Collected(msgspec.Struct, frozen=True):
    """The sites with the most events, the largest first; `more` others are left out.

    `requests` are the last ones of the collectors that explain them, as records.Requests has them, the newest first;
    None: a collector runs, and explains nothing, or none runs.
    """

    topic: TopicState
    sites: list[Site]
    more: int
    collects: bool
    requests: list[dict[str, Any]] | None


class CollectedPanel:
    """What the collector received and lost, by site; see contract.StatePanel."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._listener = services.hub.latest(services.settings["collect.loss-topic"])
        self._hours: dict[bytes, WebLoss] = {}

    def state(self, now: int) -> Collected:
        self._take()
        last = now - now % HOUR_MS
        self._hours = {key: one for key, one in self._hours.items() if one.hour > last - HOURS * HOUR_MS}
        sites = sites_of([one for one in self._hours.values() if one.hour <= last], last)
        topic = self._services.topic_state(self._listener)
        statuses = self._services.statuses
        collects = any(one.kind == COLLECTOR for one in living(statuses.parts(now / 1000), now / 1000))
        more = max(0, len(sites) - MAX_SITES)
        return Collected(topic, sites[:MAX_SITES], more, collects, last_requests(statuses.requests().values()))

    def close(self) -> None:
        self._listener.close()

    def _take(self) -> None:
        news = self._listener.take()
        if news.anew:
            self._hours = {}
        for record in news.records:
            key, value = record.key() or b"", record.value()
            try:
                self._hours[key] = _decode(value or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._hours.pop(key, None)  # a tombstone, or nothing of the collector's


def sites_of(hours: list[WebLoss], last: int) -> list[Site]:
    """Sums of the 24 hours of which the latest begins at `last` (epoch ms), by site."""
    found: dict[str, list[WebLoss]] = {}
    for one in hours:
        found.setdefault(one.site, []).append(one)
    sites = [_site(site, of_site, last) for site, of_site in found.items()]
    return sorted(sites, key=lambda site: (-site.received, site.site))


def _site(site: str, hours: list[WebLoss], last: int) -> Site:
    by_hour = [0] * HOURS
    for one in hours:
        by_hour[HOURS - 1 - (last - one.hour) // HOUR_MS] += one.received
    return Site(
        site,
        sum(one.sent for one in hours),
        sum(one.received for one in hours),
        sum(one.missing for one in hours),
        sum(one.doubled for one in hours),
        by_hour,
        max((one.last for one in hours if one.last is not None), default=None),
    )


def last_requests(said: Iterable[Requests]) -> list[dict[str, Any]] | None:
    """Of all collectors, the newest first; None if none explains any."""
    found = [request for one in said for request in one.requests]
    if not found:
        return None
    return sorted(found, key=_received_at, reverse=True)[:MAX_REQUESTS]


def _received_at(request: dict[str, Any]) -> float:
    at = request.get("received_at")
    return at if isinstance(at, int | float) else 0.0


class PastCollected:
    """What was answered at an instant; see contract.StatePanel."""

    def __init__(self, services: Services, then: Past) -> None:
        self._said = then.moment.others.collected
        topic = services.settings["collect.loss-topic"]
        missing = TopicState(topic, Stage.MISSING.value, then.at, "", services.hints.command(topic))
        self._nothing = Collected(missing, [], 0, False, None)

    def state(self, now: int) -> Any:
        return self._nothing if self._said is None else msgspec.Raw(self._said)

    def close(self) -> None:
        """It holds nothing."""


def _make(services: Services, _params: Any) -> CollectedPanel | PastCollected:
    return CollectedPanel(services) if services.past is None else PastCollected(services, services.past)


KIND = StateKind(At, or_past(_make))
_decode = msgspec.json.Decoder(WebLoss).decode
