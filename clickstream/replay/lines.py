"""Chunks of bytes, plain or gzip, into lines: in bounded memory, whatever the input."""

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 65_536  # bytes, without the line feed
MAX_UNZIPPED = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Lines:
    """Whole lines without their line feed, the first of which is line `first` of its file (from 1).

    Empty when a pipe gave nothing for a while, so that its reader can look after other things.
    """

    first: int
    lines: list[bytes]


@dataclass(frozen=True)
class Unreadable:
    """A line that is too long, of which `data` is the beginning, or that is cut off."""

    number: int
    data: bytes
    reason: str


def unzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """`chunks`, gunzipped when they begin as gzip does. Raises EOFError or zlib.error for damaged gzip."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_GZIP) or not _GZIP.startswith(head):
            break
        yield b""
    yield from _gunzip(head, chunks) if head.startswith(_GZIP) else _plain(head, chunks)


def _plain(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks


def _gunzip(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All members, one after the other: rotated logs are often concatenated."""
    unzip = zlib.decompressobj(wbits=31)
    inside = True
    for chunk in itertools.chain([head], chunks):
        pending = chunk if inside else chunk.lstrip(b"\0")  # archives are padded with zeros
        if not pending:
            yield b""
        while pending:
            inside = True
            # In bounded steps: a few kilobytes of gzip can hold gigabytes.
            yield unzip.decompress(pending, MAX_UNZIPPED)
            pending = unzip.unconsumed_tail
            if unzip.eof:
                pending = unzip.unused_data.lstrip(b"\0")
                unzip = zlib.decompressobj(wbits=31)
                inside = False
    if inside:
        yield unzip.flush()
        if not unzip.eof:
            raise EOFError("the gzip data ends early")


class Splitter:
    """Cuts chunks into lines; keeps at most MAX_LINE bytes from one chunk to the next."""

    def __init__(self) -> None:
        self.next = 1  # number of the next line
        self._rest = b""
        self._dropped = 0  # bytes of the line under way that came after the MAX_LINE bytes in _rest

    def feed(self, chunk: bytes) -> Iterator[Lines | Unreadable]:
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        yield from self._whole(lines)
        if len(self._rest) > MAX_LINE:
            self._dropped += len(self._rest) - MAX_LINE
            self._rest = self._rest[:MAX_LINE]

    def end(self, cut_off: str = "") -> Iterator[Lines | Unreadable]:
        """The last line, if it has no line feed. After damage it is Unreadable: half can look whole."""
        if not self._rest:
            return
        if cut_off:
            yield Unreadable(self.next, self._rest, f"the line is cut off: {cut_off}")
            self.next += 1
        else:
            yield from self._whole([self._rest])

    def _whole(self, lines: list[bytes]) -> Iterator[Lines | Unreadable]:
        if not self._dropped and (not lines or max(map(len, lines)) <= MAX_LINE):
            yield Lines(self.next, lines)
            self.next += len(lines)
            return
        for line in lines:
            length = len(line) + self._dropped
            if length > MAX_LINE:
                reason = f"the line has {length:,} bytes, more than {MAX_LINE:,}"
                yield Unreadable(self.next, line[:MAX_LINE], reason)
            else:
                yield Lines(self.next, [line])
            self.next += 1
            self._dropped = 0
