"""The graph of all files of SQL that run, and of counters: what flows where, how final it is, what holds it back."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clickstream.inspect import lags
from clickstream.inspect.groups import Group
from clickstream.inspect.lags import Lags, ReaderLag, WriteTimes
from clickstream.inspect.rates import TopicLine, TopicList
from clickstream.inspect.refreshed import Fixed, Known, Refreshed
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import Seen
from clickstream.records import LeftOut, Position, RunningSql
from clickstream.ui.flow import holds
from clickstream.ui.flow.graph import Graph, Kind, View, graph
from clickstream.ui.flow.graph import Source as PlanSource
from clickstream.ui.flow.graph import Statement as PlanStatement
from clickstream.ui.flow.holds import Hold
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.panels.topics import rounded
from clickstream.ui.remembered.asof import or_past
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState

LAGS_EVERY_S = 3.0
NO_GROUPS: Looked[list[Group]] = Looked([], 0.0)


class Source(msgspec.Struct, frozen=True):
    """A topic that is read. `lag` in records and `lag_s` in seconds: from what is stored with the results to the end.
    `delay_ms`: how far the table's watermark is behind the clock. `unread` records went to the dead letters."""

    topic: str
    reference: bool
    partitions: int
    rate: float | None
    records: int | None
    lag: int | None
    lag_s: float | None
    final: int | None
    delay_ms: int | None
    unread: int
    holds: list[Hold]


class Statement(msgspec.Struct, frozen=True):
    """`rate`: records a second into its topic. `final`: its results are final up to there (epoch ms); `next_ms`: until
    the next of its windows ends (None: it has no such windows, or its time is not known)."""

    id: str
    name: str
    topic: str
    inputs: list[str]
    kind: Kind
    words: str
    every_ms: int
    gap_ms: int
    rate: float | None
    final: int | None
    next_ms: int | None
    late: int
    dropped: int


class File(msgspec.Struct, frozen=True):
    """`running`: it is not only shown. `trouble`: why it does nothing; "" while it works."""

    id: str
    name: str
    running: bool
    trouble: str
    totals: dict[str, int]
    sources: list[Source]
    views: list[View]
    statements: list[Statement]


class Flow(msgspec.Struct, frozen=True):
    """`at`: of when the rates are (epoch ms), `problem`: why they are not as of now. `rev` changes with the graph."""

    topic: TopicState
    at: int
    problem: str
    rev: str
    files: list[File]


LagsByTopic = dict[str, list[ReaderLag]]


class FlowPanel:
    """The graph of the running files, with rates and what holds it back; see contract.StatePanel."""

    def __init__(self, services: Services, behind: Known[LagsByTopic]) -> None:
        """`behind`: the lags of our own parts, by topic."""
        self._services = services
        self._behind = behind
        self._graphs: dict[str, tuple[RunningSql, Graph | None]] = {}

    def state(self, now: int) -> Flow:
        seen = self._services.watching.topics.get()
        parts = self._services.statuses.parts(now / 1000)
        behind = self._behind.get(0.0).answer or {}
        moment = _Moment(now, parts, seen.answer, behind)
        files = [moment.file(part, drawn) for part in parts if (drawn := self._drawn(part)) is not None]
        if not files:
            files = [
                moment.shown(one, drawn) for one in self._services.files if (drawn := self._graph(one)) is not None
            ]
        return Flow(self._services.statuses.topic(), int(seen.at * 1000), seen.problem, _revision(files), files)

    def close(self) -> None:
        self._behind.close()

    def _drawn(self, part: Seen) -> Graph | None:
        if part.status.kind == "counter":
            return counter_graph(part)
        running = self._services.statuses.running_sql().get(part.status.id)
        return None if running is None else self._graph(running)

    def _graph(self, one: RunningSql) -> Graph | None:
        known = self._graphs.get(one.id)
        if known is None or known[0] is not one:
            known = self._graphs[one.id] = one, graph(one.plan)
        return known[1]


class OwnLags:
    """How far behind our own parts are, asked of Kafka. For one thread, which may wait for it: see refreshed.py."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lags: dict[str, Lags] = {}

    def look(self) -> LagsByTopic:
        """By topic. Raises ClickstreamError when Kafka does not answer."""
        found = self._services.watching.topics.get(LAGS_EVERY_S).answer
        parts = self._services.statuses.parts()
        topics = {one.topic for part in parts for one in part.status.positions}
        looked: LagsByTopic = {}
        if found is None:
            return looked
        for topic in sorted(topics):
            if topic in found.leaders:
                if topic not in self._lags:
                    self._lags[topic] = Lags(topic, WriteTimes(self._services.cluster))
                looked[topic] = self._lags[topic].look(lags.readings(topic, NO_GROUPS, parts), found.ends)
        return looked

    def close(self) -> None:
        for one in self._lags.values():
            one.close()


class _Moment:
    """All that is known at one moment."""

    def __init__(
        self, now: int, parts: Sequence[Seen], topics: TopicList | None, slow: Mapping[str, Sequence[ReaderLag]]
    ) -> None:
        self._now = now
        self._parts = parts
        self._topics = topics
        self._lines: dict[str, TopicLine] = {} if topics is None else {line.name: line for line in topics.lines}
        self._slow = slow

    def file(self, part: Seen, drawn: Graph) -> File:
        status = part.status
        by_table: dict[str, list[Position]] = {}
        for one in status.positions:
            by_table.setdefault(one.table or one.topic, []).append(one)
        delay = status.gauges.get("watermark_delay_seconds")
        # As of its last word, by the clock that the delay is of: one that was killed goes on no more.
        said_at = int(part.at * 1000) if status.said_at is None else status.said_at
        by_clock = None if delay is None else int(said_at - delay * 1000)
        lost = {one.table: one for one in status.left_out}
        finals = {table: _final(positions, by_clock) for table, positions in by_table.items()}
        return File(
            id=status.id,
            name=status.name or status.kind,
            running=True,
            trouble=holds.trouble_of(part, self._now / 1000) or ("it is paused" if status.paused else ""),
            totals=status.totals,
            sources=[self._source(one, part, by_table, finals, lost) for one in drawn.sources],
            views=drawn.views,
            statements=[self._statement(one, by_table, finals, lost) for one in drawn.statements],
        )

    def shown(self, one: RunningSql, drawn: Graph) -> File:
        """A file that does not run."""
        return File(
            id=one.id,
            name=one.name,
            running=False,
            trouble="",
            totals={},
            sources=[self._source(source, None, {}, {}, {}) for source in drawn.sources],
            views=drawn.views,
            statements=[self._statement(statement, {}, {}, {}) for statement in drawn.statements],
        )

    def _source(
        self,
        one: PlanSource,
        part: Seen | None,
        by_table: Mapping[str, list[Position]],
        finals: Mapping[str, int | None],
        lost: Mapping[str, LeftOut],
    ) -> Source:
        line = self._lines.get(one.topic)
        positions = [position for table in one.tables for position in by_table.get(table, ())]
        known = [final for table in one.tables if (final := finals.get(table)) is not None]
        final = min(known, default=None)
        return Source(
            topic=one.topic,
            reference=one.reference,
            partitions=line.partitions if line is not None else max(1, len(positions)),
            rate=None if line is None or line.rate is None else rounded(line.rate),
            records=None if line is None else line.records,
            lag=None if part is None else self._lag(positions, part.heard_at),
            lag_s=self._lag_s(one.topic, part),
            final=final,
            delay_ms=None if final is None else max(0, self._now - final),
            unread=sum(lost[table].dead_letters for table in one.tables if table in lost),
            holds=[] if part is None or one.reference else self._holds(one, part, by_table),
        )

    def _holds(self, one: PlanSource, part: Seen, by_table: Mapping[str, list[Position]]) -> list[Hold]:
        said_ago_s = min(holds_age(part, self._now), 10.0)
        found = holds.part_holds(self._parts, [one.topic], self._now / 1000)
        for table in one.tables:
            found += holds.partition_holds(by_table.get(table, ()), said_ago_s)
        return list(dict.fromkeys(found))

    def _lag(self, positions: Sequence[Position], known_at: float) -> int | None:
        """Records from what is stored to the end: of the slowest table of each partition."""
        if self._topics is None or not positions:
            return None
        behind: dict[int, int] = {}
        for one in positions:
            limit = self._topics.ends.of((one.topic, one.partition), one.next_offset, known_at)
            if limit is not None:
                lag = lags.ahead(one.next_offset, limit)
                behind[one.partition] = max(lag, behind.get(one.partition, 0))
        return sum(behind.values()) if behind else None

    def _lag_s(self, topic: str, part: Seen | None) -> float | None:
        if part is None:
            return None
        name = part.status.group or holds.named(part)
        return next((one.seconds for one in self._slow.get(topic, ()) if one.name == name), None)

    def _statement(
        self,
        one: PlanStatement,
        by_table: Mapping[str, list[Position]],
        finals: Mapping[str, int | None],
        lost: Mapping[str, LeftOut],
    ) -> Statement:
        line = self._lines.get(one.topic)
        active = [table for table in one.tables if by_table.get(table) and not holds.all_idle(by_table[table])]
        tables = active or [table for table in one.tables if table in by_table]
        marks = [finals[table] for table in tables]
        known = [mark for mark in marks if mark is not None]
        mark = min(known) if known and len(known) == len(marks) else None
        final, next_ms = window_end(mark, one.every_ms)
        left_out = lost.get(one.name)
        return Statement(
            id=one.id,
            name=one.name,
            topic=one.topic,
            inputs=one.inputs,
            kind=one.kind,
            words=one.words,
            every_ms=one.every_ms,
            gap_ms=one.gap_ms,
            rate=None if line is None or line.rate is None else rounded(line.rate),
            final=final,
            next_ms=next_ms,
            late=left_out.late if left_out is not None else 0,
            dropped=left_out.dropped if left_out is not None else 0,
        )


def holds_age(part: Seen, now: int) -> float:
    """How old (s) a part's last word is; `now` in epoch ms."""
    return part.silent_s(now / 1000)


def _final(positions: Sequence[Position], by_clock: int | None) -> int | None:
    """The watermark of a table; one that is idle goes on with the wall clock, as the part says."""
    return by_clock if holds.all_idle(positions) else holds.watermark(positions)


def window_end(watermark: int | None, every_ms: int) -> tuple[int | None, int | None]:
    """Up to when windows that end every `every_ms` are final, and how long until the next one is."""
    if watermark is None or every_ms <= 0:
        return watermark, None
    end = watermark // every_ms * every_ms
    return end, end + every_ms - watermark


def counter_graph(part: Seen) -> Graph | None:
    """A counter as a graph of one statement for each topic that it writes; None before it has read anything."""
    status = part.status
    read = list(dict.fromkeys(one.topic for one in status.positions))
    written = [name for name in status.topics if name not in read]
    if not read or not written:
        return None
    words = "run-counter, how often each name came"
    return Graph(
        [PlanSource(topic, [topic], False) for topic in read],
        [],
        [
            PlanStatement(f"c{number}", topic, 0, topic, [f"t:{one}" for one in read], read, "each", words, 0, 0)
            for number, topic in enumerate(written)
        ],
    )


def _revision(files: Sequence[File]) -> str:
    """Another one when the graph is: then it is laid out anew."""
    shapes = [
        (
            file.id,
            [(one.topic, one.reference, one.partitions, one.unread > 0) for one in file.sources],
            [(one.name, one.inputs) for one in file.views],
            [(one.id, one.topic, one.words, one.inputs) for one in file.statements],
        )
        for file in files
    ]
    return format(zlib.crc32(msgspec.json.encode(shapes)), "x")


def _make(services: Services, _params: Any) -> FlowPanel:
    if services.past is not None:
        return FlowPanel(services, Fixed(Looked(services.past.reader_lags(), services.past.at / 1000)))
    own = OwnLags(services)
    return FlowPanel(services, Refreshed(own.look, LAGS_EVERY_S, "flow", ended=own.close))


KIND = StateKind(At, or_past(_make))
