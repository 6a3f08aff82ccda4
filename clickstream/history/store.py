"""What the history holds: rows of the last minutes, their sums, and the limits of both.

One lock is around everything: DuckDB has one thread here anyway, and a table may be dropped between two questions, but
not within one. A batch is added in one transaction, rows and sums and what was dropped for it, or it changes nothing.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from clickstream.enrich.places import NoPlaces, Places
from clickstream.history.ahead import LeftOut
from clickstream.history.codes import Codes
from clickstream.history.columns import (
    CLICK_COLUMNS,
    EVENT_COLUMNS,
    VIP_COLUMNS,
    ClickColumns,
    EventColumns,
    VipColumns,
)
from clickstream.history.counts import CountCache
from clickstream.history.decode import Click, ProductEvent, Record, VipAction
from clickstream.history.model import CLICKS, EVENTS, SESSION_GAP_MS, VIP, Coverage
from clickstream.history.rollups import Level, Rollups
from clickstream.history.segments import Segment, Segments

log = logging.getLogger(__name__)

# Clicks from further ahead of the clock are left out: one of the year 2100 would push out all others.
AHEAD_MS = 60_000
AHEAD = "ahead of the clock"
LATE = "older than the history"

ROW_BYTES = {CLICKS: 72, EVENTS: 24, VIP: 28}  # the width of the columns, and about a tenth more
ROLLUP_ROWS_SHARE = 4  # a quarter of the rows, of each kind of sums
SEGMENTS_AT_LEAST = 16  # of as many rows as there may be
MAX_WINDOW_MS = 300_000
FOREVER = 2**62
# How many batches of clicks are known to have come: of some minutes, as a rule.
MAX_TOUCHED = 1_000
# Codes are counted anew when there are twice as many as were living the last time, and some.
FORGET_ABOVE = 10_000


@dataclass(frozen=True)
class Limits:
    """`history_ms` of event time, as far as `rows` and `bytes` allow it."""

    history_ms: int = 3_600_000
    rows: int = 2_000_000
    bytes: int = 256 * 1024 * 1024

    @property
    def window_ms(self) -> int:
        """Of a table: a twelfth of the history, 5 min at most."""
        return max(1_000, min(MAX_WINDOW_MS, self.history_ms // 12))


def wall_clock() -> int:
    """Epoch ms."""
    return time.time_ns() // 1_000_000


class Store:
    """Used from any thread: `lock` is held by each method, and by who asks `db`."""

    def __init__(
        self,
        limits: Limits = Limits(),
        *,
        places: Places | None = None,
        own_hosts: Collection[str] = (),
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.limits = limits
        self.lock = threading.RLock()
        self.clicks = ClickColumns(places or NoPlaces(), own_hosts)
        self.events = EventColumns()
        self.vip = VipColumns()
        self.skipped: dict[str, Counter[str]] = {kind: Counter() for kind in ROW_BYTES}  # by reason
        self.left_out = {kind: LeftOut() for kind in ROW_BYTES}  # as they were ahead of the clock
        self.added: Counter[str] = Counter()  # by kind
        self.changes = 0  # grows with whatever may change an answer
        self._touched: deque[tuple[int, int, int]] = deque(maxlen=MAX_TOUCHED)  # changes, first and last time
        self.active_counts = CountCache(SESSION_GAP_MS)
        self._clock = clock
        self._newest: dict[str, int] = {}
        self._since: dict[str, int] = {}
        self._alive_codes = 0
        # Twice: what a question needs comes on top of the rows.
        memory = f"{2 * limits.bytes // (1024 * 1024) + 64}MB"
        self.db = duckdb.connect(":memory:", config={"memory_limit": memory, "threads": 1})
        self.rows = {
            kind: self._segments(kind, columns)
            for kind, columns in ((CLICKS, CLICK_COLUMNS), (EVENTS, EVENT_COLUMNS), (VIP, VIP_COLUMNS))
        }
        self.rollups = Rollups(self.db, max_rows=limits.rows // ROLLUP_ROWS_SHARE)

    def _segments(self, kind: str, columns: dict[str, str]) -> Segments:
        def dropped(segment: Segment) -> None:
            self._since[kind] = max(self._since.get(kind, 0), segment.last + 1)
            if kind == CLICKS:
                self.rollups.lose(segment.last)

        return Segments(
            self.db,
            kind,
            columns,
            window_ms=self.limits.window_ms,
            segment_rows=max(1, self.limits.rows // SEGMENTS_AT_LEAST),
            dropped=dropped,
        )

    def close(self) -> None:
        with self.lock:
            self.db.close()

    # --- what comes

    def begin(self, kind: str, time: int) -> None:
        """All records of the kind from event time `time` on will be added (0: all that there are)."""
        with self.lock:
            self.changes += 1
            self._since[kind] = time
            if kind == CLICKS:
                self._touch(0, FOREVER)
                self.rollups.begin(time)

    def extend(self, time: int) -> None:
        """All clicks back to `time` have been added as well; older than the rows, they are in the sums only."""
        with self.lock:
            self.changes += 1
            self._touch(0, FOREVER)
            self.rollups.extend(time)

    def forget(self, kind: str) -> None:
        """The topic was recreated: what it held before is no more."""
        with self.lock:
            self.changes += 1
            self.rows[kind].clear()
            self._newest.pop(kind, None)
            self.left_out[kind].clear()
            if kind == CLICKS:
                self._touch(0, FOREVER)
                self.rollups.clear()
                self.active_counts.clear()

    def add_clicks(self, clicks: Sequence[Click]) -> None:
        """All of them, or none when something is raised; as the others."""
        with self._one_change():
            clicks = self._not_ahead(CLICKS, clicks)
            if not clicks:
                return
            batch, times = self.clicks.table(clicks), [click.time for click in clicks]
            self.active_counts.touch(times)
            self._touch(min(times), max(times))
            self.rollups.add(self.rows[CLICKS], batch, times, self._newest[CLICKS])
            self._add(CLICKS, batch, times)

    def add_events(self, events: Sequence[ProductEvent]) -> None:
        with self._one_change():
            events = self._not_ahead(EVENTS, events)
            if events:
                self._add(EVENTS, self.events.table(events), [event.time for event in events])

    def add_vip(self, actions: Sequence[VipAction]) -> None:
        with self._one_change():
            actions = self._not_ahead(VIP, actions)
            if actions:
                self._add(VIP, self.vip.table(actions), [action.time for action in actions])

    @contextmanager
    def _one_change(self) -> Iterator[None]:
        """What the block adds, and what goes for it, is there as a whole; or, when something is raised, nothing of it.

        Codes that were given out then have no rows, and are forgotten with others.
        """
        with self.lock:
            restore = self._kept()
            self.db.begin()
            try:
                yield
                gone = self._evict()
                self.db.commit()
            except BaseException as problem:
                try:
                    self._roll_back()
                finally:
                    restore()
                if isinstance(problem, duckdb.OutOfMemoryException):
                    self._make_room()
                raise
            if gone:
                self._forget_codes()

    def _kept(self) -> Callable[[], None]:
        """What makes everything beside the tables as it is now once more."""
        newest, since = dict(self._newest), dict(self._since)
        added, skipped = self.added.copy(), {kind: reasons.copy() for kind, reasons in self.skipped.items()}
        restores = [self.rollups.kept(), *(rows.kept() for rows in self.rows.values())]
        restores += [left_out.kept() for left_out in self.left_out.values()]

        def restore() -> None:
            self._newest, self._since, self.added, self.skipped = newest, since, added, skipped
            for each in restores:
                each()

        return restore

    def _roll_back(self) -> None:
        try:
            self.db.rollback()
        except duckdb.TransactionException:
            log.debug("There was nothing to roll back.")  # it ended with what was raised

    def _make_room(self) -> None:
        """On its own: with what was added it would be rolled back, and there would never be room again."""
        with suppress(duckdb.Error):
            self._drop_from_fullest()

    def _not_ahead(self, kind: str, records: Sequence[Record]) -> Sequence[Record]:
        latest = self._clock() + AHEAD_MS
        sound = [record for record in records if record.time <= latest]
        if len(sound) < len(records):
            self.skipped[kind][AHEAD] += len(records) - len(sound)
            self.left_out[kind].add(record for record in records if record.time > latest)
        if sound:
            self._newest[kind] = max(self._newest.get(kind, 0), *(record.time for record in sound))
        self.added[kind] += len(sound)
        self.changes += 1
        return sound

    def _add(self, kind: str, batch: pa.Table, times: list[int]) -> None:
        """Only what is not older than the tables that are kept: those would be dropped at once."""
        kept_from = self._kept_from(kind)
        if min(times) < kept_from:
            if kind != CLICKS:  # those are in the sums
                self.skipped[kind][LATE] += sum(time < kept_from for time in times)
            batch = batch.filter(pa.array([time >= kept_from for time in times]))
            times = [time for time in times if time >= kept_from]
        if times:
            self.rows[kind].add(batch, times)

    # --- what goes

    def _kept_from(self, kind: str) -> int:
        """Where the oldest table begins that is kept."""
        window_ms = self.limits.window_ms
        return max(0, self._newest.get(kind, 0) - self.limits.history_ms) // window_ms * window_ms

    def _evict(self) -> bool:
        """Drop what is too old or too much; whether there was any."""
        gone = False
        for kind, rows in self.rows.items():
            gone |= rows.drop_before(self._newest.get(kind, 0) - self.limits.history_ms)
        while self._too_much():
            if not self._drop_from_fullest():
                break
            gone = True
        return gone

    def _drop_from_fullest(self) -> bool:
        """Of the kind that has most: none is pushed out by another one that comes faster."""
        fullest = max(self.rows, key=lambda kind: self.rows[kind].rows * ROW_BYTES[kind])
        return self.rows[fullest].drop_oldest()

    def _too_much(self) -> bool:
        return sum(rows.rows for rows in self.rows.values()) > self.limits.rows or self.bytes > self.limits.bytes

    @property
    def bytes(self) -> int:
        """What all takes, about."""
        texts = self.clicks.bytes + sum(codes.bytes for codes in self._other_codes())
        rows = sum(rows.rows * ROW_BYTES[kind] for kind, rows in self.rows.items())
        return rows + texts + self.rollups.bytes

    def _other_codes(self) -> Iterable[Codes]:
        return (*self.events.codes.values(), *self.vip.codes.values())

    def _forget_codes(self) -> None:
        """Give up texts that no row and no sum has any more."""
        everything = (*self.clicks.codes.values(), *self._other_codes())
        if sum(map(len, everything)) < 2 * self._alive_codes + FORGET_ABOVE:
            return
        try:
            living = [
                (codes, self._living(kind, name))
                for kind, columns in ((CLICKS, self.clicks), (EVENTS, self.events), (VIP, self.vip))
                for name, codes in columns.codes.items()
            ]
        except duckdb.Error as problem:
            # What was added stays all the same, and they are given up later.
            log.warning("Texts that nothing has any more stay in memory for now: %s", problem)
            return
        for codes, own in living:
            codes.keep(own)
        self.clicks.forget()
        self._alive_codes = sum(map(len, everything))

    def _living(self, kind: str, column: str) -> set[int]:
        found: set[int] = set()
        for table in self.rows[kind].tables():
            select = f'SELECT DISTINCT "{column}" FROM {table} WHERE "{column}" IS NOT NULL'
            found.update(code for (code,) in self.db.execute(select).fetchall())
        if kind == CLICKS:
            found |= self.rollups.living(column)
            if column in ("user", "ip"):
                parity = 0 if column == "user" else 1
                found |= {visitor // 2 for visitor in self.rollups.living("visitor") if visitor % 2 == parity}
        return found

    def _touch(self, first: int, last: int) -> None:
        self._touched.append((self.changes, first, last))

    # --- what is there

    def touched_since(self, changes: int) -> tuple[int, list[tuple[int, int]]]:
        """What `changes` is now, and the times of clicks, first and last, that have come since it was that: answers
        about them are others now. For those who remember answers."""
        with self.lock:
            if len(self._touched) == MAX_TOUCHED and self._touched[0][0] > changes:
                return self.changes, [(0, FOREVER)]
            return self.changes, [(first, last) for at, first, last in self._touched if at > changes]

    def since(self, kind: str) -> int | None:
        """From when on all rows of the kind are there; None: nothing is read yet."""
        if kind not in self._since:
            return None
        return max(self._since[kind], self._kept_from(kind))

    def newest(self, kind: str = CLICKS) -> int | None:
        """The time of the newest record."""
        return self._newest.get(kind)

    def oldest(self) -> int | None:
        """The time of the oldest record, of any kind, that is in rows or sums; a bucket counts from its beginning."""
        with self.lock:
            kept = [*self.rows.values(), *(level.segments for level in self.rollups.levels)]
            return min((segment.first for segments in kept for segment in segments.segments), default=None)

    @property
    def clicks_level(self) -> Level:
        """The rows of clicks, as sums of single milliseconds."""
        since = self.since(CLICKS)
        return Level(CLICKS, 1, FOREVER if since is None else since, FOREVER, self.rows[CLICKS])

    def coverage(self) -> Coverage:
        with self.lock:
            rows_from = self.since(CLICKS)
            sums = [level.since for level in self.rollups.levels]
            rollups_from = None if rows_from is None else min(rows_from, *sums)
            return Coverage(rows_from, rollups_from, self.newest())
