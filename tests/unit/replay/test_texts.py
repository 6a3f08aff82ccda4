import codecs
import gzip
import io
import tarfile
import zipfile

import pytest

from clickstream.replay.codecs import Damaged, Refused
from clickstream.replay.texts import text

LOG = 'h - - [17/May/2015:10:05:03 +0000] "GET /ä\N{GRINNING FACE} HTTP/1.1" 200 1\r\nsecond\r\n'


def read(data: bytes, size: int = 1_000_000) -> bytes:
    return b"".join(text(data[at : at + size] for at in range(0, len(data), size)))


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        read(data)
    return str(caught.value)


def gzipped(data: bytes) -> bytes:
    """Always the same bytes: they are in the names of tests."""
    return gzip.compress(data, mtime=0)


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("access.log"))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("access.log", LOG)
    return file.getvalue()


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    "data", [b"", b"\x1f", b"\x1fplain", b"plain\n", b"B", b"BZ2\n", b"PK\n", b"\0" * 300 + b"x\n"]
)
def test_what_is_nothing_else_is_text(data: bytes, size: int) -> None:
    assert read(data, size) == data


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "encoded",
    [
        codecs.BOM_UTF8 + LOG.encode(),
        codecs.BOM_UTF16_LE + LOG.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + LOG.encode("utf-16-be"),
        LOG.encode("utf-16-le"),
        LOG.encode("utf-16-be"),
    ],
)
def test_byte_order_marks_and_utf_16_are_read(encoded: bytes, compress: type[bytes], size: int) -> None:
    assert read(compress(encoded), size) == LOG.encode()


def test_utf_16_that_is_cut_off_or_has_half_a_pair() -> None:
    with pytest.raises(Damaged, match="ends in the middle of a character"):
        read(LOG.encode("utf-16")[:-1])
    half = codecs.BOM_UTF16_LE + b"a\0\0\xd8b\0"
    assert read(half) == b"a\xed\xa0\x80b"  # no valid UTF-8: its line is a dead letter


@pytest.mark.parametrize(
    ("data", "before"),
    [
        (b"", b""),
        (b"\0\0\0\0" + LOG.encode(), b"\0\0\0\0" + LOG.encode()),
        ("a line\n".encode("utf-16-le"), b"a line\n"),
        ("a line\n".encode("utf-16-be"), b"a line\n"),
    ],
    ids=["nothing", "NULs", "utf-16-le", "utf-16-be"],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_what_comes_before_damage_is_text_however_little_it_is(data: bytes, before: bytes, size: int) -> None:
    wrong = bytearray(gzipped(data))
    wrong[-8] ^= 1  # the checksum
    chunks = text(bytes(wrong[at : at + size]) for at in range(0, len(wrong), size))
    found: list[bytes] = []
    with pytest.raises(Damaged, match="incorrect data check"):
        found.extend(chunks)
    assert b"".join(found) == before


@pytest.mark.parametrize("line", [b"a line\n", b"P\n", codecs.BOM_UTF16_LE + "a line\n".encode("utf-16-le")])
def test_a_line_of_a_pipe_is_not_held_back(line: bytes) -> None:
    chunks = text(iter([line, b"", b"later"]))
    assert next(chunks)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (zipped(), "is a zip archive. Unpack it"),
        (tar(), "is a tar archive. Unpack it"),
        (gzipped(tar()), "is a tar archive compressed with gzip. Unpack it"),
        (gzipped(zipped()), "is a zip archive. Unpack it"),
        (gzipped(gzipped(b"x")), "is compressed twice, with gzip around gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7z archive"),
        (b"\x04\x22\x4d\x18d@", "is compressed with lz4, which is not read. Pipe its text in: lz4 -dc FILE |"),
        (LOG.encode("utf-32"), "is text in UTF-32. Pipe it in as UTF-8: iconv"),
    ],
)
def test_what_is_not_read_is_refused_by_name(data: bytes, says: str) -> None:
    assert refusal(data).startswith(says)
