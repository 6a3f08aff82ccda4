"""Chunks of text into lines: in bounded memory, whatever the input."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 65_536  # bytes, without the line feed
_HOLE = re.compile(rb"\0{2,}")


@dataclass(frozen=True)
class Lines:
    """Whole lines without their line feed, the first of which is line `first` of its file (from 1).

    Empty when a pipe gave nothing for a while, so that its reader can look after other things.
    """

    first: int
    lines: list[bytes]


@dataclass(frozen=True)
class Unreadable:
    """A line that is too long, of which `data` is the beginning, or that is cut off.

    `length` is that of the whole line in bytes, as far as it was there.
    """

    number: int
    data: bytes
    reason: str
    length: int


def behind_hole(line: bytes) -> tuple[bytes, bytes] | None:
    """What stands before and behind the last NUL bytes of `line`; None without any.

    A log that is truncated in place while a server writes to it (logrotate's copytruncate) begins with NUL bytes
    up to where the server was; a crash can leave them in the middle.
    """
    before, hole, behind = line.rpartition(b"\0")
    return (before.strip(b"\0"), behind) if hole else None


class Splitter:
    """Cuts chunks into lines; keeps at most MAX_LINE bytes from one chunk to the next.

    In a line that would be too long, NUL bytes in a row count as one: a hole can have gigabytes of them.
    """

    def __init__(self) -> None:
        self.next = 1  # number of the next line
        self._rest = b""
        self._dropped = 0  # bytes of the line under way that came after the MAX_LINE bytes in _rest

    def feed(self, chunk: bytes) -> Iterator[Lines | Unreadable]:
        """The lines that end in this chunk. One that is too long is Unreadable."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        yield from self._whole(lines)
        if len(self._rest) > MAX_LINE:
            self._rest = _without_holes(self._rest)
            self._dropped += max(0, len(self._rest) - MAX_LINE)
            self._rest = self._rest[:MAX_LINE]

    def end(self, cut_off: str = "") -> Iterator[Lines | Unreadable]:
        """The last line, if it has no line feed. After damage it is Unreadable: half can look whole."""
        if not self._rest:
            return
        if cut_off:
            length = len(self._rest) + self._dropped
            yield Unreadable(self.next, self._rest, f"the line is cut off: {cut_off}", length)
            self.next += 1
        else:
            yield from self._whole([self._rest])

    def _whole(self, lines: list[bytes]) -> Iterator[Lines | Unreadable]:
        if not self._dropped and (not lines or max(map(len, lines)) <= MAX_LINE):
            yield Lines(self.next, lines)
            self.next += len(lines)
            return
        for line in lines:
            short = _without_holes(line) if len(line) > MAX_LINE else line
            length = len(short) + self._dropped
            if length > MAX_LINE:
                reason = f"the line has {length:,} bytes, more than {MAX_LINE:,}"
                yield Unreadable(self.next, short[:MAX_LINE], reason, length)
            else:
                yield Lines(self.next, [short])
            self.next += 1
            self._dropped = 0


def _without_holes(line: bytes) -> bytes:
    return _HOLE.sub(b"\0", line) if b"\0" in line else line
