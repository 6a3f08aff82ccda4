"""Clicks and pages of users by minute equal a plain count."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.history.activity import activity
from clickstream.history.decode import Click
from clickstream.history.model import Filter
from clickstream.history.store import Limits, Store
from tests.unit.history.oracle import BASE, IPS, PLACES

SPAN_MS = 5 * 60_000
REQUESTS = {"GET /index.html HTTP/1.1": 1, "GET /a HTTP/1.1": 0, None: 0}

clicks = st.lists(
    st.builds(
        Click,
        time=st.integers(0, SPAN_MS - 1).map(lambda offset: BASE + offset),
        ip=st.sampled_from(IPS),
        userid=st.sampled_from([1, 2, 3, None]),
        request=st.sampled_from(list(REQUESTS)),
        status=st.sampled_from([200, 404]),
    ),
    max_size=60,
)


def filled(batch: Sequence[Click]) -> Store:
    store = Store(Limits(), places=PLACES, clock=lambda: BASE + SPAN_MS)
    store.begin("clicks", 0)
    store.add_clicks(batch)
    return store


@settings(max_examples=40, deadline=None)
@given(clicks, st.integers(0, SPAN_MS - 1), st.integers(1, SPAN_MS), st.booleans())
def test_each_minute_has_what_is_in_the_range(came: list[Click], first: int, length: int, only_404: bool) -> None:
    start, end = BASE + first, BASE + min(SPAN_MS, first + length)
    filters = (Filter("status", True, "404"),) if only_404 else ()
    found = activity(filled(came), start, end, 10, filters)
    own = [one for one in came if start <= one.time < end and one.userid is not None]
    own = [one for one in own if one.status == 404 or not only_404]
    users = Counter(str(one.userid) for one in own)
    assert {row.user: row.clicks for row in found.rows} == users
    assert [row.clicks for row in found.rows] == sorted(users.values(), reverse=True)
    assert found.users == len(users)
    for row in found.rows:
        theirs = [one for one in own if str(one.userid) == row.user]
        events = Counter(one.time // 60_000 * 60_000 for one in theirs)
        pages = Counter[int]()
        for one in theirs:
            pages[one.time // 60_000 * 60_000] += REQUESTS[one.request]
        assert row.events == [events[minute] for minute in found.minutes]
        assert row.pages == [pages[minute] for minute in found.minutes]
        assert row.ips == len({one.ip for one in theirs} - {None})


def test_only_the_users_with_the_most_clicks_are_shown() -> None:
    came = [Click(time=BASE + number, userid=number % 7) for number in range(24)]
    found = activity(filled(came), BASE, BASE + 60_000, 3)
    assert [row.clicks for row in found.rows] == [4, 4, 4]
    assert found.users == 7


def test_before_anything_is_read_nothing_is_known() -> None:
    found = activity(Store(), BASE, BASE + 60_000, 3)
    assert found.rows == []
    assert found.covered_from == BASE + 60_000
