"""Product events over time: of each name, and how many different users."""

from clickstream.history.model import EVENTS, EventTally, Question
from clickstream.history.store import FOREVER, Store


def tally(store: Store, start: int, end: int, bucket: int) -> EventTally:
    """Events of [start, end) in buckets of `bucket` ms; None in buckets that the history reaches only in part."""
    starts = Question(start, end, bucket).bucket_starts()
    with store.lock:
        since = store.since(EVENTS)
        first = max(start, FOREVER if since is None else since)
        if first >= end:
            return EventTally(list(starts), {}, [None] * len(starts), {}, end)
        source = store.rows[EVENTS].from_(first, end)
        given = {"start": first, "end": end, "bucket": bucket}
        by_name = store.db.execute(
            f"SELECT time // $bucket * $bucket, name, count(*) FROM {source} WHERE name IS NOT NULL GROUP BY ALL", given
        ).fetchall()
        by_user = store.db.execute(
            f'SELECT time // $bucket * $bucket, count(DISTINCT "user") FROM {source} GROUP BY ALL', given
        ).fetchall()
        value = store.events.codes["name"].value
        found = {(value(name), int(one)): int(count) for one, name, count in by_name}
    users = {int(one): int(count) for one, count in by_user}
    names = sorted({name for name, _one in found})
    whole = [max(one, start) >= first for one in starts]
    return EventTally(
        times=list(starts),
        names={
            name: [found.get((name, one), 0) if known else None for one, known in zip(starts, whole, strict=True)]
            for name in names
        },
        users=[users.get(one, 0) if known else None for one, known in zip(starts, whole, strict=True)],
        totals={name: sum(count for (own, _one), count in found.items() if own == name) for name in names},
        covered_from=first,
    )
