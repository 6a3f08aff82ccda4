"""Takes a snapshot every ten seconds, whether or not anybody looks."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import msgspec

from clickstream.inspect.rates import TopicList
from clickstream.ui.panels.collected import CollectedPanel
from clickstream.ui.panels.rail import RailNumbers
from clickstream.ui.remembered.asof import EVERY_MS
from clickstream.ui.remembered.moment import Others, Parts, packed
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.services import Services
from clickstream.ui.tallies import Tallies

T = TypeVar("T")

log = logging.getLogger(__name__)

# A Kafka that does not answer is not waited for: what was known is remembered, with the reason.
LOOK_WITHIN_S = 2.0


class Taking:
    """Fills a ring. Topics and groups are looked at once for each snapshot, unless pages look at them anyway."""

    def __init__(self, services: Services, ring: Ring) -> None:
        self._services = services
        self._ring = ring
        self._failing: set[str] = set()
        self._rail = RailNumbers(services)
        self._tallies: Tallies | None = None
        self._collected: CollectedPanel | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; at moments that are whole multiples of ten seconds, and at first."""
        try:
            while True:
                self._piece("What is on the pages", self.take, None)
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
        tallies, collected = self._tallies, self._collected
        told = None if tallies is None else self._piece("The tally", tallies.told, None)
        return Others(
            numbers=self._piece("The numbers beside pages", lambda: self._rail.numbers(now, names), {}),
            told=told,
            proof=None if tallies is None else self._piece("The proof", lambda: tallies.proof(told, topics, now), None),
            tallies=None if tallies is None else tallies.topic(),
            collected=None
            if collected is None
            else self._piece("What was collected", lambda: msgspec.json.encode(collected.state(now)), None),
        )

    def _piece(self, name: str, find: Callable[[], T], otherwise: T) -> T:
        """What fails is not remembered; the log says so once, until it works again."""
        try:
            found = find()
        except Exception:
            if name not in self._failing:
                log.exception("%s cannot be remembered.", name)
            self._failing.add(name)
            return otherwise
        self._failing.discard(name)
        return found

    def _close(self) -> None:
        self._rail.close()
        if self._tallies is not None:
            self._tallies.close()
        if self._collected is not None:
            self._collected.close()
