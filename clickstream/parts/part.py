"""What a long-running part is: it runs until it is stopped, and tells about itself."""

import threading
import time
from typing import Any, Protocol

from clickstream.records import Position


class Part(Protocol):
    """A long-running part. What has a value or a body here is the answer of a part that has nothing to say to it.

    All but `run` is asked from another thread, at any time.
    """

    kind: str  # names it in metrics and on the status topic
    topics: list[str]  # that it reads or writes
    name: str | None = None  # which of its kind, where a process may have several
    group: str | None = None  # the consumer group that shows its lag
    paused: bool = False  # somebody asked it to wait

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or until there is nothing left; what was taken on is finished before it returns.

        Raises ClickstreamError when it cannot go on, or could not finish.
        """
        ...

    def totals(self) -> dict[str, int]:
        """Counts since the start: they only grow, whenever they are asked for."""
        ...

    def gauges(self) -> dict[str, float]:
        """What goes up and down. A name ends with its unit, as in `watermark_delay_seconds`, unless it counts."""
        ...

    def last_success(self) -> float | None:
        """When (epoch s) records were last acknowledged, or results stored; None: not yet."""
        return None

    def positions(self) -> list[Position]:
        """The offsets stored with its results, of each partition that it reads."""
        return []

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        """The text of its SQL, without secrets, and its plan; None: it runs none."""
        return None


class Rates:
    """Totals per second between calls."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._at = time.monotonic()

    def of(self, totals: dict[str, int]) -> dict[str, float]:
        now = time.monotonic()
        seconds = max(1e-6, now - self._at)
        rates = {
            name: max(0.0, round((total - self._before.get(name, 0)) / seconds, 1)) for name, total in totals.items()
        }
        self._before, self._at = totals, now
        return rates
