"""A webhook as a target: the first row of each key is posted, once; too many become one summary."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clickstream.kafka.offsets import Partition
from clickstream.kafka.patience import Stopped
from clickstream.sinks.documents import Cleaned, documents
from clickstream.sinks.ledger import Ledger
from clickstream.sinks.model import (
    DELETED,
    FINAL,
    OFFSET,
    PARTITION,
    TIMESTAMP,
    Batch,
    Claim,
    Input,
    Place,
    Rows,
    Stored,
    Written,
)
from clickstream.sinks.target import Away, Refused
from clickstream.sinks.webhook.message import Alert
from clickstream.sinks.webhook.post import Poster
from clickstream.sinks.webhook.sent import Sent, key_hash
from clickstream.stop import Stop

log = logging.getLogger(__name__)

MINUTE_S = 60.0
WINDOW = ("window_start", "window_end")

Origin = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True)
class _Row:
    origin: Origin
    alert: Alert
    key: str | None  # None: a row without a key is told whenever it comes
    time_ms: int

    @property
    def place(self) -> Partition:
        return self.origin[:2]


class Budget:
    """So many posts within any minute; 0: any number."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._spent: deque[float] = deque()

    def wait(self) -> float:
        """Seconds until the next post is free; 0: now."""
        now = self._clock()
        while self._spent and self._spent[0] <= now - MINUTE_S:
            self._spent.popleft()
        if not self._per_minute or len(self._spent) < self._per_minute:
            return 0.0
        return self._spent[0] + MINUTE_S - now

    def spend(self) -> None:
        self._spent.append(self._clock())
        if not self._per_minute:
            self._spent.clear()


class WebhookTarget:
    """One sink's posts. `render` makes the body of an alert, and counts what it had to change."""

    kind = "webhook"

    def __init__(
        self,
        poster: Poster,
        where: str,
        ledger: Ledger,
        stop: Stop,
        render: Callable[[Alert, Cleaned], bytes],
        *,
        budget: Budget,
        sent: Sent,
    ) -> None:
        self.where = where
        self._poster = poster
        self._ledger = ledger
        self._stop = stop
        self._render = render
        self._budget = budget
        self._sent = sent
        self._left_out_total = 0
        # Since a batch was last written as a whole. It may come again, in halves or after an outage: what was done of
        # it is not done again.
        self._done: set[Origin] = set()
        self._refused: dict[Origin, Refused] = {}
        self._left_out: dict[Origin, _Row] = {}
        self._uncommitted: list[_Row] = []
        self._posted = 0
        self._cleaned: Cleaned = Cleaned()
        self._committed: dict[Partition, Place] = {}
        self._sure = False

    def gauges(self) -> dict[str, float]:
        """`left_out`: rows that were told in a summary only."""
        return {"left_out": float(self._left_out_total)}

    def tend(self) -> None:
        """As sinks.target.Tended."""
        self._ledger.tend()

    def connect(self) -> None:
        """Nothing: each post has a connection of its own."""

    def prepare(self, inputs: Sequence[Input]) -> None:
        """Nothing: a webhook is not asked before there is something to tell."""

    def claim(self, claim: Claim) -> Stored:
        stored = self._ledger.claim(claim)
        self._sent.load(self._ledger.extras())
        for row in (*self._uncommitted, *self._left_out.values()):
            if row.key is not None:
                self._sent.add(row.place, row.key, row.time_ms)
        return stored

    def write(self, batch: Batch) -> Written:
        try:
            return self._write(batch)
        except Away:
            # Rows that are committed do not come again: what was changed in them is counted now.
            left = batch.without(list(batch.after(self._committed).messages()))
            for rows in left.rows:
                self._cleaned.update(documents(rows)[1])
            raise

    def _write(self, batch: Batch) -> Written:
        self._sure = False
        written = Written()
        for rows in batch.rows:
            found, cleaned = _rows(rows)
            written.cleaned.update(cleaned)
            for row in found:
                self._tell(row)
        if self._left_out:
            self._summarise()
        self._commit(dict(batch.places), {row.place for row in self._uncommitted if row.key is not None})
        written.appended, self._posted = self._posted, 0
        written.cleaned.update(self._cleaned)
        self._cleaned = Cleaned()
        self._forget_before(batch)
        return written

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        """Places and the keys that were told; what was posted is with whoever got it."""
        self._ledger.forget(inputs, sink)

    def close(self) -> None:
        """Nothing is open."""

    def _tell(self, row: _Row) -> None:
        if row.origin in self._done or row.origin in self._left_out:
            return
        if row.key is not None and self._sent.has(row.place, row.key):
            return
        if row.origin in self._refused:
            raise self._refused[row.origin]
        # Once rows are left out, all that follow in the batch are: a place must not move past what was not told.
        if self._left_out or self._budget.wait() > 0:
            self._left_out[row.origin] = row
            if row.key is not None:
                self._sent.add(row.place, row.key, row.time_ms)
            return
        try:
            self._post(row.alert)
        except Refused as refused:
            self._refused[row.origin] = refused
            raise
        self._posted += 1
        self._note(row)
        # At once: whoever is killed now tells at most this one again.
        self._commit({row.place: row.origin[2] + 1}, {row.place} if row.key is not None else set())

    def _summarise(self) -> None:
        """One post for all that were left out, when the minute is over. If it is refused, no row is to blame."""
        wait = self._budget.wait()
        if wait > 0 and self._stop.wait(wait):
            raise Stopped(f"Stopped while {len(self._left_out)} rows waited for their summary: they are read again.")
        rows = list(self._left_out.values())
        first = rows[0].alert
        tables = ", ".join(dict.fromkeys(row.alert.table for row in rows))
        try:
            self._post(Alert(f"{first.id}/summary", tables, {}, final=True, left_out=len(rows)))
        except Refused as refused:
            log.warning("%s refuses the summary of %d rows that were left out: %s.", self.where, len(rows), refused)
        self._left_out_total += len(rows)
        self._left_out.clear()
        for row in rows:
            self._note(row)

    def _post(self, alert: Alert) -> None:
        if not self._sure:
            self._ledger.verify()  # one that was frozen must not tell again what its successor has told
            self._sure = True
        cleaned: Cleaned = Cleaned()
        body = self._render(alert, cleaned)
        try:
            self._poster.post(body, alert.id)
        except Refused:
            self._budget.spend()  # it was a post, too; one that finds nobody is tried again, and counts once
            raise
        self._budget.spend()
        self._cleaned.update(cleaned)

    def _note(self, row: _Row) -> None:
        self._done.add(row.origin)
        self._uncommitted.append(row)
        if row.key is not None:
            self._sent.add(row.place, row.key, row.time_ms)

    def _commit(self, places: dict[Partition, int], keyed: set[Partition]) -> None:
        self._ledger.commit(places, {place: self._sent.text(place) for place in keyed})
        self._committed |= {place: Place("", offset) for place, offset in places.items()}
        self._uncommitted.clear()

    def _forget_before(self, batch: Batch) -> None:
        def passed(origin: Origin) -> bool:
            return origin[2] < batch.places.get(origin[:2], 0)

        self._done = {origin for origin in self._done if not passed(origin)}
        self._refused = {origin: one for origin, one in self._refused.items() if not passed(origin)}


def _rows(rows: Rows) -> tuple[Iterator[_Row], Cleaned]:
    """The rows that are no deletions."""
    objects, cleaned = documents(rows)
    return _each(rows, objects), cleaned


def _each(rows: Rows, objects: Sequence[dict[str, Any]]) -> Iterator[_Row]:
    topic = rows.input.topic
    names = {column.name for column in rows.input.columns}
    window = [name for name in WINDOW if name in names]
    times = _times(rows, window)
    places = (rows.table[name].to_pylist() for name in (PARTITION, OFFSET, DELETED, FINAL))
    for values, time_ms, partition, offset, gone, final in zip(objects, times, *places, strict=True):
        if gone:
            continue
        key = None
        if rows.input.upsert:
            key = key_hash({name: values[name] for name in (*rows.input.primary_key, *window)})
        alert = Alert(f"{topic}/{partition}/{offset}", rows.input.name, values, final)
        yield _Row((topic, partition, offset), alert, key, time_ms)


def _times(rows: Rows, window: Sequence[str]) -> list[int]:
    """Of each row in epoch ms: its window's end or start; without a window, the record's."""
    stamps: list[int] = rows.table[TIMESTAMP].to_pylist()
    if not window:
        return stamps
    column = rows.column(window[-1])
    if str(column.type) != "timestamp[us]":
        return stamps
    ticks = column.cast("int64").to_pylist()
    return [stamp if tick is None else tick // 1000 for tick, stamp in zip(ticks, stamps, strict=True)]
