"""Sessions, from the rows of clicks.

A session is a user's clicks of which none is more than 30 s after the one before, as in the streaming tables; clicks of
nobody belong to none. Clicks of one stretch of 30 s belong together anyway: those are summed up first, so that only
few are left to be put in order.
"""

from collections.abc import Sequence

from clickstream.history.filters import condition
from clickstream.history.model import ERROR_STATUS, SESSION_GAP_MS, Filter, Session, Sessions
from clickstream.history.store import Store

# How far before the range its first sessions are followed back.
LOOK_BACK_MS = 900_000
MAX_CLICKS = 200  # of a session, the last ones


def sessions(
    store: Store,
    start: int,
    end: int,
    limit: int,
    *,
    filters: tuple[Filter, ...] = (),
    per_address: bool = False,
    min_bytes: int = 0,
    final: int | None = None,
) -> Sessions:
    """The sessions with a click in [start, end), as they were at `end`; with at least `min_bytes`.

    `per_address`: a user's clicks from two addresses are two sessions. `final` is the watermark: a session is open
    until it has passed its last click by 30 s (default: `end`).
    """
    with store.lock:
        since = store.clicks_level.since
        first = max(since, start - LOOK_BACK_MS)
        if first >= end:
            return Sessions([], 0, 0, end)
        where, given = condition(filters, store.clicks.codings)
        source = store.clicks_level.segments.from_(first, end)
        key = '"user", ip' if per_address else '"user"'
        given |= {
            "start": first,
            "end": end,
            "from": start,
            "bytes": min_bytes,
            "limit": limit,
            "open": min(end, final if final is not None else end) - SESSION_GAP_MS,
        }
        found = store.db.execute(
            _SESSIONS.format(source=source, where=where, key=key, ip="ip" if per_address else "NULL"), given
        ).fetchall()
        clicks = _clicks(store, found, first, end)
        rows = [_session(store, row, clicks[number], first) for number, row in enumerate(found)]
    if not found:
        return Sessions([], 0, 0, max(start, since))
    return Sessions(rows, found[0][-2], found[0][-1], max(start, since))


_SESSIONS = f"""
    WITH stretches AS (
        SELECT {{key}}, min(time) AS first, max(time) AS last, count(*) AS hits, sum(bytes) AS bytes,
            count(*) FILTER (WHERE status >= {ERROR_STATUS}) AS errors, arg_max(page, time) AS page
        FROM {{source}} WHERE {{where}} AND "user" IS NOT NULL
        GROUP BY {{key}}, time // {SESSION_GAP_MS}
    ), numbered AS (
        SELECT *, sum(begins) OVER (PARTITION BY {{key}} ORDER BY first) AS number FROM (
            SELECT *, coalesce(
                (first - lag(last) OVER (PARTITION BY {{key}} ORDER BY first) > {SESSION_GAP_MS})::INTEGER, 0
            ) AS begins
            FROM stretches
        )
    ), whole AS (
        SELECT "user", {{ip}} AS address, min(first) AS first, max(last) AS last, sum(hits) AS hits,
            sum(bytes) AS bytes, sum(errors) AS errors, arg_max(page, last) AS page
        FROM numbered GROUP BY {{key}}, number HAVING max(last) >= $from AND sum(bytes) >= $bytes
    )
    SELECT *, last > $open, count(*) OVER (), count(*) FILTER (WHERE last > $open) OVER ()
    FROM whole ORDER BY last DESC, "user", first LIMIT $limit
"""


def _session(store: Store, row: tuple[int, ...], clicks: list[int], looked_from: int) -> Session:
    user, ip, first, last, hits, octets, errors, page, is_open, _total, _open = row
    codes = store.clicks.codes
    return Session(
        user=codes["user"].value(user),
        ip=None if ip is None else codes["ip"].value(ip),
        start=first,
        last=last,
        hits=int(hits),
        bytes=int(octets),
        errors=int(errors),
        clicks=clicks,
        last_page=None if page is None else codes["page"].value(page),
        open=bool(is_open),
        cut=first - SESSION_GAP_MS < looked_from,
    )


def _clicks(store: Store, found: Sequence[tuple[int, ...]], start: int, end: int) -> list[list[int]]:
    """The times of the last clicks of each session, all in one statement."""
    source = store.clicks_level.segments.from_(start, end)
    given = {
        "start": start,
        "end": end,
        "users": [row[0] for row in found],
        "addresses": [row[1] for row in found],
        "firsts": [row[2] for row in found],
        "lasts": [row[3] for row in found],
        "numbers": list(range(len(found))),
    }
    times: list[list[int]] = [[] for _ in found]
    for number, own in store.db.execute(_CLICKS.format(source=source), given).fetchall():
        times[number] = own[::-1]
    return times


_CLICKS = f"""
    WITH chosen AS (
        SELECT unnest($users::INTEGER[]) AS who, unnest($addresses::INTEGER[]) AS address,
            unnest($firsts::BIGINT[]) AS first, unnest($lasts::BIGINT[]) AS last,
            unnest($numbers::INTEGER[]) AS number
    )
    SELECT number, list(time ORDER BY time DESC)[1:{MAX_CLICKS}]
    FROM {{source}} JOIN chosen ON "user" = who AND time >= first AND time <= last
    WHERE address IS NULL OR ip = address
    GROUP BY number
"""
