"""Work that ends when its time is over, or when somebody cancels it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from clickstream.errors import ClickstreamError
from clickstream.stop import Stop

LOOK_EVERY_S = 0.1


class Cancelled(ClickstreamError):
    """Somebody did not want the result any more."""


class TooLong(ClickstreamError):
    """The time was over."""


class Deadline:
    """While the block runs, `over` is set once the time is over or `cancel` is set, and `interrupt` is called then.

    With `stop` the time is over, too, when that leaves no more for draining. `interrupt` is called again and again, on
    another thread: a call that comes between two statements of a database is lost.
    """

    def __init__(self, seconds: float, cancel: threading.Event | None = None, *, stop: Stop | None = None) -> None:
        self.over = threading.Event()
        self.interrupt: Callable[[], None] = lambda: None
        self._seconds = seconds
        self._cancel = cancel or threading.Event()
        self._stop = stop
        self._ends_at = time.monotonic() + seconds
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="deadline", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._left.set()
        self._thread.join()

    def check(self) -> None:
        """Raises Cancelled or TooLong once it is over."""
        if self._cancel.is_set():
            raise Cancelled("Cancelled.")
        if self._time_is_over():
            raise TooLong(f"It takes longer than {self._seconds:g} s. Fewer records, or a longer time, may do.")

    def _watch(self) -> None:
        while not self._left.wait(LOOK_EVERY_S):
            if self._cancel.is_set() or self._time_is_over():
                self.over.set()
                self.interrupt()

    def _time_is_over(self) -> bool:
        return time.monotonic() >= self._ends_at or (self._stop is not None and self._stop.drain_time_left() == 0)


def cut(connection: socket.socket) -> None:
    """End what another thread reads or writes on a connection; never raises."""
    with contextlib.suppress(OSError):
        # Not that of a TLS connection, which would first forget its key: the other thread could go on in the clear.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
