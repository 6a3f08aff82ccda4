"""How much is in each topic, how fast it grows, and when it was last written to."""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream.inspect import offsets
from clickstream.inspect.names import is_internal
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.read import last, reader
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.admin import metadata
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster


@dataclass(frozen=True)
class TopicSummary:
    """One line of `topics list`; None is unknown.

    `records` is at most what a reader would get: compaction and transactions leave offsets without records.
    `written` counts every offset ever given, `size` is bytes on disk, `last_write` epoch ms.
    """

    name: str
    partitions: int
    records: int | None
    written: int | None
    size: int | None
    last_write: int | None


def summaries(cluster: Cluster, admin: Admin, *, internal: bool = False) -> list[TopicSummary]:
    """Every topic by name; Kafka's own ones only with `internal`."""
    topics = metadata(cluster, admin)
    names = sorted(name for name in topics if internal or not is_internal(name))
    partitions = offsets.led(topics, names)
    limits = offsets.limits(cluster, admin, partitions)
    writes = last_writes(cluster, admin, limits)
    sizes = {} if cluster.data_dir is None else on_disk(cluster.data_dir, names)
    return [
        _summary(name, [(name, number) for number in topics[name]], limits, writes, sizes.get(name)) for name in names
    ]


def _summary(
    name: str,
    partitions: list[Partition],
    limits: Mapping[Partition, Limits],
    writes: Mapping[Partition, int],
    size: int | None,
) -> TopicSummary:
    own = [limits[partition] for partition in partitions if partition in limits]
    complete = len(own) == len(partitions)
    return TopicSummary(
        name=name,
        partitions=len(partitions),
        records=sum(limit.span for limit in own) if complete else None,
        written=sum(limit.high for limit in own) if complete else None,
        size=size,
        last_write=max((writes[partition] for partition in partitions if partition in writes), default=None),
    )


def last_writes(cluster: Cluster, admin: Admin, limits: Mapping[Partition, Limits]) -> dict[Partition, int]:
    """The newest timestamp in each partition that holds records, in epoch ms.

    It is the records' own time, which a producer may set: the log keeps no other.
    """
    filled = {partition: limit for partition, limit in limits.items() if limit.span}
    try:
        newest = offsets.ask(cluster, admin, filled, offsets.MAX_TIMESTAMP)
    except offsets.UnsupportedByBroker:  # before Kafka 3.0
        return _by_reading(cluster, filled)
    return {partition: answer.timestamp for partition, answer in newest.items() if answer.timestamp >= 0}


def _by_reading(cluster: Cluster, limits: Mapping[Partition, Limits]) -> dict[Partition, int]:
    """The timestamp of each partition's last record."""
    consumer = reader(cluster)
    writes: dict[Partition, int] = {}
    try:
        for partition, limit in limits.items():
            for message in last(consumer, {partition: limit}, 1, cluster.address, threading.Event()):
                timestamp = timestamp_of(message)
                if timestamp is not None:
                    writes[partition] = timestamp
    finally:
        consumer.close()
    return writes


def on_disk(data_dir: Path, names: Collection[str]) -> dict[str, int]:
    """Bytes of each topic's log segments below a broker's log directory; indexes are not counted."""
    found = dict.fromkeys(names, 0)
    for name, folder in _partition_folders(data_dir):
        if name in found:
            found[name] += _log_bytes(folder)
    return found


def partitions_on_disk(data_dir: Path, name: str, partitions: Collection[int]) -> dict[int, int]:
    """Bytes of the log segments of one topic's partitions below a broker's log directory."""
    folders = {number: data_dir / f"{name}-{number}" for number in partitions}
    return {number: _log_bytes(folder) for number, folder in folders.items() if folder.is_dir()}


def _partition_folders(data_dir: Path) -> Iterable[tuple[str, Path]]:
    """Folders are named `<topic>-<partition>`; one that is being deleted ends in `-delete`."""
    for folder in data_dir.iterdir() if data_dir.is_dir() else ():
        name, dash, number = folder.name.rpartition("-")
        if dash and number.isdigit():
            yield name, folder


def _log_bytes(folder: Path) -> int:
    try:
        return sum(map(_length, folder.glob("*.log")))
    except FileNotFoundError:  # the topic was deleted meanwhile
        return 0


def _length(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # retention was faster
        return 0


def rates(before: Iterable[TopicSummary], after: Iterable[TopicSummary], seconds: float) -> dict[str, float | None]:
    """Records per second written to each topic of `after` in between; None where that cannot be told."""
    earlier = {summary.name: summary.written for summary in before}
    return {summary.name: _rate(earlier.get(summary.name), summary.written, seconds) for summary in after}


def _rate(before: int | None, after: int | None, seconds: float) -> float | None:
    # Fewer than before: the topic was recreated.
    if before is None or after is None or after < before or seconds <= 0:
        return None
    return (after - before) / seconds
