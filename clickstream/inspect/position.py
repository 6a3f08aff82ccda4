"""Where to begin reading: `beginning`, `end`, an offset, or a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    OffsetSpec,
)

from clickstream.inspect import offsets
from clickstream.inspect.offsets import Limits, Partition
from clickstream.kafka.clients import Cluster


@dataclass(frozen=True)
class Beginning:
    pass


@dataclass(frozen=True)
class End:
    pass


@dataclass(frozen=True)
class Offset:
    """The same offset in every partition."""

    offset: int


@dataclass(frozen=True)
class Time:
    """Epoch ms: the first record of each partition that is not older."""

    timestamp: int


Position = Beginning | End | Offset | Time


def parse(text: str) -> Position:
    """Raises ValueError when `text` is none of the four. A time without a zone is local."""
    match text:
        case "beginning":
            return Beginning()
        case "end":
            return End()
    if text.isdecimal() and text.isascii():
        return Offset(int(text))
    try:
        moment = datetime.fromisoformat(text)
        return Time(int(moment.timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            "beginning, end, an offset, or a time as 2026-03-25T19:05:49Z is expected (without a zone: local time)"
        ) from None


def starts(
    cluster: Cluster, admin: AdminClient, position: Position, limits: Mapping[Partition, Limits]
) -> dict[Partition, int]:
    """The offset to begin at in each partition, always within its limits."""
    match position:
        case Beginning():
            return {partition: limit.low for partition, limit in limits.items()}
        case End():
            return {partition: limit.high for partition, limit in limits.items()}
        case Offset(offset):
            return {partition: min(max(limit.low, offset), limit.high) for partition, limit in limits.items()}
        case Time(timestamp):
            found = offsets.ask(cluster, admin, limits, OffsetSpec.for_timestamp(timestamp))
            return {
                partition: limit.high
                if partition not in found or found[partition].offset < 0
                else min(found[partition].offset, limit.high)
                for partition, limit in limits.items()
            }
