"""The list of all topics: what is in them, what comes in, and how far the slowest reader is behind."""

from typing import Any

import msgspec

from clickstream.inspect import lags
from clickstream.inspect.lags import Slowest
from clickstream.inspect.rates import BUCKET_S, TopicLine
from clickstream.records import Status
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.remembered.asof import or_past
from clickstream.ui.services import Services

# Parts that make records up, or send them on, from outside of Kafka.
_READERS = frozenset({"tables", "counter", "transform"})


class Topic(msgspec.Struct, frozen=True, omit_defaults=True):
    """See inspect/rates.TopicLine. `history`: rates, oldest first, `bucket_ms` apart; empty: nothing came in.

    `lag` and `reader` are of the reader that is furthest behind. `kind`: source, result, reference, dead letters,
    status, internal, or "" when no part of ours tells.
    """

    name: str
    kind: str
    partitions: int
    replication: int
    records: int | None
    size: int | None
    last_write: int | None
    rate: float | None
    history: list[float]
    policy: str | None
    retention_ms: int | None
    about: bool = False
    internal: bool = False
    lag: int | None = None
    reader: str | None = None


class Topics(msgspec.Struct, frozen=True):
    """`at`: of when the list is (epoch ms; 0: there is none yet); `problem`: why it is not as of now.

    `on_disk`: whether sizes are known; else `no_size` says why.
    """

    at: int
    problem: str
    bucket_ms: int
    topics: list[Topic]
    no_size: str


class TopicsPanel:
    """The list of topics with their rates; see contract.StatePanel."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._watching = services.watching

    def state(self, now: int) -> Topics:
        seen = self._watching.topics.get()
        found = seen.answer
        if found is None:
            return Topics(0, seen.problem, int(BUCKET_S * 1000), [], "")
        parts = self._services.statuses.parts(now / 1000)
        behind = lags.slowest(self._watching.groups.get(0.0), parts, found.ends)
        kinds = kinds_of([part.status for part in parts], self._services.settings)
        rows = [topic(line, kinds, behind.get(line.name)) for line in found.lines]
        return Topics(int(seen.at * 1000), seen.problem, int(BUCKET_S * 1000), rows, no_size(self._services))

    def close(self) -> None:
        """What looks at the topics stays: other panels share it."""


def topic(line: TopicLine, kinds: dict[str, str], behind: Slowest | None) -> Topic:
    """A line of the list; `kinds` of topics by name, where known; `behind`: the group that is furthest behind."""
    kind = kinds.get(line.name, "internal" if line.internal else "")
    if kind == "source" and line.about:
        kind = "reference"
    return Topic(
        name=line.name,
        kind=kind,
        partitions=line.partitions,
        replication=line.replication,
        records=line.records,
        size=line.size,
        last_write=line.last_write,
        rate=None if line.rate is None else rounded(line.rate),
        history=list(map(rounded, line.history)) if any(line.history) else [],
        policy=line.policy,
        retention_ms=line.retention_ms,
        about=line.about,
        internal=line.internal,
        lag=None if behind is None else behind.lag,
        reader=None if behind is None else behind.name,
    )


def rounded(rate: float) -> float:
    """To three digits: a list of hundreds of topics goes over the wire every second."""
    return float(f"{rate:.3g}")


def kinds_of(statuses: list[Status], settings: Any) -> dict[str, str]:
    """What each topic is for the parts that run now."""
    kinds: dict[str, str] = {}
    for status in statuses:
        if status.kind in _READERS:
            read = {one.topic for one in status.positions}
            for name in status.topics:
                kinds.setdefault(name, "source" if name in read else "result")
    for status in statuses:  # what a part writes from outside is a source, whoever reads it
        if status.kind not in _READERS and status.kind != "ui" and not status.kind.startswith("sink-"):
            kinds.update(dict.fromkeys(status.topics, "source"))
    kinds[settings["status-topic"]] = "status"
    kinds[settings["dead-letter-topic"]] = "dead letters"
    return kinds


def no_size(services: Services) -> str:
    """Why sizes on disk are not known; empty when they are."""
    if services.cluster.data_dir is not None:
        return ""
    return "Kafka does not tell over the network how much is on its disks; of the embedded one the files are here."


def _make(services: Services, _params: Any) -> TopicsPanel:
    return TopicsPanel(services)


KIND = StateKind(At, or_past(_make))
