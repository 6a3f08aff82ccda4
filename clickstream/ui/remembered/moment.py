"""One moment of what pages about topics and parts are computed from, and how it is kept as bytes."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from clickstream.inspect.groups import Group
from clickstream.inspect.offsets import Limits
from clickstream.inspect.rates import TopicLine, TopicList
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import Seen
from clickstream.records import RunningSql
from clickstream.ui.remembered.ring import Snapshot
from clickstream.ui.statuses import TopicState
from clickstream.ui.tallies import Counted, Told
from clickstream.ui.wire import Number

T = TypeVar("T")

# The fastest: of a list of 500 topics it makes a fifth, and the slower ones not half of that.
LEVEL = 1


class Partition(msgspec.Struct, frozen=True, array_like=True):
    """Leader and replicas as confluent_kafka's PartitionMetadata; `low` and `high` are None where they are unknown."""

    leader: int
    replicas: list[int]
    isrs: list[int]
    low: int | None
    high: int | None


class Topics(msgspec.Struct, frozen=True, array_like=True):
    """An answer of watching.topics, by topic. Lines are without their history: that is in the moments before."""

    at: float
    problem: str
    lines: dict[str, TopicLine] | None
    partitions: dict[str, dict[int, Partition]]
    asked_at: float


class SomeTopics(msgspec.Struct, frozen=True, array_like=True):
    """The same, of which few are read: to read sixty lists of hundreds of topics as a whole takes most of a second."""

    at: float
    problem: str
    lines: dict[str, msgspec.Raw] | None
    partitions: dict[str, msgspec.Raw]
    asked_at: float


class Rate(msgspec.Struct, frozen=True):
    """What a sparkline needs of a TopicLine."""

    rate: float | None


class Rates(msgspec.Struct, frozen=True, array_like=True):
    """What sparklines need of Topics."""

    at: float
    problem: str
    lines: dict[str, Rate] | None


class Groups(msgspec.Struct, frozen=True, array_like=True):
    """An answer of watching.groups."""

    at: float
    problem: str
    groups: list[Group] | None


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """What statuses.Statuses said."""

    topic: TopicState
    parts: list[Seen]


class Others(msgspec.Struct, frozen=True, array_like=True):
    """The rail's numbers of topics and parts; and where their topics are there, the tally with its proof and how the
    reading of it was going, and the answer of the panel `collected` as JSON."""

    numbers: dict[str, Number] = {}
    told: Told | None = None
    proof: Counted | None = None
    tallies: TopicState | None = None
    collected: bytes | None = None


def packed(
    topics: Looked[TopicList],
    groups: Looked[list[Group]],
    parts: Parts,
    sql: Sequence[RunningSql],
    others: Others,
) -> tuple[bytes, ...]:
    """The pieces of a snapshot."""
    return tuple(map(_packed, (_topics(topics), _groups(groups), parts, list(sql), others)))


class Moment:
    """A snapshot, read as it is asked. `at` is in epoch ms."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.at = snapshot.at
        self._topics, self._groups, self._parts, self._sql, self._others = snapshot.pieces

    @cached_property
    def topics(self) -> Looked[TopicList]:
        """As watching.topics had them; the lines have no history."""
        return _looked(_unpacked(self._topics, Topics))

    def some_topics(self, names: Iterable[str]) -> Looked[TopicList]:
        """The same, of these only."""
        kept = _unpacked(self._topics, SomeTopics)
        known = [name for name in names if name in kept.partitions]
        lines, partitions = kept.lines, kept.partitions
        found = None if lines is None else {name: msgspec.msgpack.decode(lines[name], type=TopicLine) for name in known}
        return _looked(
            Topics(
                kept.at,
                kept.problem,
                found,
                {name: _partitions.decode(partitions[name]) for name in known},
                kept.asked_at,
            )
        )

    def rates(self) -> tuple[float, dict[str, float | None]]:
        """Of when the answer is (epoch s), and what came in, records per second by topic (None: unknown)."""
        kept = _unpacked(self._topics, Rates)
        return kept.at, {name: one.rate for name, one in (kept.lines or {}).items()}

    @cached_property
    def groups(self) -> Looked[list[Group]]:
        """As watching.groups had them; who reads a partition is told by their members, and not beside its commit."""
        kept = _unpacked(self._groups, Groups)
        return Looked(kept.groups, kept.at, kept.problem)

    @cached_property
    def parts(self) -> Parts:
        """What the parts had said."""
        return _unpacked(self._parts, Parts)

    @cached_property
    def sql(self) -> list[RunningSql]:
        """What ran."""
        return _unpacked(self._sql, list[RunningSql])

    @cached_property
    def others(self) -> Others:
        """What had readers of its own."""
        return _unpacked(self._others, Others)


def _looked(kept: Topics) -> Looked[TopicList]:
    if kept.lines is None:
        return Looked(None, kept.at, kept.problem)
    limits = {
        (name, number): Limits(one.low, one.high)
        for name, partitions in kept.partitions.items()
        for number, one in partitions.items()
        if one.low is not None and one.high is not None
    }
    found = TopicList(list(kept.lines.values()), limits, kept.partitions, kept.asked_at)
    return Looked(found, kept.at, kept.problem)


def _topics(seen: Looked[TopicList]) -> Topics:
    found = seen.answer
    if found is None:
        return Topics(seen.at, seen.problem, None, {}, 0.0)
    partitions = {
        name: {number: _partition(one, found.limits.get((name, number))) for number, one in own.items()}
        for name, own in found.leaders.items()
    }
    lines = {one.name: replace(one, history=[]) for one in found.lines}
    return Topics(seen.at, seen.problem, lines, partitions, found.asked_at)


def _partition(one: Any, limit: Limits | None) -> Partition:
    low, high = (None, None) if limit is None else (limit.low, limit.high)
    return Partition(one.leader, list(one.replicas), list(one.isrs), low, high)


def _groups(seen: Looked[list[Group]]) -> Groups:
    if seen.answer is None:
        return Groups(seen.at, seen.problem, None)
    # A member has all its partitions: with each of them it would be there as often as they are many.
    slim = [replace(one, progress=[replace(row, member=None) for row in one.progress]) for one in seen.answer]
    return Groups(seen.at, seen.problem, slim)


def _packed(value: Any) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), LEVEL)


_partitions = msgspec.msgpack.Decoder(dict[int, Partition])


def _unpacked(piece: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(zlib.decompress(piece), type=kind)
