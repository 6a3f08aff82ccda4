"""Topics and groups as they are told to programs: the JSON of the command line, and what a page shows.

Times are ISO 8601 in UTC (beyond year 9999: epoch ms); null is unknown. (A record's shape is in render.py.)
"""

import msgspec
from msgspec import UNSET, UnsetType

from clickstream.inspect import groups, text
from clickstream.inspect.details import PartitionDetails, TopicDetails
from clickstream.inspect.sizes import TopicSummary


class Topic(msgspec.Struct, frozen=True):
    """A line of `topics list`. `records` is an upper bound; `size` is in bytes."""

    name: str
    partitions: int
    records: int | None
    size: int | None
    last_write: str | int | None


class TopicRate(Topic, frozen=True):
    """A line of `topics list --watch`; the rate is that of the last interval."""

    in_per_s: float | None


class Partition(msgspec.Struct, frozen=True):
    """`leader`, `replicas` and `isr` (in-sync replicas) are broker ids; `high` is the next record's offset."""

    partition: int
    leader: int | None
    replicas: list[int]
    isr: list[int]
    low: int | None
    high: int | None


class Setting(msgspec.Struct, frozen=True):
    """A setting that is not Kafka's default; `source` is who set it: `topic` or `broker`."""

    value: str
    source: str


class TopicDescription(msgspec.Struct, frozen=True):
    """What `topics describe` tells."""

    name: str
    id: str
    partitions: list[Partition]
    config: dict[str, Setting] | None
    """None: this user may not see it."""


class Group(msgspec.Struct, frozen=True):
    """A line of `groups list`; `members` is their number. `problem` is there when something could not be read."""

    group: str
    state: str | None
    type: str | None
    members: int | None
    lag: int | None
    topics: list[str]
    problem: str | UnsetType = UNSET


class GroupMember(msgspec.Struct, frozen=True):
    """Who reads, and from which host."""

    id: str
    client: str
    host: str


class GroupPartition(msgspec.Struct, frozen=True):
    """`committed` is the offset that the group reads next, `end` the next record's, `member` the id of its reader."""

    topic: str
    partition: int
    committed: int | None
    end: int | None
    lag: int | None
    member: str | None


class GroupDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What `groups describe` tells."""

    group: str
    state: str | None
    type: str | None
    members: list[GroupMember]
    lag: int | None
    topics: list[str]
    problem: str | UnsetType = UNSET
    partitions: list[GroupPartition]


def topic(found: TopicSummary) -> Topic:
    """A topic of the list."""
    return Topic(found.name, found.partitions, found.records, found.size, _utc(found.last_write))


def topic_rate(found: TopicSummary, rate: float | None) -> TopicRate:
    """The same, with the records per second that come in (None: unknown)."""
    rounded = None if rate is None else round(rate, 1)
    return TopicRate(found.name, found.partitions, found.records, found.size, _utc(found.last_write), rounded)


def topic_description(found: TopicDetails) -> TopicDescription:
    """Everything about one topic."""
    config = None
    if found.config is not None:
        config = {key: Setting(one.value, one.source) for key, one in found.config.items()}
    return TopicDescription(found.name, found.topic_id, [_partition(one) for one in found.partitions], config)


def group(found: groups.Group) -> Group:
    """A group of the list."""
    members = None if found.members is None else len(found.members)
    return Group(found.name, found.state, found.kind, members, found.lag, found.topics, found.problem or UNSET)


def group_description(found: groups.Group) -> GroupDescription:
    """Everything about one group."""
    return GroupDescription(
        group=found.name,
        state=found.state,
        type=found.kind,
        members=[GroupMember(one.id, one.client, one.host) for one in found.members or []],
        lag=found.lag,
        topics=found.topics,
        problem=found.problem or UNSET,
        partitions=[
            GroupPartition(
                one.topic, one.partition, one.committed, one.end, one.lag, None if one.member is None else one.member.id
            )
            for one in found.progress
        ],
    )


def _partition(found: PartitionDetails) -> Partition:
    limits = found.limits
    return Partition(
        found.number,
        None if found.leader < 0 else found.leader,
        found.replicas,
        found.isr,
        None if limits is None else limits.low,
        None if limits is None else limits.high,
    )


def _utc(time: int | None) -> str | int | None:
    return None if time is None else text.utc(time)
