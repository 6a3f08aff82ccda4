"""Being asked to end, and until when what was sent may still be waited for."""

import threading
import time

DRAIN_S = 30.0


class Stop(threading.Event):
    """An event that asks a part to end; it also says how long the part may still drain.

    One clock for all that drains: threads that wait for room, flushes, and senders that share a producer.
    """

    def __init__(self, drain_s: float = DRAIN_S) -> None:
        """`drain_s`: seconds that draining may take from a plain `set` on."""
        super().__init__()
        self._drain_s = drain_s
        self._drain_by = float("inf")

    def set(self) -> None:
        """Ask to end, with the usual time to drain."""
        self.set_for(self._drain_s)

    def set_for(self, drain_s: float) -> None:
        """Ask to end, with `drain_s` seconds to drain. Asked again, the earlier end holds."""
        self._drain_by = min(self._drain_by, time.monotonic() + drain_s)
        super().set()

    def drain_time_left(self) -> float:
        """Seconds that may still be waited for the broker: without bound while nobody asked, 0 when over."""
        return max(0.0, self._drain_by - time.monotonic())
