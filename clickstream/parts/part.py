"""What a long-running part is: it runs until it is stopped, and tells about itself."""

import threading
import time
from typing import Protocol


class Part(Protocol):
    """A long-running part. `kind` names it in metrics and on the status topic; `topics` it reads or writes."""

    kind: str
    topics: list[str]

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or until there is nothing left; what was taken on is finished before it returns.

        Raises ClickstreamError when it cannot go on, or could not finish.
        """
        ...

    def totals(self) -> dict[str, int]:
        """Counts since the start: they only grow."""
        ...

    def gauges(self) -> dict[str, float]:
        """What goes up and down."""
        ...


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
