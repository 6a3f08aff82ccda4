"""Sessions of those who bring none: they end after half an hour without an event.

The workers of a collector share one table for each day, a file that all of them map: which worker a visitor's next
request goes to does not matter, and a restart ends no session. It is deleted with the salts of the day's visitors.
A table has room for so many sessions; when the few places for a visitor are taken, the session that has been silent
for longest gives way.
"""

import fcntl
import logging
import mmap
import os
import re
import struct
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from clickstream.collect.visitors.salts import DAY_MS

_log = logging.getLogger(__name__)

GAP_MS: Final = 30 * 60_000
CAPACITY: Final = 262_144  # sessions: 8 MB a day

_ENTRY: Final = struct.Struct("<8s16sq")  # hash of the visitor, id of the session, epoch ms of its last event
_BUCKET_ENTRIES: Final = 8
_BUCKET: Final = _ENTRY.size * _BUCKET_ENTRIES
_NAME: Final = re.compile(r"sessions-([0-9]{1,9})-[0-9]{1,9}")


class Sessions:
    """The sessions of today and yesterday in `folder`, which exists; None: in memory, for one process."""

    def __init__(self, folder: Path | None, capacity: int = CAPACITY) -> None:
        self._folder = folder
        self._buckets = max(1, capacity // _BUCKET_ENTRIES)
        self._tables: dict[int, _Table] = {}

    def session(self, visitor: str, now: int, yesterday: str | None = None) -> tuple[str, bool]:
        """The id of the visitor's session at `now` (epoch ms), and whether it begins with this event.

        `visitor` is an id within its site; `yesterday` is what the same visitor's id was on the day before: for half
        an hour after midnight a session that began under it goes on.
        """
        day = now // DAY_MS
        table = self._table(day)
        key = _key(visitor)
        found = table.session(key, now)
        if found is not None:
            return found.hex(), False
        kept = None
        if yesterday is not None and now - day * DAY_MS <= GAP_MS and (before := self._existing(day - 1)):
            kept = before.session(_key(yesterday), now)
        made = kept or blake2b(f"{visitor}\0{now}".encode("utf-8", "replace"), digest_size=16).digest()
        stored, begun = table.begin(key, made, now)
        return stored.hex(), begun and kept is None

    def maintain(self, now: int) -> None:
        """Delete what is older than yesterday. Cheap within a day."""
        self._table(now // DAY_MS)

    def close(self) -> None:
        """Unmap the tables; they stay on the disk."""
        for table in self._tables.values():
            table.close()
        self._tables.clear()

    def _table(self, day: int) -> "_Table":
        table = self._tables.get(day)
        if table is None:
            self._forget_before(day - 1)
            table = self._tables[day] = self._opened(day)
        return table

    def _existing(self, day: int) -> "_Table | None":
        """That day's table, if there is one: none is made of a day that is over."""
        if day not in self._tables and self._folder is not None and self._path(day).exists():
            self._tables[day] = self._opened(day)
        return self._tables.get(day)

    def _path(self, day: int) -> Path:
        # Its size is in its name: a file that others have mapped is never cut or grown.
        return (self._folder or Path()) / f"sessions-{day}-{self._buckets * _BUCKET_ENTRIES}"

    def _opened(self, day: int) -> "_Table":
        if self._folder is not None:
            try:
                return _Table(self._buckets, self._path(day))
            except OSError as error:
                _log.warning(
                    "Cannot keep sessions in %s: %s. This worker keeps its own, in memory.",
                    self._folder,
                    error.strerror or error,
                )
        return _Table(self._buckets, None)

    def _forget_before(self, day: int) -> None:
        for one in [one for one in self._tables if one < day]:
            self._tables.pop(one).close()
        if self._folder is None:
            return
        with suppress(OSError):
            for path in self._folder.iterdir():
                name = _NAME.fullmatch(path.name)
                if name and int(name[1]) < day:
                    path.unlink(missing_ok=True)


def _key(visitor: str) -> bytes:
    return blake2b(visitor.encode("utf-8", "replace"), digest_size=8).digest()


class _Table:
    """Buckets of a few entries each. Whoever looks into a bucket or writes there has its lock, for some microseconds.

    Raises OSError when the file cannot be used.
    """

    def __init__(self, buckets: int, path: Path | None) -> None:
        self._buckets = buckets
        self._file = -1
        size = buckets * _BUCKET
        if path is None:
            self._map = mmap.mmap(-1, size)
            return
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # All of it at once: on a full disk, writing into a hole of a mapped file would kill the process (SIGBUS).
            os.posix_fallocate(file, 0, size)
            self._map = mmap.mmap(file, size)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def close(self) -> None:
        self._map.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def session(self, key: bytes, now: int) -> bytes | None:
        """The session of `key`, which lives on; None when there is none, or it was silent for too long."""
        at = self._bucket(key)
        # Most visitors of the last half hour are where they were: nothing is locked for a look.
        if key not in self._map[at : at + _BUCKET]:
            return None
        self._lock(at, fcntl.LOCK_EX)
        try:
            return self._living(at, key, now)
        finally:
            self._lock(at, fcntl.LOCK_UN)

    def begin(self, key: bytes, made: bytes, now: int) -> tuple[bytes, bool]:
        """Store the session `made`: itself and True, or that of another worker, which was faster, and False."""
        at = self._bucket(key)
        self._lock(at, fcntl.LOCK_EX)
        try:
            living = self._living(at, key, now)
            if living is not None:
                return living, False
            _ENTRY.pack_into(self._map, self._place(at, key), key, made, now)
            return made, True
        finally:
            self._lock(at, fcntl.LOCK_UN)

    def _living(self, at: int, key: bytes, now: int) -> bytes | None:
        for place in range(at, at + _BUCKET, _ENTRY.size):
            stored, session, last = _ENTRY.unpack_from(self._map, place)
            if stored == key and now - last <= GAP_MS:
                if now > last:
                    _ENTRY.pack_into(self._map, place, key, session, now)
                return bytes(session)
        return None

    def _place(self, at: int, key: bytes) -> int:
        """The visitor's own place, or that of the session that has been silent for longest."""

        def preference(place: int) -> tuple[bool, int]:
            stored, _session, last = _ENTRY.unpack_from(self._map, place)
            return stored != key, last

        return min(range(at, at + _BUCKET, _ENTRY.size), key=preference)

    def _bucket(self, key: bytes) -> int:
        return int.from_bytes(key, "little") % self._buckets * _BUCKET

    def _lock(self, at: int, kind: int) -> None:
        if self._file >= 0:
            fcntl.lockf(self._file, kind, _BUCKET, at)
