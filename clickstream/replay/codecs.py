"""Compressed input, told by its first bytes: gzip, bzip2, xz and zstd, as plain bytes up to any damage.

A decoder that finds damage throws away what it decoded in that call, often thousands of good lines, and all of a
small file when only its checksum is wrong. So each kind keeps a way back to the state before the call, and goes on
from there byte by byte.
"""

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

# Bytes of input per call. Input may be made to explode (4 bytes of zstd: 128 KiB), and memory stays bounded.
STEP = 8_192
ZSTD_STEP = 1_024
BZIP2_STEP = 4
MAX_OUTPUT = 1 << 20  # bytes per chunk handed on
XZ_MEMORY = 1 << 28  # bytes; `xz -9` needs 65 MiB to be read


class Refused(Exception):
    """Input that is recognised and not read; the message says what it is and what to do."""


class Damaged(Exception):
    """Input that cannot be read further; `before` is what could still be decoded."""

    def __init__(self, reason: str, before: bytes = b"") -> None:
        super().__init__(reason)
        self.before = before


class Decoder(Protocol):
    """One member of compressed input, as Python's own decompressors are."""

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end of the member."""
        ...

    def decompress(self, data: bytes, /) -> bytes:
        """What can be decompressed so far."""
        ...


@dataclass(frozen=True)
class Codec:
    """`member` makes a decoder that raises Damaged, and may raise Refused; `step` is how many bytes it is given."""

    name: str
    magic: bytes
    member: Callable[[], Decoder]
    step: int = STEP


class _Gzip:
    """zlib can copy its state: 40 kB for each step."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, /) -> bytes:
        before = self._decoder.copy()
        try:
            return self._decoder.decompress(data)
        except zlib.error as error:
            reason = str(error).split(": ", 1)[-1]
            raise Damaged(f"the gzip data is damaged ({reason})", _byte_by_byte(before, data, zlib.error)) from None


class _Bzip2:
    """bzip2 has no copy, and two would cost twice its time, which is long; it takes 4 bytes at a time (15 % longer).

    A block gives its text whole, when its checksum was right. It is lost only if the damage is in the 4 bytes
    behind it.
    """

    def __init__(self) -> None:
        self._decoder = bz2.BZ2Decompressor()
        self._unused = b""

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data + self._unused

    def decompress(self, data: bytes, /) -> bytes:
        parts: list[bytes] = []
        for at in range(0, len(data), BZIP2_STEP):
            try:
                parts += self._blocks(data[at : at + BZIP2_STEP])
            except OSError as error:
                raise Damaged(f"the bzip2 data is damaged ({error})", b"".join(parts)) from None
            if self._decoder.eof:
                self._unused = data[at + BZIP2_STEP :]
                break
        return b"".join(parts)

    def _blocks(self, data: bytes) -> list[bytes]:
        """The text of the blocks that `data` completes. The checksum is looked at behind the last byte of a block."""
        parts = []
        text = self._decoder.decompress(data)
        while text:
            parts.append(text)
            text = b"" if self._decoder.eof else self._decoder.decompress(b"")
        return parts


class _Twin:
    """Two decoders of the same input, the second one step behind: decoding xz and zstd costs little."""

    def __init__(self, name: str, new: Callable[[], Decoder], error: type[Exception]) -> None:
        self._name = name
        self._error = error
        self._ahead = new()
        self._behind = new()

    @property
    def eof(self) -> bool:
        return self._ahead.eof

    @property
    def unused_data(self) -> bytes:
        return self._ahead.unused_data

    def decompress(self, data: bytes, /) -> bytes:
        try:
            text = self._ahead.decompress(data)
        except self._error as error:
            before = _byte_by_byte(self._behind, data, self._error)
            raise Damaged(f"the {self._name} data is damaged ({error})", before) from None
        self._behind.decompress(data)
        return text


def _byte_by_byte(decoder: Decoder, data: bytes, error: type[Exception]) -> bytes:
    """What `decoder` makes of `data` until it finds the damage."""
    parts: list[bytes] = []
    for at in range(len(data)):
        try:
            parts.append(decoder.decompress(data[at : at + 1]))
        except error:
            break
    return b"".join(parts)


def _xz() -> Decoder:
    def new() -> Decoder:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    return _Twin("xz", new, lzma.LZMAError)


def _zstd() -> Decoder:
    try:
        zstandard: Any = importlib.import_module("zstandard")
    except ImportError:
        raise Refused(
            "is compressed with zstd. To read that, install a package: pip install 'clickstream[zstd]'"
        ) from None

    def new() -> Decoder:
        decoder: Decoder = zstandard.ZstdDecompressor().decompressobj()
        return decoder

    return _Twin("zstd", new, zstandard.ZstdError)


CODECS = (
    Codec("gzip", b"\x1f\x8b", _Gzip),
    Codec("bzip2", b"BZh", _Bzip2),
    Codec("xz", b"\xfd7zXZ\0", _xz),
    Codec("zstd", b"\x28\xb5\x2f\xfd", _zstd, ZSTD_STEP),
)


def decompressed(codec: Codec, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All members of `chunks`, one after the other: rotated logs are often concatenated.

    An empty chunk gives an empty chunk, so that nobody waits. Raises Damaged, after all that came before the
    damage, and Refused.
    """
    member = codec.member()
    members = 1
    inside = True
    for chunk in chunks:
        if not chunk:
            yield b""
        for at in range(0, len(chunk), codec.step):
            piece = chunk[at : at + codec.step]
            while piece := piece if inside else piece.lstrip(b"\0"):  # archives are padded with zeros
                inside = True
                try:
                    yield from _in_steps(member.decompress(piece))
                except Damaged as damage:
                    yield from _in_steps(damage.before)
                    if members > 1 and not piece.startswith(codec.magic):
                        raise Damaged(f"{damage}, or what follows it is no {codec.name}") from None
                    raise
                piece = b""
                if member.eof:
                    piece = member.unused_data
                    member = codec.member()
                    members += 1
                    inside = False
    if inside:
        raise Damaged(f"the {codec.name} data ends early")


def _in_steps(text: bytes) -> Iterator[bytes]:
    for at in range(0, len(text), MAX_OUTPUT):
        yield text[at : at + MAX_OUTPUT]
