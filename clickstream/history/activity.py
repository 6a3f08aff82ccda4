"""What the users with the most clicks do, by minute, from the rows of clicks."""

from collections import defaultdict

import msgspec

from clickstream.history.filters import condition
from clickstream.history.model import Filter
from clickstream.history.store import Store

MINUTE_MS = 60_000
# What the streaming tables call a page: LIKE '%html%'.
PAGE_PART = "html"


class UserActivity(msgspec.Struct, frozen=True):
    """`events` are the clicks of each minute, `pages` those of them that were pages; `ip` is the last address, `ips`
    how many there were."""

    user: str
    clicks: int
    ip: str | None
    ips: int
    events: list[int]
    pages: list[int]


class Activity(msgspec.Struct, frozen=True):
    """The users with the most clicks, of `users` in all; `minutes` are the beginnings of the minutes, epoch ms.

    The first and the last minute have what is in the range; before `covered_from` nothing is known.
    """

    minutes: list[int]
    rows: list[UserActivity]
    users: int
    covered_from: int


def activity(store: Store, start: int, end: int, limit: int, filters: tuple[Filter, ...] = ()) -> Activity:
    """Clicks of [start, end) that fit the filters; clicks of nobody are not among them."""
    minutes = list(range(start // MINUTE_MS * MINUTE_MS, end, MINUTE_MS))
    with store.lock:
        first = max(start, store.clicks_level.since)
        if first >= end:
            return Activity(minutes, [], 0, end)
        where, given = condition(filters, store.clicks.codings)
        source = store.clicks_level.segments.from_(first, end)
        given |= {"start": first, "end": end, "limit": limit}
        tops = store.db.execute(_TOPS.format(source=source, where=where), given).fetchall()
        found = store.db.execute(_MINUTES.format(source=source, where=where), given).fetchall() if tops else []
        codes = store.clicks.codes
        page_of = {code: codes["page"].value(code) for code in {row[2] for row in found} if code is not None}
        users = {code: codes["user"].value(code) for code, *_rest in tops}
        addresses = {code: codes["ip"].value(code) for _user, _hits, code, *_rest in tops if code is not None}
    events: dict[tuple[int, int], int] = defaultdict(int)
    pages: dict[tuple[int, int], int] = defaultdict(int)
    for user, minute, page, hits in found:
        events[user, minute] += hits
        pages[user, minute] += hits if PAGE_PART in page_of.get(page, "") else 0
    rows = [
        UserActivity(
            user=users[user],
            clicks=int(hits),
            ip=addresses.get(ip),
            ips=int(ips),
            events=[events[user, minute // MINUTE_MS] for minute in minutes],
            pages=[pages[user, minute // MINUTE_MS] for minute in minutes],
        )
        for user, hits, ip, ips, _users in tops
    ]
    return Activity(minutes, rows, int(tops[0][-1]) if tops else 0, first)


_TOPS = """
    SELECT "user", count(*) AS hits, arg_max(ip, time), count(DISTINCT ip), count(*) OVER ()
    FROM {source} WHERE {where} AND "user" IS NOT NULL
    GROUP BY "user" ORDER BY hits DESC, "user" LIMIT $limit
"""

_MINUTES = f"""
    WITH chosen AS (
        SELECT "user" AS who FROM {{source}} WHERE {{where}} AND "user" IS NOT NULL
        GROUP BY who ORDER BY count(*) DESC, who LIMIT $limit
    )
    SELECT "user", time // {MINUTE_MS}, page, count(*)
    FROM {{source}} JOIN chosen ON "user" = who WHERE {{where}} GROUP BY ALL
"""
