"""How many users go through the steps of a funnel, in order and in time.

Each event of the first step begins a passage: of every further step the first event that is not earlier than that of
the step before, as long as it is within the window after the beginning. (Dates have seconds only: of events of one
second the order is not known, and they count as in order.) A user got as far as the best passage; its times between
steps are those of the first passage that got so far.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median_low
from typing import Any

from clickstream.history.model import EVENTS, Funnel, Step
from clickstream.history.store import FOREVER, Store

MAX_STEPS = 8


def funnel(store: Store, start: int, end: int, steps: Sequence[str], window: int) -> Funnel:
    """Product events of [start, end); `window` is in ms, from the first step to the last one.

    Raises ValueError for less than one step, more than MAX_STEPS, or a step twice.
    """
    if not 1 <= len(steps) <= MAX_STEPS or len(set(steps)) < len(steps):
        raise ValueError(f"A funnel has 1 to {MAX_STEPS} steps, each of them once.")
    with store.lock:
        since = store.since(EVENTS)
        first = max(start, FOREVER if since is None else since)
        if first >= end:
            return Funnel([_step(name, 0, None, 0, []) for name in steps], 0, end)
        source = store.rows[EVENTS].from_(first, end)
        given: dict[str, Any] = {"start": first, "end": end}
        users = store.db.execute(f'SELECT count(DISTINCT "user") FROM {source}', given).fetchall()[0][0]
        codes = [store.events.codes["name"].find(name) for name in steps]
        # A name that no event has has no code; no event has 0.
        given |= {f"name{number}": code or 0 for number, code in enumerate(codes)} | {"window": window}
        passages = store.db.execute(_passages(source, len(steps)), given).fetchall()
    return Funnel(list(_steps(steps, passages)), int(users), first)


def _passages(source: str, steps: int) -> str:
    """SQL for the times of the steps in each user's best passage."""
    joins = ""
    for number in range(1, steps):
        joins += (
            f' ASOF LEFT JOIN (SELECT "user", time FROM events WHERE name = $name{number}) AS s{number} '
            f'ON s0."user" = s{number}."user" AND s{number}.time >= s{number - 1}.time'
        )
    # Beyond the window a step does not count, nor do those behind it: they are later still.
    times = ["s0.time AS t0"] + [
        f"CASE WHEN s{number}.time <= s0.time + $window THEN s{number}.time END AS t{number}"
        for number in range(1, steps)
    ]
    reached = " + ".join(f"(t{number} IS NOT NULL)::INTEGER" for number in range(steps))
    columns = ", ".join(f"t{number}" for number in range(steps))
    # The window's length is compared in every funnel, so that its parameter is always used.
    return (
        f'WITH events AS MATERIALIZED (SELECT "user", name, time FROM {source} WHERE "user" IS NOT NULL) '
        f'SELECT {columns} FROM (SELECT s0."user", {", ".join(times)} FROM '
        f'(SELECT "user", time FROM events WHERE name = $name0 AND $window >= 0) AS s0{joins}) '
        f'QUALIFY row_number() OVER (PARTITION BY "user" ORDER BY {reached} DESC, t0) = 1'
    )


def _steps(names: Sequence[str], passages: Sequence[tuple[int | None, ...]]) -> Iterator[Step]:
    before: int | None = None
    first = 0
    for number, name in enumerate(names):
        here = [passage for passage in passages if passage[number] is not None]
        first = len(here) if number == 0 else first
        took = [later - earlier for passage in here for earlier, later in _last_pair(passage, number)]
        yield _step(name, len(here), before, first, took)
        before = len(here)


def _last_pair(passage: Sequence[int | None], number: int) -> list[tuple[int, int]]:
    times = [time for time in passage[: number + 1] if time is not None]
    return list(pairwise(times))[-1:] if number else []


def _step(name: str, users: int, before: int | None, first: int, took: list[int]) -> Step:
    took.sort()
    return Step(
        name=name,
        users=users,
        conversion=users / before if before else None,
        overall=users / first if first else None,
        median_ms=median_low(took) if took else None,
        p90_ms=took[(len(took) * 9 - 1) // 10] if took else None,
    )
