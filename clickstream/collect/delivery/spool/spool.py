"""One worker's spool: appends at its end, gives out from its beginning, within bounds of disk and memory."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clickstream.collect.delivery.spool.folder import Folder, size_of_all, sync_folder
from clickstream.collect.delivery.spool.frames import FORMAT, HEADER, Damaged, format_of, framed, frames

log = logging.getLogger(__name__)

# A segment is in memory as a whole while it is read: this bounds what a backlog takes, however large it is.
SEGMENT_BYTES = 8 * 2**20
FREE_FLOOR = 128 * 2**20
SAY_AGAIN_AFTER = 1_000  # refusals
# To look at the files of all workers takes some us for each. What the others write meanwhile may exceed the bound.
LOOK_AT_ALL_EVERY_S = 0.2


@dataclass(frozen=True)
class Bounds:
    """`size`: bytes that the segments of all workers may take; `free_floor`: bytes that others keep on the disk;
    `fsync`: what is said to be in the spool survives a loss of power, too."""

    size: int
    free_floor: int = FREE_FLOOR
    fsync: bool = False
    segment: int = SEGMENT_BYTES


@dataclass(frozen=True)
class Chunk:
    """Payloads that follow each other in one segment, up to `end`."""

    payloads: list[bytes]
    folder: Folder
    segment: Path
    end: int
    last: bool  # of its segment


class Spool:
    """Used by one thread at a time. `size` is what its segments take on the disk, delivered or not, in bytes.

    No worker has a share of the bounds: a folder that is taken over may be larger than that, after a restart with more
    workers, and one that has much to do need not stop while others have room.
    """

    def __init__(self, root: Path, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes over one folder of a dead worker as its own, so that order holds over restarts, or makes one.

        Others are left to workers that start beside it, so that several deliver them. `clock` gives s. Raises OSError
        when there is no place for it.
        """
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._bounds = bounds
        self._own = Folder.orphan(root) or Folder.create(root)
        self._adopted: list[Folder] = []
        self._handle: int | None = None  # of the segment that is appended to
        self._active: Path | None = None
        self._length = 0
        self._loaded: tuple[Path, bytes] | None = None
        self._delivered: tuple[Path, int] | None = None  # where a position could not be saved
        self._refusals = 0
        self._clock = clock
        self._others, self._looked_at = 0, float("-inf")
        self._sizes = {path: path.stat().st_size for path in self._own.segments()}
        self.size = sum(self._sizes.values())

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be delivered."""
        return not self._sizes

    def adopt(self) -> None:
        """Take over what one dead worker has left, if there is any. For when all is delivered: it counts for `size`."""
        self._remove_delivered()
        while (folder := Folder.orphan(self._root)) is not None:
            sizes = {path: path.stat().st_size for path in folder.segments()}
            if sizes:
                self._sizes.update(sizes)
                self.size += sum(sizes.values())
                self._adopted.append(folder)
                self._looked_at = float("-inf")  # it was one of the others
                return
            folder.release()

    def append(self, payloads: Sequence[bytes]) -> int:
        """Write them, in order; returns how many it took: the first ones.

        They are in the page cache then, or with `fsync` on the disk. What does not fit, by the bounds or as the disk is
        full, is refused, and nothing of it stays.
        """
        taken = 0
        data = bytearray()
        room = self._room()
        for payload in payloads:
            frame = framed(payload)
            if len(data) + len(frame) > room:
                break
            data += frame
            taken += 1
        if taken and not self._write(bytes(data)):
            # All of a batch or nothing: where the disk ends within it, is not worth to be known.
            taken = 0
        if taken < len(payloads):
            self._say_refused(len(payloads) - taken)
        return taken

    def _room(self) -> int:
        disk = os.statvfs(self._root)
        free = disk.f_bavail * disk.f_frsize - self._bounds.free_floor
        return min(free, self._bounds.size - self.size - self._size_of_others()) - len(HEADER)

    def _size_of_others(self) -> int:
        """What is in folders that are not this worker's, living or dead ones', as it was a moment ago."""
        now = self._clock()
        if now >= self._looked_at + LOOK_AT_ALL_EVERY_S:
            self._looked_at = now
            own = {self._own.path, *(folder.path for folder in self._adopted)}
            self._others = size_of_all(self._root, without=own)
        return self._others

    def _say_refused(self, number: int) -> None:
        if self._refusals % SAY_AGAIN_AFTER < number or self._refusals == 0:
            log.error(
                "The spool in %s takes no more: it holds %d MB of at most %d MB, or the disk is full.",
                self._root,
                (self.size + self._others) // 10**6,
                self._bounds.size // 10**6,
            )
        self._refusals += number

    def _write(self, data: bytes) -> bool:
        begin = self._length
        try:
            handle = self._segment()
            begin = self._length
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            if self._bounds.fsync:
                os.fdatasync(handle)
        except OSError as problem:
            log.error("The spool in %s cannot be written: %s.", self._root, problem.strerror)
            self._cut_back(begin)
            return False
        self._grow(len(data))
        if self._length >= self._bounds.segment:
            self._end_segment()
        return True

    def _grow(self, octets: int) -> None:
        self._length += octets
        self.size += octets
        if self._active is not None:
            self._sizes[self._active] = self._length

    def _segment(self) -> int:
        """The handle of the segment that is appended to, which is begun if there is none."""
        if self._handle is not None:
            if os.fstat(self._handle).st_nlink:
                return self._handle
            self._end_segment()  # somebody deleted it: nobody would read what is written now
        self._active = self._own.next_segment()
        self._length = 0
        handle = os.open(self._active, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._handle = handle
        written = os.write(handle, HEADER)
        if written < len(HEADER):
            raise OSError(0, "no room for a header", str(self._active))
        if self._bounds.fsync:
            sync_folder(self._own.path)
        self._grow(written)
        return handle

    def _cut_back(self, length: int) -> None:
        """Take off what was written of a record, or end the segment there: its reader leaves out what is not whole."""
        if self._handle is None or self._active is None:
            return
        try:
            os.ftruncate(self._handle, length)
        except OSError:
            self._end_segment()
            return
        if length <= len(HEADER):
            path = self._active
            self._end_segment()
            self._remove(path)

    def _end_segment(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle = self._active = None
        self._length = 0

    def _remove(self, segment: Path) -> None:
        segment.unlink(missing_ok=True)
        self.size -= self._sizes.pop(segment, 0)

    def read(self, octets: int) -> Chunk | None:
        """The oldest payloads, of one segment and up to about that many bytes; None when nothing waits.

        The same ones again until `delivered`. What is damaged is set aside as a file of its own, and said.
        """
        while True:
            found = self._oldest()
            if found is None:
                return None
            folder, segment = found
            if segment == self._active:
                self._end_segment()
            chunk = self._chunk(folder, segment, octets)
            if chunk is not None:
                return chunk

    def _oldest(self) -> tuple[Folder, Path] | None:
        for folder in (*self._adopted, self._own):
            for segment in folder.segments():
                if segment in self._sizes:
                    return folder, segment
        if self._sizes:
            self._forget_deleted()
        return None

    def _forget_deleted(self) -> None:
        """Of segments that are known, none is there: they would be waited for without end."""
        log.warning("%d files of the spool in %s were deleted: what they held is lost.", len(self._sizes), self._root)
        self._end_segment()
        self._sizes.clear()
        self.size = 0
        self._loaded = self._delivered = None
        for folder in self._adopted:
            folder.release()
        self._adopted.clear()

    def _chunk(self, folder: Folder, segment: Path, octets: int) -> Chunk | None:
        data = self._load(segment)
        payloads: list[bytes] = []
        place = max(self._position(folder, segment), len(HEADER))
        if format_of(data) != FORMAT:
            self._set_aside(folder, segment, data, f"its format is none that this version reads ({FORMAT})")
            place = len(data)
        size = 0
        for found in frames(data, place):
            if isinstance(found, Damaged):
                why = f"they are damaged, from byte {found.start} on"
                self._set_aside(folder, segment, data[found.start : found.end], why)
            else:
                payloads.append(found.payload)
                size += len(found.payload)
            place = found.end
            if size >= octets:
                break
        chunk = Chunk(payloads, folder, segment, place, place >= len(data))
        if payloads:
            return chunk
        self.delivered(chunk)
        return None

    def _position(self, folder: Folder, segment: Path) -> int:
        if self._delivered is not None and self._delivered[0] == segment:
            return self._delivered[1]
        return folder.position(segment)

    def _load(self, segment: Path) -> bytes:
        if self._loaded is None or self._loaded[0] != segment:
            self._loaded = segment, segment.read_bytes()
        return self._loaded[1]

    def _set_aside(self, folder: Folder, segment: Path, data: bytes, why: str) -> None:
        beside = self._root / f"{folder.path.name}-{segment.stem}.bad"
        try:
            with beside.open("ab") as file:
                file.write(data)
        except OSError as problem:
            log.error("Damaged bytes of the spool could not be copied to %s: %s.", beside, problem.strerror)
        log.error(
            "%d bytes of the spool's file %s are not delivered: %s. They are in %s.", len(data), segment, why, beside
        )

    def refuse(self, payload: bytes, why: str) -> None:
        """Set a payload aside that Kafka will never take."""
        beside = self._root / "refused.bad"
        try:
            with beside.open("ab") as file:
                file.write(framed(payload))
        except OSError as problem:
            log.error("A record of the spool is not delivered: %s. It cannot be kept: %s.", why, problem)
            return
        log.error("A record of the spool is not delivered: %s. It is in %s.", why, beside)

    def delivered(self, chunk: Chunk) -> None:
        """Kafka has all of a chunk: it is not given out any more, nor, if that can be saved, after a restart."""
        if not chunk.last:
            self._delivered = chunk.segment, chunk.end
            try:
                chunk.folder.save_position(chunk.segment, chunk.end)
            except OSError as problem:
                log.warning("How far the spool is delivered cannot be saved: %s.", problem)
            return
        self._loaded = None
        self.size -= self._sizes.pop(chunk.segment, 0)  # not given out again, whether the disk lets it go or not
        why_not = _delete(chunk.folder, chunk.segment)
        if why_not is not None:
            log.error("What the spool has delivered cannot be removed: %s. It is tried again.", why_not)
        self._release_empty()

    def _remove_delivered(self) -> None:
        """What the disk did not let go of when it was delivered."""
        for folder in (self._own, *self._adopted):
            for segment in folder.segments():
                if segment not in self._sizes:
                    _delete(folder, segment)
        self._release_empty()

    def _release_empty(self) -> None:
        for folder in [folder for folder in self._adopted if not folder.segments()]:
            self._adopted.remove(folder)
            folder.release()

    def close(self) -> None:
        """Let others take over what it holds."""
        self._end_segment()
        for folder in (self._own, *self._adopted):
            with suppress(OSError):
                folder.release()


def _delete(folder: Folder, segment: Path) -> OSError | None:
    """Delete a segment that is delivered; why that cannot be done, as on a disk that has become read-only."""
    try:
        folder.forget_position()
        segment.unlink(missing_ok=True)
    except OSError as problem:
        with suppress(OSError):  # else a restart delivers it again
            folder.save_position(segment, segment.stat().st_size)
        return problem
    return None
