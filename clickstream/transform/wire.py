"""What goes between the command and a process that runs its function: pieces with their length, and no pickles."""

import struct
from typing import BinaryIO

import msgspec

from clickstream.transform.api import Record

_LENGTH = struct.Struct("<I")
MAX_PIECE = 2**32 - 1


class Begin(msgspec.Struct, frozen=True):
    """The first piece: which function, as on the command line."""

    function: str


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The function was found."""


class Unloadable(msgspec.Struct, frozen=True, tag="unloadable"):
    """It was not: why, for people."""

    reason: str


class Returned(msgspec.Struct, frozen=True, tag="returned"):
    """The results of one record."""

    results: list[Record]


class Raised(msgspec.Struct, frozen=True, tag="raised"):
    """The function failed: `kind` is the reason as a word."""

    reason: str
    kind: str


class WasAway(msgspec.Struct, frozen=True, tag="away"):
    """The function said that something it needs is away."""

    reason: str


Said = Loaded | Unloadable | Returned | Raised | WasAway

_encoder = msgspec.msgpack.Encoder()
_said: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)
_begin: msgspec.msgpack.Decoder[Begin] = msgspec.msgpack.Decoder(Begin)
_records: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])


def frame(message: Begin | Said | list[Record]) -> bytes:
    """One piece, with its length before it. Raises ValueError when it is larger than a piece can be."""
    piece = _encoder.encode(message)
    if len(piece) > MAX_PIECE:
        raise ValueError(f"{len(piece):,} bytes are more than one answer can have")
    return _LENGTH.pack(len(piece)) + piece


def read_begin(given: BinaryIO) -> Begin:
    """Raises EOFError when there is no more."""
    return _begin.decode(_read(given))


def read_records(given: BinaryIO) -> list[Record]:
    """Records to call the function with, one by one. Raises EOFError when there are no more."""
    return _records.decode(_read(given))


def _read(given: BinaryIO) -> bytes:
    head = given.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    piece = given.read(length)
    if len(piece) < length:
        raise EOFError
    return piece


class Pieces:
    """What a process says, out of the bytes that have come so far."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, octets: bytes) -> None:
        """More has come."""
        self._bytes += octets

    def next(self) -> Said | None:
        """What it said next; None: not all of it is here. Raises msgspec.MsgspecError for what is none of ours."""
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        said = _said.decode(bytes(self._bytes[_LENGTH.size : end]))
        del self._bytes[:end]
        return said
