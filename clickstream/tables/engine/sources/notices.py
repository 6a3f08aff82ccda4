"""Event times that are missing or look wrong: counted, and said once."""

import logging
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clickstream.tables.engine.clock import Times
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.sql.model import Table

log = logging.getLogger(__name__)

ENOUGH_ROWS = 1_000
SOON_S = 10.0
YEAR_MS = 366 * 86_400_000


class TimeNotice:
    """Looks at the event times (ms) of one table's rows. `untimed` counts rows without one: they are in no window."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.monotonic) -> None:
        self.untimed = 0
        self._table = table
        self._clock = clock
        self._rows = 0
        self._in_seconds = 0
        self._began: float | None = None
        self._said = False

    def look(self, times: Times, stamps: npt.NDArray[np.int64]) -> None:
        """Take note of rows: `times` has BEGINNING for none, `stamps` are the records' timestamps (ms)."""
        if self._began is None and len(times):
            self._began = self._clock()
        self._rows += len(times)
        self.untimed += int(np.count_nonzero(times == BEGINNING))
        small = (times > 0) & (times < YEAR_MS) & (stamps > 10 * YEAR_MS)
        if small.any():
            self._in_seconds += int(np.count_nonzero(np.abs(times[small] * 1000 - stamps[small]) < 10 * YEAR_MS))

    def speak(self, *, last: bool = False) -> None:
        """Say what is wrong, if enough rows were seen; `last`: no more come."""
        if self._said or not (self.untimed or self._in_seconds):
            return
        soon = self._began is not None and self._clock() - self._began >= SOON_S
        if not (last or soon or self._rows >= ENOUGH_ROWS):
            return
        self._said = True
        name, topic = self._table.name, self._table.topic
        column = self._table.watermark.column if self._table.watermark is not None else ""
        if self.untimed:
            log.warning(
                "Table %s: %s of %s rows of %s have no event time (%s is NULL): they are in no window.",
                name,
                f"{self.untimed:,}",
                f"{self._rows:,}",
                topic,
                column,
            )
        if self._in_seconds:
            log.warning(
                "Table %s: %s of %s rows of %s have event times (%s) in January 1970: seconds, taken for milliseconds? "
                "TO_TIMESTAMP_LTZ(field, 0) reads seconds.",
                name,
                f"{self._in_seconds:,}",
                f"{self._rows:,}",
                topic,
                column,
            )
