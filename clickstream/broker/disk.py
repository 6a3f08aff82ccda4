"""A bound for the space that the embedded Kafka's records take.

Kafka bounds each partition (log.retention.bytes) and not their sum. So the supervisor looks at the files now and then,
and while all partitions together take more than they may, it sets that limit for all of them, as high as will do:
the largest partitions lose their oldest records, small ones lose none. What is compacted, or has a retention.bytes of
its own, is never shortened.
"""

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clickstream.broker import wire

log = logging.getLogger(__name__)

DEFAULT = 10_000_000_000  # bytes
LEAST = 100_000_000  # a bound below this leaves no room for what Kafka keeps itself
WARN_AT = 0.8  # of the bound
SHORTEN_AT = 0.9  # Kafka needs some seconds to delete, while records go on coming
EVERY = 5.0  # s between two looks; they take milliseconds
WATCH_EVERY = 10.0  # s between the looks of a command that runs
NO_LIMIT = -1

_SMALLEST_SEGMENT = 1024 * 1024
_LARGEST_SEGMENT = 256 * 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """Bytes: of everything on the disk, of that what Kafka is about to delete, and of each partition's records."""

    total: int
    doomed: int
    partitions: dict[str, list[int]]  # by topic


def segment_bytes(bound: int) -> int:
    """The size of Kafka's files: a hundredth of the bound, as the newest file of a partition is never deleted."""
    return max(_SMALLEST_SEGMENT, min(_LARGEST_SEGMENT, bound // 100))


def words(used: int, bound: int) -> str:
    """For example: 8.1 of 10 GB (81%); without a bound: 8.1 GB."""
    if not bound:
        return f"{used / 1e9:.1f} GB"
    return f"{used / 1e9:.1f} of {bound / 1e9:g} GB ({used / bound:.0%})"


def usage(data: Path) -> Usage:
    """What Kafka's directory takes now. Raises OSError; what vanishes meanwhile is not counted."""
    total = doomed = 0
    partitions: dict[str, list[int]] = defaultdict(list)
    for directory in _entries(data):
        if not directory.is_dir(follow_symlinks=False):
            total += _blocks(directory)
            continue
        records = 0
        for file in _entries(Path(directory.path)):
            blocks = _blocks(file)
            total += blocks
            if directory.name.endswith("-delete") or file.name.endswith(".deleted"):
                doomed += blocks
            elif file.name.endswith(".log"):
                records += blocks
        topic, _, number = directory.name.rpartition("-")
        if number.isdecimal():
            partitions[topic].append(records)
    return Usage(total, doomed, dict(partitions))


def _entries(directory: Path) -> Iterable["os.DirEntry[str]"]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _blocks(entry: "os.DirEntry[str]") -> int:
    """What it takes on the disk: Kafka's indexes are long, but mostly holes."""
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0


def limit_for(found: Usage, shortened: Iterable[str], bound: int) -> int:
    """The limit for each partition of the topics `shortened` with which everything fits; NO_LIMIT if it does anyway."""
    kept = found.total - found.doomed
    room = int(bound * SHORTEN_AT)
    if kept <= room:
        return NO_LIMIT
    sizes = sorted(size for topic in shortened for size in found.partitions.get(topic, []))
    room -= kept - sum(sizes)
    share = 0
    for place, size in enumerate(sizes):
        share = max(room, 0) // (len(sizes) - place)
        if size > share:
            break
        room -= size
    # A partition keeps up to one file more than its limit.
    return max(share - segment_bytes(bound), segment_bytes(bound))


class Watch(threading.Thread):
    """Warns, once, when the records in `data` take more than WARN_AT of `bound` bytes (0: never) while Kafka is used.

    `look` is for the beginning; the thread looks on, every WATCH_EVERY seconds, unless that warned already.
    """

    def __init__(self, data: Path, bound: int) -> None:
        super().__init__(name="disk", daemon=True)
        self._data = data
        self._bound = bound
        self._ended = threading.Event()
        if not bound:
            self._ended.set()

    def look(self) -> str | None:
        """The warning, if it is time for it. Raises OSError."""
        used = usage(self._data).total
        if not used >= self._bound * WARN_AT > 0:
            return None
        self._ended.set()
        return (
            f"the embedded Kafka's records take {words(used, self._bound)}. From {SHORTEN_AT:.0%} on it deletes the "
            "oldest of the largest topics; broker.disk is the bound."
        )

    def run(self) -> None:
        while not self._ended.wait(WATCH_EVERY):
            try:
                warning = self.look()
            except OSError as error:  # the broker or whoever writes says more
                log.debug("The use of the disk is not known: %s", error)
                continue
            if warning is not None:
                log.warning("%s", warning[0].upper() + warning[1:])

    def end(self) -> None:
        """No warning any more."""
        self._ended.set()


class Bound:
    """Holds the broker at `port` below `bound` bytes in `data`; 0: no bound."""

    def __init__(self, data: Path, bound: int, log: Callable[[str], None]) -> None:
        self._data = data
        self._bound = bound
        self._log = log
        self._limit: int | None = None  # unknown: one that was set in an earlier run is still there
        self._told = False

    def look(self, port: int) -> None:
        """Set the limit that the files call for now. What fails is tried again at the next look."""
        try:
            found = usage(self._data)
            limit = NO_LIMIT
            if self._bound and found.total - found.doomed > self._bound * SHORTEN_AT:
                limit = limit_for(found, wire.shortened_topics(wire.HOST, port, list(found.partitions)), self._bound)
            if limit != self._limit:
                wire.limit_partitions(wire.HOST, port, None if limit == NO_LIMIT else limit)
                self._limit = limit
        except OSError as error:
            self._log(f"the disk's bound cannot be kept now: {error}")
            return
        if limit != NO_LIMIT and not self._told:
            self._told = True
            self._log(f"{found.total:,} of {self._bound:,} bytes are in use: the oldest records of the largest go")
