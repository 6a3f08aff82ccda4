"""One topic: what comes in, its partitions, who reads it and how far they are, and its settings."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    PartitionMetadata,
)

from clickstream.inspect import details, lags, sizes
from clickstream.inspect.details import FullSetting
from clickstream.inspect.lags import Lags, ReaderLag
from clickstream.inspect.offsets import Limits
from clickstream.inspect.rates import BUCKET_S, Rate, TopicList
from clickstream.inspect.refreshed import Refreshed
from clickstream.kafka.asking import Admin
from clickstream.ui.panels import topics
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.services import Services

LAGS_EVERY_S = 2.0
SETTINGS_EVERY_S = 30.0


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class _Slow(msgspec.Struct, frozen=True):
    """What takes questions of its own."""

    lags: list[ReaderLag]
    settings: list[FullSetting]
    sizes: dict[int, int]


class TopicPanel:
    """One topic: partitions, configuration, groups; see contract.StatePanel."""

    def __init__(self, services: Services, name: str) -> None:
        self._services = services
        self._name = name
        self._watching = services.watching
        self._admin: Admin | None = None
        self._lags = Lags(services.cluster, name)
        self._settings: list[FullSetting] = []
        self._settings_at = float("-inf")
        self._rates: dict[int, Rate] = {}
        self._bytes = Rate()
        self._slow = Refreshed(self._look, LAGS_EVERY_S, f"topic {name}", ended=self._lags.close)

    def state(self, now: int) -> State:
        seen = self._watching.topics.get()
        found = seen.answer
        leaders = None if found is None else found.leaders.get(self._name)
        if found is None or leaders is None:
            return self._missing(int(seen.at * 1000), seen.problem, known=found is not None)
        slow = self._slow.get(0.0)
        statuses = [part.status for part in self._services.statuses.parts(now / 1000)]
        kinds = topics.kinds_of(statuses, self._services.settings)
        line = next(one for one in found.lines if one.name == self._name)
        sizes_ = {} if slow.answer is None else slow.answer.sizes
        return State(
            at=int(seen.at * 1000),
            problem=seen.problem,
            there=True,
            command="",
            bucket_ms=int(BUCKET_S * 1000),
            no_size=topics.no_size(self._services),
            topic=topics.topic(line, kinds, None),
            bytes_per_s=self._bytes.per_s,
            partitions=self._partitions(found, leaders, sizes_),
            readers=None if slow.answer is None else slow.answer.lags,
            reader_problem=slow.problem,
            settings=None if slow.answer is None else slow.answer.settings,
        )

    def close(self) -> None:
        self._slow.close()

    def _missing(self, at: int, problem: str, *, known: bool) -> State:
        command = self._services.hints.command(self._name)
        there = False if known else None
        return State(at, problem, there, command, int(BUCKET_S * 1000), "", None, None, [], None, "", None)

    def _partitions(
        self, found: TopicList, leaders: Mapping[int, PartitionMetadata], on_disk: Mapping[int, int]
    ) -> list[Partition]:
        now = time.monotonic()
        rows = []
        for number, one in sorted(leaders.items()):
            limit = found.limits.get((self._name, number))
            rate = self._rates.setdefault(number, Rate())
            if limit is not None:
                rate.add(now, limit.high)
            rows.append(_partition(number, one, limit, on_disk.get(number), rate))
        return rows

    def _look(self) -> _Slow:
        cluster = self._services.cluster
        if self._admin is None:
            self._admin = cluster.admin()
        found = self._watching.topics.get(LAGS_EVERY_S).answer
        if found is None or self._name not in found.leaders:
            return _Slow([], [], {})
        if time.monotonic() - self._settings_at > SETTINGS_EVERY_S:
            self._settings = details.settings(cluster, self._admin, self._name)
            self._settings_at = time.monotonic()
        groups = self._watching.groups.get(LAGS_EVERY_S).answer or []
        statuses = [part.status for part in self._services.statuses.parts()]
        # Ends that were asked for after the commits: a group is never ahead of them.
        limits = self._watching.topics.get(0.0).answer or found
        looked = self._lags.look(lags.readings(self._name, groups, statuses), limits.limits)
        return _Slow(looked, self._settings, self._on_disk(found.leaders[self._name]))

    def _on_disk(self, partitions: Mapping[int, PartitionMetadata]) -> dict[int, int]:
        data_dir = self._services.cluster.data_dir
        if data_dir is None:
            return {}
        found = sizes.partitions_on_disk(data_dir, self._name, list(partitions))
        self._bytes.add(time.monotonic(), sum(found.values()))
        return found


def _partition(number: int, one: PartitionMetadata, limit: Limits | None, size: int | None, rate: Rate) -> Partition:
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


def _make(services: Services, params: Any) -> TopicPanel:
    return TopicPanel(services, params.topic)


KIND = StateKind(Params, _make)
