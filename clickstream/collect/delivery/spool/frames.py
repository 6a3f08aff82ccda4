"""A segment's bytes: a header with the number of the format, then frames of mark, length, checksum and payload."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

FORMAT = 1
_NAME = b"CSSPOOL"
HEADER = _NAME + bytes([FORMAT])

# After bytes that are damaged the next frame is found by its mark; a checksum says whether it is one.
_MARK = b"\xc5\x9b\x1e\xd7"
_HEAD = struct.Struct(">4sII")
MAX_PAYLOAD = 16 * 2**20


class Whole(NamedTuple):
    """A frame that is as it was written; `end` is where the next one begins."""

    payload: bytes
    end: int


class Damaged(NamedTuple):
    """Bytes that are no frame, from `start` to, not including, `end`."""

    start: int
    end: int


def framed(payload: bytes) -> bytes:
    """The payload (at most MAX_PAYLOAD bytes) as it stands in a segment."""
    return _HEAD.pack(_MARK, len(payload), _checksum(payload)) + payload


def format_of(data: bytes) -> int | None:
    """The number of the format that a segment's header tells; None when it is no header of ours."""
    return data[len(_NAME)] if len(data) >= len(HEADER) and data.startswith(_NAME) else None


def frames(data: bytes, start: int) -> Iterator[Whole | Damaged]:
    """What stands in a segment from `start` on. A cut or overwritten frame costs itself, not those behind it."""
    place = start
    while place < len(data):
        found = _frame(data, place)
        if found is not None:
            yield found
            place = found.end
            continue
        end = _next_frame(data, place + 1)
        yield Damaged(place, end)
        place = end


def _frame(data: bytes, place: int) -> Whole | None:
    begin = place + _HEAD.size
    if begin > len(data):
        return None
    mark, length, checksum = _HEAD.unpack_from(data, place)
    end = begin + length
    # A length of 0 is never written.
    if mark != _MARK or not 0 < length <= MAX_PAYLOAD or end > len(data):
        return None
    payload = data[begin:end]
    return Whole(payload, end) if _checksum(payload) == checksum else None


def _next_frame(data: bytes, place: int) -> int:
    while (place := data.find(_MARK, place)) >= 0:
        if _frame(data, place) is not None:
            return place
        place += 1
    return len(data)


def _checksum(payload: bytes) -> int:
    # With its length: a frame whose length was changed must not be right by chance.
    return zlib.crc32(payload, len(payload))
