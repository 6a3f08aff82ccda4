"""Ids that a registry does not know, and when it is asked for them again."""

import time
from collections.abc import Callable

UNKNOWN_FOR_S = 1.0
# Numbers as Java writes them begin with a zero byte: in a topic of those, each record has another id.
IN_A_ROW = 5
MOST = 1_000


class UnknownIds:
    """Those that one reader has met."""

    def __init__(self, for_s: float, rest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """An id is asked for again after `for_s`; none is for `rest_s` after IN_A_ROW that were unknown."""
        self._for_s = for_s
        self._rest_s = rest_s
        self._clock = clock
        self._again: dict[int, float] = {}  # when they may be asked for again
        self._last: int | None = None
        self._rests_until = float("-inf")
        self.in_a_row = 0  # to be set to 0 when an id is known

    def __len__(self) -> int:
        return len(self._again)

    def may_be_asked_for(self, schema_id: int) -> bool:
        """Whether it is time to."""
        return self._clock() >= max(self._rests_until, self._again.get(schema_id, float("-inf")))

    def add(self, schema_id: int) -> None:
        """The registry was asked for it, and does not know it."""
        now = self._clock()
        if self._for_s:
            if len(self._again) >= MOST:
                self._again.clear()  # at worst some are asked for once more
            self._again[schema_id] = now + self._for_s
        if schema_id != self._last:
            self._last = schema_id
            self.in_a_row += 1
        if self.in_a_row >= IN_A_ROW:
            self._rests_until = now + self._rest_s
