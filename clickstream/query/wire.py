"""What goes between a command and its query process, both ways: pieces with their length, and no pickles.

Whoever has got power over the process by its SQL must not have it over who asked.
"""

import struct
from typing import BinaryIO

import msgspec

from clickstream.query.model import Cell, Column, Limits

_LENGTH = struct.Struct("<Q")
MAX_PIECE = 1 << 32


class Asked(msgspec.Struct, frozen=True):
    """The first piece: the SQL."""

    sql: str
    limits: Limits


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """These tables are needed: a piece of Arrow's stream format for each comes next, in this order."""

    tables: list[str]


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """The rows."""

    columns: list[Column]
    rows: list[list[Cell]]
    cut: bool


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why there are none, for people."""

    words: str


Said = Wanted | Answered | Failed


def write(out: BinaryIO, piece: bytes) -> None:
    """Raises OSError when nobody reads any more."""
    out.write(_LENGTH.pack(len(piece)))
    out.write(piece)
    out.flush()


def read(given: BinaryIO, most: int = MAX_PIECE) -> bytes:
    """Raises EOFError when there is no more, or the piece has more than `most` bytes."""
    head = given.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > most:
        raise EOFError(f"a piece of {length} bytes")
    piece = given.read(length)
    if len(piece) < length:
        raise EOFError
    return piece
