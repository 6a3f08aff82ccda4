"""The history as a part: it reads the topics of clicks, product events and VIP clicks, and answers questions."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream.enrich.places import NoPlaces, Places
from clickstream.history.ahead import LeftOut
from clickstream.history.answers import Answers
from clickstream.history.backfill import Backfill, Older
from clickstream.history.copies import HistoryTables
from clickstream.history.decode import Click, ProductEvent, VipAction
from clickstream.history.feed import Intake, recent_past
from clickstream.history.final import DELAY_MS, watermark
from clickstream.history.funnel import funnel
from clickstream.history.merges import Merges
from clickstream.history.model import (
    CLICKS,
    EVENTS,
    VIP,
    Coverage,
    EventTally,
    Filter,
    Funnel,
    Question,
    Sessions,
    Top,
    Traffic,
)
from clickstream.history.recount import Recount, TakeClick, recount, reread_clicks
from clickstream.history.reread import Reread, reread
from clickstream.history.sessions import sessions
from clickstream.history.store import Limits, Store, wall_clock
from clickstream.history.tally import tally
from clickstream.inspect.read import Open
from clickstream.inspect.topicreader import Stage, TopicReader
from clickstream.kafka.clients import Cluster
from clickstream.records import Position, Status

log = logging.getLogger(__name__)

TICK_S = 0.1
# A batch may wait so long for the next before it is told that the history is behind.
BEHIND_MS = 3_000
# A Kafka that does not answer holds readers up for longer. They store nothing: the process need not wait for them.
ENDS_WITHIN_S = 1.0
SAY_EVERY_S = 30.0  # what fails each time it is tried


@dataclass(frozen=True)
class Topics:
    """The names of the three topics."""

    clicks: str = "clickstream"
    events: str = "event-topic"
    vip: str = "vip-clicks"


class TopicStatus(msgspec.Struct, frozen=True):
    """How the reading of a topic is going. `skipped` records by reason; `stage` and `words` are the reader's."""

    topic: str
    stage: str
    words: str
    since: float
    rows: int
    added: int
    newest: int | None
    covered_from: int | None
    skipped: dict[str, int]


class HistoryStatus(msgspec.Struct, frozen=True):
    """`live`: what was there at the start has been read. `places`: where countries come from (None: nowhere)."""

    live: bool
    topics: list[TopicStatus]
    places: str | None
    rows: int
    bytes: int


class History:
    """Questions may be asked from any thread, also before `run` and after it. A part (parts.part.Part)."""

    kind = "history"
    name: str | None = None
    group: str | None = None
    paused = False

    def __init__(
        self,
        cluster: Cluster,
        topics: Topics = Topics(),
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        places: Places | None = None,
        own_hosts: Collection[str] = (),
        statuses: Callable[[], Iterable[Status]] = tuple,
        older: Older | None = None,
        opened: Open | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """`statuses` are the latest words of the parts that run: the watermark of tables is among them. `older` has the
        clicks that their topic holds no more; `opened` makes JSON of records."""
        self.topics = [topics.clicks, topics.events, topics.vip]
        self.store = Store(limits, places=places, own_hosts=own_hosts, clock=clock)
        self._cluster = cluster
        self._names = topics
        self._limits = limits
        self._statuses = statuses
        self._clock = clock
        self._older = older
        self._opened = opened
        self._answers = Answers(self.store)
        self._places = places or NoPlaces()
        self._own_hosts = own_hosts
        self.merges = Merges(self.store, clock)
        self._clicks = Intake(self.store, CLICKS, Click, self._add_clicks)
        self._events = Intake(self.store, EVENTS, ProductEvent, self.store.add_events)
        self._vip = Intake(self.store, VIP, VipAction, self.store.add_vip)
        self._intakes: dict[str, Intake[Any]] = {CLICKS: self._clicks, EVENTS: self._events, VIP: self._vip}
        self._readers: dict[str, TopicReader] = {}
        self._say_at: dict[str, float] = {}  # by kind

    # --- the part

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set. Kafka, and topics that do not exist yet, are waited for.

        A Kafka that does not answer holds readers up: they are waited for a second, and end on their own.
        """
        ending = threading.Event()
        for kind, topic in zip((CLICKS, EVENTS, VIP), self.topics, strict=True):
            intake = self._intakes[kind]
            begin = recent_past(
                self._cluster,
                topic,
                intake,
                history_ms=self._limits.history_ms,
                max_rows=self._limits.rows,
                clock=self._clock,
                stop=ending,
            )
            self._readers[kind] = TopicReader(self._cluster, topic, intake, begin, opened=self._opened)
        for reader in self._readers.values():
            reader.start()
        backfill = threading.Thread(target=self._fill_back, args=(ending,), name="history: before", daemon=True)
        backfill.start()
        try:
            while not stop.wait(TICK_S):
                for kind, intake in self._intakes.items():
                    self._flush(kind, intake)
        finally:
            ending.set()
            for reader in self._readers.values():
                reader.stop.set()
            deadline = time.monotonic() + ENDS_WITHIN_S
            for thread in (*self._readers.values(), backfill):
                thread.join(max(0.0, deadline - time.monotonic()))

    def _flush(self, kind: str, intake: Intake[Any]) -> None:
        try:
            intake.flush_if_due()
        except Exception:
            # It goes on waiting. Whoever asks is told by the reader, which takes nothing more until it is in.
            if time.monotonic() >= self._say_at.get(kind, 0.0):
                self._say_at[kind] = time.monotonic() + SAY_EVERY_S
                log.exception("Records of %s cannot be added to the history; it is tried again.", kind)

    def close(self) -> None:
        """Give the memory back. Nothing may be asked any more."""
        self.store.close()

    def _fill_back(self, stop: threading.Event) -> None:
        while not self._is_live(CLICKS):
            if stop.wait(TICK_S):
                return
        backfill = Backfill(
            self._cluster,
            self._names.clicks,
            self._clicks,
            self.store,
            self._clock,
            older=self._older,
            opened=self._opened,
        )
        backfill.run(stop)

    def _add_clicks(self, clicks: Sequence[Click]) -> None:
        # What is read back comes partition by partition: that it is out of order does not mean that it was late.
        look = self._is_live(CLICKS) and self.read_until(CLICKS) is None
        closed = self.merges.look(clicks) if look else []
        self.store.add_clicks(clicks)
        self.merges.keep(closed)

    def _is_live(self, kind: str) -> bool:
        return kind in self._readers and self._readers[kind].state.stage is Stage.LIVE

    def totals(self) -> dict[str, int]:
        """Records taken, by kind, and skipped."""
        skipped = sum(sum(self._skipped(kind).values()) for kind in self._intakes)
        return {**{f"{kind}_taken": self.store.added[kind] for kind in self._intakes}, "skipped": skipped}

    def _skipped(self, kind: str) -> dict[str, int]:
        return {**self._intakes[kind].reader.skipped, **self.store.skipped[kind]}

    def gauges(self) -> dict[str, float]:
        """Rows and estimated bytes that are held."""
        return {"history_rows": self._rows(), "history_bytes": self.store.bytes}

    def _rows(self) -> int:
        return sum(rows.rows for rows in self.store.rows.values())

    def last_success(self) -> float | None:
        """When records last came in (epoch s)."""
        return max((one.last_success for one in self._intakes.values() if one.last_success is not None), default=None)

    def positions(self) -> list[Position]:
        """None: nothing is stored that could lag behind."""
        return []

    def sql(self) -> tuple[str, dict[str, Any]] | None:
        return None

    def status(self) -> HistoryStatus:
        """How it is going."""
        with self.store.lock:
            topics = [self._topic_status(kind, topic) for kind, topic in zip(self._intakes, self.topics, strict=True)]
            done = {Stage.LIVE, Stage.MISSING}
            live = bool(self._readers) and all(reader.state.stage in done for reader in self._readers.values())
            return HistoryStatus(live, topics, self._places.source, self._rows(), self.store.bytes)

    def _topic_status(self, kind: str, topic: str) -> TopicStatus:
        state = self._readers[kind].state if kind in self._readers else None
        return TopicStatus(
            topic=topic,
            stage=str(state.stage if state is not None else Stage.CONNECTING),
            words=state.words if state is not None else "",
            since=state.since if state is not None else 0.0,
            rows=self.store.rows[kind].rows,
            added=self.store.added[kind],
            newest=self.store.newest(kind),
            covered_from=self.store.since(kind),
            skipped=self._skipped(kind),
        )

    # --- questions; ranges are [start, end) in epoch ms of event time

    def final(self) -> int | None:
        """Up to when results are final: the tables' watermark where they run, else 5 s before the newest click; not
        what is not read yet."""
        final = watermark(self._statuses(), self._names.clicks)
        if final is None and (newest := self.store.newest()) is not None:
            final = newest - DELAY_MS
        until = self.read_until(CLICKS)
        return final if final is None or until is None else min(final, until)

    def read_until(self, kind: str) -> int | None:
        """While the history is behind: of what was written later nothing, or not all, is in it. None: it is up to date.

        Epoch ms; 0 when it has only begun to read.
        """
        until = self._readers[kind].reached.until if kind in self._readers else None
        return None if until is None or until >= self._clock() - BEHIND_MS else until

    def holds_ms(self) -> int | None:
        """How long ago the oldest record happened that it has; 0 without any, None while it still reads back."""
        oldest = self.store.oldest()
        if not self.status().live:
            return None
        return 0 if oldest is None else max(0, self._clock() - oldest)

    def coverage(self) -> Coverage:
        """What answers can reach."""
        return self.store.coverage()

    def touched_since(self, changes: int) -> tuple[int, list[tuple[int, int]]]:
        """For those who remember answers about clicks: see Store.touched_since."""
        return self.store.touched_since(changes)

    def tables(self, to: int | None = None) -> HistoryTables:
        """The newest rows (before `to`, epoch ms), as tables for SQL."""
        return HistoryTables(self.store, to=to)

    def traffic(self, question: Question) -> Traffic:
        """Raises ValueError for a question that makes no sense."""
        return self._answers.traffic(question)

    def tops(self, question: Question, dims: Sequence[str], limit: int, *, before: bool = True) -> dict[str, Top]:
        """Raises ValueError for a dimension that there is not."""
        return self._answers.tops(question, dims, limit, before=before)

    def values(self, question: Question, dim: str) -> tuple[dict[str | None, int], int]:
        """All values of a dimension, and from when on that is all. Raises ValueError for one that there is not."""
        return self._answers.values(question, dim)

    def visitors(self, start: int, end: int, filters: tuple[Filter, ...] = ()) -> int | None:
        """Different visitors; None where the history does not reach the whole range."""
        return self._answers.visitors(start, end, filters)

    def current(self, end: int, filters: tuple[Filter, ...] = ()) -> int | None:
        """Visitors with a click in the 5 min before `end`."""
        return self._answers.current(end, filters)

    def active(self, question: Question) -> list[int | None]:
        """Open sessions at the end of each bucket."""
        return self._answers.active(question)

    def active_at(self, end: int, filters: tuple[Filter, ...] = ()) -> int | None:
        """Open sessions at `end`."""
        return self._answers.active_at(end, filters)

    def sessions(
        self,
        start: int,
        end: int,
        limit: int,
        *,
        filters: tuple[Filter, ...] = (),
        per_address: bool = False,
        min_bytes: int = 0,
    ) -> Sessions:
        """The sessions with a click in the range, as they were at `end`; see sessions.sessions."""
        return sessions(
            self.store,
            start,
            end,
            limit,
            filters=filters,
            per_address=per_address,
            min_bytes=min_bytes,
            final=self.final(),
        )

    def funnel(self, start: int, end: int, steps: Sequence[str], window: int) -> Funnel:
        """Users through the steps in order, the last within `window` ms of the first. See funnel.funnel."""
        return funnel(self.store, start, end, steps, window)

    def tally(self, start: int, end: int, bucket: int) -> EventTally:
        """Product events of each name, and their users, by bucket."""
        return tally(self.store, start, end, bucket)

    # --- the same from Kafka alone

    def left_out(self, kind: str) -> LeftOut:
        """The records that it has not taken because they came too long before their own time."""
        return self.store.left_out[kind]

    def final_end(self, kind: str, end: int) -> int:
        """What is final of a range that ends at `end`: up to the watermark; of events, all but the last seconds."""
        final, until = (self._clock() - DELAY_MS) // 1_000 * 1_000, self.read_until(kind)
        if kind == CLICKS:
            final = end if (found := self.final()) is None else found
        return min(end, final) if until is None else min(end, final, until)

    def recount(self, question: Question, dims: Sequence[str], stop: threading.Event, **bounds: Any) -> Recount:
        """Up to the watermark. See recount.recount."""
        question = msgspec.structs.replace(question, end=self.final_end(CLICKS, question.end))
        topic, places = self._names.clicks, self._places
        return recount(
            self._cluster, topic, question, dims, places, stop, own_hosts=self._own_hosts, opened=self._opened, **bounds
        )

    def reread_clicks(self, question: Question, take: TakeClick, stop: threading.Event, **bounds: Any) -> Reread:
        """Hand each click that fits to `take`, with its values. See recount.reread_clicks."""
        topic, places = self._names.clicks, self._places
        bounds = {"opened": self._opened, "empty": self._clicks.empty, **bounds}
        return reread_clicks(self._cluster, topic, question, take, places, stop, own_hosts=self._own_hosts, **bounds)

    def reread_events(
        self, start: int, end: int, take: Callable[[ProductEvent], None], stop: threading.Event, **bounds: Any
    ) -> Reread:
        """Hand each product event of [start, end) to `take`. See reread.reread."""
        bounds = {"opened": self._opened, "empty": self._events.empty, **bounds}
        return reread(self._cluster, self._names.events, ProductEvent, start, end, take, stop, **bounds)
