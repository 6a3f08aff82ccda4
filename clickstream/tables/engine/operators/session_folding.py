"""Sums of DOUBLE in sessions that do not end: one sum for what is before all that may still come.

A session's values are added in the order of offsets, partition by partition (see `inorder`). What the partition brings
next has higher offsets than all that came. Lower ones may have

- a row that waits: one that is deferred, or that a join before holds back,
- another session of the same key, which a row between the two makes one with this one.

So of each partition a key's session with the lowest offset adds up what is before all of these; its other sessions
follow when that one has left. The sum is the first of the loop's that would be made at the end, to the last digit.
"""

from collections.abc import Sequence

import duckdb

from clickstream.tables.engine.operators import inorder
from clickstream.tables.engine.operators.operator import OFFSET, PARTITION
from clickstream.tables.names import identifier

Waiting = tuple[str, int]
"""A table of rows that wait before an operator, and what their "$p" is raised by on the way to it."""


def fold(
    db: duckdb.DuckDBPyConnection,
    sessions: str,
    keys: Sequence[str],
    values: Sequence[str],
    waiting: Sequence[Waiting],
) -> None:
    """Add up what can be in the columns `values` of table `sessions`, an identifier; its `keys` are columns, too."""
    for column in values:
        db.execute(
            f"UPDATE {sessions} SET {column} = f.folded "
            f"FROM ({_folded(sessions, keys, column, _held(waiting))}) f WHERE {sessions}.rowid = f.id"
        )


def _folded(sessions: str, keys: Sequence[str], column: str, held: str) -> str:
    """SQL of the sessions that have less values then: their row ids, and these."""
    partition = ", ".join([*keys, "p"])
    return (
        f"WITH entries AS (SELECT {', '.join(['rowid AS id', *keys])}, unnest({column}) AS x FROM {sessions}), "
        f"lanes AS (SELECT id, {''.join(f'{key}, ' for key in keys)}{inorder.partition('x.k')} AS p, "
        f"min(x.k) AS first, list(x) AS found FROM entries GROUP BY ALL), "
        "ranked AS (SELECT *, row_number() OVER by_offset AS number, lead(first) OVER by_offset AS other FROM lanes "
        f"WINDOW by_offset AS (PARTITION BY {partition} ORDER BY first)), "
        # least() leaves out NULLs: of nothing it is NULL, and nothing is in the way.
        "limited AS (SELECT id, number, found, least(other, held.k) AS until "
        f"FROM ranked LEFT JOIN ({held}) held ON held.p = ranked.p), "
        "shorter AS (SELECT id, found, CASE WHEN number > 1 THEN found "
        f"WHEN until IS NULL THEN {inorder.added('found')} ELSE list_concat("
        f"{inorder.added('list_filter(found, lambda x: x.k < until)')}, "
        "list_filter(found, lambda x: x.k >= until)) END AS folded FROM limited) "
        "SELECT id, flatten(list(folded)) AS folded FROM shorter GROUP BY id HAVING sum(len(folded)) < sum(len(found))"
    )


def _held(waiting: Sequence[Waiting]) -> str:
    """SQL of the place, by partition, before which no row waits."""
    places = [
        f"SELECT {inorder.place(f'{PARTITION} + {raised}', OFFSET)} AS k FROM {identifier(table)}"
        for table, raised in waiting
    ]
    if not places:
        return "SELECT NULL::BIGINT AS p, NULL::BIGINT AS k WHERE FALSE"
    return f"SELECT {inorder.partition('k')} AS p, min(k) AS k FROM ({' UNION ALL '.join(places)}) GROUP BY p"
