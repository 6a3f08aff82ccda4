"""Sessions as they grow, merge and close: lanes of some users, the sizes of all, a table, and users per minute.

Everything is counted from the history's clicks; names and cities come from the topic of users.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.history.activity import Activity, activity
from clickstream.history.merges import Bridge, closed_in
from clickstream.history.model import CLICKS, SESSION_GAP_MS, Session, Sessions
from clickstream.ui.keyed import People, Person
from clickstream.ui.lanes import Lanes, by_user
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.past import Asked, Unhurried, checked, history_of, source_of
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

MAX_SESSIONS = 5_000
MAX_LANES = 60
MAX_ROWS = 50
MAX_USERS = 10


class Params(Asked, frozen=True, forbid_unknown_fields=True):
    """`lanes`: for how many users; the table has the first by `sort`, `over`: only those with more bytes than that."""

    lanes: int = 22
    sort: str = "bytes"
    down: bool = True
    over: int | None = None


class Bar(msgspec.Struct, frozen=True):
    """A session in its lane; `clicks` are the times of those in view, `bridges` the gaps that late clicks closed."""

    start: int
    last: int
    bytes: int
    hits: int
    open: bool
    clicks: list[int]
    bridges: list[Bridge]


class Lane(msgspec.Struct, frozen=True):
    """One user's sessions, as bars on one line of time."""

    user: str
    name: str
    sessions: list[Bar]


class Row(msgspec.Struct, frozen=True):
    """A session in the table; `cut`: it may have begun before what the history reaches."""

    user: str
    name: str
    city: str | None
    start: int
    last: int
    length: int
    hits: int
    bytes: int
    errors: int
    page: str | None
    open: bool
    cut: bool


class User(msgspec.Struct, frozen=True):
    """A user's clicks and pages by minute."""

    user: str
    name: str
    city: str | None
    ip: str | None
    ips: int
    clicks: int
    events: list[int]
    pages: list[int]


class State(msgspec.Struct, frozen=True):
    """`total` sessions of `users` have a click in [from, to), `open` of them go on; `seen` of them are in what follows.

    `sizes` are [bytes, closed, open]: how many sessions have as many bytes, which are rounded up to two digits.
    """

    from_: int = msgspec.field(name="from")
    to: int
    final: int | None
    newest: int | None
    covered_from: int | None
    gap: int
    total: int
    open: int
    seen: int
    users: int
    lanes: list[Lane | None]
    sizes: list[tuple[int, int, int]]
    rows: list[Row]
    minutes: list[int]
    activity: list[User]
    active_users: int
    people: TopicState
    clicks: TopicState


SORTS: Mapping[str, Callable[[Row], Any]] = {
    "name": lambda row: row.name,
    "city": lambda row: row.city or "",
    "start": lambda row: row.start,
    "length": lambda row: row.length,
    "hits": lambda row: row.hits,
    "bytes": lambda row: row.bytes,
    "errors": lambda row: row.errors,
    "page": lambda row: row.page or "",
    "last": lambda row: row.last,
}


class SessionsPanel:
    """Sessions as a table and as bars; see contract.StatePanel."""

    def __init__(self, services: Services, params: Params) -> None:
        """Raises ClickstreamError for parameters that make no sense."""
        self._filters = checked(params)
        if params.sort not in SORTS or not 1 <= params.lanes <= MAX_LANES:
            raise ClickstreamError(f"Sessions are sorted by {', '.join(SORTS)}; there are 1 to {MAX_LANES} lanes.")
        self._params = params
        self._history = history_of(services)
        self._services = services
        self._people = People(services)
        self._lanes = Lanes(params.lanes)
        self._bridges: dict[str, list[Bridge]] = {}
        self._sessions: Unhurried[tuple[int, Sessions]] = Unhurried()
        self._activity: Unhurried[Activity] = Unhurried()

    def state(self, now: int) -> State:
        people = self._people.by_id()
        end, found = self._sessions.get(lambda: self._look(now))
        start = end - self._params.range
        active = self._activity.get(
            lambda: activity(self._history.store, start, end, MAX_USERS, self._filters), self._params.to
        )
        in_view = by_user(found.rows)
        self._bridges = self._history.merges.by_user()
        coverage = self._history.coverage()
        final = self._history.final()
        rows = [_row(one, people) for one in found.rows]
        return State(
            from_=start,
            to=end,
            final=None if final is None else min(final, end),
            newest=coverage.newest,
            covered_from=found.covered_from if found.covered_from > start else None,
            gap=SESSION_GAP_MS,
            total=found.total,
            open=found.open,
            seen=len(found.rows),
            users=len(in_view),
            lanes=[self._lane(user, in_view, people, start) for user in self._lanes.place(in_view)],
            sizes=sizes(found.rows),
            rows=self._chosen(rows),
            minutes=active.minutes,
            activity=[_user(one, people) for one in active.rows],
            active_users=active.users,
            people=self._people.topic(),
            clicks=source_of(self._services, CLICKS),
        )

    def close(self) -> None:
        self._people.close()

    def _look(self, now: int) -> tuple[int, Sessions]:
        end = self._params.end(now)
        found = self._history.sessions(end - self._params.range, end, MAX_SESSIONS, filters=self._filters)
        return end, found

    def _lane(
        self, user: str | None, in_view: Mapping[str, list[Session]], people: Mapping[str, Person], start: int
    ) -> Lane | None:
        if user is None:
            return None
        return Lane(user, name_of(user, people), [self._bar(one, start) for one in in_view[user]])

    def _bar(self, session: Session, start: int) -> Bar:
        clicks = [click for click in session.clicks if click >= start]
        bridges = closed_in(session, self._bridges)
        return Bar(session.start, session.last, session.bytes, session.hits, session.open, clicks, bridges)

    def _chosen(self, rows: list[Row]) -> list[Row]:
        over = self._params.over
        if over is not None:
            rows = [row for row in rows if row.bytes > over]
        rows.sort(key=lambda row: (row.user, row.start))
        rows.sort(key=SORTS[self._params.sort], reverse=self._params.down)
        return rows[:MAX_ROWS]


def sizes(sessions: list[Session]) -> list[tuple[int, int, int]]:
    """[bytes, closed, open], the smallest first: how many sessions have as many bytes, rounded up to two digits.

    So what is more than any number of two digits can be counted exactly.
    """
    counts: dict[int, list[int]] = {}
    for one in sessions:
        counts.setdefault(rounded_up(one.bytes), [0, 0])[one.open] += 1
    return [(octets, closed, goes_on) for octets, (closed, goes_on) in sorted(counts.items())]


def rounded_up(octets: int) -> int:
    """To two digits."""
    power: int = 10 ** max(0, len(str(octets)) - 2)
    return -(-octets // power) * power


def name_of(user: str, people: Mapping[str, Person]) -> str:
    """The user's name; of one whom the topic of users does not know, the number."""
    known = people.get(user)
    return user if known is None or not known.username else known.username


def _row(one: Session, people: Mapping[str, Person]) -> Row:
    known = people.get(one.user)
    return Row(
        user=one.user,
        name=name_of(one.user, people),
        city=None if known is None else known.city,
        start=one.start,
        last=one.last,
        length=one.last - one.start,
        hits=one.hits,
        bytes=one.bytes,
        errors=one.errors,
        page=one.last_page,
        open=one.open,
        cut=one.cut,
    )


def _user(one: Any, people: Mapping[str, Person]) -> User:
    known = people.get(one.user)
    return User(
        user=one.user,
        name=name_of(one.user, people),
        city=None if known is None else known.city,
        ip=one.ip,
        ips=one.ips,
        clicks=one.clicks,
        events=one.events,
        pages=one.pages,
    )


def _make(services: Services, params: Any) -> SessionsPanel:
    return SessionsPanel(services, params)


KIND = StateKind(Params, _make)
