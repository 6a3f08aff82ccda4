"""What was seen shortly before, in memory of a fixed size."""

from array import array
from typing import Final

import mmh3

SLOTS: Final = 131_072  # 1 MB


class Seen:
    """Remembers in each slot what came there last: with as many events as slots in between, one in three is forgotten.

    What was never seen is taken for seen once in 2**64.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = array("Q", bytes(8 * slots))

    def before(self, *what: str) -> bool:
        """Whether it was seen before; from now on it was."""
        slot, mark = self._place(what)
        if self._slots[slot] == mark:
            return True
        self._slots[slot] = mark
        return False

    def forget(self, *what: str) -> None:
        """It was not stored: when it comes again, that is the first time."""
        slot, mark = self._place(what)
        if self._slots[slot] == mark:
            self._slots[slot] = 0

    def _place(self, what: tuple[str, ...]) -> tuple[int, int]:
        """Its slot, and its mark there."""
        slot, mark = mmh3.hash64("\0".join(what).encode(), signed=False)
        return slot % len(self._slots), mark or 1  # an empty slot has 0
