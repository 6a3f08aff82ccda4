"""Lanes of sessions: which user has which lane."""

from collections.abc import Iterable, Mapping, Sequence

from clickstream.history.model import Session

# What makes a user worth a lane, when there are more users than lanes.
FOR_A_SESSION, FOR_BEING_HERE, FOR_MANY_CLICKS = 3, 5, 2
MANY_CLICKS = 20


class Lanes:
    """A user keeps the lane until no session of theirs is in view; then the one who came last gets it."""

    def __init__(self, number: int) -> None:
        self._users: list[str | None] = [None] * number

    def place(self, sessions: Mapping[str, Sequence[Session]]) -> list[str | None]:
        """Who has which lane now; `sessions` are those in view, by user."""
        if not any(self._users):
            lively = sorted(sessions, key=lambda user: (-_liveliness(sessions[user]), user))[: len(self._users)]
            lively.sort(key=lambda user: (sessions[user][0].start, user))
            self._users[: len(lively)] = lively
            return list(self._users)
        self._users = [user if user in sessions else None for user in self._users]
        waiting = sorted(set(sessions) - set(self._users), key=lambda user: (-sessions[user][0].start, user))
        for lane, user in enumerate(self._users):
            if user is None and waiting:
                self._users[lane] = waiting.pop(0)
        return list(self._users)


def _liveliness(sessions: Sequence[Session]) -> int:
    here = FOR_BEING_HERE if sessions[-1].open else 0
    return len(sessions) * FOR_A_SESSION + here + (FOR_MANY_CLICKS if sessions[-1].hits > MANY_CLICKS else 0)


def by_user(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    """Each user's sessions, the oldest first."""
    found: dict[str, list[Session]] = {}
    for one in sorted(sessions, key=lambda session: session.start):
        found.setdefault(one.user, []).append(one)
    return found
