"""How many visitors were there at each moment: a window of five minutes before it, which slides.

Windows overlap, so each is a question of its own. What is final does not change any more and is remembered; what is not
known yet is asked for a few at a time, the newest first, so that a page that opens need not wait for all of it.
"""

import time
from collections.abc import Callable, Sequence

AT_MOST_S = 0.1


class Sliding:
    """`ask` answers for one moment (epoch ms)."""

    def __init__(self, ask: Callable[[int], int | None], at_most_s: float = AT_MOST_S) -> None:
        self._ask = ask
        self._at_most_s = at_most_s
        self._known: dict[int, int | None] = {}

    def values(self, moments: Sequence[int], final: int | None) -> list[int | None]:
        """By moment, ascending; None is not known, or not yet. What is asked takes about `at_most_s` seconds."""
        until = time.monotonic() + self._at_most_s
        found: dict[int, int | None] = {}
        asked = False
        for moment in reversed(moments):
            if moment in self._known:
                found[moment] = self._known[moment]
            elif not asked or time.monotonic() < until:
                asked = True
                found[moment] = self._ask(moment)
                if final is not None and moment <= final and found[moment] is not None:
                    self._known[moment] = found[moment]
        return [found.get(moment) for moment in moments]

    def forget_before(self, moment: int) -> None:
        """What is older is asked for no more."""
        self._known = {known: value for known, value in self._known.items() if known >= moment}
