"""The producer: threads that emit random product events."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence

from clickstream.generate.dial import Dial
from clickstream.generate.flaws import spoilers
from clickstream.generate.pace import Pace
from clickstream.generate.products import BLOCK_SIZE, ProductEvents, dated
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part
from clickstream.parts.threads import Threads
from clickstream.records import utc_text


class EventProducer(Part):
    """Emits events to `topic` from `threads` threads at `rate` events/s in all, until `count` or a stop.

    With `allow_control`, commands can change that while it runs.
    """

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
        allow_control: bool = False,
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
        self._dial = Dial(rate, on_rate=self._turn)
        self.controls = self._dial if allow_control else None
        self._flawing = threading.Lock()
        self._spoilers = spoilers(())
        self._late = 0
        self._malformed = 0

    def run(self, stop: threading.Event) -> None:
        """Emit, then wait for the broker's confirmations. Raises what stopped a thread, if anything did."""
        workers = Threads(stop.set)
        for _ in range(self._threads):
            workers.start(self._emit, stop)
        workers.wait()
        self.sender.close()
        workers.raise_problem()

    def totals(self) -> dict[str, int]:
        """Events so far, for rates and metrics; only commands make some of them late or malformed."""
        return {
            "sent": self.sender.sent,
            "acknowledged": self.sender.acknowledged,
            "failed": self.sender.failed,
            **({"late": self._late, "malformed": self._malformed} if self.controls is not None else {}),
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
                if self._dial.wait(stop, self.sender.poll):
                    self._pace.delay()
                    if stop.is_set():
                        return
                now = self._clock()
                messages = dated(piece, utc_text(now))
                if self.controls is not None:
                    self._flaw(messages, piece, now)
                self.sender.send_batch(self._topic, messages)

    def _turn(self, rate: float) -> None:
        self._pace.rate = rate

    def _flaw(self, messages: list[dict[str, object]], piece: Sequence[tuple[str, bytes]], now: float) -> None:
        """Make so many of the first ones late, and of the last ones malformed, as somebody has asked for."""
        with self._flawing:
            late = self._dial.take("late", len(messages))
            malformed = self._dial.take("malformed", len(messages) - late)
            messages[:late] = dated(piece[:late], utc_text(now - self._dial.late_by_ms / 1000))
            for message in messages[len(messages) - malformed :]:
                value = message["value"]
                assert isinstance(value, bytes)
                message["value"] = next(self._spoilers)(value)
            self._late += late
            self._malformed += malformed
