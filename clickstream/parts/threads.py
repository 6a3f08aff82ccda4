"""Threads of which none fails unseen."""

import threading
from collections.abc import Callable
from typing import Any


class Threads:
    """Threads that work together: the first problem that ends one is kept, and `join` raises it."""

    def __init__(self, failed: Callable[[], None] = lambda: None) -> None:
        """`failed` is called, on the thread that fails, once its problem is kept: it usually stops the others."""
        self._failed = failed
        self._threads: list[threading.Thread] = []
        self.problem: BaseException | None = None

    def start(self, work: Callable[..., object], *arguments: Any, name: str = "") -> None:
        """Run `work(*arguments)` on a thread of its own."""
        thread = threading.Thread(target=self._guarded, args=(work, *arguments), name=name or None)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Wait until all have ended, whatever ended them."""
        for thread in self._threads:
            # In pieces: a signal is handled by the main thread only when it wakes up.
            while thread.is_alive():
                thread.join(0.2)

    def join(self) -> None:
        """Wait until all have ended. Raises the first problem, on the thread that can report it."""
        self.wait()
        self.raise_problem()

    def raise_problem(self) -> None:
        """Raises what ended one of the threads, if anything did so far."""
        if self.problem is not None:
            raise self.problem

    def _guarded(self, work: Callable[..., object], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as problem:  # noqa: BLE001 - raised again by who waits for the threads
            self.problem = self.problem or problem
            self._failed()
