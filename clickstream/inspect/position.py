"""Where to begin reading: `beginning`, `end`, an offset, or a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    OffsetSpec,
)

from clickstream.inspect import offsets
from clickstream.inspect.offsets import Limits, Partition
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Beginning:
    """The first record that is still there."""


@dataclass(frozen=True)
class End:
    """Behind the last record."""


@dataclass(frozen=True)
class Offset:
    """The same offset in every partition."""

    offset: int


@dataclass(frozen=True)
class Time:
    """Epoch ms, from 0: the first record of each partition that is not older."""

    timestamp: int


Position = Beginning | End | Offset | Time


def zone_of(name: str) -> tzinfo:
    """The time zone with this IANA name, as Europe/Paris. Raises ValueError when this machine knows none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:50]!r}") from None


def parse(text: str, zone: tzinfo | None = None) -> Position:
    """Raises ValueError when `text` is none of the four. A time that says no zone is in `zone`; None: local.

    A time before 1970 is the beginning: no record is older, and to Kafka negative times mean other things.
    """
    match text:
        case "beginning":
            return Beginning()
        case "end":
            return End()
    if text.isdecimal() and text.isascii():
        return Offset(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "beginning, end, an offset, or a time as 2026-03-25T19:05:49Z is expected "
            f"(without a zone: {zone or 'local time'})"
        ) from None
    timestamp = _epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    return Beginning() if timestamp < 0 else Time(timestamp)


def _epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970 UTC; negative before."""
    try:
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (OverflowError, ValueError, OSError):  # the first and the last day of all: the zone does not matter
        return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def starts(
    cluster: Cluster, admin: Admin, position: Position, limits: Mapping[Partition, Limits]
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
