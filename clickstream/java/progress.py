"""How far a download is: a bar on a terminal, elsewhere a plain line now and then."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

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
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
            from rich.progress import Progress as Bar

            columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total)
        else:
            self._notify(f"{self._what}: {self._total / 1e6:.0f} MB, once")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, size: int) -> None:
        """`size` more bytes (fewer if negative) are here. Raises RuntimeError once the download was abandoned."""
        if self._abandoned:
            raise RuntimeError("abandoned")
        with self._lock:
            self.done += size
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=self.done)
            elif self._bar is None and time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + _EVERY
                self._notify(f"{self._what}: {self.done / 1e6:.0f} of {self._total / 1e6:.0f} MB")

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
