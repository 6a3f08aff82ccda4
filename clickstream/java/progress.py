"""How far a download is: a bar on a terminal, elsewhere a plain line now and then."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

_EVERY = 5.0  # s between plain lines


class Progress:
    """Counts bytes from several threads. `total` is in bytes."""

    def __init__(self, what: str, total: int, notify: Callable[[str], None]) -> None:
        self._what = what
        self._total = total
        self._notify = notify
        self.done = 0
        self._abandoned = False
        self._lock = threading.Lock()
        self._next_line = time.monotonic() + _EVERY
        self._views = ExitStack()
        self._advance: Callable[[int], None] | None = None

    def __enter__(self) -> "Progress":
        # Rich, which draws it, costs each start of a command 50 ms: it is imported where something is to be drawn.
        from clickstream.screen.bar import counting

        self._advance = self._views.enter_context(counting(sys.stderr, self._what, self._total, _figures(self._total)))
        if self._advance is None:
            self._notify(f"{self._what}: {_megabytes(self._total)}, once")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._views.close()

    def add(self, size: int) -> None:
        """`size` more bytes (fewer if negative) are here. Raises RuntimeError once the download was abandoned."""
        if self._abandoned:
            raise RuntimeError("abandoned")
        with self._lock:
            self.done += size
            if self._advance is not None:
                self._advance(size)
            elif time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + _EVERY
                self._notify(f"{self._what}: {self.done / 1e6:.0f} of {_megabytes(self._total)}")

    def abandon(self) -> None:
        """Have the threads that are still downloading end soon."""
        self._abandoned = True

    @contextmanager
    def part(self) -> Iterator[Callable[[int], None]]:
        """Yields `add` for one file, taken back if the file does not arrive whole."""
        here = 0

        def add(size: int) -> None:
            nonlocal here
            here += size
            self.add(size)

        try:
            yield add
        except BaseException:
            if not self._abandoned:
                self.add(-here)
            raise


def _figures(total: int) -> Callable[[int, float], list[str]]:
    def figures(done: int, seconds: float) -> list[str]:
        speed = done / seconds if seconds > 0 else 0.0
        return [f"{done / 1e6:.1f} of {_megabytes(total)}", f"{speed / 1e6:.1f} MB/s"]

    return figures


def _megabytes(octets: int) -> str:
    return f"{octets / 1e6:.0f} MB"
