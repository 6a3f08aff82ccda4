import bz2
import gzip
import lzma
import sys
from collections.abc import Callable, Iterator

import pytest
import zstandard

from clickstream.replay.codecs import CODECS, MAX_OUTPUT, Codec, Damaged, Refused, decompressed

GZIP, BZIP2, XZ, ZSTD = CODECS
Compress = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


ALL = [
    pytest.param(GZIP, gzip.compress, id="gzip"),
    pytest.param(BZIP2, bz2.compress, id="bzip2"),
    pytest.param(XZ, lzma.compress, id="xz"),
    pytest.param(ZSTD, zstd, id="zstd"),
]
every_codec = pytest.mark.parametrize(("codec", "compress"), ALL)
LINES = b"".join(b"%d the quick brown fox\n" % number for number in range(20_000))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def until_damage(codec: Codec, chunks: Iterator[bytes]) -> tuple[bytes, str]:
    """What came before the damage, and what was said about it."""
    got = []
    try:
        for chunk in decompressed(codec, chunks):
            got.append(chunk)  # noqa: PERF402 - what came before the error is the point
    except Damaged as damage:
        return b"".join(got), str(damage)
    raise AssertionError("no damage was found")


@every_codec
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_members_follow_each_other_with_padding_and_empty_ones_between(
    codec: Codec, compress: Compress, size: int
) -> None:
    data = compress(b"") + compress(b"one\n") + compress(b"") + b"\0" * 600 + compress(b"two\n") + b"\0" * 8
    assert b"".join(decompressed(codec, pieces(data, size))) == b"one\ntwo\n"


@every_codec
def test_empty_chunks_pass_through_so_that_nobody_waits(codec: Codec, compress: Compress) -> None:
    data = compress(b"one\n")
    chunks = [data[:6], b"", data[6:20], b"", data[20:], b""]
    assert list(decompressed(codec, iter(chunks))).count(b"") >= 3
    assert b"".join(decompressed(codec, iter(chunks))) == b"one\n"


@every_codec
def test_much_is_decompressed_in_small_steps(codec: Codec, compress: Compress) -> None:
    bomb = compress(b"\n" * 50_000_000)
    assert len(bomb) < 100_000
    sizes = [len(chunk) for chunk in decompressed(codec, iter([bomb]))]
    assert max(sizes) <= MAX_OUTPUT
    assert sum(sizes) == 50_000_000


@every_codec
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_all_that_a_truncated_file_has_comes_before_the_error(codec: Codec, compress: Compress, size: int) -> None:
    data = compress(LINES) + compress(LINES)[:-10]
    got, said = until_damage(codec, pieces(data, size))
    assert (LINES + LINES).startswith(got)
    assert len(got) >= len(LINES)
    assert said == f"the {codec.name} data ends early"


@pytest.mark.parametrize(
    ("codec", "compress", "checksum_at"),
    [
        pytest.param(GZIP, gzip.compress, -8, id="gzip"),
        pytest.param(GZIP, gzip.compress, -1, id="gzip length"),
        pytest.param(BZIP2, bz2.compress, -2, id="bzip2"),
        pytest.param(XZ, lzma.compress, -30, id="xz"),
        pytest.param(ZSTD, zstd, -1, id="zstd"),
    ],
)
@pytest.mark.parametrize("text", [LINES[:2000], LINES], ids=["short", "long"])
def test_all_text_comes_before_a_wrong_checksum_at_the_end(
    codec: Codec, compress: Compress, checksum_at: int, text: bytes
) -> None:
    data = bytearray(compress(text))
    data[checksum_at] ^= 0xFF
    got, said = until_damage(codec, iter([bytes(data)]))
    assert got == text
    assert said.startswith(f"the {codec.name} data is damaged (")


@pytest.mark.parametrize(
    ("codec", "compress"), [pytest.param(GZIP, gzip.compress, id="gzip"), pytest.param(XZ, lzma.compress, id="xz")]
)
def test_damage_in_the_middle_costs_nothing_of_what_stands_before_it(codec: Codec, compress: Compress) -> None:
    data = compress(LINES)
    at = len(data) // 2
    whole_until_there = until_damage(codec, iter([data[:at]]))[0]
    damaged = data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 100]) + data[at + 100 :]
    got = until_damage(codec, iter([damaged]))[0]
    assert len(whole_until_there) > 100_000
    # The last symbols before the damage may end in its first byte.
    assert got.startswith(whole_until_there[:-600])


@pytest.mark.parametrize("size", [1, 2, 3, 4096])
def test_of_a_damaged_block_nothing_comes(size: int) -> None:
    """Where a block ends, against the steps in which it is read, must not matter."""
    text = LINES * 5
    data = bytearray(bz2.compress(text))
    data[len(data) * 3 // 4] ^= 0xFF
    got = until_damage(BZIP2, pieces(bytes(data), size))[0]
    assert text.startswith(got)
    assert len(got) > 1_700_000


@every_codec
@pytest.mark.parametrize("garbage", [b"x", b"garbage behind it\n" * 100])
def test_garbage_behind_the_end_is_told_after_the_text(codec: Codec, compress: Compress, garbage: bytes) -> None:
    got, said = until_damage(codec, iter([compress(b"one\n") + garbage]))
    assert got == b"one\n"
    assert codec.name in said


@every_codec
def test_what_only_begins_like_it_is_damaged(codec: Codec, compress: Compress) -> None:
    assert until_damage(codec, iter([codec.magic + b"no such thing at all " * 10]))[0] == b""


def test_zstd_with_frames_to_skip_and_without_a_size() -> None:
    skip = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    stream = zstandard.ZstdCompressor().compressobj()
    data = zstd(b"one\n") + skip + stream.compress(b"two\n") + stream.flush()
    assert b"".join(decompressed(ZSTD, iter([data]))) == b"one\ntwo\n"


def test_zstd_without_its_package_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(Refused, match=r"pip install 'clickstream\[zstd\]'$"):
        list(decompressed(ZSTD, iter([zstd(b"one\n")])))
