"""Topics as they were at a past instant: without the records that have come since.

When a record came is its timestamp. Of each partition Kafka knows the first record that is younger than an instant:
whatever stands before it had come. Behind it a record may still be older, where clocks disagree or a producer had to
try again; LATE_RECORDS of each partition are looked at for such ones, and no more: the rest may be all of the topic.
What retention or compaction has removed since is not there any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Message

from clickstream.inspect import position
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster

LATE_RECORDS = 10_000
LATEST_MS = 253_402_300_799_999  # the last of the year 9999


@dataclass(frozen=True)
class Extent:
    """All records that are asked for lie within `limits`; `records` is how many, as far as offsets tell."""

    limits: dict[Partition, Limits]
    records: int


def extent_at(cluster: Cluster, admin: Admin, limits: Mapping[Partition, Limits], instant: int | None) -> Extent:
    """What partitions with these limits had at `instant` (epoch ms, included; None is now).

    Within the limits there are also younger records: ask `had_come` of each. Raises ClickstreamError.
    """
    if instant is None:
        return Extent(dict(limits), sum(limit.span for limit in limits.values()))
    younger = position.starts(cluster, admin, position.Time(instant + 1), limits)
    ends = {one: max(limit.low, younger[one]) for one, limit in limits.items()}
    return Extent(
        {one: Limits(limit.low, min(limit.high, ends[one] + LATE_RECORDS)) for one, limit in limits.items()},
        sum(ends[one] - limit.low for one, limit in limits.items()),
    )


def had_come(message: Message, instant: int | None) -> bool:
    """Whether the record was there at `instant` (epoch ms, included; None is now). One without a time was."""
    if instant is None:
        return True
    timestamp = timestamp_of(message)
    return timestamp is None or timestamp <= instant
