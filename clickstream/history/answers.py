"""Answers about clicks: how many, by what, and by how many different visitors.

Without filters they come from the sums, as far as those reach, and from rows at the edges; with filters from the rows
alone. Both are exact. Each asks under the store's lock, and leaves no result open. What several panels ask in the same
moment is asked once.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from heapq import nsmallest
from typing import Any, TypeVar

from clickstream.history.filters import condition
from clickstream.history.model import (
    CURRENT_MS,
    ERROR_STATUS,
    SESSION_GAP_MS,
    Filter,
    Question,
    Top,
    TopRow,
    Totals,
    Traffic,
    known_dimensions,
)
from clickstream.history.rollups import MINUTE_MS, SUMMED, Piece, cover
from clickstream.history.store import Store

STATUS = SUMMED.index("status")
COUNTED_BY_VISITORS = ("country",)
MAX_BUCKETS = 10_000
MAX_REMEMBERED = 100  # answers: while nothing comes, each second has its own

T = TypeVar("T")

Cells = dict[tuple[int, int | None], tuple[int, int]]


class Answers:
    """Of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answered: dict[Hashable, Any] = {}
        self._answered_at = -1  # what `changes` of the store were then

    def _once(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer to `question`, as long as nothing in the store changes. Asks under its lock."""
        with self._store.lock:
            if self._answered_at != self._store.changes or len(self._answered) >= MAX_REMEMBERED:
                self._answered, self._answered_at = {}, self._store.changes
            if question not in self._answered:
                self._answered[question] = ask()
            found: T = self._answered[question]
            return found

    # --- traffic over time

    def traffic(self, question: Question) -> Traffic:
        """Raises ValueError for a question that makes no sense."""
        starts = _checked(question)
        return self._once(("traffic", question), lambda: self._traffic(question, starts))

    def _traffic(self, question: Question, starts: range) -> Traffic:
        with self._store.lock:
            pieces = self._pieces(question)
            cells = self._cells(question, pieces)
        covered_from = pieces[0].start if pieces else question.end
        whole = _whole(question, starts, covered_from)
        statuses = sorted({status for _start, status in cells if status is not None})
        of_all, errors, by_status = _sums(cells)
        return Traffic(
            times=list(starts),
            hits=[of_all[start][0] if start in whole else None for start in starts],
            bytes=[of_all[start][1] if start in whole else None for start in starts],
            errors=[errors[start] if start in whole else None for start in starts],
            statuses={
                str(status): [by_status[start, status] if start in whole else None for start in starts]
                for status in statuses
            },
            totals=Totals(
                hits=sum(hits for hits, _bytes in cells.values()),
                bytes=sum(octets for _hits, octets in cells.values()),
                errors=sum(errors.values()),
            ),
            covered_from=covered_from,
        )

    def _pieces(self, question: Question, *, sums: bool = True) -> list[Piece]:
        levels = [self._store.clicks_level]
        if sums and not question.filters:
            levels = [level for level in self._store.rollups.levels if question.bucket % level.step == 0] + levels
        return cover(question.start, question.end, levels)

    def _cells(self, question: Question, pieces: Sequence[Piece]) -> Cells:
        """Hits and bytes by start of the bucket and status."""
        found: Cells = {}
        where, parameters = condition(question.filters, self._store.clicks.codings)
        for piece in pieces:
            source = piece.level.segments.from_(piece.start, piece.end)
            given = {"start": piece.start, "end": piece.end, "bucket": question.bucket}
            if piece.level.step == 1:
                select = (
                    f"SELECT time // $bucket * $bucket, status, count(*), sum(bytes) FROM {source} "
                    f"WHERE {where} GROUP BY ALL"
                )
                given |= parameters
            else:
                select = (
                    f"SELECT time // $bucket * $bucket, code, sum(hits), sum(bytes) FROM {source} "
                    f"WHERE dim = {STATUS} GROUP BY ALL"
                )
            for start, status, hits, octets in self._store.db.execute(select, given).fetchall():
                before = found.get((start, status), (0, 0))
                found[start, status] = before[0] + int(hits), before[1] + int(octets)
        return found

    # --- different visitors

    def visitors(self, start: int, end: int, filters: tuple[Filter, ...] = ()) -> int | None:
        """How many different visitors; None where the history does not reach the whole range."""
        if start >= end:
            return 0
        question = Question(start, end, MINUTE_MS, filters)
        return self._once(("visitors", question), lambda: self._different(question, self._seen_pieces(question)))

    def current(self, end: int, filters: tuple[Filter, ...] = ()) -> int | None:
        """How many visitors are there at `end`: with a click in the 5 min before."""
        return self.visitors(end - CURRENT_MS, end, filters)

    def _seen_pieces(self, question: Question) -> list[Piece]:
        levels = [self._store.clicks_level]
        if not question.filters:
            levels = [level for level in self._store.rollups.seen if question.bucket % level.step == 0] + levels
        return cover(question.start, question.end, levels)

    def _different(self, question: Question, pieces: Sequence[Piece]) -> int | None:
        if not pieces or pieces[0].start > question.start:
            return None
        source, given = self._visits(question, pieces)
        found = self._store.db.execute(f"SELECT count(DISTINCT visitor) FROM {source}", given).fetchall()
        return int(found[0][0])

    def _visits(self, question: Question, pieces: Sequence[Piece]) -> tuple[str, dict[str, Any]]:
        """A relation of (time, visitor, country), some of them several times, and its parameters."""
        where, given = condition(question.filters, self._store.clicks.codings)
        parts = []
        for number, piece in enumerate(pieces):
            source = piece.level.segments.from_(piece.start, piece.end)
            source = source.replace("$start", f"$start{number}").replace("$end", f"$end{number}")
            given |= {f"start{number}": piece.start, f"end{number}": piece.end}
            only = where if piece.level.step == 1 else "true"
            parts.append(f"SELECT time, visitor, country FROM {source} WHERE {only} AND visitor IS NOT NULL")
        return f"({' UNION ALL '.join(parts)})", given

    # --- active sessions

    def active(self, question: Question) -> list[int | None]:
        """How many users have an open session at the end of each bucket: a click in the 30 s before it.

        Of the last bucket, at the end of the range.
        """
        starts = _checked(question)

        def count(start: int, end: int) -> dict[int, int]:
            return self._active(question, start, end)

        with self._store.lock:
            since = self._store.clicks_level.since + SESSION_GAP_MS
            asked = [one for one in starts if since <= one + question.bucket <= question.end]
            if question.filters:
                found = count(asked[0], asked[-1] + question.bucket) if asked else {}
            else:
                found = self._store.active_counts.get(question.bucket, asked, count)
            values: list[int | None] = [found.get(one, 0) if one in set(asked) else None for one in starts]
            if starts[-1] + question.bucket > question.end:
                values[-1] = self.active_at(question.end, question.filters)
        return values

    def active_at(self, end: int, filters: tuple[Filter, ...] = ()) -> int | None:
        """How many sessions are open at `end`; None where the history does not reach it."""
        return self._once(("active", end, filters), lambda: self._active_at(end, filters))

    def _active_at(self, end: int, filters: tuple[Filter, ...]) -> int | None:
        start = end - SESSION_GAP_MS
        if start < self._store.clicks_level.since:
            return None
        where, given = condition(filters, self._store.clicks.codings)
        source = self._store.clicks_level.segments.from_(start, end)
        select = f'SELECT count(DISTINCT "user") FROM {source} WHERE {where}'
        return int(self._store.db.execute(select, given | {"start": start, "end": end}).fetchall()[0][0])

    def _active(self, question: Question, start: int, end: int) -> dict[int, int]:
        """By start of the bucket, for those that begin in [start, end)."""
        where, given = condition(question.filters, self._store.clicks.codings)
        first = start + question.bucket - SESSION_GAP_MS
        source = self._store.clicks_level.segments.from_(first, end)
        # A click at t counts in the buckets that end in (t, t + gap]: those numbered from `low` to before `high`.
        select = f"""
            WITH spans AS (
                SELECT DISTINCT "user", time // $bucket AS low, (time + {SESSION_GAP_MS}) // $bucket AS high
                FROM {source} WHERE {where} AND "user" IS NOT NULL
            )
            SELECT number * $bucket, count(DISTINCT "user")
            FROM (SELECT "user", unnest(range(low, high)) AS number FROM spans) GROUP BY ALL
        """
        given |= {"start": first, "end": end, "bucket": question.bucket}
        return {int(one): int(users) for one, users in self._store.db.execute(select, given).fetchall()}

    # --- the most frequent values

    def tops(self, question: Question, dims: Sequence[str], limit: int, *, before: bool = True) -> dict[str, Top]:
        """The `limit` most frequent values of each dimension; with `before`, compared with the period before.

        Raises ValueError for a dimension that there is not.
        """
        known_dimensions(dims)
        question = Question(question.start, question.end, MINUTE_MS, question.filters)
        with self._store.lock:
            now = self._counts(question, dims)
            earlier = self._counts(question.before, dims) if before else {}
            return {dim: self._top(dim, limit, question, now[dim], earlier.get(dim)) for dim in dims}

    def values(self, question: Question, dim: str) -> tuple[dict[str | None, int], int]:
        """How often each value of a dimension was there (None: no value), in no order, and from when on that is all.

        There may be a million. Raises ValueError for a dimension that there is not.
        """
        known_dimensions([dim])
        with self._store.lock:
            counts, covered_from = self._counts(question, [dim])[dim]
            value = self._store.clicks.codings[dim].value
            return {None if code is None else value(code): hits for code, hits in counts.items()}, covered_from

    def _counts(self, question: Question, dims: Sequence[str]) -> dict[str, tuple[dict[int | None, int], int]]:
        """By dimension: how often each code was there, and from when on that is all."""
        found: dict[str, tuple[dict[int | None, int], int]] = {}
        by_visitors = [dim for dim in dims if dim in COUNTED_BY_VISITORS]
        summed = [dim for dim in dims if dim in SUMMED and dim not in by_visitors and not question.filters]
        others = [dim for dim in dims if dim not in by_visitors and dim not in summed]
        for own, sums in ((summed, True), (others, False)):
            if own:
                pieces = self._pieces(question, sums=sums)
                counts = self._count_hits(question, own, pieces)
                found |= {dim: (counts[dim], pieces[0].start if pieces else question.end) for dim in own}
        for dim in by_visitors:
            pieces = self._seen_pieces(question)
            counted = self._count_visitors(question, dim, pieces)
            found[dim] = counted, pieces[0].start if pieces else question.end
        return found

    def _count_hits(
        self, question: Question, dims: Sequence[str], pieces: Sequence[Piece]
    ) -> dict[str, dict[int | None, int]]:
        """One statement for each piece: each costs a millisecond or two, however few rows it finds."""
        where, parameters = condition(question.filters, self._store.clicks.codings)
        counts: dict[str, dict[int | None, int]] = {dim: defaultdict(int) for dim in dims}
        for piece in pieces:
            source = piece.level.segments.from_(piece.start, piece.end)
            given = {"start": piece.start, "end": piece.end}
            if piece.level.step == 1:
                select = _counting(source, where, dims)
                given |= parameters
            else:
                numbers = ", ".join(str(SUMMED.index(dim)) for dim in dims)
                select = f"SELECT dim, code, sum(hits) FROM {source} WHERE dim IN ({numbers}) GROUP BY ALL"
            for number, code, hits in self._store.db.execute(select, given).fetchall():
                dim = dims[number] if piece.level.step == 1 else SUMMED[number]
                counts[dim][code] += int(hits)
        return counts

    def _count_visitors(self, question: Question, dim: str, pieces: Sequence[Piece]) -> dict[int | None, int]:
        if not pieces:
            return {}
        source, given = self._visits(question, pieces)
        select = f"SELECT {dim}, count(DISTINCT visitor) FROM {source} GROUP BY ALL"
        return {code: int(visitors) for code, visitors in self._store.db.execute(select, given).fetchall()}

    def _top(
        self,
        dim: str,
        limit: int,
        question: Question,
        now: tuple[dict[int | None, int], int],
        earlier: tuple[dict[int | None, int], int] | None,
    ) -> Top:
        counts, covered_from = now
        value = self._store.clicks.codings[dim].value
        known = {code: hits for code, hits in counts.items() if code is not None}
        # Equal numbers in the order of their values, so that rows do not change places.
        best = nsmallest(limit, ((-hits, value(code), code) for code, hits in known.items()))
        reached = earlier is not None and earlier[1] <= question.before.start
        rows = [
            TopRow(text, -negative, earlier[0].get(code, 0) if reached and earlier is not None else None)
            for negative, text, code in best
        ]
        return Top(rows, len(known) - len(rows), sum(known.values()), counts.get(None, 0), covered_from)


def _counting(source: str, where: str, dims: Sequence[str]) -> str:
    """SQL for (number of the dimension, code, clicks)."""
    columns = ", ".join(f'"{dim}"' for dim in dims)
    parts = [f'SELECT {number}, "{dim}", count(*) FROM clicks GROUP BY ALL' for number, dim in enumerate(dims)]
    return f"WITH clicks AS MATERIALIZED (SELECT {columns} FROM {source} WHERE {where}) {' UNION ALL '.join(parts)}"


def _checked(question: Question) -> range:
    if question.start >= question.end or question.bucket < 1:
        raise ValueError("A question needs a start before its end, and buckets of at least 1 ms.")
    starts = question.bucket_starts()
    if len(starts) > MAX_BUCKETS:
        raise ValueError(f"{len(starts):,} buckets are too many: at most {MAX_BUCKETS:,}.")
    return starts


def _whole(question: Question, starts: range, covered_from: int) -> set[int]:
    """The buckets of which all that is in the range was counted."""
    return {start for start in starts if max(start, question.start) >= covered_from}


def _sums(cells: Cells) -> tuple[dict[int, tuple[int, int]], dict[int, int], dict[tuple[int, int], int]]:
    """Hits and bytes, errors, and hits by status, by bucket: 0 where there is nothing."""
    of_all: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    errors: dict[int, int] = defaultdict(int)
    by_status: dict[tuple[int, int], int] = defaultdict(int)
    for (start, status), (hits, octets) in cells.items():
        of_all[start] = of_all[start][0] + hits, of_all[start][1] + octets
        if status is not None:
            by_status[start, status] += hits
            errors[start] += hits if status >= ERROR_STATUS else 0
    return of_all, errors, by_status
