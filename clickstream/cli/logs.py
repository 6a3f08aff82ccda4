"""Log lines on standard error."""

import copy
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from clickstream import terminal

REPEAT_AFTER_S = 30.0


def set_up() -> None:
    """Log lines go to standard error, from INFO on; librdkafka's own log is shown with --verbose only."""
    logging.basicConfig(level=logging.INFO, handlers=[LogLines()])
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL + 1)


class LogLines(logging.StreamHandler[TextIO]):
    """Writes log lines, harmless for a terminal whatever they quote; a warning that repeats itself is said once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        self._once = _Once(clock)

    def emit(self, record: logging.LogRecord) -> None:
        said = self._once.admitted(record)
        if said is not None:
            # While a view is shown that is rich's, which writes above the view and not into it.
            self.stream = sys.stderr
            super().emit(said)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return terminal.message(super().format(record))


@dataclass
class _Said:
    at: float
    more: int = 0


class _Once:
    """Holds back a warning that was said less than REPEAT_AFTER_S ago; when it comes again later, says how many.

    The same are warnings with the same text, or with the same `about` (a field of the record, given as `extra`): all
    clients of a command see that the broker is away, each for a reason of its own.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[str, _Said] = {}

    def admitted(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """The record as it is to be written; None: not at all."""
        if record.levelno < logging.WARNING:
            return record
        about = getattr(record, "about", None) or record.getMessage()
        now = self._clock()
        before = self._said.get(about)
        if before is not None and now < before.at + REPEAT_AFTER_S:
            before.more += 1
            return None
        self._said = {one: said for one, said in self._said.items() if now < said.at + REPEAT_AFTER_S}
        self._said[about] = _Said(now)
        return _and_more(record, before.more) if before is not None and before.more else record


def _and_more(record: logging.LogRecord, number: int) -> logging.LogRecord:
    # A copy: other handlers get the same record.
    found = copy.copy(record)
    found.msg, found.args = f"{record.getMessage()} (and {number} more like it)", None
    return found
