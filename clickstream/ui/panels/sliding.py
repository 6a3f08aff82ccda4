"""How many visitors were there at each moment: a window of five minutes before it, which slides.

Windows overlap, so each is a question of its own. What is final is remembered until clicks come for it all the same:
late ones, or those of a partition that was away. What is not known yet is asked for a few at a time, the newest first,
so that a page that opens need not wait for all of it.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from clickstream.history.model import CURRENT_MS

AT_MOST_S = 0.1


class Sliding:
    """`ask` answers for one moment (epoch ms)."""

    def __init__(self, ask: Callable[[int], int | None], at_most_s: float = AT_MOST_S) -> None:
        self._ask = ask
        self._at_most_s = at_most_s
        self._known: dict[int, int | None] = {}
        self._stale: dict[int, None] = {}  # in the order in which they became so

    def values(self, moments: Sequence[int], final: int | None) -> list[int | None]:
        """By moment, ascending; None is not known, or not yet. What is asked takes about `at_most_s` seconds."""
        until = time.monotonic() + self._at_most_s
        found: dict[int, int | None] = {}
        new = [moment for moment in reversed(moments) if moment not in self._known]
        # Where late clicks come all the time, what waits for longest has to have its turn.
        shown = set(moments)
        again = [moment for moment in self._stale if moment in shown]
        for moment in (*new, *again):
            if found and time.monotonic() >= until:
                break
            found[moment] = self._ask(moment)
            self._forget(moment)
            if final is not None and moment <= final and found[moment] is not None:
                self._known[moment] = found[moment]
        # What could not be asked again yet is what it was.
        return [found.get(moment, self._known.get(moment)) for moment in moments]

    def touch(self, spans: Iterable[tuple[int, int]]) -> None:
        """Clicks have come of these times, first and last: moments that they count in are asked for again."""
        for first, last in spans:
            late = (moment for moment in self._known if first < moment <= last + CURRENT_MS)
            self._stale = {**self._stale, **dict.fromkeys(late)}

    def forget_before(self, moment: int) -> None:
        """What is older is asked for no more."""
        for known in [one for one in self._known if one < moment]:
            self._forget(known)

    def _forget(self, moment: int) -> None:
        self._known.pop(moment, None)
        self._stale.pop(moment, None)
