"""Sessions that late clicks join are noticed as they come."""

import itertools
import random
from collections.abc import Iterator

import pytest

from clickstream.history.decode import Click
from clickstream.history.merges import Bridge, Merges, closed_in
from clickstream.history.model import Session
from clickstream.history.sessions import sessions
from clickstream.history.store import Limits, Store

BASE = 1_600_000_000_000 // 3_600_000 * 3_600_000
SEEN_AT = BASE + 600_000
S = 1_000


class Watched:
    """A store, and what is noticed of the clicks that come."""

    def __init__(self) -> None:
        self.store = Store(Limits(), clock=lambda: SEEN_AT)
        self.store.begin("clicks", 0)
        self.merges = Merges(self.store, lambda: SEEN_AT)

    def come(self, *seconds: float, user: int = 1) -> None:
        clicks = [Click(time=BASE + int(at * S), userid=user) for at in seconds]
        closed = self.merges.look(clicks)
        self.store.add_clicks(clicks)
        self.merges.keep(closed)

    def sessions(self) -> list[Session]:
        return sorted(sessions(self.store, BASE, SEEN_AT, 1_000).rows, key=lambda one: (one.user, one.start))

    def of(self, session: Session) -> list[Bridge]:
        return closed_in(session, self.merges.by_user())

    def bridges(self) -> list[list[tuple[float, float]]]:
        return [
            [((one.start - BASE) / S, (one.end - BASE) / S) for one in self.of(session)] for session in self.sessions()
        ]


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.store.close()


def test_a_late_click_between_two_sessions_is_a_bridge(watched: Watched) -> None:
    watched.come(0, 10)
    watched.come(60, 70)
    assert watched.bridges() == [[], []]
    watched.come(35)
    [whole] = watched.sessions()
    assert watched.of(whole) == [Bridge(BASE + 10 * S, BASE + 60 * S, SEEN_AT)]
    watched.come(90, 110)
    assert watched.bridges() == [[(10, 60)]], "it stays while the session grows"


def test_clicks_in_order_and_those_within_a_session_join_nothing(watched: Watched) -> None:
    for at in (0, 20, 45, 44, 30, 5, 70, 99):
        watched.come(at)
    assert watched.bridges() == [[]]
    assert watched.merges.by_user() == {}


def test_a_late_click_that_reaches_only_one_side_joins_nothing(watched: Watched) -> None:
    watched.come(0, 100)
    watched.come(20)
    watched.come(80)
    assert watched.bridges() == [[], []]


def test_two_late_clicks_close_a_gap_together(watched: Watched) -> None:
    watched.come(0)
    watched.come(80)
    watched.come(29, 55)
    assert watched.bridges() == [[(29, 80)]]


def test_users_do_not_join_each_other(watched: Watched) -> None:
    watched.come(0, 60)
    watched.come(0, 60, user=2)
    watched.come(30, user=2)
    assert watched.bridges() == [[], [], [(0, 60)]]


def test_every_pair_of_sessions_that_became_one_has_its_bridge(watched: Watched) -> None:
    dice = random.Random(3)
    known: list[Session] = []
    joined = 0
    for at, user in [(dice.randrange(0, 500), dice.randrange(6)) for _ in range(84)]:
        watched.come(at, user=user)
        now = watched.sessions()
        whole = next(one for one in now if one.user == str(user) and one.start <= BASE + at * S <= one.last)
        own = [one for one in known if one.user == str(user)]
        parts = [one for one in own if whole.start <= one.start and one.last <= whole.last]
        gaps = {(before.last, after.start) for before, after in itertools.pairwise(parts)}
        assert gaps <= {(one.start, one.end) for one in watched.of(whole)}
        joined += len(gaps)
        known = now
    assert joined
