"""What a topic's listeners share: its last records, or the latest record of every key, in bounded memory.

Each listener has only a place in it, a number: so memory does not grow with the listeners, and one that never comes
holds nothing up. What it finds gone when it comes is counted.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, cast

from confluent_kafka import Message

MAX_RECORDS = 1_000
MAX_KEYS = 10_000
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Found:
    """Records in the order in which they came, how many more came since `place` and are not among them, and where
    to go on. `anew`: forget what came before (this is a first look, or the topic was recreated)."""

    records: list[Message]
    skipped: int
    place: "Place"
    anew: bool


@dataclass(frozen=True)
class Place:
    """How far a listener is: the records that came before, of which `generation` of the topic."""

    generation: int
    came: int


class Sink(Protocol):
    """Where the records of a topic go; called by one thread."""

    def add(self, records: Sequence[Message]) -> None:
        """Records that came, in order."""
        ...

    def forget(self) -> None:
        """The topic was recreated: what was there means nothing any more."""
        ...


class Shared(Sink, Protocol):
    """Written by one thread, looked at by any. No call waits for anything but another call."""

    def since(self, place: Place | None, limit: int | None = None) -> Found:
        """What came since `place` (None: all that is here), the newest `limit` of it."""
        ...

    def has_news(self, place: Place | None) -> bool:
        """Whether `since` would tell anything."""
        ...


class _Counted:
    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._max_bytes = max_bytes
        self._bytes = 0
        self._generation = 0
        self._came = 0

    def has_news(self, place: Place | None) -> bool:
        with self._lock:
            return place != Place(self._generation, self._came)

    def _missed(self, place: Place | None) -> int | None:
        """How many records came since `place`; None when that is of another generation of the topic, or none."""
        return None if place is None or place.generation != self._generation else self._came - place.came

    def _found(self, records: list[Message], missed: int | None) -> Found:
        skipped = 0 if missed is None else missed - len(records)
        return Found(records, skipped, Place(self._generation, self._came), missed is None)


class Recent(_Counted):
    """The last records of a topic: as many as `max_records` and `max_bytes` allow, but always the last one."""

    def __init__(self, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(max_bytes)
        self.max_records = max_records
        self._ring: deque[tuple[Message, int]] = deque()

    def add(self, records: Sequence[Message]) -> None:
        """As in Shared; the oldest make room."""
        with self._lock:
            self._came += len(records)
            for record in records[-self.max_records :]:
                size = _size(record)
                self._ring.append((record, size))
                self._bytes += size
            while len(self._ring) > self.max_records or (self._bytes > self._max_bytes and len(self._ring) > 1):
                self._bytes -= self._ring.popleft()[1]

    def forget(self) -> None:
        """As in Shared."""
        with self._lock:
            self._ring.clear()
            self._generation, self._came, self._bytes = self._generation + 1, 0, 0

    def since(self, place: Place | None, limit: int | None = None) -> Found:
        """As in Shared."""
        with self._lock:
            missed = self._missed(place)
            number = len(self._ring) if missed is None else min(missed, len(self._ring))
            newest = islice(reversed(self._ring), number if limit is None else min(number, limit))
            return self._found([record for record, _size in newest][::-1], missed)


class Latest(_Counted):
    """The latest record of every key; of more keys than fit, those are kept that changed last. A tombstone stays until
    it is pushed out, so that everybody hears of it."""

    def __init__(self, max_keys: int = MAX_KEYS, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(max_bytes)
        self._max_keys = max_keys
        self._slots: OrderedDict[bytes | None, tuple[Message, int, int]] = OrderedDict()  # with number and size
        self.pushed_out = 0  # keys

    def add(self, records: Sequence[Message]) -> None:
        """As in Shared; the keys that changed longest ago make room."""
        with self._lock:
            for record in records:
                self._came += 1
                size = _size(record)
                known = self._slots.pop(record.key(), None)
                self._slots[record.key()] = (record, self._came, size)
                self._bytes += size - (known[2] if known is not None else 0)
            while len(self._slots) > self._max_keys or (self._bytes > self._max_bytes and len(self._slots) > 1):
                self._bytes -= self._slots.popitem(last=False)[1][2]
                self.pushed_out += 1

    def forget(self) -> None:
        """As in Shared."""
        with self._lock:
            self._slots.clear()
            self._generation, self._came, self._bytes = self._generation + 1, 0, 0

    def since(self, place: Place | None, limit: int | None = None) -> Found:
        """As in Shared: of each key, in the order of its last change."""
        with self._lock:
            missed = self._missed(place)
            known = self._came - missed if missed is not None else 0
            newest: list[Message] = []
            for record, number, _size in reversed(self._slots.values()):
                if number <= known or (limit is not None and len(newest) >= limit):
                    break
                newest.append(record)
            return self._found(newest[::-1], missed)


def _size(record: Message) -> int:
    """Bytes of key, value and headers, and about what the objects take."""
    parts: Iterable[bytes | str | None] = (record.key(), record.value())
    pairs = cast("list[tuple[str, bytes | None]]", record.headers() or [])
    headers = sum(len(name) + len(octets or b"") for name, octets in pairs)
    return 500 + headers + sum(len(part) for part in parts if part is not None)
