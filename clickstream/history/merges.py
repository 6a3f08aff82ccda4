"""Sessions that a late click has joined, noticed as it comes, whether or not anybody looks.

Of each user the session of the newest click is known. A click from before its beginning is late: only then its
neighbours are looked up among the rows, so clicks in order cost next to nothing.
"""

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from clickstream.history.decode import Click
from clickstream.history.model import SESSION_GAP_MS, Session
from clickstream.history.store import Store

MAX_USERS = 200_000
MAX_BRIDGES = 10_000


class Bridge(msgspec.Struct, frozen=True):
    """The gap between two sessions that a late click has closed; `at`: when it came. Epoch ms."""

    start: int
    end: int
    at: int


def closed_in(session: Session, bridges: Mapping[str, Sequence[Bridge]]) -> list[Bridge]:
    """Those of a session, of all by user."""
    return [one for one in bridges.get(session.user, []) if session.start <= one.start and one.end <= session.last]


Found = list[tuple[str, Bridge]]
"""Gaps, each with its user."""


class Merges:
    """Of one store. All may be called from any thread."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._newest: dict[int, tuple[int, int]] = {}  # by user: first and last click of the newest session
        self._bridges: deque[tuple[str, Bridge]] = deque(maxlen=MAX_BRIDGES)

    def look(self, clicks: Sequence[Click]) -> Found:
        """The gaps that clicks close that are about to be added to the store, in the order in which they came.

        They are kept by `keep` once the clicks are in: if they cannot be added, it is looked again.
        """
        # What the rows do not reach has no neighbours; sums of it may be read back at any time.
        since = self._store.clicks_level.since
        known = (click for click in clicks if click.userid is not None and click.time >= since)
        late = [click for click in known if self._is_late(click.userid or 0, click.time)]
        if not late:
            return []
        with self._store.lock:
            times = self._neighbours(late)
        closed: Found = []
        for click in late:
            bridge = self._place(click.time, times[click.userid])
            closed += [] if bridge is None else [(str(click.userid), bridge)]
        return closed

    def keep(self, closed: Found) -> None:
        """Gaps that are closed now."""
        with self._store.lock:
            self._bridges += closed

    def by_user(self) -> dict[str, list[Bridge]]:
        """The gaps that were closed, in the order in which they were."""
        found: dict[str, list[Bridge]] = defaultdict(list)
        with self._store.lock:
            for user, bridge in self._bridges:
                found[user].append(bridge)
        return found

    def _is_late(self, user: int, at: int) -> bool:
        known = self._newest.get(user)
        if known is not None and at < known[0]:
            return True
        if known is None or at - known[1] > SESSION_GAP_MS:
            if len(self._newest) >= MAX_USERS:
                self._newest.clear()
            self._newest[user] = at, at
        elif at > known[1]:
            self._newest[user] = known[0], at
        return False

    def _neighbours(self, late: Sequence[Click]) -> dict[int | None, list[int]]:
        """By user: the clicks around the late ones, ascending."""
        find = self._store.clicks.codes["user"].find
        users = {code: click.userid for click in late if (code := find(str(click.userid))) is not None}
        start = min(click.time for click in late) - SESSION_GAP_MS
        end = max(click.time for click in late) + SESSION_GAP_MS + 1
        source = self._store.clicks_level.segments.from_(start, end)
        given: dict[str, Any] = {"start": start, "end": end, "users": list(users)}
        select = f'SELECT "user", time FROM {source} WHERE "user" IN (SELECT unnest($users::INTEGER[])) ORDER BY time'
        times: dict[int | None, list[int]] = defaultdict(list)
        for code, time in self._store.db.execute(select, given).fetchall():
            times[users[code]].append(time)
        return times

    def _place(self, at: int, times: list[int]) -> Bridge | None:
        """What a click closes, which is put among `times`."""
        place = bisect_left(times, at)
        closed = None
        if 0 < place < len(times):
            before, after = times[place - 1], times[place]
            if after - before > SESSION_GAP_MS >= max(at - before, after - at):
                closed = Bridge(before, after, self._clock())
        insort(times, at)
        return closed
