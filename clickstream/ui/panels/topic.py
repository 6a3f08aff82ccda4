"""One topic: what comes in, its partitions, who reads it and how far they are, and its settings."""

import time
from collections.abc import Mapping

import msgspec

from clickstream.inspect import details, lags, sizes
from clickstream.inspect.details import FullSetting
from clickstream.inspect.lags import Lags, ReaderLag, WriteTimes
from clickstream.inspect.offsets import Limits
from clickstream.inspect.rates import BUCKET_S, Led, Rate, TopicList
from clickstream.inspect.refreshed import Fixed, Known, Refreshed
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.kafka.asking import Admin
from clickstream.ui.panels import topics
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.remembered.asof import Past, or_past
from clickstream.ui.services import Services

LAGS_EVERY_S = 2.0
SETTINGS_EVERY_S = 30.0


class Params(At, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which topic."""

    topic: str


class Partition(msgspec.Struct, frozen=True):
    """Offsets are texts, `records` an upper bound, `size` bytes on disk; None is unknown. `history` as in the list."""

    partition: int
    leader: int | None
    replicas: list[int]
    isr: list[int]
    low: str | None
    high: str | None
    records: int | None
    size: int | None
    rate: float | None
    history: list[float]


class State(msgspec.Struct, frozen=True):
    """`there`: whether the topic exists (None: not known yet); `command` would create and fill it.

    `problem` and `reader_problem` say why the numbers, or those of the readers, are not as of now.
    """

    at: int
    problem: str
    there: bool | None
    command: str
    bucket_ms: int
    no_size: str
    topic: topics.Topic | None
    bytes_per_s: float | None
    partitions: list[Partition]
    readers: list[ReaderLag] | None
    reader_problem: str
    settings: list[FullSetting] | None


class Slow(msgspec.Struct, frozen=True):
    """What takes questions of its own. `sizes` are on disk, by partition; `settings`: None is unknown."""

    lags: list[ReaderLag]
    settings: list[FullSetting] | None
    sizes: dict[int, int]
    bytes_per_s: float | None


class TopicPanel:
    """One topic: partitions, configuration, groups; see contract.StatePanel."""

    def __init__(self, services: Services, name: str, slow: Known[Slow]) -> None:
        self._services = services
        self._name = name
        self._slow = slow
        self._rates: dict[int, Rate] = {}

    def state(self, now: int) -> State:
        seen = self._services.watching.topics.get()
        found = seen.answer
        leaders = None if found is None else found.leaders.get(self._name)
        if found is None or leaders is None:
            return self._missing(int(seen.at * 1000), seen.problem, known=found is not None)
        if self._services.past is None:
            self.note(time.monotonic(), found)
        slow = self._slow.get(0.0)
        known = slow.answer or Slow([], None, {}, None)
        statuses = [part.status for part in self._services.statuses.parts(now / 1000)]
        kinds = topics.kinds_of(statuses, self._services.settings)
        line = next(one for one in found.lines if one.name == self._name)
        return State(
            at=int(seen.at * 1000),
            problem=seen.problem,
            there=True,
            command="",
            bucket_ms=int(BUCKET_S * 1000),
            no_size=topics.no_size(self._services),
            topic=topics.topic(line, kinds, None),
            bytes_per_s=known.bytes_per_s,
            partitions=self._partitions(found, leaders, known.sizes),
            readers=None if slow.answer is None else known.lags,
            reader_problem=slow.problem,
            settings=known.settings,
        )

    def note(self, now: float, found: TopicList) -> None:
        """Where the partitions end at a time in seconds: their rates are of that. Call it in the order of time."""
        for number in found.leaders.get(self._name, ()):
            limit = found.limits.get((self._name, number))
            rate = self._rates.setdefault(number, Rate())
            if limit is not None:
                rate.add(now, limit.high)

    def close(self) -> None:
        self._slow.close()

    def _missing(self, at: int, problem: str, *, known: bool) -> State:
        command = self._services.hints.command(self._name)
        there = False if known else None
        return State(at, problem, there, command, int(BUCKET_S * 1000), "", None, None, [], None, "", None)

    def _partitions(self, found: TopicList, leaders: Mapping[int, Led], on_disk: Mapping[int, int]) -> list[Partition]:
        return [
            _partition(number, one, found.limits.get((self._name, number)), on_disk.get(number), self._rates[number])
            for number, one in sorted(leaders.items())
        ]


class Asking:
    """Asks Kafka what is slow to tell. For one thread, which may wait for it: see refreshed.py."""

    def __init__(self, services: Services, name: str) -> None:
        self._services = services
        self._name = name
        self._watching = services.watching
        self._admin: Admin | None = None
        self._lags = Lags(name, WriteTimes(services.cluster))
        self._settings: list[FullSetting] = []
        self._settings_at = float("-inf")
        self._bytes = Rate()

    def look(self) -> Slow:
        """Raises ClickstreamError when Kafka does not answer."""
        cluster = self._services.cluster
        if self._admin is None:
            self._admin = cluster.admin()
        found = self._watching.topics.get(LAGS_EVERY_S).answer
        if found is None or self._name not in found.leaders:
            return Slow([], [], {}, None)
        if time.monotonic() - self._settings_at > SETTINGS_EVERY_S:
            self._settings = details.settings(cluster, self._admin, self._name)
            self._settings_at = time.monotonic()
        readings = lags.readings(self._name, self._watching.groups.get(LAGS_EVERY_S), self._services.statuses.parts())
        looked = self._lags.look(readings, (self._watching.topics.get(0.0).answer or found).ends)
        return Slow(looked, self._settings, self._on_disk(found.leaders[self._name]), self._bytes.per_s)

    def close(self) -> None:
        self._lags.close()

    def _on_disk(self, partitions: Mapping[int, Led]) -> dict[int, int]:
        data_dir = self._services.cluster.data_dir
        if data_dir is None:
            return {}
        found = sizes.partitions_on_disk(data_dir, self._name, list(partitions))
        self._bytes.add(time.monotonic(), sum(found.values()))
        return found


def _partition(number: int, one: Led, limit: Limits | None, size: int | None, rate: Rate) -> Partition:
    return Partition(
        partition=number,
        leader=None if one.leader < 0 else one.leader,
        replicas=list(one.replicas),
        isr=list(one.isrs),
        low=None if limit is None else str(limit.low),
        high=None if limit is None else str(limit.high),
        records=None if limit is None else limit.span,
        size=size,
        rate=None if rate.per_s is None else topics.rounded(rate.per_s),
        history=list(map(topics.rounded, rate.history)),
    )


def _make(services: Services, params: Params) -> TopicPanel:
    if services.past is not None:
        return _past(services, services.past, params.topic)
    asking = Asking(services, params.topic)
    return TopicPanel(
        services, params.topic, Refreshed(asking.look, LAGS_EVERY_S, f"topic {params.topic}", ended=asking.close)
    )


def _past(services: Services, then: Past, name: str) -> TopicPanel:
    """Out of what is remembered: neither settings nor the sizes of partitions are."""
    size = Rate()
    looks = [moment.some_topics([name]) for moment in then.moments]
    found = [(look.at, look.answer) for look in looks if look.answer is not None]
    for at, topics_ in found:
        line = next((one for one in topics_.lines if one.name == name), None)
        if line is not None and line.size is not None:
            size.add(at, line.size)
    readers = then.reader_lags([name]).get(name, [])
    panel = TopicPanel(services, name, Fixed(Looked(Slow(readers, None, {}, size.per_s), then.at / 1000)))
    for at, topics_ in found:
        panel.note(at, topics_)
    return panel


KIND = StateKind(Params, or_past(_make))
