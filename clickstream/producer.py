"""The producer: threads that emit random product events."""

import itertools
import threading
import time
from collections.abc import Callable

from clickstream.generate.pace import Pace
from clickstream.generate.products import BLOCK_SIZE, ProductEvents, dated
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.parts.threads import Threads
from clickstream.records import utc_text


class EventProducer(Part):
    """Emits events to `topic` from `threads` threads at `rate` events/s in all, until `count` or a stop."""

    kind = "producer"

    def __init__(
        self,
        sender: Sender,
        topic: str,
        events: ProductEvents,
        *,
        threads: int = 1,
        rate: float = float("inf"),
        count: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sender = sender
        self.topics = [topic]
        self._topic = topic
        self._events = events
        self._threads = threads
        self._pace = Pace(rate)
        self._count = count
        self._clock = clock
        self._blocks = itertools.count()

    def run(self, stop: threading.Event) -> None:
        """Emit, then wait for the broker's confirmations. Raises what stopped a thread, if anything did."""
        workers = Threads(stop.set)
        for _ in range(self._threads):
            workers.start(self._emit, stop)
        workers.wait()
        self.sender.close()
        workers.raise_problem()

    def totals(self) -> dict[str, int]:
        """Events so far, for rates and metrics."""
        return {
            "sent": self.sender.sent,
            "acknowledged": self.sender.acknowledged,
            "failed": self.sender.failed,
        }

    def gauges(self) -> dict[str, float]:
        return {"queued": self.sender.queued}

    def last_success(self) -> float | None:
        return self.sender.last_success

    def _emit(self, stop: threading.Event) -> None:
        while not stop.is_set():
            number = next(self._blocks)
            block = self._events.block(number)
            if self._count is not None:
                block = block[: max(0, self._count - number * BLOCK_SIZE)]
            if not block:
                return
            for piece in self._pace.slices(block, stop):
                self.sender.send_batch(self._topic, dated(piece, utc_text(self._clock())))
