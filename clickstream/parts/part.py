"""What every long-running part tells about itself."""

import time
from typing import Protocol


class Part(Protocol):
    """A long-running part. `totals` only grow since its start; `gauges` go up and down."""

    kind: str
    topics: list[str]

    def totals(self) -> dict[str, int]: ...

    def gauges(self) -> dict[str, float]: ...


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
