"""Parts that say what a test wants."""

import threading
from typing import Any

from clickstream.parts.part import Part
from clickstream.records import Position


class Working(Part):
    kind = "counter"

    def __init__(self) -> None:
        self.topics = ["clicks", "tallies"]
        self.counted = 0
        self.lag = 0.0
        self.asked = threading.Semaphore(0)

    def run(self, stop: threading.Event) -> None:
        stop.wait()

    def totals(self) -> dict[str, int]:
        self.asked.release()
        return {"counted": self.counted, "dead_letters": 2}

    def gauges(self) -> dict[str, float]:
        return {"lag": self.lag}


class Named(Working):
    """A part that has something to say to everything."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.group = f"group-of-{name}"

    def last_success(self) -> float | None:
        return 60.0

    def positions(self) -> list[Position]:
        return [Position("clicks", 0, 17, "visits", 1_000, idle=True, lag=4), Position("clicks", 1, 9, "visits")]

    def changed_values(self) -> dict[tuple[str, str], int]:
        return {("name", "NUL"): 3}

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        return "SELECT 1", {"edges": []}
