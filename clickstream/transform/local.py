"""A function of our own, called in this process: it may be trusted neither to hang nor to end it."""

import queue
import threading
from collections.abc import Callable

from clickstream.errors import ClickstreamError
from clickstream.transform.api import Record
from clickstream.transform.model import Call, Outcome, Outcomes

ENDS_WITHIN_S = 15.0


class Local:
    """Calls `function` on one thread, in the order in which calls are asked for."""

    def __init__(self, where: str, function: Callable[[Record], Outcome], *, begin: Callable[[], None]) -> None:
        """`where` is what a record may wait for, for people; `begin` raises ClickstreamError when nothing can work."""
        self.where = where
        self.outcomes: Outcomes = queue.Queue()
        self._function = function
        self._begin = begin
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="function", daemon=True)
        self._closing = False

    def start(self) -> None:
        self._begin()
        self._thread.start()

    def ask(self, call: Call) -> None:
        self._calls.put(call)

    def close(self) -> None:
        self._closing = True
        self._calls.put(None)
        if self._thread.ident is not None:
            self._thread.join(ENDS_WITHIN_S)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None and not self._closing:
            self.outcomes.put((call, self._outcome(call)))

    def _outcome(self, call: Call) -> Outcome:
        try:
            return self._function(call.record)
        except ClickstreamError as problem:
            return problem
        except Exception as problem:  # noqa: BLE001 - a fault of ours ends the command, and no record is lost
            return ClickstreamError(f"At {call.record.id}: {type(problem).__name__}: {problem}.")
