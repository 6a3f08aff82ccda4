"""A part that outlives its Kafka clients."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from clickstream.kafka.statistics import LostBrokers
from clickstream.parts.part import Part
from clickstream.records import LeftOut, Position

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Part)
Changed = Counter[tuple[str, str]]


class Renewed(Part, Generic[P]):
    """A part whose place is stored with its results: it is made anew where a client has lost all brokers for good.

    What the one before had not stored is read once more, and counts twice in the totals.
    """

    def __init__(self, make: Callable[[P | None], P]) -> None:
        """`make` makes the part; it is given the one that went before, whose clients could not say goodbye."""
        self._make = make
        # The one at work, and the totals of those before it; in one place, for who asks on another thread.
        self._at: tuple[P, Counter[str], Changed] = make(None), Counter(), Counter()
        self._last_success: float | None = None
        self.kind, self.topics, self.name, self.group = self.now.kind, self.now.topics, self.now.name, self.now.group

    @property
    def now(self) -> P:
        """The one that is at work."""
        return self._at[0]

    def run(self, stop: threading.Event) -> None:
        """As the part's own; raises LostBrokers only when `stop` is set."""
        while True:
            try:
                self.now.run(stop)
                return
            except LostBrokers as lost:
                if stop.is_set():
                    raise
                log.warning("%s It is started again.", lost)
            self._last_success = self.last_success()
            self._at = self._make(self.now), Counter(self.totals()), Counter(self.changed_values())

    def totals(self) -> dict[str, int]:
        now, before, _changed = self._at
        return {name: before[name] + count for name, count in now.totals().items()}

    def gauges(self) -> dict[str, float]:
        return self.now.gauges()

    def last_success(self) -> float | None:
        return self.now.last_success() or self._last_success

    def positions(self) -> list[Position]:
        return self.now.positions()

    def left_out(self) -> list[LeftOut]:
        return self.now.left_out()

    def changed_values(self) -> Mapping[tuple[str, str], int]:
        now, _totals, before = self._at
        return before + Counter(now.changed_values())

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        return self.now.sql()
