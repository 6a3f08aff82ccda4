"""A part that outlives its Kafka clients."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from clickstream.kafka.admin import cluster_id
from clickstream.kafka.clients import Cluster
from clickstream.kafka.patience import Stopped
from clickstream.kafka.statistics import LostBrokers
from clickstream.parts.part import Part
from clickstream.records import LeftOut, Position

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Part)
_ROWS = LeftOut.__struct_fields__[2:]  # after what they are of


@dataclass(frozen=True)
class _AtWork(Generic[P]):
    """A part, and what those before it had counted."""

    part: P
    totals: Counter[str] = field(default_factory=Counter)
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Sequence[LeftOut] = ()


class Renewed(Part, Generic[P]):
    """A part whose place is stored with its results: it is recreated when a client has lost all brokers for good.

    What the one before had not stored is read once more, and counts twice in the totals. For parts that heed no
    commands.
    """

    def __init__(self, cluster: Cluster, make: Callable[[P | None], P]) -> None:
        """`make` makes the part; it is given the one that went before, whose clients could not say goodbye."""
        self._cluster = cluster
        self._make = make
        self._at = _AtWork(make(None))  # in one place, for who asks on another thread
        self._last_success: float | None = None
        self.kind, self.topics, self.name, self.group = self.now.kind, self.now.topics, self.now.name, self.now.group

    @property
    def now(self) -> P:
        """The one that is at work."""
        return self._at.part

    def run(self, stop: threading.Event) -> None:
        """As the part's own; raises LostBrokers only when `stop` is set before Kafka answers again."""
        while True:
            try:
                self.now.run(stop)
                return
            except LostBrokers as lost:
                # A part that begins is not as patient as one that is at work.
                if stop.is_set() or not self._answers(stop):
                    raise
                log.warning("%s It is started again, and goes on where it was.", lost)
            self._last_success = self.last_success()
            before = Counter(self.totals()), Counter(self.changed_values()), self.left_out()
            self._at = _AtWork(self._make(self.now), *before)

    def _answers(self, stop: threading.Event) -> bool:
        """Once Kafka does; False when `stop` was set before."""
        try:
            cluster_id(self._cluster, stop=stop)
            return True
        except Stopped:
            return False

    def totals(self) -> dict[str, int]:
        at = self._at
        return {name: at.totals[name] + count for name, count in at.part.totals().items()}

    def gauges(self) -> dict[str, float]:
        return self.now.gauges()

    def last_success(self) -> float | None:
        return self.now.last_success() or self._last_success

    def positions(self) -> list[Position]:
        return self.now.positions()

    def left_out(self) -> list[LeftOut]:
        at = self._at
        before = {(one.table, one.topic): one for one in at.left_out}
        now = {(one.table, one.topic): one for one in at.part.left_out()}
        return [_sum(now.get(of, LeftOut(*of)), before.get(of, LeftOut(*of))) for of in {**before, **now}]

    def changed_values(self) -> Mapping[tuple[str, str], int]:
        at = self._at
        return at.changed + Counter(at.part.changed_values())

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        return self.now.sql()


def _sum(one: LeftOut, other: LeftOut) -> LeftOut:
    return LeftOut(one.table, one.topic, *(getattr(one, name) + getattr(other, name) for name in _ROWS))
