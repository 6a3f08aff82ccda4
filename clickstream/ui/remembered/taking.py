"""Takes a snapshot every ten seconds, whether or not anybody looks."""

import logging
import threading

import msgspec

from clickstream.inspect.rates import TopicList
from clickstream.ui.panels.collected import CollectedPanel
from clickstream.ui.panels.rail import RailNumbers
from clickstream.ui.remembered.asof import EVERY_MS
from clickstream.ui.remembered.moment import Others, Parts, packed
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.services import Services
from clickstream.ui.tallies import Tallies

log = logging.getLogger(__name__)

# A Kafka that does not answer is not waited for: what was known is remembered, with the reason.
LOOK_WITHIN_S = 2.0


class Taking:
    """Fills a ring. Topics and groups are looked at once for each snapshot, unless pages look at them anyway."""

    def __init__(self, services: Services, ring: Ring) -> None:
        self._services = services
        self._ring = ring
        self._rail = RailNumbers(services)
        self._tallies: Tallies | None = None
        self._collected: CollectedPanel | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; at moments that are whole multiples of ten seconds, and at first."""
        try:
            while True:
                try:
                    self.take()
                except Exception:
                    log.exception("What is on the pages now is not remembered.")
                if stop.wait((EVERY_MS - self._services.clock() % EVERY_MS) / 1000):
                    return
        finally:
            self._close()

    def take(self) -> None:
        """One snapshot."""
        watching = self._services.watching
        topics, groups = watching.topics.glance(LOOK_WITHIN_S), watching.groups.glance(LOOK_WITHIN_S)
        now = self._services.clock()
        statuses = self._services.statuses
        parts = Parts(statuses.topic(), statuses.parts(now / 1000))
        running = list(statuses.running_sql().values())
        self._ring.add(now, packed(topics, groups, parts, running, self._others(topics.answer, now)))

    def _others(self, topics: TopicList | None, now: int) -> Others:
        """A reader of its own takes its part of a processor: only what is there has one."""
        names = None if topics is None else [line.name for line in topics.lines]
        settings = self._services.settings
        if self._tallies is None and settings["run-counter.to-topic"] in (names or ()):
            self._tallies = Tallies(self._services)
        if self._collected is None and settings["collect.loss-topic"] in (names or ()):
            self._collected = CollectedPanel(self._services)
        told = None if self._tallies is None else self._tallies.told()
        return Others(
            numbers=self._rail.numbers(now, names),
            told=told,
            proof=None if self._tallies is None else self._tallies.proof(told, topics),
            tallies=None if self._tallies is None else self._tallies.topic(),
            collected=None if self._collected is None else msgspec.json.encode(self._collected.state(now)),
        )

    def _close(self) -> None:
        self._rail.close()
        if self._tallies is not None:
            self._tallies.close()
        if self._collected is not None:
            self._collected.close()
